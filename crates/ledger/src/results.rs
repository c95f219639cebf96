//! Which calls made each row that a run gave: lists of fingerprints, many rows in one piece, where each fingerprint
//! stands once however many rows it made.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::Fingerprint;
use crate::row_list::{put, take};

/// Bytes of a fingerprint.
const WIDTH: usize = 16;

/// What one row of a result stems from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultRow {
    /// The calls, in the order in which the row came by them.
    pub calls: Vec<Fingerprint>,
    /// How often a call had its share in the row that is not among `calls`, because a list is only so long.
    pub more: u64,
}

/// Rows as bytes: how many fingerprints there are, the fingerprints, and for each row the length of its list, the places
/// of its fingerprints, and what the list left out.
pub(crate) fn packed(rows: &[ResultRow]) -> Vec<u8> {
    let mut places: HashMap<Fingerprint, u64> = HashMap::new();
    let (mut fingerprints, mut lists) = (Vec::new(), Vec::new());
    for row in rows {
        put(&mut lists, row.calls.len() as u64);
        for call in &row.calls {
            let next = places.len() as u64;
            let place = *places.entry(*call).or_insert_with(|| {
                fingerprints.extend_from_slice(call.as_bytes());
                next
            });
            put(&mut lists, place);
        }
        put(&mut lists, row.more);
    }
    let mut bytes = Vec::with_capacity(fingerprints.len() + lists.len() + 4);
    put(&mut bytes, places.len() as u64);
    bytes.extend(fingerprints);
    bytes.extend(lists);
    bytes
}

/// One of the rows, by its place among them. Bytes that hold no such row give none.
fn row_in(bytes: &[u8], place: u64) -> Option<ResultRow> {
    let mut rest = bytes;
    let count = usize::try_from(take(&mut rest)?).ok()?;
    let (fingerprints, mut rest) = rest.split_at_checked(count.checked_mul(WIDTH)?)?;
    let fingerprint = |place: u64| {
        let start = usize::try_from(place).ok()?.checked_mul(WIDTH)?;
        let bytes = fingerprints.get(start..start.checked_add(WIDTH)?)?;
        bytes.try_into().ok().map(Fingerprint::from_bytes)
    };
    for _ in 0..place {
        let calls = take(&mut rest)?;
        // the places, and what was left out
        (0..=calls).try_for_each(|_| take(&mut rest).map(drop))?;
    }
    let length = take(&mut rest)?;
    let calls = (0..length).map(|_| fingerprint(take(&mut rest)?)).collect::<Option<Vec<_>>>()?;
    Some(ResultRow { calls, more: take(&mut rest)? })
}

/// Puts rows behind those that the run gave before.
pub(crate) fn append(connection: &Connection, run: i64, rows: i64, bytes: &[u8]) -> rusqlite::Result<()> {
    let first = given(connection, run)?;
    connection.prepare_cached("INSERT INTO result_rows (run, first, last, calls) VALUES (?,?,?,?)")?.execute(params![
        run,
        first,
        first.saturating_add(rows - 1),
        bytes
    ])?;
    Ok(())
}

/// How many rows the run gave, as far as it was told.
pub(crate) fn given(connection: &Connection, run: i64) -> rusqlite::Result<i64> {
    let last = connection
        .prepare_cached("SELECT last FROM result_rows WHERE run = ? ORDER BY first DESC LIMIT 1")?
        .query_row([run], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(last.map_or(0, |last| last.saturating_add(1)))
}

/// What a row stems from; none if it was not told of.
pub(crate) fn row(connection: &Connection, run: i64, row: i64) -> rusqlite::Result<Option<ResultRow>> {
    let found = connection
        .prepare_cached("SELECT first, last, calls FROM result_rows WHERE run = ? AND first <= ? ORDER BY first DESC LIMIT 1")?
        .query_row([run, row], |list| Ok((list.get::<_, i64>(0)?, list.get::<_, i64>(1)?, list.get::<_, Vec<u8>>(2)?)))
        .optional()?;
    Ok(found.filter(|(_, last, _)| row <= *last).and_then(|(first, _, bytes)| row_in(&bytes, (row - first).unsigned_abs())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows() -> impl Strategy<Value = Vec<ResultRow>> {
        let call = (0u8..20).prop_map(|number| Fingerprint::of([&[number][..]]));
        let row = (prop::collection::vec(call, 0..5), 0u64..1_000).prop_map(|(calls, more)| ResultRow { calls, more });
        prop::collection::vec(row, 0..60)
    }

    #[test]
    fn a_thousand_rows_of_few_calls_take_three_bytes_each() {
        let calls: Vec<Fingerprint> = (0..10u8).map(|number| Fingerprint::of([&[number][..]])).collect();
        let rows: Vec<ResultRow> = (0..1_000).map(|row| ResultRow { calls: vec![calls[row % 10]], more: 0 }).collect();
        assert_eq!(packed(&rows).len(), 1 + 10 * WIDTH + 3 * 1_000);
    }

    proptest! {
        #[test]
        fn every_row_is_found_again(rows in rows()) {
            let bytes = packed(&rows);
            for (place, row) in (0..).zip(&rows) {
                prop_assert_eq!(row_in(&bytes, place), Some(row.clone()));
            }
            prop_assert_eq!(row_in(&bytes, rows.len() as u64), None);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>, place in 0u64..1_000) {
            row_in(&bytes, place);
        }
    }
}
