//! A connection for reading, opened when it is first needed, with the words it has seen. The ledger has two: one for
//! recall, which must never wait behind a long list, and one for lists.

use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;

use crate::LedgerError;
use crate::connection;
use crate::error::Blame;
use crate::words::WordTexts;

/// A lazily opened reading connection.
pub(crate) struct Reader {
    connection: OnceLock<Arc<Mutex<Connection>>>,
    opening: Mutex<()>,
    blame: Blame,
    pub(crate) words: WordTexts,
}

impl Reader {
    pub(crate) fn of_file(blame: Blame) -> Reader {
        Reader { connection: OnceLock::new(), opening: Mutex::new(()), blame, words: WordTexts::default() }
    }

    /// A ledger in memory has one connection for everything: between two of its own, SQLite would refuse rather
    /// than wait.
    pub(crate) fn of_memory(blame: Blame, connection: Arc<Mutex<Connection>>) -> Reader {
        Reader { connection: OnceLock::from(connection), ..Reader::of_file(blame) }
    }

    fn connection(&self) -> Result<MutexGuard<'_, Connection>, LedgerError> {
        if let Some(connection) = self.connection.get() {
            return Ok(connection.lock());
        }
        let _one_at_a_time = self.opening.lock();
        if self.connection.get().is_none() {
            let opened = connection::open_reader(&self.blame)?;
            return Ok(self.connection.get_or_init(|| Arc::new(Mutex::new(opened))).lock());
        }
        self.connection.get().map(|connection| connection.lock()).ok_or_else(|| self.blame.stopped())
    }

    /// Whether it was opened, so that a file that cannot be read was told of.
    pub(crate) fn is_open(&self) -> bool {
        self.connection.get().is_some()
    }

    /// Reads something through another connection to the same file that has nothing else to do.
    pub(crate) fn read_through<T>(
        &self,
        idle: &Connection,
        read: impl FnOnce(&Connection, &WordTexts) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        read(idle, &self.words).map_err(|error| self.blame.explain(error))
    }

    /// Reads something. SQLite's errors become the ledger's.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection, &WordTexts) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        let connection = self.connection()?;
        read(&connection, &self.words).map_err(|error| self.blame.explain(error))
    }
}
