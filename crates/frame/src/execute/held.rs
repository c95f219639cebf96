//! The rows an operator holds: input batches in order, with a slot for each row and call, until their turn to leave.

use std::collections::VecDeque;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::prep_null_mask_filter;
use datafusion::common::Result;

use super::PlannedCall;
use super::asking::{Asking, Inputs, Landing, Place};
use super::settled::Slot;
use crate::cell::{Cells, readable};

/// One input batch.
struct HeldBatch {
    batch: RecordBatch,
    /// The ordinal of its first row.
    first_ordinal: u64,
    calls: Vec<HeldCall>,
    /// Rows whose calls have been started.
    entered: usize,
    /// Rows known to have all their calls ended.
    settled: usize,
    /// Rows that have left.
    left: usize,
}

/// One call's inputs and ends for a batch.
struct HeldCall {
    arguments: Vec<ArrayRef>,
    reached: Option<BooleanArray>,
    slots: Vec<Slot>,
}

/// A run of rows that leaves, with its slots for each call.
pub(super) struct Leaving<'a> {
    pub(super) rows: RecordBatch,
    pub(super) slots: Vec<&'a [Slot]>,
}

#[derive(Default)]
pub(super) struct Held {
    batches: VecDeque<HeldBatch>,
    /// The number of the first batch held.
    first_number: u64,
    /// The index of the batch whose rows enter next.
    entering: usize,
    rows: usize,
    bytes: usize,
    rows_not_entered: usize,
    next_ordinal: u64,
}

impl Held {
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn rows_not_entered(&self) -> usize {
        self.rows_not_entered
    }

    /// Takes a batch in and works out the inputs of its calls.
    pub(super) fn push(&mut self, batch: RecordBatch, calls: &[PlannedCall]) -> Result<()> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        let calls = calls.iter().map(|call| HeldCall::new(call, &batch)).collect::<Result<Vec<_>>>()?;
        self.bytes += batch.get_array_memory_size();
        self.rows += rows;
        self.rows_not_entered += rows;
        self.batches.push_back(HeldBatch { batch, first_ordinal: self.next_ordinal, calls, entered: 0, settled: 0, left: 0 });
        self.next_ordinal += rows as u64;
        Ok(())
    }

    /// Starts the calls of the rows that come next, as long as there is room; gives the number of rows.
    pub(super) fn enter(&mut self, asking: &mut Asking, room: impl Fn(&Asking, usize) -> bool) -> Result<usize> {
        let mut entered = 0;
        while let Some(held) = self.batches.get_mut(self.entering) {
            let number = self.first_number + self.entering as u64;
            let rows = held.batch.num_rows();
            let (inputs, mut slots): (Vec<Inputs<'_>>, Vec<&mut Vec<Slot>>) = held.calls.iter_mut().map(HeldCall::split).unzip();
            while held.entered < rows {
                if !room(asking, entered) {
                    self.rows_not_entered -= entered;
                    return Ok(entered);
                }
                let place = Place { batch: number, row: held.entered, ordinal: held.first_ordinal + held.entered as u64 };
                for (question, (inputs, slots)) in inputs.iter().zip(&mut slots).enumerate() {
                    slots.push(asking.slot(question, inputs, place)?);
                }
                held.entered += 1;
                entered += 1;
            }
            self.entering += 1;
        }
        self.rows_not_entered -= entered;
        Ok(entered)
    }

    /// Hands a call's end to the rows that waited for it.
    pub(super) fn land(&mut self, landing: Landing) {
        for place in landing.places {
            let index = place.batch.checked_sub(self.first_number).and_then(|index| usize::try_from(index).ok());
            let slot = index
                .and_then(|index| self.batches.get_mut(index))
                .and_then(|held| held.calls.get_mut(landing.question))
                .and_then(|call| call.slots.get_mut(place.row));
            if let Some(slot) = slot {
                *slot = Slot::Done(std::sync::Arc::clone(&landing.settled));
            }
        }
    }

    /// How many rows of the first batch can leave now, and whether that is all that is left of it.
    pub(super) fn ready(&mut self) -> (usize, bool) {
        let Some(first) = self.batches.front_mut() else { return (0, false) };
        let is_settled = |row: usize| first.calls.iter().all(|call| !matches!(call.slots.get(row), None | Some(Slot::Waiting)));
        let mut settled = first.settled;
        while settled < first.entered && is_settled(settled) {
            settled += 1;
        }
        first.settled = settled;
        (settled - first.left, settled == first.batch.num_rows())
    }

    /// Lets the ready rows of the first batch go.
    pub(super) fn leave<T>(&mut self, build: impl FnOnce(Leaving<'_>) -> Result<T>) -> Result<Option<T>> {
        let Some(first) = self.batches.front_mut() else { return Ok(None) };
        let (from, to) = (first.left, first.settled);
        let slots = first.calls.iter().map(|call| &call.slots[from..to]).collect();
        let built = build(Leaving { rows: first.batch.slice(from, to - from), slots })?;
        self.rows -= to - from;
        first.left = to;
        if to == first.batch.num_rows() {
            self.bytes = self.bytes.saturating_sub(first.batch.get_array_memory_size());
            self.batches.pop_front();
            self.first_number += 1;
            self.entering = self.entering.saturating_sub(1);
        }
        Ok(Some(built))
    }
}

impl HeldCall {
    fn new(call: &PlannedCall, batch: &RecordBatch) -> Result<HeldCall> {
        let rows = batch.num_rows();
        let reached = match &call.guard {
            Some(guard) => {
                let reached = guard.evaluate(batch)?.into_array(rows)?;
                let reached = reached.as_boolean();
                Some(if reached.null_count() > 0 { prep_null_mask_filter(reached) } else { reached.clone() })
            }
            None => None,
        };
        let arguments = call
            .arguments
            .iter()
            .map(|argument| {
                let evaluated = match &reached {
                    // an input that fails on rows the call does not reach must not fail the query
                    Some(reached) => argument.evaluate_selection(batch, reached)?,
                    None => argument.evaluate(batch)?,
                };
                readable(evaluated.into_array(rows)?)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(HeldCall { arguments, reached, slots: Vec::with_capacity(rows) })
    }

    fn split(&mut self) -> (Inputs<'_>, &mut Vec<Slot>) {
        let arguments = self.arguments.iter().map(Cells::of).collect();
        (Inputs { arguments, reached: self.reached.as_ref() }, &mut self.slots)
    }
}
