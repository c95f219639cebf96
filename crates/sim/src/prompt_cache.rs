//! What providers keep of prompts: a beginning that was sent lately is read for less.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::catalog::{CachePrices, Found};
use crate::chat_request::ChatRequest;
use crate::seed::{hash, mix};

/// Nothing shorter is kept, in characters.
const LEAST: usize = 4_096;
/// Beyond that a beginning is kept in steps of so many characters.
const STEP: usize = 512;
const CHARACTERS_A_TOKEN: u64 = 4;
const LIVES_FOR: Duration = Duration::from_secs(300);
const MOST_ENTRIES: usize = 1 << 20;

/// The beginnings that are kept, and when each was last used.
#[derive(Debug, Default)]
pub(crate) struct PromptCache(Mutex<HashMap<u64, Duration>>);

/// How much of a prompt was read from the cache, and how much was put into it, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheUse {
    pub(crate) read: u64,
    pub(crate) written: u64,
}

impl PromptCache {
    /// Looks for the longest known beginning at an endpoint, and keeps all of this prompt's.
    pub(crate) fn touch(&self, found: Found<'_>, tag: &str, prices: CachePrices, request: &ChatRequest<'_>, now: Duration) -> CacheUse {
        // a model that caches only what it is told to cache
        let is_wanted = prices.implicit || request.wants_cache;
        if !is_wanted || request.talk.characters < LEAST as u64 {
            return CacheUse::default();
        }
        let beginnings = beginnings(request.talk.texts(), mix(found.index as u64) ^ hash(0, tag.as_bytes()));
        let mut kept = self.0.lock();
        if kept.len() >= MOST_ENTRIES {
            kept.retain(|_, used| now < *used + LIVES_FOR);
        }
        let is_known = |beginning: &u64| kept.get(beginning).is_some_and(|used| now < *used + LIVES_FOR);
        let known = beginnings.iter().rposition(is_known).map_or(0, |index| tokens(index + 1));
        kept.extend(beginnings.iter().map(|beginning| (*beginning, now)));
        let written = if prices.write.is_some() { tokens(beginnings.len()) - known } else { 0 };
        CacheUse { read: known, written }
    }

    pub(crate) fn reset(&self) {
        self.0.lock().clear();
    }
}

/// The tokens of the first `count` beginnings' longest.
fn tokens(count: usize) -> u64 {
    count.checked_sub(1).map_or(0, |steps| (LEAST + steps * STEP) as u64 / CHARACTERS_A_TOKEN)
}

/// A hash for every beginning of a prompt that is long enough and ends on a step.
fn beginnings<'t>(texts: impl Iterator<Item = &'t str>, seed: u64) -> Vec<u64> {
    let mut found = Vec::new();
    let (mut state, mut length, mut next) = (seed, 0, LEAST);
    let mut block = String::with_capacity(STEP);
    for character in texts.flat_map(|text| text.chars()) {
        block.push(character);
        length += 1;
        if length == next {
            state = hash(state, block.as_bytes());
            block.clear();
            found.push(state);
            next += STEP;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{beginnings, tokens};

    #[test]
    fn beginnings_are_the_same_as_far_as_the_texts_are() {
        let (one, other) = ("a".repeat(6_000), format!("{}b", "a".repeat(5_000)));
        let (one, other) = (beginnings([one.as_str()].into_iter(), 1), beginnings([other.as_str()].into_iter(), 1));
        assert_eq!((one.len(), other.len()), (4, 2));
        assert_eq!(one[..2], other[..]);
        assert_ne!(one, beginnings(["a".repeat(6_000).as_str()].into_iter(), 2));
        assert_eq!((tokens(0), tokens(1), tokens(2)), (0, 1_024, 1_152));
        assert!(beginnings(["short"].into_iter(), 1).is_empty());
    }
}
