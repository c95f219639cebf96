//! Which rows took what became of which call, so that the ledger can tell it of any row: rows are gathered and told by
//! the thousand, because one at a time they would cost as much as a call.

use std::collections::HashMap;
use std::sync::Arc;

use corsac_dispatch::{Failure, FailureKind, Origin};
use corsac_ledger::Fingerprint;

use super::runtime::QueryRuntime;

/// Rows gathered at most before they are told.
const ROWS_AT_ONCE: usize = 8_192;
/// Ways of failing that are told apart at most; a way that was forgotten is told anew.
const WAYS_AT_MOST: usize = 256;

/// What an operator has still to tell. The rest is told when it is dropped.
pub(super) struct Lineage {
    runtime: Arc<QueryRuntime>,
    taken: HashMap<Fingerprint, Vec<u64>>,
    rows: usize,
    ways: HashMap<Way, Option<Fingerprint>>,
}

/// One way in which rows fail without a call.
#[derive(PartialEq, Eq, Hash)]
struct Way {
    operator: Arc<str>,
    kind: FailureKind,
    message: Arc<str>,
}

impl Lineage {
    pub(super) fn new(runtime: Arc<QueryRuntime>) -> Lineage {
        Lineage { runtime, taken: HashMap::new(), rows: 0, ways: HashMap::new() }
    }

    /// A row took what became of a call that another row had asked.
    pub(super) fn take(&mut self, entry: Option<Fingerprint>, row: u64) {
        let Some(entry) = entry else { return };
        self.taken.entry(entry).or_default().push(row);
        self.rows += 1;
        if self.rows >= ROWS_AT_ONCE {
            self.tell();
        }
    }

    /// A row failed and no call tells why; gives the entry that does.
    pub(super) fn fail(&mut self, operator: &Arc<str>, row: u64, input: &str, failure: &Failure) -> Option<Fingerprint> {
        let way = Way { operator: Arc::clone(operator), kind: failure.kind, message: Arc::clone(&failure.message) };
        if let Some(entry) = self.ways.get(&way) {
            let entry = *entry;
            self.take(entry, row);
            return entry;
        }
        if self.ways.len() >= WAYS_AT_MOST {
            self.ways.clear();
        }
        let origin = Origin { run: self.runtime.run.clone(), operator: Arc::clone(operator), row };
        let entry = self.runtime.ask.note_failed(&origin, input, failure);
        self.ways.insert(way, entry);
        entry
    }

    fn tell(&mut self) {
        for (entry, rows) in self.taken.drain() {
            self.runtime.ask.note_rows(&self.runtime.run, entry, &rows);
        }
        self.rows = 0;
    }
}

impl Drop for Lineage {
    fn drop(&mut self) {
        self.tell();
    }
}
