//! Errors of tables and queries as Python's: what is wrong with a call is said before anything is asked.

use corsac_frame::FrameError;
use datafusion::common::DataFusionError;
use pyo3::prelude::*;

use crate::errors::{of_failure, raised};

/// An error of the engine underneath, in its plain words.
pub(crate) fn of_engine(error: DataFusionError) -> PyErr {
    let root = error.find_root();
    let told = match root {
        DataFusionError::Plan(message) | DataFusionError::Execution(message) | DataFusionError::NotImplemented(message) => message.clone(),
        other => other.strip_backtrace(),
    };
    query(told.split("\n\nbacktrace:").next().unwrap_or(&told).trim())
}

/// What is wrong with a verb, a column or a query.
pub(crate) fn query(message: &str) -> PyErr {
    Python::attach(|py| raised(py, class_of(message), message))
}

/// A type that a verb cannot take.
pub(crate) fn type_mismatch(message: &str) -> PyErr {
    Python::attach(|py| raised(py, "TypeMismatchError", message))
}

/// A column that is not there.
pub(crate) fn column_not_found(message: &str) -> PyErr {
    Python::attach(|py| raised(py, "ColumnNotFoundError", message))
}

/// The class of what the engine says of a plan. It has no classes of its own for types that do not fit: its words tell.
fn class_of(message: &str) -> &'static str {
    const TYPES: [&str; 12] = [
        "Failed to coerce arguments",
        "No function matches",
        "failed to match any signature",
        "Cannot coerce arithmetic expression",
        "common type to coerce",
        "Cannot infer common argument type",
        "Unsupported CAST",
        "Cannot cast string",
        "Cannot access field at argument",
        "but received",
        "does not support type",
        "incompatible types",
    ];
    if message.starts_with("there is no column") {
        "ColumnNotFoundError"
    } else if message.starts_with("there is no table") {
        "TableNotFoundError"
    } else if TYPES.iter().any(|words| message.contains(words)) {
        "TypeMismatchError"
    } else {
        "QueryError"
    }
}

/// The class of what fails while rows flow: a constant that no row could be computed with is the query's fault.
fn class_while_running(message: &str) -> &'static str {
    const CONSTANTS: [&str; 3] = ["Regular expression did not compile", "regex parse error", "field position must not be zero"];
    if CONSTANTS.iter().any(|words| message.contains(words)) { "QueryError" } else { "ExecutionError" }
}

/// An error of a verb, a plan or a run.
pub(crate) fn of_frame(error: FrameError) -> PyErr {
    let class = match &error {
        FrameError::Stopped(failure) | FrameError::RowFailed { failure, .. } => return of_failure(failure),
        FrameError::Query { message } => class_of(message),
        FrameError::Table { message } if message.starts_with("there is a table") => "TableAlreadyExistsError",
        FrameError::Table { .. } => "TableError",
        FrameError::Write { .. } | FrameError::Output(_) => "WriteError",
        FrameError::Execution { message } => class_while_running(message),
    };
    Python::attach(|py| raised(py, class, &error.to_string()))
}

/// The name a person probably meant.
pub(crate) fn nearest(wanted: &str, names: &[&str]) -> Option<String> {
    corsac_policy::nearest(wanted, names.iter().copied(), 1).into_iter().next()
}
