//! The newest answers of an operator, looked at to learn what the next ones are likely to be. It decides nothing.

use std::ops::ControlFlow;

use rusqlite::{Connection, params};

use crate::words::kept;
use crate::{Ledger, LedgerError};

impl Ledger {
    /// Shows the newest answers of an operator, each with the beginning of the input it was given for (at most
    /// [`INPUT_CHARACTERS`](crate::INPUT_CHARACTERS)) and the answer's own text, the newest first, until `look` breaks off. Of the newest
    /// `calls` calls in the file, those of other operators and those without an answer are passed over.
    pub fn each_recent_answer(
        &self,
        operator: &str,
        calls: u64,
        mut look: impl FnMut(&str, &str) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        self.long_read(|connection, _| read(connection, operator, calls, &mut look))
    }
}

fn read(connection: &Connection, operator: &str, calls: u64, look: &mut dyn FnMut(&str, &str) -> ControlFlow<()>) -> rusqlite::Result<()> {
    let mut find = connection.prepare_cached(
        "SELECT newest.input, answer.body
         FROM (SELECT fingerprint, operator, outcome, input, id FROM call ORDER BY id DESC LIMIT ?2) AS newest
         JOIN answer ON answer.fingerprint = newest.fingerprint
         WHERE newest.outcome < 2 AND newest.operator = (SELECT id FROM word WHERE text = ?1)
         ORDER BY newest.id DESC",
    )?;
    let mut rows = find.query(params![kept(operator), i64::try_from(calls).unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        if look(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?).is_break() {
            break;
        }
    }
    Ok(())
}
