//! Which kinds of calls have been answered. A refusal that would hold for every row (no such model, a wrong key) is believed
//! at once where no row was answered yet. Where others were, it is asked again, then held against its own row, until many
//! rows in a row say the same.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{Call, Route};

/// So many calls in a row, each denied for good, speak for all that would follow.
const DENIED_CALLS: u32 = 16;

/// The function that asks, and the model it asks first.
type Key = (Arc<str>, Arc<str>);

/// What is known of each kind of call.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    kinds: Mutex<HashMap<Key, Kind>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Kind {
    answered: bool,
    denied_in_a_row: u32,
}

impl Standing {
    fn with<T>(&self, call: &Call, routes: &[Route], then: impl FnOnce(&mut Kind) -> T) -> Option<T> {
        let key = (Arc::clone(&call.origin.operator), Arc::clone(&routes.first()?.model));
        Some(then(self.kinds.lock().entry(key).or_default()))
    }

    /// A call was answered.
    pub(crate) fn answered(&self, call: &Call, routes: &[Route]) {
        self.with(call, routes, |kind| *kind = Kind { answered: true, denied_in_a_row: 0 });
    }

    /// Whether calls like this one were answered.
    pub(crate) fn has_answered(&self, call: &Call, routes: &[Route]) -> bool {
        self.with(call, routes, |kind| kind.answered).unwrap_or_default()
    }

    /// Counts a call that was denied for good; says whether that tells of this call alone.
    pub(crate) fn denied_alone(&self, call: &Call, routes: &[Route]) -> bool {
        let count = |kind: &mut Kind| {
            kind.denied_in_a_row = kind.denied_in_a_row.saturating_add(1);
            kind.answered && kind.denied_in_a_row < DENIED_CALLS
        };
        self.with(call, routes, count).unwrap_or_default()
    }
}
