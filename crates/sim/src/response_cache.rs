//! The response cache: answers kept for those who ask for it by header, under their key, for a while.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::answer::Answer;
use crate::reply::SimRequest;

const DEFAULT_TTL_S: u64 = 300;
const LONGEST_TTL_S: u64 = 86_400;
const MOST_ENTRIES: usize = 16_384;

/// What a request says about the cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheWish {
    pub(crate) ttl_s: u64,
    /// Forget what is kept and ask anew.
    clear: bool,
}

impl CacheWish {
    /// The wish of a request, none where it has none.
    pub(crate) fn of(http: &SimRequest) -> Option<Self> {
        if http.header("x-openrouter-cache") != Some("true") {
            return None;
        }
        let ttl_s = http.header("x-openrouter-cache-ttl").and_then(|text| text.trim().parse().ok()).unwrap_or(DEFAULT_TTL_S);
        Some(Self { ttl_s: ttl_s.clamp(1, LONGEST_TTL_S), clear: http.header("x-openrouter-cache-clear") == Some("true") })
    }
}

/// A kept answer.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The id it was first given under.
    pub(crate) id: String,
    /// Where the model stands in the catalog.
    pub(crate) model: usize,
    pub(crate) provider: String,
    pub(crate) answers: Vec<Answer>,
    pub(crate) since: Duration,
    pub(crate) ttl_s: u64,
}

/// All kept answers.
#[derive(Debug, Default)]
pub(crate) struct ResponseCache(Mutex<HashMap<u64, Kept>>);

impl ResponseCache {
    pub(crate) fn find(&self, key: u64, wish: CacheWish, now: Duration) -> Option<Kept> {
        let mut kept = self.0.lock();
        if wish.clear {
            kept.remove(&key);
        }
        kept.get(&key).filter(|entry| now < entry.since + Duration::from_secs(entry.ttl_s)).cloned()
    }

    pub(crate) fn keep(&self, key: u64, entry: Kept) {
        let mut kept = self.0.lock();
        if kept.len() >= MOST_ENTRIES {
            let now = entry.since;
            kept.retain(|_, entry| now < entry.since + Duration::from_secs(entry.ttl_s));
        }
        if kept.len() < MOST_ENTRIES {
            kept.insert(key, entry);
        }
    }

    pub(crate) fn reset(&self) {
        self.0.lock().clear();
    }
}
