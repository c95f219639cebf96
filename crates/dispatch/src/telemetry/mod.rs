//! Spans on their way to an OpenTelemetry collector, over OTLP/HTTP, as the standard's own environment variables say.
//! Without an endpoint nothing is gathered and nothing is sent.
//!
//! The engine's spans come from `tracing`, so a program with a subscriber of its own sees them there and needs none of
//! this.

mod encode;
mod gather;
mod send;
mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::PlainHttp;
use gather::Gatherer;
pub use settings::{TelemetryError, TelemetrySettings};

/// How long the end waits for the collector.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// A span that has ended.
#[derive(Debug, Clone, PartialEq)]
struct Span {
    trace: [u8; 16],
    id: [u8; 8],
    parent: Option<[u8; 8]>,
    name: String,
    is_client: bool,
    is_error: bool,
    /// Nanoseconds since 1970.
    started: u64,
    /// Nanoseconds since 1970.
    ended: u64,
    attributes: Vec<(&'static str, Value)>,
}

/// An attribute's value.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
}

/// What became of the spans.
#[derive(Debug, Default)]
struct Sums {
    ended: AtomicU64,
    taken: AtomicU64,
    why: Mutex<Option<String>>,
}

/// Gathers the spans of this process and sends them until its end.
#[derive(Debug)]
pub struct Telemetry {
    finish: oneshot::Sender<()>,
    sending: JoinHandle<()>,
    sums: Arc<Sums>,
    endpoint: String,
}

impl Telemetry {
    /// Begins to gather the spans of the whole process. Needs a Tokio runtime, and a process without another subscriber.
    ///
    /// # Errors
    /// The system's certificates cannot be used, or spans are gathered by somebody else already.
    pub fn start(settings: TelemetrySettings) -> Result<Telemetry, TelemetryError> {
        let http = PlainHttp::new(CONNECT).map_err(|error| TelemetryError::Unusable(error.to_string()))?;
        let (queue, waiting) = mpsc::channel(settings.queue_spans);
        let sums = Arc::new(Sums::default());
        let gatherer = Gatherer::new(queue, Arc::clone(&sums), settings.sampled);
        tracing::subscriber::set_global_default(gatherer).map_err(|_| TelemetryError::Taken)?;
        let (finish, finished) = oneshot::channel();
        let endpoint = settings.endpoint.to_string();
        let sending = tokio::spawn(send::send(http, settings, waiting, finished, Arc::clone(&sums)));
        Ok(Telemetry { finish, sending, sums, endpoint })
    }

    /// Sends what is left, waiting for the collector for some seconds at most. Tells how many spans did not get there, and
    /// why, if there are any.
    pub async fn end(self) -> Result<(), TelemetryError> {
        // the sender has ended by itself when nobody listens
        let _ = self.finish.send(());
        let in_time = tokio::time::timeout(PATIENCE, self.sending).await.is_ok();
        let lost = self.sums.ended.load(Ordering::Relaxed).saturating_sub(self.sums.taken.load(Ordering::Relaxed));
        if lost == 0 {
            return Ok(());
        }
        let said = self.sums.why.lock().take();
        let why = match (said, in_time) {
            (Some(why), _) => why,
            (None, false) => format!("it did not take them within {} s", PATIENCE.as_secs()),
            (None, true) => "they came faster than they could be sent; OTEL_BSP_MAX_QUEUE_SIZE sets how many may wait".to_owned(),
        };
        Err(TelemetryError::Lost { spans: lost, endpoint: self.endpoint, why })
    }
}
