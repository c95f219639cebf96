//! What the simulator saw: counters for tests, benches and people, never a key.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;

use crate::catalog::Catalog;
use crate::fault::FaultKind;
use crate::money::PicoDollars;
use crate::reply::SimRequest;

/// How many requests' headers are kept.
const KEPT_HEADERS: usize = 100;
/// How many different chat bodies are told apart.
const KEPT_BODIES: usize = 1 << 21;
const STATUSES: usize = 1_000;

/// A snapshot of the counters.
#[derive(Clone, Debug, Default, Serialize)]
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
}

/// The counters themselves.
#[derive(Debug)]
pub(crate) struct Counters {
    requests: AtomicU64,
    models: Vec<(String, AtomicU64)>,
    statuses: Vec<AtomicU64>,
    faults: Vec<AtomicU64>,
    prompt_tokens: AtomicU64,
    completion_tokens: AtomicU64,
    cost: AtomicU64,
    without_attribution: AtomicU64,
    in_flight: AtomicU64,
    peak: AtomicU64,
    details: Mutex<Details>,
}

#[derive(Debug, Default)]
struct Details {
    /// A ring of texts `route NUL name NUL value NUL …`, reused so that a request allocates nothing.
    recent: Vec<String>,
    next: usize,
    titles: BTreeSet<String>,
    routes: BTreeMap<String, u64>,
    providers: BTreeMap<String, u64>,
    bodies: HashSet<u64>,
    /// When each request under virtual time ends.
    ends: std::collections::BinaryHeap<std::cmp::Reverse<Duration>>,
}

impl Counters {
    pub(crate) fn new(catalog: &Catalog) -> Self {
        let zeros = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect::<Vec<_>>();
        Self {
            requests: AtomicU64::new(0),
            models: catalog.models.iter().map(|model| (model.id.clone(), AtomicU64::new(0))).collect(),
            statuses: zeros(STATUSES),
            faults: zeros(FaultKind::ALL.len()),
            prompt_tokens: AtomicU64::new(0),
            completion_tokens: AtomicU64::new(0),
            cost: AtomicU64::new(0),
            without_attribution: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            details: Mutex::new(Details::default()),
        }
    }

    pub(crate) fn request(&self, request: &SimRequest, route: &str, body_hash: Option<u64>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let (mut title, mut referer) = (None, false);
        let mut details = self.details.lock();
        let Details { recent, next, titles, routes, bodies, .. } = &mut *details;
        if recent.len() < KEPT_HEADERS {
            recent.push(String::new());
        }
        if let Some(slot) = recent.get_mut(*next) {
            slot.clear();
            slot.push_str(route);
            for (name, value) in &request.headers {
                slot.push('\0');
                slot.push_str(name);
                slot.push('\0');
                if is_secret(name) {
                    redact(slot, value)
                } else {
                    slot.push_str(value)
                }
                if name.eq_ignore_ascii_case("x-openrouter-title") || (title.is_none() && name.eq_ignore_ascii_case("x-title")) {
                    title = Some(value.as_str());
                }
                referer |= name.eq_ignore_ascii_case("http-referer");
            }
        }
        *next = (*next + 1) % KEPT_HEADERS;
        match routes.get_mut(route) {
            Some(count) => *count += 1,
            None => {
                routes.insert(route.to_owned(), 1);
            }
        }
        if let Some(title) = title
            && !titles.contains(title)
        {
            titles.insert(title.to_owned());
        }
        if let Some(hash) = body_hash
            && bodies.len() < KEPT_BODIES
        {
            bodies.insert(hash);
        }
        drop(details);
        if title.is_none() && !referer {
            self.without_attribution.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn reply(&self, status: u16) {
        if let Some(counter) = self.statuses.get(usize::from(status)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn fault(&self, kind: FaultKind) {
        if let Some(counter) = self.faults.get(kind as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn answer(&self, model: usize, provider: &str, tokens: (u64, u64), cost: PicoDollars) {
        if let Some((_, counter)) = self.models.get(model) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.prompt_tokens.fetch_add(tokens.0, Ordering::Relaxed);
        self.completion_tokens.fetch_add(tokens.1, Ordering::Relaxed);
        self.cost.fetch_add(cost.0, Ordering::Relaxed);
        let mut details = self.details.lock();
        match details.providers.get_mut(provider) {
            Some(count) => *count += 1,
            None => {
                details.providers.insert(provider.to_owned(), 1);
            }
        }
    }

    /// Notes a request that lasts from `now` to `end` under virtual time.
    pub(crate) fn virtual_flight(&self, now: Duration, end: Duration) {
        let mut details = self.details.lock();
        while details.ends.peek().is_some_and(|first| first.0 <= now) {
            details.ends.pop();
        }
        details.ends.push(std::cmp::Reverse(end));
        self.peak.fetch_max(details.ends.len() as u64, Ordering::Relaxed);
    }

    pub(crate) fn enter(&self) {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(now, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn reset(&self) {
        let single = [&self.requests, &self.prompt_tokens, &self.completion_tokens, &self.cost, &self.without_attribution, &self.peak];
        let listed = self.models.iter().map(|(_, counter)| counter).chain(&self.statuses).chain(&self.faults);
        for counter in listed.chain(single) {
            counter.store(0, Ordering::Relaxed);
        }
        *self.details.lock() = Details::default();
    }

    pub(crate) fn snapshot(&self) -> Seen {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let details = self.details.lock();
        let (newest, oldest) = details.recent.split_at(details.next.min(details.recent.len()));
        Seen {
            requests: read(&self.requests),
            by_route: details.routes.clone(),
            by_model: self
                .models
                .iter()
                .filter(|(_, counter)| read(counter) > 0)
                .map(|(id, counter)| (id.clone(), read(counter)))
                .collect(),
            by_provider: details.providers.clone(),
            by_status: (0u16..)
                .zip(&self.statuses)
                .map(|(status, counter)| (status, read(counter)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            by_fault: FaultKind::ALL
                .iter()
                .zip(&self.faults)
                .filter(|(_, counter)| read(counter) > 0)
                .map(|(kind, counter)| (kind.name().to_owned(), read(counter)))
                .collect(),
            distinct_chat_bodies: details.bodies.len() as u64,
            attribution_titles: details.titles.clone(),
            without_attribution: read(&self.without_attribution),
            concurrent_peak: read(&self.peak),
            prompt_tokens: read(&self.prompt_tokens),
            completion_tokens: read(&self.completion_tokens),
            cost_dollars: PicoDollars(read(&self.cost)),
            recent: oldest.iter().chain(newest).map(|text| seen_request(text)).collect(),
        }
    }
}

fn is_secret(name: &str) -> bool {
    ["authorization", "x-api-key", "proxy-authorization", "cookie"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// `Bearer …1c96`: the scheme and the last four characters.
fn redact(slot: &mut String, value: &str) {
    let (scheme, secret) = value.rsplit_once(' ').unwrap_or(("", value));
    slot.push_str(scheme);
    if !scheme.is_empty() {
        slot.push(' ');
    }
    slot.push('…');
    let length = secret.chars().count();
    // of a short secret four characters would be most of it
    if length > 8 {
        slot.extend(secret.chars().skip(length - 4));
    }
}

fn seen_request(text: &str) -> SeenRequest {
    let mut parts = text.split('\0');
    let route = parts.next().unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        headers.push((name.to_owned(), value.to_owned()));
    }
    SeenRequest { route, headers }
}
