//! The simulator behind a socket: HTTP/1.1 and HTTP/2, real time, real hangs and cuts.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use axum::serve::ListenerExt;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use tokio::net::{TcpListener, TcpSocket};

use crate::reply::{SimBody, SimReply, SimRequest};
use crate::simulator::{Delivery, Simulator};
use crate::wire_error;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;
const LARGEST_BODY_BYTES: usize = 64 * 1024 * 1024;

/// A listener whose backlog takes thousands of connections at once. Port 0 picks a free one.
///
/// # Errors
/// Whatever the system says about the address.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until the task is dropped. The base URL is `http://ADDRESS/api/v1`; the simulator's time
/// begins with this call.
///
/// # Errors
/// Whatever the system says about the listener.
pub async fn serve(simulator: Simulator, listener: TcpListener) -> io::Result<()> {
    let started = Instant::now();
    let router = Router::new().fallback(answer).with_state((simulator, started));
    let listener = listener.tap_io(|connection| {
        // answers are small and each is waited for; without the option they are sent late, not wrong
        let _unset = connection.set_nodelay(true);
    });
    axum::serve(listener, router).await
}

/// Counts a request as in flight until its body has ended or its caller has gone.
struct InFlight {
    simulator: Simulator,
    delivery: Option<Delivery>,
}

impl InFlight {
    fn new(simulator: &Simulator) -> Self {
        simulator.enter();
        Self { simulator: simulator.clone(), delivery: None }
    }

    /// The last piece of the reply is on its way.
    fn delivered(&mut self) {
        self.delivery.take().into_iter().for_each(Delivery::done);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.simulator.leave();
    }
}

async fn answer(State((simulator, started)): State<(Simulator, Instant)>, request: Request) -> Response<Body> {
    let mut in_flight = InFlight::new(&simulator);
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY_BYTES).await else {
        return finish(wire_error::plain(413, "Request payload too large"), in_flight);
    };
    let headers =
        parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let request = SimRequest {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path_and_query().map_or_else(String::new, |path| path.as_str().to_owned()),
        headers: headers.collect(),
        body: body.into(),
    };
    let reply = simulator.answer(&request, started.elapsed());
    in_flight.delivery = Some(Delivery::new(&simulator, &reply));
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    if matches!(reply.body, SimBody::Hang) {
        std::future::pending::<()>().await;
    }
    finish(reply, in_flight)
}

fn finish(reply: SimReply, mut in_flight: InFlight) -> Response<Body> {
    let body = match reply.body {
        SimBody::Bytes(bytes) => {
            in_flight.delivered();
            Body::from(bytes)
        }
        SimBody::Hang => Body::empty(),
        SimBody::Stream(pieces) => Body::from_stream(paced(pieces, in_flight).map(Ok::<_, Infallible>)),
        SimBody::CutStream(pieces) => Body::from_stream(paced(pieces, in_flight).map(Ok).chain(cut())),
        SimBody::CutAfter(bytes) => {
            let pieces = vec![(std::time::Duration::ZERO, bytes)];
            Body::from_stream(paced(pieces, in_flight).map(Ok).chain(cut()))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        // a header that cannot be sent can only come from a script; the rest of the reply still can
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The pieces, each after its gap.
fn paced(pieces: Vec<(std::time::Duration, Vec<u8>)>, in_flight: InFlight) -> impl futures::Stream<Item = Bytes> {
    stream::unfold((pieces.into_iter(), in_flight), |(mut pieces, mut in_flight)| async move {
        let (gap, bytes) = pieces.next()?;
        if !gap.is_zero() {
            tokio::time::sleep(gap).await;
        }
        if pieces.as_slice().is_empty() {
            in_flight.delivered();
        }
        Some((Bytes::from(bytes), (pieces, in_flight)))
    })
}

/// An error in place of more body: the connection is closed without an end. It waits for one turn of
/// the runtime, so that what came before is sent.
fn cut() -> impl futures::Stream<Item = io::Result<Bytes>> {
    stream::once(async {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        Err(io::Error::other("cut by the simulator"))
    })
}
