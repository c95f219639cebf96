//! Opening the file: which file it is, in what format, and with which settings SQLite works on it. Nothing in here
//! deletes, renames or truncates.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::LedgerError;
use crate::error::Blame;
use crate::migration;

/// How often a step that SQLite refuses without waiting itself is tried again within the busy timeout.
const BUSY_STEP: Duration = Duration::from_millis(5);

/// What an answer that was acknowledged outlives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// A power cut too: it is on the disk.
    #[default]
    Disk,
    /// The end of the process, `kill -9` included: the system has it. What is lost with the system is asked again; the file stays
    /// whole. Takes about a third less processor time for a call that waits for nobody else's.
    System,
}

impl Durability {
    /// Makes a writing connection keep to it.
    pub(crate) fn set(self, connection: &Connection) -> rusqlite::Result<()> {
        // FULL: a commit has reached the disk when it returns. NORMAL: the disk is waited for when the log is carried over.
        connection.pragma_update(None, "synchronous", if self == Durability::Disk { "FULL" } else { "NORMAL" })
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Write { size_limit_bytes: Option<u64> },
    Read,
}

/// Opens the file for writing, made and brought to the current format where needed.
pub(crate) fn open_writer(blame: &Blame, size_limit_bytes: Option<u64>) -> Result<Connection, LedgerError> {
    let path = &blame.path;
    if path.is_dir() {
        return Err(LedgerError::IsFolder { path: path.clone() });
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| LedgerError::Unreachable { path: path.clone(), detail: error.to_string() })?;
    }
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_CREATE).map_err(|error| blame.explain(error))?;
    prepare(&mut connection, blame, Use::Write { size_limit_bytes })?;
    Ok(connection)
}

/// Opens a second connection to a file that [`open_writer`] has prepared.
pub(crate) fn open_reader(blame: &Blame) -> Result<Connection, LedgerError> {
    // Not made anew: had somebody removed the file, an empty one would look as if nothing had ever been asked.
    let connection = connect(&blame.path, OpenFlags::empty()).map_err(|error| blame.explain(error))?;
    settle(&connection, blame, Use::Read).map_err(|error| blame.explain(error))?;
    Ok(connection)
}

/// A ledger without a file.
pub(crate) fn open_memory(blame: &Blame) -> Result<Connection, LedgerError> {
    let mut connection = Connection::open_in_memory().map_err(|error| blame.explain(error))?;
    plan_once(&connection).map_err(|error| blame.explain(error))?;
    connection.set_prepared_statement_cache_capacity(64);
    migration::migrate(&mut connection, blame)?;
    Ok(connection)
}

fn connect(path: &Path, creation: OpenFlags) -> rusqlite::Result<Connection> {
    // Without SQLite's own mutexes: each connection stands behind a lock of ours.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags | creation)
}

fn prepare(connection: &mut Connection, blame: &Blame, purpose: Use) -> Result<(), LedgerError> {
    connection.busy_timeout(blame.busy_timeout).map_err(|error| blame.explain(error))?;
    // Before anything is written: a file of another program must not even change its journal mode.
    migration::check(connection, blame)?;
    use_write_ahead_log(connection, blame)?;
    settle(connection, blame, purpose).map_err(|error| blame.explain(error))?;
    migration::migrate(connection, blame)
}

/// Settings that last as long as the connection.
fn settle(connection: &Connection, blame: &Blame, purpose: Use) -> rusqlite::Result<()> {
    connection.busy_timeout(blame.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(64);
    plan_once(connection)?;
    match purpose {
        Use::Write { size_limit_bytes } => {
            Durability::default().set(connection)?;
            connection.execute_batch(
                "PRAGMA cache_size = -32768;
                 PRAGMA wal_autocheckpoint = 8192;
                 PRAGMA journal_size_limit = 67108864;",
            )?;
            if let Some(limit) = size_limit_bytes {
                let page_size: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
                let pages = i64::try_from(limit).unwrap_or(i64::MAX) / page_size.max(1);
                // The PRAGMA answers with the limit in force, so it is a query.
                connection.query_row(&format!("PRAGMA max_page_count = {}", pages.max(1)), [], |_| Ok(()))?;
            }
            Ok(())
        }
        Use::Read => connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -16384;"),
    }
}

/// A statement is planned when it is prepared and not again for other values: they are the same few lookups by key, which is
/// all that a new plan could find, and planning took a tenth of a call.
fn plan_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Switches to the write-ahead log, once in the life of a file. SQLite does not wait for others here, so this does.
fn use_write_ahead_log(connection: &Connection, blame: &Blame) -> Result<(), LedgerError> {
    let mut tries_left = blame.busy_timeout.as_millis() / BUSY_STEP.as_millis();
    loop {
        let switched = connection
            .query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0))
            .and_then(|mode| match mode.as_str() {
                "wal" => Ok(mode),
                _ => connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)),
            })
            .map_err(|error| blame.explain(error));
        match switched {
            Ok(mode) if mode == "wal" => return Ok(()),
            // Some network file systems have no shared memory, without which there is no such log.
            Ok(mode) => {
                let detail = format!("its file system allows only the journal mode {mode:?}");
                return Err(LedgerError::Unreachable { path: blame.path.clone(), detail });
            }
            Err(LedgerError::Locked { .. }) if tries_left > 0 => {
                tries_left -= 1;
                thread::sleep(BUSY_STEP);
            }
            Err(error) => return Err(error),
        }
    }
}
