//! What can go wrong with a ledger, told so that a person knows what happened, to which file, and what to do now.
//! Errors can be cloned, because one failed write is the answer to everybody who waits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ErrorCode;

/// Why the ledger could not do what it was asked. No variant ever means that the file was deleted or cut short.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// A folder stands where the file should be.
    #[error("the ledger {} is a folder: name a file in it, for example {}", path.display(), path.join("ledger.db").display())]
    IsFolder {
        /// The path that was given.
        path: PathBuf,
    },
    /// The file or its folder could neither be opened nor made.
    #[error("the ledger {} cannot be opened ({detail}): check that the path is right and that you may write there", path.display())]
    Unreachable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        detail: String,
    },
    /// The file can be read but not written.
    #[error("the ledger {} cannot be written to: give yourself write permission on the file and its folder, or choose another place for it", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// Another program kept the file locked for longer than the busy timeout.
    #[error("the ledger {} is locked by another program (waited {} s): close what holds it open, such as a database browser or a backup, and run again; everything recorded so far is kept", path.display(), waited.as_secs_f64())]
    Locked {
        /// The file.
        path: PathBuf,
        /// How long the ledger waited.
        waited: Duration,
    },
    /// No room for another record: the disk is full or the size limit is reached.
    #[error("no room left to write the ledger {}: free some disk space (or raise its size limit) and run again; everything recorded so far is kept", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The file is not an SQLite database at all.
    #[error("{} is not a ledger (not an SQLite file): it was left as it is; move it away or choose another path", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is an SQLite database, but of another program.
    #[error("{} is a database of another program, not a ledger: it was left as it is; choose another path", path.display())]
    OtherProgram {
        /// The file.
        path: PathBuf,
    },
    /// The file was a ledger and is damaged.
    #[error("the ledger {} is damaged ({detail}): it was left as it is; copy it with its -wal file, try `sqlite3 FILE .recover` on the copy, and move the damaged one away to start a new ledger", path.display())]
    Corrupted {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// A newer Corsac wrote this file.
    #[error("the ledger {} was written by a newer Corsac (format {found}, this one reads up to {known}): update Corsac or choose another ledger", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: i64,
        /// The newest format this build knows.
        known: i64,
    },
    /// The disk failed under the file.
    #[error("reading or writing the ledger {} failed ({detail}): check the disk and run again; everything recorded so far is kept", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// No run has this id.
    #[error("no run {asked:?} in the ledger{}", known_runs(recent))]
    UnknownRun {
        /// The id or prefix that was asked for.
        asked: String,
        /// Ids of the latest runs, newest first.
        recent: Vec<String>,
    },
    /// More than one run begins like this.
    #[error("{prefix:?} is the beginning of more than one run: write more of one of {}", matches.join(", "))]
    AmbiguousRun {
        /// The prefix that was asked for.
        prefix: String,
        /// Ids that begin with it, newest first, ten at most.
        matches: Vec<String>,
    },
    /// An answer beyond what one entry of the ledger may hold.
    #[error("an answer of {bytes} bytes is more than one ledger entry holds ({limit} bytes): ask for shorter answers")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest size taken.
        limit: usize,
    },
    /// The ledger's writer ended before it could take this.
    #[error("the ledger {} has stopped writing: start the program again; everything acknowledged so far is kept", path.display())]
    Stopped {
        /// The file.
        path: PathBuf,
    },
    /// SQLite refused something in a way that has no advice of its own.
    #[error("the ledger {} refused a request ({detail}): this is a fault in Corsac, please report it", path.display())]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
}

fn known_runs(recent: &[String]) -> String {
    match recent {
        [] => " (it holds no runs yet)".to_owned(),
        ids => format!(": the latest are {}", ids.join(", ")),
    }
}

/// Turns SQLite's errors into the ledger's, with the file and the busy timeout they need for their message.
#[derive(Debug, Clone)]
pub(crate) struct Blame {
    pub(crate) path: PathBuf,
    pub(crate) busy_timeout: Duration,
}

impl Blame {
    pub(crate) fn new(path: &Path, busy_timeout: Duration) -> Blame {
        Blame { path: path.to_owned(), busy_timeout }
    }

    pub(crate) fn explain(&self, error: rusqlite::Error) -> LedgerError {
        let path = self.path.clone();
        let detail = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => LedgerError::Full { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
                LedgerError::Locked { path, waited: self.busy_timeout }
            }
            Some(ErrorCode::ReadOnly) => LedgerError::ReadOnly { path },
            Some(ErrorCode::NotADatabase) => LedgerError::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt) => LedgerError::Corrupted { path, detail },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
                LedgerError::Unreachable { path, detail }
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::NoLargeFileSupport | ErrorCode::OutOfMemory) => LedgerError::Disk { path, detail },
            // A stored value of the wrong type can only come from a damaged file or from a foreign hand in it.
            _ if is_conversion(&error) => LedgerError::Corrupted { path, detail },
            _ => LedgerError::Unexpected { path, detail },
        }
    }

    pub(crate) fn damaged(&self, detail: impl Into<String>) -> LedgerError {
        LedgerError::Corrupted { path: self.path.clone(), detail: detail.into() }
    }

    pub(crate) fn stopped(&self) -> LedgerError {
        LedgerError::Stopped { path: self.path.clone() }
    }
}

fn is_conversion(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn told(code: i32) -> LedgerError {
        let blame = Blame::new(Path::new("home/ledger.db"), Duration::from_secs(10));
        blame.explain(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn every_cause_has_its_own_error() {
        assert!(matches!(told(ffi::SQLITE_FULL), LedgerError::Full { .. }));
        assert!(matches!(told(ffi::SQLITE_BUSY), LedgerError::Locked { .. }));
        assert!(matches!(told(ffi::SQLITE_BUSY_SNAPSHOT), LedgerError::Locked { .. }));
        assert!(matches!(told(ffi::SQLITE_READONLY), LedgerError::ReadOnly { .. }));
        assert!(matches!(told(ffi::SQLITE_READONLY_DIRECTORY), LedgerError::ReadOnly { .. }));
        assert!(matches!(told(ffi::SQLITE_NOTADB), LedgerError::NotADatabase { .. }));
        assert!(matches!(told(ffi::SQLITE_CORRUPT), LedgerError::Corrupted { .. }));
        assert!(matches!(told(ffi::SQLITE_CANTOPEN), LedgerError::Unreachable { .. }));
        assert!(matches!(told(ffi::SQLITE_IOERR_WRITE), LedgerError::Disk { .. }));
        assert!(matches!(told(ffi::SQLITE_MISUSE), LedgerError::Unexpected { .. }));
    }

    #[test]
    fn every_message_names_the_file() {
        for code in [
            ffi::SQLITE_FULL,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_MISUSE,
        ] {
            assert!(told(code).to_string().contains("home/ledger.db"), "{}", told(code));
        }
    }

    #[test]
    fn an_unknown_run_names_the_latest() {
        let error = LedgerError::UnknownRun { asked: "zz".into(), recent: vec!["a1b2c3d4".into(), "00ff00ff".into()] };
        assert_eq!(error.to_string(), r#"no run "zz" in the ledger: the latest are a1b2c3d4, 00ff00ff"#);
        let empty = LedgerError::UnknownRun { asked: "zz".into(), recent: vec![] };
        assert_eq!(empty.to_string(), r#"no run "zz" in the ledger (it holds no runs yet)"#);
    }
}
