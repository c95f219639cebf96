//! The simulator behind the engine's exchange, inside one process: no socket, and under tokio's paused time no waiting.

use std::fmt;

use async_trait::async_trait;
use corsac_dispatch::{Exchange, ExchangeError, RawReply, Request};
use corsac_wire::header::ComeBack;
use tokio::time::Instant;

use crate::simulator::Delivery;
use crate::{SimBody, SimRequest, Simulator};

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
}

#[async_trait]
impl Exchange for SimExchange {
    async fn exchange(&self, request: Request) -> Result<RawReply, ExchangeError> {
        let timeout = request.timeout;
        tokio::time::timeout(timeout, self.send(request)).await.unwrap_or(Err(ExchangeError::Timeout(timeout)))
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

impl SimExchange {
    async fn send(&self, request: Request) -> Result<RawReply, ExchangeError> {
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
        let now_ms = self.started_ms.saturating_add(i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX));
        let header = |name: &str| reply.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        let come_back = if reply.status < 400 { ComeBack::default() } else { ComeBack::read(header, now_ms) };
        let generation_id = header("x-generation-id").map(str::to_owned);
        let body = match reply.body {
            SimBody::Bytes(bytes) => bytes,
            SimBody::Stream(events) => {
                let mut whole = Vec::new();
                for (gap, bytes) in events {
                    tokio::time::sleep(gap).await;
                    whole.extend(bytes);
                }
                whole
            }
            SimBody::Hang => return std::future::pending().await,
            SimBody::CutStream(_) | SimBody::CutAfter(_) => {
                delivery.done();
                return Err(ExchangeError::Cut("the simulator cut it".to_owned()));
            }
        };
        delivery.done();
        Ok(RawReply { status: reply.status, come_back, generation_id, body: body.into(), ..RawReply::default() })
    }
}
