//! The outcomes an operator has seen, by input, within a bound of entries and bytes. What is forgotten here is found
//! again in the ledger; this only saves the way there.

use std::sync::Arc;

use datafusion::common::HashMap;

use super::settled::Settled;

/// Two generations: lookups move an entry into the young one, and the old one is dropped when the young one is full.
/// That keeps what was used lately without a list to maintain.
#[derive(Debug)]
pub(crate) struct Memory {
    young: Generation,
    old: Generation,
    /// Outcomes that are never forgotten.
    kept: Generation,
    keeps_matches: bool,
    most_entries: usize,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Generation {
    entries: HashMap<Box<[u8]>, Arc<Settled>>,
    bytes: usize,
}

/// What an entry takes beside its input and its answer.
const ENTRY_BYTES: usize = 96;

impl Memory {
    /// An empty memory that holds at most so much, both generations together.
    pub(crate) fn new(most_entries: usize, most_bytes: usize) -> Memory {
        Memory {
            young: Generation::default(),
            old: Generation::default(),
            kept: Generation::default(),
            keeps_matches: false,
            most_entries: (most_entries / 2).max(1),
            most_bytes: most_bytes / 2,
        }
    }

    /// The outcome for an input, if it is remembered.
    pub(crate) fn get(&mut self, input: &[u8]) -> Option<Arc<Settled>> {
        if let Some(settled) = self.kept.entries.get(input).or_else(|| self.young.entries.get(input)) {
            return Some(Arc::clone(settled));
        }
        let (input, settled) = self.old.entries.remove_entry(input)?;
        let found = Arc::clone(&settled);
        self.insert(input, settled);
        Some(found)
    }

    /// From now on what turns out to be true is never forgotten, whatever the bounds: a join's samples hold few matches, and each
    /// of them comes again as a row.
    pub(crate) fn keep_matches(&mut self, keeps: bool) {
        self.keeps_matches = keeps;
    }

    /// Remembers an outcome. One that alone would fill the memory is left out.
    pub(crate) fn insert(&mut self, input: Box<[u8]>, settled: Arc<Settled>) {
        if self.keeps_matches && settled.is_true() {
            self.kept.entries.insert(input, settled);
            return;
        }
        let bytes = input.len() + settled.weight() + ENTRY_BYTES;
        if bytes > self.most_bytes {
            return;
        }
        if self.young.entries.len() >= self.most_entries || self.young.bytes + bytes > self.most_bytes {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.bytes += bytes;
        self.young.entries.insert(input, settled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Box<[u8]> {
        number.to_string().into_bytes().into()
    }

    fn count(memory: &mut Memory, numbers: std::ops::Range<usize>) -> usize {
        numbers.filter(|number| memory.young.entries.contains_key(&key(*number)) || memory.old.entries.contains_key(&key(*number))).count()
    }

    #[test]
    fn it_stays_within_its_bounds_and_keeps_what_is_used() {
        let mut memory = Memory::new(100, 1_000_000);
        let settled = Arc::new(Settled::blank());
        for number in 0..1_000 {
            memory.insert(key(number), Arc::clone(&settled));
            assert!(memory.get(&key(0)).is_some(), "what every row reads is never forgotten");
        }
        assert!(count(&mut memory, 0..1_000) <= 100);
        assert!(memory.get(&key(999)).is_some());
        assert!(memory.get(&key(1)).is_none());
    }

    #[test]
    fn what_is_too_large_is_left_out() {
        let mut memory = Memory::new(100, 1_000);
        memory.insert(vec![0; 600].into(), Arc::new(Settled::blank()));
        assert_eq!(memory.young.entries.len(), 0);
    }
}
