//! `reasoning_details` out of the pieces in which they are streamed. Providers take them back only whole and in order.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// The texts of a detail, which are joined; of every other field the last value counts.
const JOINED: [&str; 3] = ["text", "summary", "data"];

/// The details of one answer, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Details {
    details: Vec<Map<String, Value>>,
    /// Where the detail begun last of an index and a type stands.
    latest: HashMap<Key, usize>,
    /// Where the detail of an index, a type and an identifier stands.
    named: HashMap<(Key, String), usize>,
}

/// Index and type, either of which may be missing.
type Key = (Option<i64>, Option<String>);

impl Details {
    /// Adds a piece: to the detail with its index, type and identifier, else as a new one.
    pub(super) fn add(&mut self, piece: Map<String, Value>) {
        let text = |key: &str| piece.get(key).and_then(Value::as_str).map(str::to_owned);
        let key: Key = (piece.get("index").and_then(Value::as_i64), text("type"));
        let id = text("id").filter(|id| !id.is_empty());
        let latest = self.latest.get(&key).copied();
        let known = match &id {
            None => latest,
            // a detail whose identifier has not come yet takes it
            Some(id) => self.named.get(&(key.clone(), id.clone())).copied().or_else(|| latest.filter(|place| !self.has_id(*place))),
        };
        let place = known.unwrap_or_else(|| {
            self.details.push(Map::new());
            self.details.len() - 1
        });
        self.latest.insert(key.clone(), place);
        if let Some(id) = id {
            self.named.insert((key, id), place);
        }
        join(&mut self.details[place], piece);
    }

    fn has_id(&self, place: usize) -> bool {
        self.details.get(place).and_then(|detail| detail.get("id")).is_some_and(|id| !id.is_null())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.details.is_empty()
    }

    pub(super) fn json(&self) -> Value {
        self.details.iter().cloned().map(Value::Object).collect()
    }
}

/// Joins pieces of text and keeps the last of everything else; a null takes nothing away.
pub(super) fn join(whole: &mut Map<String, Value>, piece: Map<String, Value>) {
    for (key, value) in piece {
        match (whole.get_mut(&key), value) {
            (Some(Value::String(text)), Value::String(more)) if JOINED.contains(&key.as_str()) => text.push_str(&more),
            (Some(_), Value::Null) => {}
            (Some(old), new) => *old = new,
            (None, new) => {
                whole.insert(key, new);
            }
        }
    }
}
