//! Something that went wrong with one request: what kind of thing, whose doing, what was said, and when to come back.
//! The texts that tell the kinds apart stand in `error.rs` and `answer.rs`.

mod answer;
mod class;
mod error;
mod numbers;
mod said;

use std::time::Duration;

use corsac_wire::header::ComeBack;
use corsac_wire::{ErrorBody, Reply};

pub use class::{Blame, FaultClass};

/// Something that went wrong with one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What kind of thing.
    pub class: FaultClass,
    /// What was said, for a person.
    pub message: String,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// The provider that replied, if it was named.
    pub provider: Option<String>,
    /// How long to wait, if that was said.
    pub come_back: Option<Duration>,
    /// Whether it was said that the same request may pass later. It counts for more than the status.
    pub retryable: Option<bool>,
    /// What else a reply told, if it did.
    pub advice: Option<Box<Advice>>,
}

/// What a reply tells besides what went wrong.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Advice {
    /// What it advises to do.
    pub hint: Option<String>,
    /// How many requests the limit that was hit allows, in whatever span it counts.
    pub limit: Option<u64>,
    /// What it names in place of what was asked for: models that would serve, or providers that do.
    pub instead: Vec<String>,
}

impl Fault {
    /// A fault without a reply around it.
    pub fn new(class: FaultClass, message: impl Into<String>) -> Fault {
        Fault { class, message: message.into(), status: None, provider: None, come_back: None, retryable: None, advice: None }
    }

    /// The same fault, with the provider that gave it.
    #[must_use]
    pub fn from_provider(self, provider: Option<&str>) -> Fault {
        Fault { provider: provider.map(str::to_owned), ..self }
    }

    /// Whose doing it is.
    pub fn blame(&self) -> Blame {
        self.class.blame(self.provider.is_some())
    }

    /// The fault in a reply, if there is one. The answer in a chat reply is judged by [`Fault::in_answer`]. `come_back` is
    /// what the headers say; times of day in the body count from `now_ms`, milliseconds since 1970.
    pub fn of(reply: &Reply, come_back: ComeBack, now_ms: i64) -> Option<Fault> {
        match reply {
            Reply::Chat(_) => None,
            Reply::Error { error, status, reply } => Some(Fault::in_error(error, *status, reply.provider.as_deref(), come_back, now_ms)),
            Reply::Unreadable { status, excerpt, html } => Some(Fault {
                status: Some(*status),
                come_back: come_back.wait(),
                ..Fault::new(
                    error::class_of_unreadable(*status, excerpt),
                    match (*html, excerpt.is_empty()) {
                        (_, true) => format!("HTTP {status} with an empty body"),
                        (true, _) => format!("HTTP {status} with a web page in place of a reply"),
                        (false, _) => format!("HTTP {status} with a body that is no reply: {excerpt}"),
                    },
                )
            }),
        }
    }

    /// The fault that an error body tells of. `status` is the one that counts where the body names none; `served_by` is
    /// the provider named around the error, for one that struck while answering.
    pub fn in_error(error: &ErrorBody, status: u16, served_by: Option<&str>, come_back: ComeBack, now_ms: i64) -> Fault {
        let status = error::status_of(error, status);
        let provider = error.provider().or(served_by).map(str::to_owned);
        let class = error::class_of(error, status, provider.is_some());
        let waits = error.retry_after().or(come_back.retry_after);
        let resets = ComeBack::read(|name| error.header(name), now_ms).wait().or(come_back.reset_after);
        let advice = Advice {
            hint: error.text("remedy_hint").map(str::to_owned),
            limit: error.header("x-ratelimit-limit").and_then(|text| text.trim().parse().ok()).or(come_back.limit),
            instead: said::instead(error),
        };
        Fault {
            message: said::message(error, provider.as_deref()),
            status: Some(status),
            come_back: waits.or(resets).or_else(|| said::resets_at(error, now_ms)),
            retryable: error.availability.as_ref().and_then(|said| said.get("retryable")).and_then(|said| said.as_bool()),
            advice: (advice != Advice::default()).then(|| Box::new(advice)),
            provider,
            class,
        }
    }
}
