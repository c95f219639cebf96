//! The calls behind one row, as a cell of a column: a count of what was left out and the fingerprints of the rest. NULL
//! where there is none.

use arrow::array::{ArrayRef, BinaryBuilder};
use corsac_ledger::{Fingerprint, ResultRow};
use std::sync::Arc;

/// Calls kept of one row at most: a group of a million rows must not hold a million names.
pub(crate) const AT_MOST: usize = 64;
const HEAD_BYTES: usize = 8;
const WIDTH: usize = 16;

/// Different calls, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CallList {
    calls: Vec<Fingerprint>,
    /// How often a call was left out.
    more: u64,
}

impl CallList {
    pub(crate) fn add(&mut self, call: Fingerprint) {
        if self.calls.contains(&call) {
            return;
        }
        if self.calls.len() < AT_MOST {
            self.calls.push(call);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Adds what another cell lists.
    pub(crate) fn take_in(&mut self, cell: &[u8]) {
        let Some((head, calls)) = cell.split_first_chunk::<HEAD_BYTES>() else { return };
        self.more = self.more.saturating_add(u64::from_le_bytes(*head));
        calls.as_chunks::<WIDTH>().0.iter().for_each(|call| self.add(Fingerprint::from_bytes(*call)));
    }

    /// As a cell; NULL when there is nothing to tell.
    pub(crate) fn cell(&self) -> Option<Vec<u8>> {
        if self.calls.is_empty() && self.more == 0 {
            return None;
        }
        let mut cell = Vec::with_capacity(HEAD_BYTES + WIDTH * self.calls.len());
        cell.extend_from_slice(&self.more.to_le_bytes());
        self.calls.iter().for_each(|call| cell.extend_from_slice(call.as_bytes()));
        Some(cell)
    }

    pub(crate) fn into_row(self) -> ResultRow {
        ResultRow { calls: self.calls, more: self.more }
    }

    /// About how many bytes this keeps alive.
    pub(crate) fn bytes(&self) -> usize {
        std::mem::size_of::<CallList>() + WIDTH * self.calls.capacity()
    }
}

/// A column of lists.
pub(crate) fn column(lists: impl Iterator<Item = CallList>) -> ArrayRef {
    let mut cells = BinaryBuilder::new();
    lists.for_each(|list| cells.append_option(list.cell()));
    Arc::new(cells.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: u64) -> Fingerprint {
        Fingerprint::of([&number.to_le_bytes()[..]])
    }

    fn list(calls: impl Iterator<Item = u64>) -> CallList {
        let mut list = CallList::default();
        calls.for_each(|number| list.add(call(number)));
        list
    }

    #[test]
    fn a_call_is_listed_once_and_a_long_list_counts_what_it_leaves_out() {
        assert_eq!(list([].into_iter()).cell(), None);
        let long = list((0..100).chain(0..10));
        assert_eq!((long.calls.len(), long.more), (AT_MOST, 36));
        let mut both = list([3, 200].into_iter());
        both.take_in(&long.cell().unwrap());
        assert_eq!((both.calls[0], both.calls[1], both.calls[2]), (call(3), call(200), call(0)));
        // one of the long list's own has no room any more
        assert_eq!((both.calls.len(), both.more), (AT_MOST, 37));
        both.take_in(&[]);
        assert_eq!(both.into_row().more, 37);
    }
}
