//! What callers hand in: a run's beginning and end, calls with their attempts, answers. Plain data; the ledger reads
//! no clock, so every moment comes from the caller. There is no field for a key of any kind, on purpose.

use std::fmt;
use std::sync::Arc;

use corsac_wire::Usd;
use serde_json::Value;

use crate::{Fingerprint, HoldId};

/// A moment: milliseconds since 1970-01-01 00:00 UTC.
pub type Millis = i64;

/// The name of a run: eight lowercase hexadecimal digits, unique in one ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub(crate) Arc<str>);

impl RunId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of no run: for calls that are planned and priced, never recorded.
    pub fn unrecorded() -> RunId {
        RunId(Arc::from("unrecorded"))
    }

    /// The `attempt`-th candidate for the id of a new run. A hash of what is known at the start, so that the same
    /// start gives the same id under virtual time; the writer tries the next candidate while one is taken.
    pub(crate) fn candidate(start: &RunStart, attempt: u32) -> RunId {
        let moment = start.started_ms.to_le_bytes();
        let process = start.pid.to_le_bytes();
        let turn = attempt.to_le_bytes();
        let hash = Fingerprint::of([&moment[..], &process, start.command.as_bytes(), start.query.as_bytes(), &turn]);
        RunId(Arc::from(&hash.to_string()[..8]))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a run begins.
#[derive(Debug, Clone, PartialEq)]
pub struct RunStart {
    /// When.
    pub started_ms: Millis,
    /// The command as a person would type it again.
    pub command: String,
    /// The SQL or program that is run.
    pub query: String,
    /// Everything else needed to run it again. It is stored as it stands: leave keys and passwords out of it.
    pub settings: Value,
    /// Where answers come from: `openrouter`, `local`, `sim`.
    pub engine: String,
    /// The model asked for first.
    pub model: String,
    /// The process that runs it, by which a run that died is told from one that goes on.
    pub pid: u32,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// When.
    pub ended_ms: Millis,
    /// In which way.
    pub state: EndState,
    /// Rows that came out.
    pub rows: u64,
    /// A remark for the list of runs, such as the error that ended it.
    pub note: Option<String>,
}

/// The ways in which a run ends and says so itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndState {
    /// It went through all rows.
    Completed,
    /// A person stopped it.
    Interrupted,
    /// The ceiling in dollars was reached.
    BudgetReached,
    /// An error ended it.
    Failed,
}

/// Tokens, as the provider counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written, reasoning included.
    pub completion_tokens: u64,
    /// Tokens of the prompt that came from the provider's cache; part of `prompt_tokens`.
    pub cached_tokens: u64,
    /// Tokens written while thinking; part of `completion_tokens`.
    pub reasoning_tokens: u64,
    /// Tokens of the prompt that were put into the provider's cache; part of `prompt_tokens`.
    pub cache_write_tokens: u64,
}

impl Usage {
    /// Counts more tokens in.
    pub fn add(&mut self, other: Usage) {
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(other.reasoning_tokens);
        self.cache_write_tokens = self.cache_write_tokens.saturating_add(other.cache_write_tokens);
    }
}

/// A validated answer, found again by its fingerprint. An answer under a fingerprint that has one already replaces it,
/// unless it is the older of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredAnswer {
    /// The answer: text, or JSON that satisfied its schema. A vector goes in as text as well; its numbers as
    /// little-endian 32-bit floats in base64 take 5⅓ characters each, a third of what they take in JSON.
    pub body: String,
    /// The model that gave it.
    pub model: Arc<str>,
    /// The provider that served the model, where known.
    pub provider: Option<Arc<str>>,
    /// What it cost, failed attempts included.
    pub cost: Usd,
    /// The tokens of the attempt that gave it.
    pub usage: Usage,
    /// When it was given.
    pub created_ms: Millis,
    /// Whether its syntax had to be repaired before it was valid.
    pub repaired: bool,
}

/// One thing that was wanted from a model, and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// The run it belongs to.
    pub run: RunId,
    /// What was asked.
    pub fingerprint: Fingerprint,
    /// Who asked, such as `semantic_classify`.
    pub operator: Arc<str>,
    /// The first input row that asked, counted from 0.
    pub row: u64,
    /// The part of the prompt that came from the row. The first [`INPUT_CHARACTERS`](crate::INPUT_CHARACTERS)
    /// characters are kept, and the length of the whole.
    pub input: String,
    /// What the length of the answer depends on beside operator and model: the schema of a structured answer, or the
    /// instruction where there is none. Answers are measured by it, see
    /// [`measured_output`](crate::Ledger::measured_output).
    pub schema: Option<Fingerprint>,
    /// How it went.
    pub outcome: CallOutcome,
    /// The requests made for it, in order. None for an answer from memory.
    pub attempts: Vec<AttemptRecord>,
}

impl CallRecord {
    /// What the service charged for the call: the sum over its attempts, whether they succeeded or not.
    pub fn cost(&self) -> Usd {
        self.attempts.iter().map(|attempt| attempt.cost).sum()
    }
}

/// How a call went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// A model answered. The answer is kept under the call's fingerprint.
    Answered(StoredAnswer),
    /// The ledger had the answer.
    FromMemory,
    /// No valid answer could be had.
    Failed {
        /// The kind of failure, one of few.
        kind: Arc<str>,
        /// What a person is told about it.
        message: String,
    },
}

/// One request, whatever came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttemptRecord {
    /// When it was sent.
    pub started_ms: Millis,
    /// How long it took.
    pub duration_ms: u64,
    /// The model asked for.
    pub model_asked: Arc<str>,
    /// The model that replied.
    pub model_served: Option<Arc<str>>,
    /// The provider that served it.
    pub provider: Option<Arc<str>>,
    /// How structure was asked for.
    pub strategy: Arc<str>,
    /// The status of the reply, if there was one.
    pub http_status: Option<u16>,
    /// The class of fault, if it was one.
    pub fault: Option<Arc<str>>,
    /// What the reply said about the fault.
    pub message: Option<String>,
    /// What was done about it, and why.
    pub remedy: Option<String>,
    /// The tokens used.
    pub usage: Usage,
    /// What the service charged. With the user's own provider key that is its fee alone.
    pub cost: Usd,
    /// How the cost is known.
    pub cost_source: CostSource,
    /// Whether the user's own key at the provider paid for the inference.
    pub byok: bool,
    /// What the provider took for the inference, where told. It is part of `cost`, but for `byok`, where it comes on
    /// top of it.
    pub upstream_cost: Option<Usd>,
    /// The service's own name for the generation.
    pub generation_id: Option<String>,
    /// Which key paid, as a short label that gives nothing away, such as its last four characters and some digits of
    /// a hash. Never the key.
    pub key_label: Option<Arc<str>>,
    /// From sending the request to the first byte of the reply.
    pub time_to_first_byte_ms: Option<u64>,
    /// The entry of the caller's list of ways (its name or address) that the request took. No key.
    pub route_asked: Option<Arc<str>>,
    /// The way that the service says the request took through it, such as `direct` or `fallback`.
    pub route_served: Option<Arc<str>>,
    /// The holds that the request was paid from: they shrink by what it took, in the commit that books it. Not kept
    /// with the attempt: what is read back has none.
    pub holds: Option<Arc<[HoldId]>>,
}

impl AttemptRecord {
    /// What left the user's purse: the cost, and with an own provider key the provider's bill as well. Ceilings count
    /// this.
    pub fn charged(&self) -> Usd {
        self.cost + self.own_key_bill()
    }

    /// What the provider took through the user's own key there.
    pub(crate) fn own_key_bill(&self) -> Usd {
        self.upstream_cost.filter(|_| self.byok).unwrap_or_default()
    }
}

/// How a cost is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CostSource {
    /// The service said it.
    Reported,
    /// Computed from the catalog's prices.
    Estimated,
    /// Not known; counted as nothing.
    #[default]
    Unknown,
}
