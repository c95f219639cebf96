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
    Python::attach(|py| raised(py, "QueryError", message))
}

/// An error of a verb, a plan or a run.
pub(crate) fn of_frame(error: FrameError) -> PyErr {
    let class = match &error {
        FrameError::Stopped(failure) | FrameError::RowFailed { failure, .. } => return of_failure(failure),
        FrameError::Query { .. } => "QueryError",
        FrameError::Table { .. } => "TableError",
        FrameError::Write { .. } | FrameError::Output(_) => "WriteError",
        FrameError::Execution { .. } => "ExecutionError",
    };
    Python::attach(|py| raised(py, class, &error.to_string()))
}

/// The name a person probably meant.
pub(crate) fn nearest(wanted: &str, names: &[&str]) -> Option<String> {
    corsac_policy::nearest(wanted, names.iter().copied(), 1).into_iter().next()
}
