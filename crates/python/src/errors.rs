//! From what the engine says went wrong to the exceptions of `corsac.errors`.

use corsac_dispatch::{Failure, FailureKind, OpenError};
use corsac_ledger::LedgerError;
use corsac_wire::Usd;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// An exception of `corsac.errors` with a message.
pub(crate) fn raised(py: Python<'_>, class: &str, message: &str) -> PyErr {
    raised_with(py, class, message, &PyDict::new(py))
}

fn raised_with(py: Python<'_>, class: &str, message: &str, details: &Bound<'_, PyDict>) -> PyErr {
    let made = || {
        let class = py.import("corsac.errors")?.getattr(class)?;
        let arguments = PyTuple::new(py, [message])?;
        class.call(arguments, Some(details))
    };
    match made() {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// Arguments that make no sense together.
pub(crate) fn usage(message: impl AsRef<str>) -> PyErr {
    Python::attach(|py| raised(py, "UsageError", message.as_ref()))
}

/// A failure of which nothing but its class is known.
pub(crate) fn call_error(kind: FailureKind, message: &str) -> PyErr {
    Python::attach(|py| {
        let details = PyDict::new(py);
        match details.set_item("kind", kind.name()) {
            Ok(()) => raised_with(py, class_of(kind), message, &details),
            Err(error) => error,
        }
    })
}

/// A setting or an argument that makes no sense.
pub(crate) fn configuration(message: impl AsRef<str>) -> PyErr {
    Python::attach(|py| raised(py, "ConfigurationError", message.as_ref()))
}

/// An engine that cannot be opened.
pub(crate) fn of_open(error: &OpenError) -> PyErr {
    let class = match error {
        OpenError::Ledger(_) => "LedgerError",
        OpenError::Catalog(_) => "UnreachableError",
        OpenError::NotOpened(_) => "CorsacError",
        _ => "ConfigurationError",
    };
    Python::attach(|py| raised(py, class, &error.to_string()))
}

/// A ledger that cannot be read or written.
pub(crate) fn of_ledger(error: &LedgerError) -> PyErr {
    Python::attach(|py| raised(py, "LedgerError", &error.to_string()))
}

/// The class a call's failure is raised as.
fn class_of(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::BadInput => "InputTooLongError",
        FailureKind::Refused => "RefusedError",
        FailureKind::Moderated => "ModeratedError",
        FailureKind::InvalidAnswer => "InvalidAnswerError",
        FailureKind::Truncated => "TruncatedError",
        FailureKind::RateLimited => "RateLimitedError",
        FailureKind::ProviderError => "ProviderError",
        FailureKind::Timeout => "CallTimeoutError",
        FailureKind::Unreachable | FailureKind::Offline => "UnreachableError",
        FailureKind::NoSuchModel => "NoSuchModelError",
        FailureKind::Unauthorized => "UnauthorizedError",
        FailureKind::OutOfCredits => "OutOfCreditsError",
        FailureKind::BudgetReached => "BudgetReachedError",
        FailureKind::Interrupted => "StoppedError",
        FailureKind::LedgerFailed => "LedgerError",
        FailureKind::Internal => "CallError",
    }
}

/// A call that has no answer, with all that is known of it.
pub(crate) fn of_failure(failure: &Failure) -> PyErr {
    Python::attach(|py| {
        let details = PyDict::new(py);
        let known = || -> PyResult<()> {
            details.set_item("kind", failure.kind.name())?;
            details.set_item("status", failure.status)?;
            details.set_item("model", failure.model.as_deref())?;
            details.set_item("provider", failure.provider.as_deref())?;
            details.set_item("attempts", failure.attempts)?;
            details.set_item("cost", dollars(failure.cost))
        };
        match known() {
            Ok(()) if failure.kind == FailureKind::LedgerFailed => raised(py, "LedgerError", &failure.message),
            Ok(()) => raised_with(py, class_of(failure.kind), &failure.message, &details),
            Err(error) => error,
        }
    })
}

/// Money as Python's programs have it. Sums are made before, in whole parts of a dollar.
pub(crate) fn dollars(cost: Usd) -> f64 {
    cost.as_f64()
}
