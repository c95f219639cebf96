//! Everything the simulator can be told before it starts. The same names serve a TOML script, a JSON
//! script and Rust.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::calendar::ResetInterval;
use crate::fault::FaultKind;
use crate::money::PicoDollars;
use crate::rule::{Rule, Span};

/// What the simulator is told before it starts; `SimConfig::default()` answers at once and never fails.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimConfig {
    /// Decides every choice that is not asked for: answers, endpoints, latencies, probabilities.
    pub seed: u64,
    /// The wall clock at `now = 0`, in seconds since 1970; timestamps and resets are told from it.
    pub started_at_epoch_s: u64,
    /// How long an inference call takes.
    pub latency_ms: LatencyRange,
    /// How long a refusal takes (statuses 400 to 499 but for 408): it comes from the gate, not from a model.
    pub refusal_ms: LatencyRange,
    /// How long a call under the fault `slow` takes.
    pub slow_ms: u64,
    /// How long after an answer `/generation` still says 404.
    pub generation_delay_ms: u64,
    /// Whether endpoints that enforce a strict schema subset refuse schemas outside it.
    pub strict_schemas: bool,
    /// Faults by the number of the chat request, checked before the rules.
    pub fault_every: Vec<FaultEvery>,
    /// Models that fail every call.
    pub down: Vec<DownModel>,
    /// How streams look.
    pub stream: StreamConfig,
    /// Limits on requests and on money in flight.
    pub limits: LimitConfig,
    /// Which keys are known, and the balance behind them.
    pub keys: KeyConfig,
    /// Rules, first match wins.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
    /// Models added to the built-in catalog, changed in it or removed from it.
    #[serde(rename = "model")]
    pub models: Vec<ModelScript>,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            // 2026-11-22T00:00:00Z: fixed, so that two runs of one seed print the same timestamps
            started_at_epoch_s: 1_795_305_600,
            latency_ms: LatencyRange::default(),
            refusal_ms: LatencyRange::default(),
            slow_ms: 30_000,
            generation_delay_ms: 500,
            strict_schemas: true,
            fault_every: Vec::new(),
            down: Vec::new(),
            stream: StreamConfig::default(),
            limits: LimitConfig::default(),
            keys: KeyConfig::default(),
            rules: Vec::new(),
            models: Vec::new(),
        }
    }
}

/// A latency between two bounds in milliseconds, both included. Scripts write `200` or `[100, 300]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenLatency")]
pub struct LatencyRange {
    /// The shortest latency.
    pub min: u64,
    /// The longest latency.
    pub max: u64,
}

impl LatencyRange {
    /// Always the same latency.
    #[must_use]
    pub fn fixed(milliseconds: u64) -> Self {
        Self { min: milliseconds, max: milliseconds }
    }

    pub(crate) fn pick(self, choice: u64) -> Duration {
        let span = self.max.saturating_sub(self.min).saturating_add(1);
        Duration::from_millis(self.min.saturating_add(choice % span))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenLatency {
    Fixed(u64),
    Between([u64; 2]),
}

impl TryFrom<WrittenLatency> for LatencyRange {
    type Error = String;

    fn try_from(written: WrittenLatency) -> Result<Self, Self::Error> {
        match written {
            WrittenLatency::Fixed(milliseconds) => Ok(Self::fixed(milliseconds)),
            WrittenLatency::Between([min, max]) if min <= max => Ok(Self { min, max }),
            WrittenLatency::Between([min, max]) => {
                Err(format!("a latency range goes from the shorter to the longer; [{min}, {max}] does not"))
            }
        }
    }
}

/// Every Nth chat request gets a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultEvery {
    /// N: requests N, 2N, 3N… are hit.
    pub every: u64,
    /// What they get.
    pub fault: FaultKind,
}

/// A model whose every call fails, always or for a while.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DownModel {
    /// The id, or a pattern with `*`.
    pub model: String,
    /// How it fails.
    #[serde(default = "DownModel::default_fault")]
    pub fault: FaultKind,
    /// From this second after the start on.
    #[serde(default)]
    pub after_s: Option<f64>,
    /// Up to this second after the start.
    #[serde(default)]
    pub until_s: Option<f64>,
}

impl DownModel {
    pub(crate) fn span(&self) -> Span {
        Span { after_s: self.after_s, until_s: self.until_s, ..Span::default() }
    }

    fn default_fault() -> FaultKind {
        FaultKind::Http503
    }
}

/// How streams look.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamConfig {
    /// Where the usage stands.
    pub usage_layout: UsageLayout,
    /// The gap before every piece after the first, in milliseconds.
    pub gap_ms: u64,
    /// How many comments come before the first data.
    pub leading_comments: u32,
    /// Cut the stream into pieces of so many bytes, wherever that falls; none = a piece for each event.
    pub piece_bytes: Option<usize>,
    /// End lines with CR LF.
    pub crlf: bool,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self { usage_layout: UsageLayout::Seeded, gap_ms: 0, leading_comments: 2, piece_bytes: None, crlf: false }
    }
}

/// Where the usage stands in a stream; all of these occur on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageLayout {
    /// In a chunk of its own that repeats `choices[0]` with an empty delta.
    WithChoice,
    /// In a chunk of its own with `choices: []`.
    EmptyChoices,
    /// On the chunk that carries `finish_reason`.
    OnFinish,
    /// One of the three by seed and request.
    Seeded,
}

/// Limits on requests and on money in flight.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitConfig {
    /// Inference requests a minute and key; none = no limit.
    pub requests_per_minute: Option<u32>,
    /// How a minute is counted.
    pub window: WindowKind,
    /// What a 429 of the platform tells.
    pub hint: LimitHint,
    /// Changes of `requests_per_minute` over time, in order.
    pub schedule: Vec<LimitChange>,
    /// Requests a minute the providers of a model take together; beyond it upstream 429.
    pub model_requests_per_minute: BTreeMap<String, u32>,
    /// Requests a minute over all `:free` models.
    pub free_per_minute: u32,
    /// Requests a UTC day over all `:free` models.
    pub free_per_day: u32,
    /// The most that calls in flight may be estimated to cost together; beyond it 402.
    pub in_flight_dollars: Option<PicoDollars>,
    /// The same as a share of the balance, in percent; the smaller of both holds.
    pub in_flight_percent: Option<u32>,
    /// How long after an answer its cost still counts as in flight.
    pub settlement_ms: u64,
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self {
            requests_per_minute: None,
            window: WindowKind::Fixed,
            hint: LimitHint::None,
            schedule: Vec::new(),
            model_requests_per_minute: BTreeMap::new(),
            free_per_minute: 20,
            free_per_day: 50,
            in_flight_dollars: None,
            in_flight_percent: None,
            settlement_ms: 0,
        }
    }
}

/// How the requests of a minute are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// From one full minute of the wall clock to the next.
    Fixed,
    /// Over the sixty seconds before the request.
    Sliding,
}

/// What a 429 of the platform tells about its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitHint {
    /// Nothing.
    None,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset` in epoch milliseconds.
    Reset,
    /// `Retry-After` in seconds.
    RetryAfter,
    /// Both.
    Both,
    /// `Retry-After` as a date.
    Date,
}

/// From a time on, another limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitChange {
    /// Seconds after the start.
    pub at_s: u64,
    /// The limit from then on.
    pub requests_per_minute: u32,
}

/// Which keys are known, and the balance behind them.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyConfig {
    /// Requests without a key are served too.
    pub open: bool,
    /// The known keys; empty = every key that starts with `prefix`.
    pub accepted: Vec<String>,
    /// What a key starts with when `accepted` is empty.
    pub prefix: String,
    /// Management keys: they read `/credits` and `/activity`, make and change keys, and cannot infer.
    pub management: Vec<String>,
    /// Credits bought, in dollars; none = without end.
    pub credits_dollars: Option<PicoDollars>,
    /// Dollars spent before the start; more than `credits_dollars` is a debt, which stops free models too.
    pub spent_dollars: PicoDollars,
    /// What one key may spend, in dollars; none = without end.
    pub key_limit_dollars: Option<PicoDollars>,
    /// How often the key's limit starts anew; none = never.
    pub key_limit_reset: Option<ResetInterval>,
    /// Providers (slugs) that are paid with a key of the caller's own: tried first, and charged a twentieth.
    pub byok: Vec<String>,
    /// Budgets of the whole account; beyond one 403.
    #[serde(rename = "budget")]
    pub budgets: Vec<BudgetConfig>,
}

impl fmt::Debug for KeyConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyConfig")
            .field("open", &self.open)
            .field("accepted", &self.accepted.len())
            .field("management", &self.management.len())
            .field("credits_dollars", &self.credits_dollars)
            .field("spent_dollars", &self.spent_dollars)
            .field("key_limit_dollars", &self.key_limit_dollars)
            .field("key_limit_reset", &self.key_limit_reset)
            .field("byok", &self.byok)
            .field("budgets", &self.budgets)
            .finish_non_exhaustive()
    }
}

/// A budget of the whole account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetConfig {
    /// Whose it is said to be: `member`, `workspace`, `api_key`…
    #[serde(default = "BudgetConfig::default_scope")]
    pub scope: String,
    /// What may be spent, in dollars.
    pub limit_dollars: PicoDollars,
    /// How often it starts anew; none = never.
    #[serde(default)]
    pub reset: Option<ResetInterval>,
}

impl BudgetConfig {
    fn default_scope() -> String {
        "workspace".to_owned()
    }
}

impl Default for KeyConfig {
    fn default() -> Self {
        Self {
            open: false,
            accepted: Vec::new(),
            prefix: "sk-or-".to_owned(),
            management: Vec::new(),
            credits_dollars: None,
            spent_dollars: PicoDollars::default(),
            key_limit_dollars: None,
            key_limit_reset: None,
            byok: Vec::new(),
            budgets: Vec::new(),
        }
    }
}

/// A model added, changed or removed. What is not written stays as in the catalog, or gets a plain value.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelScript {
    /// The id, `author/slug`.
    pub id: String,
    /// Take the model out of the catalog.
    pub remove: bool,
    /// The display name.
    pub name: Option<String>,
    /// Whether it embeds instead of chatting.
    pub embedding: bool,
    /// Context length in tokens.
    pub context_length: Option<u64>,
    /// Longest answer in tokens.
    pub max_completion_tokens: Option<u64>,
    /// Dollars a prompt token.
    pub prompt_price: Option<PicoDollars>,
    /// Dollars a completion token.
    pub completion_price: Option<PicoDollars>,
    /// Parameters all its endpoints support.
    pub supported_parameters: Option<Vec<String>>,
    /// Its endpoints; empty = those it has, or one.
    #[serde(rename = "endpoint")]
    pub endpoints: Vec<EndpointScript>,
}

/// One endpoint of a [`ModelScript`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointScript {
    /// The provider's slug, such as `deepinfra`.
    pub provider: String,
    /// The tag; none = the provider's slug.
    pub tag: Option<String>,
    /// Dollars a prompt token; none = the model's.
    pub prompt_price: Option<PicoDollars>,
    /// Dollars a completion token; none = the model's.
    pub completion_price: Option<PicoDollars>,
    /// Context length in tokens; none = the model's.
    pub context_length: Option<u64>,
    /// Longest answer in tokens; none = the model's.
    pub max_completion_tokens: Option<u64>,
    /// Supported parameters; none = the model's.
    pub supported_parameters: Option<Vec<String>>,
    /// The weights' precision.
    pub quantization: Option<String>,
}
