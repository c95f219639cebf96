//! What the simulator saw, as tests, benches and people read it. Counting is in `counters`; a key is
//! never shown.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::money::PicoDollars;

/// A snapshot of the counters.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Seen {
    /// All requests.
    pub requests: u64,
    /// Requests by route, `POST /chat/completions`.
    pub by_route: BTreeMap<String, u64>,
    /// Answers by the model that served.
    pub by_model: BTreeMap<String, u64>,
    /// Answers by the provider that served.
    pub by_provider: BTreeMap<String, u64>,
    /// Replies by HTTP status; a reply that never came counts as 0.
    pub by_status: BTreeMap<u16, u64>,
    /// Faults given, by name.
    pub by_fault: BTreeMap<String, u64>,
    /// Refusals by `error.metadata.limit_source`.
    pub by_limit_source: BTreeMap<String, u64>,
    /// Inference requests by the model they name first.
    pub asked_by_model: BTreeMap<String, u64>,
    /// Tries by model and endpoint, `openai/gpt-4o @ azure`, failed ones too: one request may try several.
    pub tries_by_endpoint: BTreeMap<String, u64>,
    /// Inference replies by the minute their request came in, counted from the start.
    pub by_minute: BTreeMap<u64, SeenMinute>,
    /// Chat bodies that differ from each other.
    pub distinct_chat_bodies: u64,
    /// Application titles that were sent.
    pub attribution_titles: BTreeSet<String>,
    /// Requests without any attribution (neither referer nor title).
    pub without_attribution: u64,
    /// The most requests in flight at one time.
    pub concurrent_peak: u64,
    /// Tokens of all prompts answered.
    pub prompt_tokens: u64,
    /// Tokens of all answers.
    pub completion_tokens: u64,
    /// Dollars charged, exact.
    pub cost_dollars: PicoDollars,
    /// Dollars charged by key, of which the last four characters are shown; exact.
    pub cost_by_key: BTreeMap<String, PicoDollars>,
    /// Answers that cost money.
    pub billed_answers: u64,
    /// Answers that a fault spoiled although they cost money.
    pub billed_spoiled: u64,
    /// Answers whose caller went away before they came.
    pub abandoned: u64,
    /// Good answers beyond the first to one and the same body, as long as the earlier one was not abandoned: what a
    /// client paid for twice.
    pub repeated_answers: u64,
    /// Replies out of the response cache.
    pub cache_hits: u64,
    /// Headers of the requests of each route, names in lower case.
    pub headers_by_route: BTreeMap<String, BTreeMap<String, SeenHeader>>,
    /// The last hundred requests, oldest first.
    pub recent: Vec<SeenRequest>,
}

/// One request as it was seen.
#[derive(Clone, Debug, Serialize)]
pub struct SeenRequest {
    /// `POST /chat/completions`.
    pub route: String,
    /// Headers in the order they came; of a key only the last four characters.
    pub headers: Vec<(String, String)>,
    /// The beginning of its body, 64 KB at most.
    pub body: String,
}

/// A header of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SeenHeader {
    /// In how many requests it stood.
    pub requests: u64,
    /// The value that came last; of a key only the last four characters.
    pub last: String,
}

/// The inference replies of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SeenMinute {
    /// Answers.
    pub answered: u64,
    /// Replies with status 429.
    pub refused: u64,
    /// Everything else.
    pub failed: u64,
}

/// What became of one request body, over all requests that carried it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SeenBody {
    /// [`Simulator::fingerprint`](crate::Simulator::fingerprint) of the body.
    pub fingerprint: u64,
    /// Requests.
    pub asked: u64,
    /// Answers, good or spoiled.
    pub answered: u64,
    /// Answers that no fault spoiled.
    pub good: u64,
    /// Answers that cost money.
    pub billed: u64,
    /// Good answers whose caller went away before they came.
    pub abandoned: u64,
    /// Dollars charged, exact.
    pub cost_dollars: PicoDollars,
}

impl SeenBody {
    /// Good answers that reached their caller.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.good.saturating_sub(self.abandoned)
    }
}
