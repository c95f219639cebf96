//! Function calls out of the fragments in which they are streamed.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::chunk::Fragment;

/// The calls of one answer, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
    /// Where the call of an index stands.
    places: HashMap<u64, usize>,
}

#[derive(Debug, Default)]
struct Call {
    id: Option<String>,
    kind: Option<String>,
    name: Option<String>,
    arguments: String,
}

impl Calls {
    /// Adds a fragment and tells which call it belongs to.
    pub(super) fn add(&mut self, fragment: &Fragment) -> usize {
        let place = self.place(fragment);
        let call = &mut self.calls[place];
        // the first of each counts: some providers repeat them with every fragment
        call.id = call.id.take().or_else(|| fragment.id.clone());
        call.kind = call.kind.take().or_else(|| fragment.kind.clone());
        call.name = call.name.take().or_else(|| fragment.name.clone());
        call.arguments.push_str(&fragment.arguments);
        place
    }

    fn place(&mut self, fragment: &Fragment) -> usize {
        let known = match fragment.index {
            Some(index) => self.places.get(&index).copied(),
            None => self.calls.len().checked_sub(1),
        };
        // an index that is used again with another name tag is another call
        let same = |call: &Call| match (&call.id, &fragment.id) {
            (Some(old), Some(new)) => old == new || (fragment.name.is_none() && fragment.index.is_some()),
            _ => true,
        };
        if let Some(place) = known.filter(|place| self.calls.get(*place).is_some_and(same)) {
            return place;
        }
        self.calls.push(Call::default());
        let place = self.calls.len() - 1;
        if let Some(index) = fragment.index {
            self.places.insert(index, place);
        }
        place
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The calls as an unstreamed message has them; no arguments are `{}`.
    pub(super) fn json(&self) -> Value {
        let call = |call: &Call| {
            let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
            json!({
                "id": call.id,
                "type": call.kind.as_deref().unwrap_or("function"),
                "function": {"name": call.name, "arguments": arguments},
            })
        };
        self.calls.iter().map(call).collect()
    }
}
