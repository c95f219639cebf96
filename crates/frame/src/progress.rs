//! What a running query has done so far, readable at any time from another task: rows, calls, dollars, and the failures
//! by kind with the first example of each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use corsac_dispatch::{Failure, FailureKind, Outcome, Source};
use corsac_wire::Usd;

use crate::answer_type::excerpt;

const EXAMPLE_CHARACTERS: usize = 120;

/// Counters of a session's queries, over all their operators. All numbers only grow, except the calls in flight.
#[derive(Debug, Default)]
pub struct Progress {
    rows_in: AtomicU64,
    rows_done: AtomicU64,
    rows_total: AtomicU64,
    total_unknown: AtomicBool,
    calls_started: AtomicU64,
    calls_finished: AtomicU64,
    in_flight: AtomicU64,
    answered: AtomicU64,
    from_memory: AtomicU64,
    failed_calls: AtomicU64,
    failed_rows: AtomicU64,
    cost_pico_dollars: AtomicI64,
    failures: Mutex<BTreeMap<FailureKind, FailureCount>>,
}

/// How many rows failed in one way, and the first that did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureCount {
    /// Rows that ended so.
    pub rows: u64,
    /// The operator of the first such row.
    pub operator: String,
    /// The ordinal of the first such row in its operator's input, from 0.
    pub row: u64,
    /// The beginning of what was asked about, at most 120 characters.
    pub input: String,
    /// What happened and what to do.
    pub message: String,
}

impl Progress {
    /// Rows that entered an operator. A row that passes two operators counts twice.
    pub fn rows_in(&self) -> u64 {
        self.rows_in.load(Ordering::Relaxed)
    }

    /// Rows that left an operator with all their calls ended.
    pub fn rows_done(&self) -> u64 {
        self.rows_done.load(Ordering::Relaxed)
    }

    /// Rows that will enter the operators of the queries started so far, if that is known for each of them.
    pub fn rows_total(&self) -> Option<u64> {
        let total = self.rows_total.load(Ordering::Relaxed);
        (!self.total_unknown.load(Ordering::Relaxed) && total > 0).then_some(total)
    }

    /// Distinct calls handed to the dispatcher.
    pub fn calls_started(&self) -> u64 {
        self.calls_started.load(Ordering::Relaxed)
    }

    /// Distinct calls that ended as an answer or as a failure.
    pub fn calls_finished(&self) -> u64 {
        self.calls_finished.load(Ordering::Relaxed)
    }

    /// Calls under way now.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Calls that ended with an answer, also from memory.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Answers that an earlier run or another call in flight had already.
    pub fn from_memory(&self) -> u64 {
        self.from_memory.load(Ordering::Relaxed)
    }

    /// Calls that ended without an answer.
    pub fn failed_calls(&self) -> u64 {
        self.failed_calls.load(Ordering::Relaxed)
    }

    /// Rows without an answer because their call failed or was not made any more. NULL and blank rows are none of them.
    pub fn failed_rows(&self) -> u64 {
        self.failed_rows.load(Ordering::Relaxed)
    }

    /// What all calls have cost so far.
    pub fn cost(&self) -> Usd {
        Usd::from_pico(self.cost_pico_dollars.load(Ordering::Relaxed))
    }

    /// The failures by kind.
    pub fn failures(&self) -> Vec<(FailureKind, FailureCount)> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.iter().map(|(kind, count)| (*kind, count.clone())).collect()
    }

    pub(crate) fn expect_rows(&self, rows: Option<u64>) {
        match rows {
            Some(rows) => drop(self.rows_total.fetch_add(rows, Ordering::Relaxed)),
            None => self.total_unknown.store(true, Ordering::Relaxed),
        }
    }

    pub(crate) fn entered(&self, rows: u64) {
        self.rows_in.fetch_add(rows, Ordering::Relaxed);
    }

    pub(crate) fn left(&self, rows: u64) {
        self.rows_done.fetch_add(rows, Ordering::Relaxed);
    }

    pub(crate) fn call_started(&self) {
        self.calls_started.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn calls_dropped(&self, calls: u64) {
        self.in_flight.fetch_sub(calls, Ordering::Relaxed);
    }

    pub(crate) fn call_finished(&self, outcome: &Outcome) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.calls_finished.fetch_add(1, Ordering::Relaxed);
        let cost = match outcome {
            Ok(answer) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                if answer.source != Source::Asked {
                    self.from_memory.fetch_add(1, Ordering::Relaxed);
                }
                answer.cost
            }
            Err(failure) => {
                self.failed_calls.fetch_add(1, Ordering::Relaxed);
                failure.cost
            }
        };
        self.cost_pico_dollars.fetch_add(cost.pico(), Ordering::Relaxed);
    }

    pub(crate) fn rows_failed(&self, failure: &Failure, rows: u64, operator: &str, first_row: u64, input: &str) {
        self.failed_rows.fetch_add(rows, Ordering::Relaxed);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(failure.kind).or_insert_with(|| FailureCount {
            rows: 0,
            operator: operator.to_owned(),
            row: first_row,
            input: excerpt(input, EXAMPLE_CHARACTERS),
            message: failure.message.to_string(),
        });
        count.rows += rows;
    }
}
