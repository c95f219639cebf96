//! Exit codes, and the errors that lead to them.

use std::process::ExitCode;

use corsac_dispatch::config::ConfigError;
use corsac_dispatch::{Failure, FailureKind, HttpOptionsError};
use corsac_frame::FrameError;
use corsac_ledger::LedgerError;

/// How the command ended. The numbers are documented in `corsac --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All rows are answered.
    Done,
    /// Something else went wrong: a file, the disk, the network.
    Failure,
    /// The command, the query, a schema or a template cannot be understood.
    Usage,
    /// The query ended, and some rows have no answer.
    RowsFailed,
    /// The configuration or the key is wrong.
    Configuration,
    /// The budget or the account's credits were reached; the rest was not asked.
    BudgetReached,
    /// Interrupted by the user.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::RowsFailed => 3,
            Exit::Configuration => 4,
            Exit::BudgetReached => 5,
            Exit::Interrupted => 130,
        })
    }
}

impl Exit {
    /// The one that says more: what ended the asking says more than single rows that failed.
    pub(crate) fn max_of(self, other: Exit) -> Exit {
        let weight = |exit: Exit| match exit {
            Exit::Done => 0,
            Exit::RowsFailed => 1,
            Exit::BudgetReached => 2,
            Exit::Interrupted => 3,
            Exit::Usage | Exit::Configuration | Exit::Failure => 4,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

/// An end with a message.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Stop {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Stop {
        Stop { exit, message: message.into() }
    }
}

/// The one place that maps what stopped a run to an exit code.
pub(crate) fn of_kind(kind: FailureKind) -> Exit {
    match kind {
        FailureKind::Unauthorized | FailureKind::NoSuchModel => Exit::Configuration,
        FailureKind::BudgetReached | FailureKind::OutOfCredits => Exit::BudgetReached,
        FailureKind::Interrupted => Exit::Interrupted,
        FailureKind::Offline | FailureKind::LedgerFailed => Exit::Failure,
        _ => Exit::RowsFailed,
    }
}

impl From<FrameError> for Stop {
    fn from(error: FrameError) -> Stop {
        let exit = match &error {
            FrameError::Query { .. } | FrameError::Table { .. } => Exit::Usage,
            FrameError::Stopped(Failure { kind, .. }) => of_kind(*kind),
            FrameError::RowFailed { .. } => Exit::RowsFailed,
            FrameError::Write { .. } | FrameError::Output(_) | FrameError::Execution { .. } => Exit::Failure,
        };
        let message = match &error {
            FrameError::Stopped(failure) if failure.kind == FailureKind::Interrupted => "interrupted".to_owned(),
            FrameError::Stopped(failure) => failure.message.to_string(),
            other => other.to_string(),
        };
        Stop { exit, message }
    }
}

impl From<ConfigError> for Stop {
    fn from(error: ConfigError) -> Stop {
        Stop::new(Exit::Configuration, error.to_string())
    }
}

impl From<HttpOptionsError> for Stop {
    fn from(error: HttpOptionsError) -> Stop {
        Stop::new(Exit::Configuration, error.to_string())
    }
}

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Stop {
        Stop::new(Exit::Failure, error.to_string())
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Stop {
        Stop::new(Exit::Failure, error.to_string())
    }
}
