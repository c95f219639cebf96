//! The counters behind [`Seen`]: cheap on the path of every request, read out on demand.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::catalog::Catalog;
use crate::fault::FaultKind;
use crate::money::PicoDollars;
use crate::reply::{Receipt, SimRequest};
use crate::seen::{Seen, SeenBody, SeenHeader, SeenMinute, SeenRequest};

/// How many requests' headers are kept.
const KEPT_HEADERS: usize = 100;
const KEPT_BODY_BYTES: usize = 64 * 1024;
/// How many different names of headers are kept a route.
const KEPT_NAMES: usize = 64;
/// How many different bodies are told apart.
const KEPT_BODIES: usize = 1 << 21;
const STATUSES: usize = 1_000;

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
    cache_hits: AtomicU64,
    details: Mutex<Details>,
}

#[derive(Debug, Default)]
struct Details {
    /// A ring of texts `route NUL name NUL value NUL …`, reused so that a request allocates nothing.
    recent: Vec<String>,
    next: usize,
    titles: BTreeSet<String>,
    routes: BTreeMap<&'static str, SeenRoute>,
    providers: BTreeMap<String, u64>,
    limit_sources: BTreeMap<String, u64>,
    asked: BTreeMap<String, u64>,
    tries: BTreeMap<(usize, String), u64>,
    minutes: BTreeMap<u64, SeenMinute>,
    /// By the whole key; only its end is ever shown.
    spent: HashMap<String, PicoDollars>,
    bodies: HashMap<u64, SeenBody>,
    chat_bodies: u64,
    billed: u64,
    billed_spoiled: u64,
    abandoned: u64,
    /// When each request under virtual time ends.
    ends: BinaryHeap<Reverse<Duration>>,
}

#[derive(Debug, Default)]
struct SeenRoute {
    requests: u64,
    headers: Vec<(String, SeenHeader)>,
}

/// An answer as it is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered<'a> {
    /// Where the model stands in the catalog.
    pub(crate) model: usize,
    pub(crate) provider: &'a str,
    pub(crate) key: &'a str,
    pub(crate) body_hash: u64,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    pub(crate) cost: PicoDollars,
    /// No fault spoiled it.
    pub(crate) good: bool,
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
            cache_hits: AtomicU64::new(0),
            details: Mutex::new(Details::default()),
        }
    }

    /// Notes a request; `body_hash` is given for inference, and whether it is a chat.
    pub(crate) fn request(&self, request: &SimRequest, route: &'static str, body: Option<(u64, bool)>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut details = self.details.lock();
        let attributed = details.remember(request, route);
        if let Some((hash, is_chat)) = body {
            details.count_body(hash, is_chat);
        }
        drop(details);
        if !attributed {
            self.without_attribution.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes which model an inference request names first.
    pub(crate) fn asked(&self, model: &str) {
        count(&mut self.details.lock().asked, model);
    }

    /// Notes that an endpoint of a model was tried.
    pub(crate) fn tried(&self, model: usize, tag: &str) {
        let mut details = self.details.lock();
        // the map's key owns its text, so a known one is looked for by walking: a model has few endpoints
        let known = details.tries.range_mut((model, String::new())..).take_while(|((index, _), _)| *index == model);
        if let Some((_, tries)) = known.into_iter().find(|((_, known), _)| known == tag) {
            *tries += 1;
        } else {
            details.tries.insert((model, tag.to_owned()), 1);
        }
    }

    pub(crate) fn reply(&self, status: u16, minute: Option<u64>) {
        if let Some(counter) = self.statuses.get(usize::from(status)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(minute) = minute {
            let mut details = self.details.lock();
            let seen = details.minutes.entry(minute).or_default();
            match status {
                200 => seen.answered += 1,
                429 => seen.refused += 1,
                _ => seen.failed += 1,
            }
        }
    }

    pub(crate) fn limit_source(&self, source: &str) {
        count(&mut self.details.lock().limit_sources, source);
    }

    pub(crate) fn fault(&self, kind: FaultKind) {
        if let Some(counter) = self.faults.get(kind as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn cache_hit(&self) {
        self.cache_hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answer(&self, answered: Answered<'_>) {
        if let Some((_, counter)) = self.models.get(answered.model) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.prompt_tokens.fetch_add(answered.prompt_tokens, Ordering::Relaxed);
        self.completion_tokens.fetch_add(answered.completion_tokens, Ordering::Relaxed);
        self.cost.fetch_add(answered.cost.0, Ordering::Relaxed);
        let billed = answered.cost > PicoDollars::default();
        let mut details = self.details.lock();
        count(&mut details.providers, answered.provider);
        if billed {
            details.billed += 1;
            details.billed_spoiled += u64::from(!answered.good);
            match details.spent.get_mut(answered.key) {
                Some(spent) => *spent = spent.plus(answered.cost),
                None => {
                    details.spent.insert(answered.key.to_owned(), answered.cost);
                }
            }
        }
        if let Some(body) = details.bodies.get_mut(&answered.body_hash) {
            body.answered += 1;
            body.good += u64::from(answered.good);
            body.billed += u64::from(billed);
            body.cost_dollars = body.cost_dollars.plus(answered.cost);
        }
    }

    /// Notes that nobody waited for a reply to its end.
    pub(crate) fn abandon(&self, receipt: Receipt) {
        let mut details = self.details.lock();
        details.abandoned += 1;
        if let Some(body) = details.bodies.get_mut(&receipt.body_hash) {
            body.abandoned += u64::from(receipt.good);
        }
    }

    /// What one key was charged.
    pub(crate) fn spent_by(&self, key: &str) -> PicoDollars {
        self.details.lock().spent.get(key).copied().unwrap_or_default()
    }

    pub(crate) fn body(&self, hash: u64) -> Option<SeenBody> {
        self.details.lock().bodies.get(&hash).cloned()
    }

    pub(crate) fn bodies(&self) -> Vec<SeenBody> {
        let mut all: Vec<SeenBody> = self.details.lock().bodies.values().cloned().collect();
        all.sort_unstable_by_key(|body| body.fingerprint);
        all
    }

    /// Notes a request that lasts from `now` to `end` under virtual time.
    pub(crate) fn virtual_flight(&self, now: Duration, end: Duration) {
        let mut details = self.details.lock();
        while details.ends.peek().is_some_and(|first| first.0 <= now) {
            details.ends.pop();
        }
        details.ends.push(Reverse(end));
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
        let single = [
            &self.requests,
            &self.prompt_tokens,
            &self.completion_tokens,
            &self.cost,
            &self.without_attribution,
            &self.peak,
            &self.cache_hits,
        ];
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
        let models = self.models.iter().filter(|(_, counter)| read(counter) > 0);
        let statuses = (0u16..).zip(&self.statuses).map(|(status, counter)| (status, read(counter)));
        let faults = FaultKind::ALL.iter().zip(&self.faults).filter(|(_, counter)| read(counter) > 0);
        let model_id = |index: usize| self.models.get(index).map_or("", |(id, _)| id.as_str());
        Seen {
            requests: read(&self.requests),
            by_route: details.routes.iter().map(|(route, seen)| ((*route).to_owned(), seen.requests)).collect(),
            by_model: models.map(|(id, counter)| (id.clone(), read(counter))).collect(),
            by_provider: details.providers.clone(),
            by_status: statuses.filter(|(_, count)| *count > 0).collect(),
            by_fault: faults.map(|(kind, counter)| (kind.name().to_owned(), read(counter))).collect(),
            by_limit_source: details.limit_sources.clone(),
            asked_by_model: details.asked.clone(),
            tries_by_endpoint: details
                .tries
                .iter()
                .map(|((model, tag), tries)| (format!("{} @ {tag}", model_id(*model)), *tries))
                .collect(),
            by_minute: details.minutes.clone(),
            distinct_chat_bodies: details.chat_bodies,
            attribution_titles: details.titles.clone(),
            without_attribution: read(&self.without_attribution),
            concurrent_peak: read(&self.peak),
            prompt_tokens: read(&self.prompt_tokens),
            completion_tokens: read(&self.completion_tokens),
            cost_dollars: PicoDollars(read(&self.cost)),
            cost_by_key: details.cost_by_key(),
            billed_answers: details.billed,
            billed_spoiled: details.billed_spoiled,
            abandoned: details.abandoned,
            repeated_answers: details.bodies.values().map(|body| body.delivered().saturating_sub(1)).sum(),
            cache_hits: read(&self.cache_hits),
            headers_by_route: details.headers_by_route(),
            recent: oldest.iter().chain(newest).map(|text| seen_request(text)).collect(),
        }
    }
}

impl Details {
    /// Keeps route and headers; true if they say whose application this is.
    fn remember(&mut self, request: &SimRequest, route: &'static str) -> bool {
        let Details { recent, next, titles, routes, .. } = self;
        let (mut title, mut referer) = (None, false);
        if recent.len() < KEPT_HEADERS {
            recent.push(String::new());
        }
        let seen = routes.entry(route).or_default();
        seen.requests += 1;
        if let Some(slot) = recent.get_mut(*next) {
            slot.clear();
            slot.push_str(route);
            for (name, value) in &request.headers {
                slot.push('\0');
                slot.push_str(name);
                slot.push('\0');
                let start = slot.len();
                if is_secret(name) {
                    redact(slot, value)
                } else {
                    slot.push_str(value)
                }
                seen.header(name, slot.get(start..).unwrap_or_default());
                if name.eq_ignore_ascii_case("x-openrouter-title") || (title.is_none() && name.eq_ignore_ascii_case("x-title")) {
                    title = Some(value.as_str());
                }
                referer |= name.eq_ignore_ascii_case("http-referer");
            }
            // behind the headers, under the name that none has
            slot.push_str("\0\0");
            let body = request.body.get(..KEPT_BODY_BYTES).unwrap_or(&request.body);
            slot.extend(String::from_utf8_lossy(body).chars().filter(|character| *character != '\0'));
        }
        *next = (*next + 1) % KEPT_HEADERS;
        if let Some(title) = title
            && !titles.contains(title)
        {
            titles.insert(title.to_owned());
        }
        title.is_some() || referer
    }

    fn count_body(&mut self, hash: u64, is_chat: bool) {
        if let Some(body) = self.bodies.get_mut(&hash) {
            body.asked += 1;
        } else if self.bodies.len() < KEPT_BODIES {
            self.bodies.insert(hash, SeenBody { fingerprint: hash, asked: 1, ..SeenBody::default() });
            self.chat_bodies += u64::from(is_chat);
        }
    }

    fn cost_by_key(&self) -> BTreeMap<String, PicoDollars> {
        let mut by_key = BTreeMap::new();
        for (key, spent) in &self.spent {
            let mut shown = String::new();
            redact(&mut shown, key);
            let sum: &mut PicoDollars = by_key.entry(shown).or_default();
            *sum = sum.plus(*spent);
        }
        by_key
    }

    fn headers_by_route(&self) -> BTreeMap<String, BTreeMap<String, SeenHeader>> {
        self.routes.iter().map(|(route, seen)| ((*route).to_owned(), seen.headers.iter().cloned().collect())).collect()
    }
}

impl SeenRoute {
    fn header(&mut self, name: &str, shown: &str) {
        if let Some((_, seen)) = self.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            seen.requests += 1;
            if seen.last != shown {
                shown.clone_into(&mut seen.last);
            }
        } else if self.headers.len() < KEPT_NAMES {
            self.headers.push((name.to_ascii_lowercase(), SeenHeader { requests: 1, last: shown.to_owned() }));
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
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
    let mut body = String::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        match name {
            "" => body = value.to_owned(),
            name => headers.push((name.to_owned(), value.to_owned())),
        }
    }
    SeenRequest { route, headers, body }
}
