//! Lists of row numbers as bytes: spans of neighbours, each told by the gap before it. A row that stands alone takes
//! one or two bytes among thousands, a million neighbours take a few.

/// Rows in one list at most, so that finding a row reads little.
pub(crate) const ROWS_AT_MOST: usize = 4_096;

/// One list.
pub(crate) struct RowList {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) bytes: Vec<u8>,
}

/// Makes lists of rows, which are put in order; a row that is there twice counts once. Gives the number of rows too.
pub(crate) fn lists(mut rows: Vec<i64>) -> (Vec<RowList>, i64) {
    rows.retain(|row| *row >= 0);
    rows.sort_unstable();
    rows.dedup();
    let lists = rows.chunks(ROWS_AT_MOST).filter_map(list).collect();
    (lists, i64::try_from(rows.len()).unwrap_or(i64::MAX))
}

/// Each span is a number with a flag in its lowest bit. Above the flag stands the gap between the span and what came
/// before; flagged spans are followed by the number of rows beyond the first.
fn list(rows: &[i64]) -> Option<RowList> {
    let (first, last) = (*rows.first()?, *rows.last()?);
    let mut bytes = Vec::with_capacity(rows.len() * 2);
    let mut expected = 0i64;
    for span in rows.chunk_by(|row, next| *next == row.saturating_add(1)) {
        let start = span.first().copied().unwrap_or(expected);
        let more = span.len() as u64 - 1;
        put(&mut bytes, (start.abs_diff(expected) << 1) | u64::from(more > 0));
        if more > 0 {
            put(&mut bytes, more);
        }
        expected = span.last().map_or(expected, |row| row.saturating_add(1));
    }
    Some(RowList { first, last, bytes })
}

/// Whether the list holds this row. Bytes that are no list hold what can be understood of them.
pub(crate) fn holds(bytes: &[u8], row: u64) -> bool {
    let mut rest = bytes;
    let mut expected = 0u64;
    while let Some(number) = take(&mut rest) {
        let start = expected.saturating_add(number >> 1);
        let more = if number & 1 == 1 { take(&mut rest).unwrap_or(0) } else { 0 };
        if row < start {
            return false;
        }
        if row - start <= more {
            return true;
        }
        expected = start.saturating_add(more).saturating_add(1);
    }
    false
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
pub(crate) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for place in 0..10u32 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(place * 7).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn rows_in(rows: Vec<i64>) -> (Vec<RowList>, i64) {
        lists(rows)
    }

    #[test]
    fn neighbours_take_a_few_bytes_and_rows_alone_two() {
        let (together, count) = rows_in((1_000..5_000).collect());
        assert_eq!((together.len(), together[0].bytes.len(), count), (1, 4, 4_000));
        assert_eq!((together[0].first, together[0].last), (1_000, 4_999));
        let (alone, count) = rows_in((0..4_000).map(|row| row * 1_000).collect());
        assert_eq!((alone.len(), count), (1, 4_000));
        assert!(alone[0].bytes.len() <= 8_000, "{}", alone[0].bytes.len());
    }

    #[test]
    fn the_largest_rows_fit() {
        let (lists, count) = rows_in(vec![i64::MAX, i64::MAX - 1, i64::MAX, 0, -7]);
        assert_eq!(count, 3);
        let held = |row| holds(&lists[0].bytes, row);
        assert!(held(0) && held(i64::MAX as u64 - 1) && held(i64::MAX as u64));
        assert!(!held(1) && !held(i64::MAX as u64 + 1) && !held(u64::MAX));
    }

    proptest! {
        #[test]
        fn what_was_put_in_is_held_and_nothing_else(rows in prop::collection::vec(0i64..300, 0..200)) {
            let set: BTreeSet<i64> = rows.iter().copied().collect();
            let (lists, count) = rows_in(rows);
            prop_assert_eq!(count, set.len() as i64);
            for row in 0..310 {
                let held = lists.iter().any(|list| list.first <= row && row <= list.last && holds(&list.bytes, row as u64));
                prop_assert_eq!(held, set.contains(&row), "{}", row);
            }
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>, row: u64) {
            holds(&bytes, row);
        }
    }
}
