//! What a caller wants of a model (`Call`) and what becomes of it (`Outcome`). A call knows nothing of providers,
//! keys or HTTP; it names at most a model.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use corsac_ledger::{Fingerprint, ResultRow, RunId, Usage};
use corsac_schema::Schema;
use corsac_wire::Usd;
use corsac_wire::catalog::Pricing;
use serde_json::Value;

use crate::config::Profile;
use crate::earlier::Share;
use crate::turn::Turn;

/// One question to a model.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who asks, for the ledger.
    pub origin: Origin,
    /// The part of the prompt that all calls of one operator share, byte for byte, so that it can be cached.
    pub system: Arc<str>,
    /// The part that is this call's own.
    pub user: String,
    /// What the answer must look like.
    pub contract: Contract,
    /// Model and sampling, shared by all calls of one operator.
    pub settings: Arc<CallSettings>,
}

/// The run, the operator and the row a call was made for.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The run the call belongs to.
    pub run: RunId,
    /// The operator's SQL name, such as `semantic_classify`.
    pub operator: Arc<str>,
    /// The first input row that asked, counted from 0.
    pub row: u64,
}

/// The form an answer must have.
#[derive(Debug, Clone)]
pub enum Contract {
    /// Any text that is not empty.
    Text,
    /// JSON that satisfies a schema.
    Json(Schema),
    /// Whatever the model says next in a conversation: the answer is the whole message as JSON, with its tool calls and
    /// `reasoning_details`, to be handed back as it is. `system` and `user` of the call are not looked at.
    Turn(Arc<Turn>),
    /// JSON that satisfies a schema, as the next message of a conversation: these messages stand between the call's
    /// `system` and the answer, in place of `user`. Tools of the turn are not sent.
    JsonTurn {
        /// The conversation so far.
        turn: Arc<Turn>,
        /// What the answer must satisfy.
        schema: Schema,
    },
    /// The vector of `user`: the answer is an array of numbers.
    Embedding {
        /// How many numbers, where the model lets one choose.
        dimensions: Option<u32>,
    },
}

impl Contract {
    /// The schema's fingerprint, where there is one.
    pub(crate) fn schema_fingerprint(&self) -> Option<Fingerprint> {
        self.schema().map(|schema| Fingerprint::of([schema.fingerprint_text().as_bytes()]))
    }

    /// The schema that an answer must satisfy, where there is one.
    pub fn schema(&self) -> Option<&Schema> {
        match self {
            Contract::Json(schema) | Contract::JsonTurn { schema, .. } => Some(schema),
            Contract::Text | Contract::Turn(_) | Contract::Embedding { .. } => None,
        }
    }
}

impl Call {
    /// The part of the prompt that is this call's own.
    pub fn input(&self) -> &str {
        match &self.contract {
            Contract::Turn(turn) | Contract::JsonTurn { turn, .. } => turn.text(),
            _ => &self.user,
        }
    }
}

/// Settings that one operator's calls share. `None` leaves the choice to the profile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallSettings {
    /// A model id or alias in place of the default one.
    pub model: Option<String>,
    /// A profile in place of the default one.
    pub profile: Option<String>,
    /// Sampling temperature, 0 to 2.
    pub temperature: Option<f64>,
    /// The most tokens the answer may have.
    pub max_tokens: Option<u32>,
    /// The most time a call may take over all its attempts.
    pub timeout: Option<Duration>,
    /// Which of several answers to the same question this is: each number is asked and remembered by itself.
    pub sample: u32,
    /// Asks anew although the answer is known, and waits for no other call that asks the same.
    pub fresh: bool,
    /// What requests say for this call alone, over what they say at its route. The models and the time limit of this
    /// profile are not looked at: those are settings of their own.
    pub said: Option<Arc<Profile>>,
}

impl CallSettings {
    /// The fingerprint of what is said for this call alone, where something is.
    pub(crate) fn said_fingerprint(&self) -> Option<Fingerprint> {
        let said = serde_json::to_vec(self.said.as_deref()?).unwrap_or_default();
        Some(Fingerprint::of([said.as_slice()]))
    }

    /// These, and the others wherever these say nothing. The number of the sample is the others'.
    #[must_use]
    pub fn before(&self, others: &CallSettings) -> CallSettings {
        CallSettings {
            model: self.model.clone().or_else(|| others.model.clone()),
            profile: self.profile.clone().or_else(|| others.profile.clone()),
            temperature: self.temperature.or(others.temperature),
            max_tokens: self.max_tokens.or(others.max_tokens),
            timeout: self.timeout.or(others.timeout),
            sample: others.sample,
            fresh: self.fresh || others.fresh,
            said: self.said.clone().or_else(|| others.said.clone()),
        }
    }
}

/// A call ends as one of these, always.
pub type Outcome = Result<Answer, Failure>;

/// A validated answer, with what it cost and who gave it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The answer: a JSON string for [`Contract::Text`], else the value the schema describes.
    pub value: Arc<Value>,
    /// The model that served.
    pub model: Arc<str>,
    /// The provider that served, if one was named.
    pub provider: Option<Arc<str>>,
    /// What all attempts of this call cost; zero when it came from memory.
    pub cost: Usd,
    /// Requests sent for this call; zero when it came from memory.
    pub attempts: u32,
    /// Where the answer came from.
    pub source: Source,
    /// Tokens of the request that was answered, as the provider counts them; none when it came from memory.
    pub usage: Usage,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A model was asked.
    Asked,
    /// An earlier run had asked the same.
    Memory,
    /// Another call in flight asked the same.
    Shared,
}

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The class of failure.
    pub kind: FailureKind,
    /// What happened and what to do, for a person.
    pub message: Arc<str>,
    /// Requests sent for this call.
    pub attempts: u32,
    /// What they cost all the same.
    pub cost: Usd,
    /// The last model tried, if any.
    pub model: Option<Arc<str>>,
    /// The last provider that replied, if it was named.
    pub provider: Option<Arc<str>>,
    /// The status of the last reply, if there was one.
    pub status: Option<u16>,
}

/// The classes of failure a row can end with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// The input cannot be asked: too long for every model, or not renderable.
    BadInput,
    /// The request itself was refused and no remedy helped.
    Refused,
    /// Moderation, a guardrail or the model declined to answer.
    Moderated,
    /// The answer did not satisfy the schema, also after asking again.
    InvalidAnswer,
    /// The answer was cut at the token limit.
    Truncated,
    /// The limit on requests did not clear before the deadline.
    RateLimited,
    /// Providers failed, or no reply could be read.
    ProviderError,
    /// No reply before the deadline.
    Timeout,
    /// No connection could be made.
    Unreachable,
    /// The service was never reached, or is out of reach for many calls in a row. Stops the run.
    Offline,
    /// The model is unknown or nobody serves it under these settings. Stops the run.
    NoSuchModel,
    /// The key is missing, wrong or not allowed. Stops the run.
    Unauthorized,
    /// The account has no credits left. Ends the asking; what is done is kept.
    OutOfCredits,
    /// The ceiling set by the user was reached. Ends the asking; what is done is kept.
    BudgetReached,
    /// The user stopped the run.
    Interrupted,
    /// The ledger could not record the answer, so it was not released. Stops the run.
    LedgerFailed,
    /// A defect in Corsac.
    Internal,
}

impl FailureKind {
    /// The name in SQL outcomes, in the ledger and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadInput => "bad_input",
            Self::Refused => "refused",
            Self::Moderated => "moderated",
            Self::InvalidAnswer => "invalid_answer",
            Self::Truncated => "truncated",
            Self::RateLimited => "rate_limited",
            Self::ProviderError => "provider_error",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Offline => "offline",
            Self::NoSuchModel => "no_such_model",
            Self::Unauthorized => "unauthorized",
            Self::OutOfCredits => "out_of_credits",
            Self::BudgetReached => "budget_reached",
            Self::Interrupted => "interrupted",
            Self::LedgerFailed => "ledger_failed",
            Self::Internal => "internal",
        }
    }

    /// Whether no further row can succeed and the query should fail at once.
    pub fn stops_run(self) -> bool {
        matches!(self, Self::NoSuchModel | Self::Unauthorized | Self::Offline | Self::Interrupted | Self::LedgerFailed)
    }

    /// Whether asking ends but the rows already answered are worth keeping: the rows left end unanswered.
    pub fn ends_asking(self) -> bool {
        matches!(self, Self::OutOfCredits | Self::BudgetReached)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that answers calls: the dispatcher, or a stand-in for tests.
#[async_trait]
pub trait Ask: Send + Sync + fmt::Debug {
    /// Answers one call. Dropping the future stops the work; nothing is paid for afterwards if it can be avoided.
    async fn ask(&self, call: Call) -> Outcome;

    /// The most calls worth having under way at once.
    fn window(&self) -> usize;

    /// About how many tokens the prompt of such a call may have, where that is known.
    fn prompt_room(&self, _settings: &CallSettings) -> Option<u64> {
        None
    }

    /// Whether the model that such calls ask first takes functions, as far as that is known.
    async fn takes_tools(&self, _settings: &CallSettings) -> bool {
        false
    }

    /// What tokens cost of the model that such calls ask first, or of the embedding model for `vectors`, where that is known.
    fn pricing(&self, _settings: &CallSettings, _vectors: bool) -> Option<Pricing> {
        None
    }

    /// How often earlier calls of this operator were answered with true whose own part has these words in this order around
    /// what came from the rows. `None` where there were too few to tell.
    fn earlier_truths(&self, _operator: &str, _words: &[String]) -> Option<Share> {
        None
    }

    /// The name under which it is kept what becomes of this call; `None` where nothing is kept.
    fn entry_of(&self, _call: &Call) -> Option<Fingerprint> {
        None
    }

    /// Keeps that these rows took what became of a call of this run without asking themselves. The row that the call was
    /// made for is none of them.
    fn note_rows(&self, _run: &RunId, _entry: Fingerprint, _rows: &[u64]) {}

    /// Keeps what the rows stem from that the run gave, in order, behind those noted before.
    fn note_results(&self, _run: &RunId, _rows: &[ResultRow]) {}

    /// Keeps a row that ends with a failure no call tells of, because nothing was asked or its answer was of no use, and
    /// gives the name under which others that fail in the same way can be noted.
    fn note_failed(&self, _origin: &Origin, _input: &str, _failure: &Failure) -> Option<Fingerprint> {
        None
    }
}
