//! The simulator behind the engine's exchange, inside one process: no socket, and under tokio's paused time no waiting.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use corsac_dispatch::{Exchange, ExchangeError, OpenReply, RawReply, Request};
use corsac_wire::header::ComeBack;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::time::Instant;

use crate::simulator::Delivery;
use crate::{SimBody, SimReply, SimRequest, Simulator};

/// The simulator as an exchange.
#[derive(Clone)]
pub struct SimExchange {
    simulator: Simulator,
    start: Instant,
    started_ms: i64,
    headers: Vec<(String, String)>,
    key: String,
    window: usize,
}

impl fmt::Debug for SimExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimExchange").finish_non_exhaustive()
    }
}

impl SimExchange {
    /// Puts a simulator behind the exchange. `started_ms` is the date at which its time starts; `headers` go with every
    /// request, beside a key that the simulator accepts.
    pub fn new(simulator: Simulator, started_ms: i64, headers: Vec<(String, String)>) -> SimExchange {
        SimExchange { simulator, start: Instant::now(), started_ms, headers, key: "sk-or-v1-simulated".to_owned(), window: 4_096 }
    }

    /// The same simulator and the same time, asked with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> SimExchange {
        SimExchange { key: key.to_owned(), ..self.clone() }
    }

    /// The simulator behind it.
    pub fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    fn now_ms(&self) -> i64 {
        self.started_ms.saturating_add(i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    /// Asks, and waits for the head of the reply. Whoever drops this has given the request up.
    async fn head(&self, request: &Request) -> OpenReply {
        let mut headers = vec![("Authorization".to_owned(), format!("Bearer {}", self.key))];
        headers.extend(self.headers.iter().cloned());
        let asked = SimRequest {
            method: if request.body.is_some() { "POST" } else { "GET" }.to_owned(),
            path: format!("/api/v1/{}", request.path),
            headers,
            body: request.body.as_deref().unwrap_or_default().to_vec(),
        };
        let reply = self.simulator.handle(&asked, self.start.elapsed());
        let delivery = Delivery::new(&self.simulator, &reply);
        tokio::time::sleep(reply.delay).await;
        if matches!(reply.body, SimBody::Hang) {
            std::future::pending::<()>().await;
        }
        OpenReply { head: self.told(&reply), body: pieces(reply.body, delivery) }
    }

    fn told(&self, reply: &SimReply) -> RawReply {
        let now_ms = self.now_ms();
        RawReply {
            status: reply.status,
            come_back: if reply.status < 400 { ComeBack::default() } else { ComeBack::read(|name| reply.header(name), now_ms) },
            generation_id: reply.header("x-generation-id").map(str::to_owned),
            date_ms: Some(now_ms),
            body: Bytes::new(),
        }
    }
}

#[async_trait]
impl Exchange for SimExchange {
    async fn exchange(&self, request: Request) -> Result<RawReply, ExchangeError> {
        let whole = async {
            let OpenReply { mut head, body } = self.open(request.clone()).await?;
            let bytes = body.try_fold(Vec::new(), |mut whole, piece| async move {
                whole.extend_from_slice(&piece);
                Ok(whole)
            });
            head.body = bytes.await?.into();
            Ok(head)
        };
        tokio::time::timeout(request.timeout, whole).await.unwrap_or(Err(ExchangeError::Timeout(request.timeout)))
    }

    async fn open(&self, request: Request) -> Result<OpenReply, ExchangeError> {
        let first_byte = request.first_byte;
        tokio::time::timeout(first_byte, self.head(&request)).await.map_err(|_| ExchangeError::Timeout(first_byte))
    }

    fn engine(&self) -> &'static str {
        "sim"
    }

    fn address(&self) -> String {
        "the simulator".to_owned()
    }

    fn window(&self) -> usize {
        self.window
    }
}

/// A body in the pieces in which it comes, each after its gap; a cut one ends as an error.
fn pieces(body: SimBody, delivery: Delivery) -> BoxStream<'static, Result<Bytes, ExchangeError>> {
    let cut = matches!(body, SimBody::CutStream(_) | SimBody::CutAfter(_));
    let pieces = match body {
        SimBody::Stream(pieces) | SimBody::CutStream(pieces) => pieces,
        SimBody::Bytes(bytes) | SimBody::CutAfter(bytes) => vec![(Duration::ZERO, bytes)],
        SimBody::Hang => Vec::new(),
    };
    let mut delivery = Some(delivery);
    let mut pieces = pieces.into_iter().map(Some).chain(cut.then_some(None)).peekable();
    // an empty body has come whole at once
    if pieces.peek().is_none() {
        delivery.take().into_iter().for_each(Delivery::done);
    }
    stream::unfold((pieces, delivery), |(mut pieces, mut delivery)| async move {
        let piece = match pieces.next()? {
            Some((gap, bytes)) => {
                tokio::time::sleep(gap).await;
                Ok(Bytes::from(bytes))
            }
            None => Err(ExchangeError::Cut("the simulator cut it".to_owned())),
        };
        // with the last piece the reply is delivered, whether or not anybody looks for its end
        if pieces.peek().is_none() {
            delivery.take().into_iter().for_each(Delivery::done);
        }
        Some((piece, (pieces, delivery)))
    })
    .boxed()
}
