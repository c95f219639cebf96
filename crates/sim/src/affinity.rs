//! What routing remembers between requests: which endpoint a session is with, and which endpoints were out lately.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::catalog::Endpoint;
use crate::seed::hash;

/// A session is forgotten after so long without a request.
const STICKS_FOR: Duration = Duration::from_secs(600);
/// An endpoint that failed is tried after the others for so long.
const OUT_FOR: Duration = Duration::from_secs(30);
const MOST_SESSIONS: usize = 65_536;

/// What routing remembers.
#[derive(Debug, Default)]
pub(crate) struct Affinity(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// By key, model and session: the endpoint's tag and when it was last used.
    sessions: HashMap<u64, (String, Duration)>,
    /// By model and tag: when the endpoint failed last.
    outages: HashMap<(usize, String), Duration>,
}

impl Affinity {
    /// Puts endpoints that failed lately last, and the endpoint of the session first.
    pub(crate) fn arrange(&self, model: usize, endpoints: &mut [&Endpoint], session: Option<u64>, now: Duration) {
        let remembered = self.0.lock();
        if !remembered.outages.is_empty() {
            let is_out = |endpoint: &Endpoint| {
                let outage = remembered.outages.iter().find(|((index, tag), _)| *index == model && *tag == endpoint.tag);
                outage.is_some_and(|(_, since)| now < *since + OUT_FOR)
            };
            endpoints.sort_by_key(|endpoint| is_out(endpoint));
        }
        let stuck = session.and_then(|session| remembered.sessions.get(&session));
        if let Some((tag, _)) = stuck.filter(|(_, used)| now < *used + STICKS_FOR) {
            endpoints.sort_by_key(|endpoint| endpoint.tag != *tag);
        }
    }

    pub(crate) fn stick(&self, session: u64, tag: &str, now: Duration) {
        let mut remembered = self.0.lock();
        if remembered.sessions.len() >= MOST_SESSIONS {
            remembered.sessions.retain(|_, (_, used)| now < *used + STICKS_FOR);
        }
        remembered.sessions.insert(session, (tag.to_owned(), now));
    }

    pub(crate) fn failed(&self, model: usize, tag: &str, now: Duration) {
        self.0.lock().outages.insert((model, tag.to_owned()), now);
    }

    pub(crate) fn reset(&self) {
        *self.0.lock() = Remembered::default();
    }
}

/// What tells a session apart.
pub(crate) fn session_hash(key: &str, model: usize, session: &str) -> u64 {
    hash(hash(model as u64, key.as_bytes()), session.as_bytes())
}
