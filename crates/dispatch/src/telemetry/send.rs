//! The sender: spans are gathered for a while or until they are many, and sent in one request after the other.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use tokio::sync::{mpsc, oneshot};

use super::encode::body;
use super::settings::TelemetrySettings;
use super::{Span, Sums};
use crate::PlainHttp;

/// Requests for the same spans at most; a collector that is gone must not hold up the rest.
const TRIES: u32 = 3;
/// The wait before the second one; it doubles.
const WAIT: Duration = Duration::from_millis(250);

/// Sends until told to finish; then sends what is left and ends.
pub(super) async fn send(
    http: PlainHttp,
    settings: TelemetrySettings,
    mut waiting: mpsc::Receiver<Span>,
    mut finished: oneshot::Receiver<()>,
    sums: Arc<Sums>,
) {
    let mut spans = Vec::with_capacity(settings.batch_spans);
    let (mut is_closing, mut is_last) = (false, false);
    while !is_last {
        let due = tokio::time::sleep(settings.delay);
        tokio::pin!(due);
        while spans.len() < settings.batch_spans {
            let room = settings.batch_spans - spans.len();
            tokio::select! {
                biased;
                // the spans before the word to finish
                got = waiting.recv_many(&mut spans, room) => if got == 0 { is_last = true; break },
                _ = &mut finished, if !is_closing => {
                    waiting.close();
                    is_closing = true;
                }
                () = &mut due => break,
            }
        }
        if !spans.is_empty() {
            deliver(&http, &settings, &spans, &sums).await;
            spans.clear();
        }
    }
}

async fn deliver(http: &PlainHttp, settings: &TelemetrySettings, spans: &[Span], sums: &Sums) {
    let body = Bytes::from(body(settings.form, &settings.resource, spans));
    let mut wait = WAIT;
    for attempt in 1..=TRIES {
        let mut request = http::Request::new(body.clone());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = settings.endpoint.clone();
        request.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(settings.form.content_type()));
        request.headers_mut().insert(USER_AGENT, http::HeaderValue::from_static(concat!("corsac/", env!("CARGO_PKG_VERSION"))));
        request.headers_mut().extend(settings.headers.clone());
        let (why, may_pass) = match http.send(request, settings.timeout).await {
            Ok(reply) if reply.status().is_success() => {
                sums.taken.fetch_add(spans.len() as u64, Ordering::Relaxed);
                return;
            }
            // these alone may be sent again, says the protocol
            Ok(reply) => (format!("HTTP {}", reply.status().as_u16()), matches!(reply.status().as_u16(), 429 | 502..=504)),
            Err(error) => (error.to_string(), true),
        };
        *sums.why.lock() = Some(why);
        if !may_pass || attempt == TRIES {
            return;
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}
