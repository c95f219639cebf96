//! Rows that took the answer of a call without asking: counted for every run, and listed by number where the caller
//! told them, so that the call behind any row can be found.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use crate::Fingerprint;
use crate::batch::POSITION_BITS;
use crate::row_list::{self, RowList};
use crate::sums::stored;

/// What one transaction adds for one call.
#[derive(Debug, Default)]
struct Gain {
    unlisted: u64,
    rows: Vec<i64>,
}

/// The sharing of one transaction, by run number and fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    gained: HashMap<(i64, Fingerprint), Gain>,
}

/// What sharing adds to a run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Added {
    pub(crate) rows: i64,
    pub(crate) lists: i64,
}

impl Sharing {
    /// Rows of which only the number is known.
    pub(crate) fn count(&mut self, run: i64, fingerprint: Fingerprint, rows: u64) {
        let gain = self.gained.entry((run, fingerprint)).or_default();
        gain.unlisted = gain.unlisted.saturating_add(rows);
    }

    /// Rows by number.
    pub(crate) fn list(&mut self, run: i64, fingerprint: Fingerprint, rows: &[u64]) {
        let gain = self.gained.entry((run, fingerprint)).or_default();
        gain.rows.extend(rows.iter().map(|row| stored(*row)));
    }

    /// Writes what was gathered. `lists_before` tells how many lists a run has in the file already.
    pub(crate) fn write(
        &mut self,
        connection: &Connection,
        mut lists_before: impl FnMut(i64) -> i64,
    ) -> rusqlite::Result<HashMap<i64, Added>> {
        let mut added: HashMap<i64, Added> = HashMap::new();
        if self.gained.is_empty() {
            return Ok(added);
        }
        let mut count = connection.prepare_cached(
            "INSERT INTO shared (run, fingerprint, rows) VALUES (?,?,?)
             ON CONFLICT DO UPDATE SET rows = CAST(rows + excluded.rows AS INTEGER)",
        )?;
        let mut list = connection.prepare_cached("INSERT INTO shared_rows (id, first, last, fingerprint, rows) VALUES (?,?,?,?,?)")?;
        for ((run, fingerprint), gain) in self.gained.drain() {
            let (lists, listed) = row_list::lists(gain.rows);
            let rows = stored(gain.unlisted).saturating_add(listed);
            count.execute(params![run, fingerprint.as_bytes(), rows])?;
            let added = added.entry(run).or_default();
            added.rows = added.rows.saturating_add(rows);
            for RowList { first, last, bytes } in lists {
                let id = (run << POSITION_BITS) | (lists_before(run) + added.lists);
                list.execute(params![id, first, last, fingerprint.as_bytes(), bytes])?;
                added.lists += 1;
            }
        }
        Ok(added)
    }
}

/// The fingerprints of the calls whose answer this row took without asking.
pub(crate) fn taken_by_row(connection: &Connection, span: (i64, i64), row: i64) -> rusqlite::Result<Vec<[u8; 16]>> {
    let mut statement =
        connection.prepare_cached("SELECT fingerprint, rows FROM shared_rows WHERE id BETWEEN ?1 AND ?2 AND first <= ?3 AND last >= ?3")?;
    let mut lists = statement.query([span.0, span.1, row])?;
    let mut taken = Vec::new();
    while let Some(list) = lists.next()? {
        let fingerprint: [u8; 16] = list.get(0)?;
        let is_there = row_list::holds(list.get_ref(1)?.as_blob()?, row.unsigned_abs());
        if is_there && !taken.contains(&fingerprint) {
            taken.push(fingerprint);
        }
    }
    Ok(taken)
}
