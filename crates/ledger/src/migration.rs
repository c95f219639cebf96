//! The format of the file, as steps from one version to the next. `user_version` counts the steps taken; a step that
//! was released is never edited, a new one is added behind it.

use rusqlite::{Connection, TransactionBehavior};

use crate::LedgerError;
use crate::error::Blame;

/// "Cors": marks the file as a ledger in SQLite's header.
const APPLICATION_ID: i64 = 0x436f_7273;

/// The steps. The number of this list is the format that this build writes.
const STEPS: &[&str] =
    &[include_str!("format_1.sql"), include_str!("format_2.sql"), include_str!("format_3.sql"), include_str!("format_4.sql")];

/// The format that this build writes.
pub(crate) const CURRENT: i64 = STEPS.len() as i64;

/// What stands in the file's header.
struct Header {
    application_id: i64,
    format: i64,
    is_empty: bool,
}

impl Header {
    fn read(connection: &Connection) -> rusqlite::Result<Header> {
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        Ok(Header {
            application_id: number("PRAGMA application_id")?,
            format: number("PRAGMA user_version")?,
            is_empty: number("SELECT count(*) FROM sqlite_schema")? == 0,
        })
    }
}

/// Looks at the header only: is this a ledger, or empty, and of a format this build knows?
pub(crate) fn check(connection: &Connection, blame: &Blame) -> Result<i64, LedgerError> {
    let header = Header::read(connection).map_err(|error| blame.explain(error))?;
    let fresh = header.application_id == 0 && header.format == 0 && header.is_empty;
    if header.application_id != APPLICATION_ID && !fresh {
        return Err(LedgerError::OtherProgram { path: blame.path.clone() });
    }
    if header.format > CURRENT {
        return Err(LedgerError::Newer { path: blame.path.clone(), found: header.format, known: CURRENT });
    }
    Ok(header.format)
}

/// Takes the steps that are missing, all or none.
pub(crate) fn migrate(connection: &mut Connection, blame: &Blame) -> Result<(), LedgerError> {
    if check(connection, blame)? == CURRENT {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|error| blame.explain(error))?;
    // Another process may have taken the steps while this one waited for the lock.
    let format = check(&transaction, blame)?;
    let missing = usize::try_from(format).ok().and_then(|taken| STEPS.get(taken..));
    let missing = missing.ok_or_else(|| blame.damaged(format!("its format is {format}")))?;
    missing
        .iter()
        .try_for_each(|step| transaction.execute_batch(step))
        .and_then(|()| transaction.pragma_update(None, "application_id", APPLICATION_ID))
        .and_then(|()| transaction.pragma_update(None, "user_version", CURRENT))
        .and_then(|()| transaction.commit())
        .map_err(|error| blame.explain(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::Duration;

    fn blame() -> Blame {
        Blame::new(Path::new("ledger.db"), Duration::ZERO)
    }

    #[test]
    fn an_empty_file_takes_every_step_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &blame()).unwrap();
        migrate(&mut connection, &blame()).unwrap();
        assert_eq!(check(&connection, &blame()), Ok(CURRENT));
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 14);
    }

    #[test]
    fn a_newer_format_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &blame()).unwrap();
        connection.pragma_update(None, "user_version", CURRENT + 1).unwrap();
        let error = migrate(&mut connection, &blame()).unwrap_err();
        assert_eq!(error, LedgerError::Newer { path: "ledger.db".into(), found: CURRENT + 1, known: CURRENT });
    }

    #[test]
    fn a_negative_format_is_damage() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &blame()).unwrap();
        connection.pragma_update(None, "user_version", -3).unwrap();
        assert!(matches!(migrate(&mut connection, &blame()), Err(LedgerError::Corrupted { .. })));
    }

    #[test]
    fn the_database_of_another_program_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE bookmarks (address TEXT)").unwrap();
        assert!(matches!(migrate(&mut connection, &blame()), Err(LedgerError::OtherProgram { .. })));
    }
}
