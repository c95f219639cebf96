//! What a person is told when a query, a table or an output file cannot be handled, and how the engine's own errors
//! become such messages.

use std::path::PathBuf;

use corsac_dispatch::Failure;
use datafusion::common::DataFusionError;

/// Everything that can go wrong between a query's text and its rows.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The query cannot be understood or planned; nothing was asked.
    #[error("{message}")]
    Query {
        /// What is wrong and what to change.
        message: String,
    },
    /// A table's file cannot be found, recognised or read.
    #[error("{message}")]
    Table {
        /// What is wrong, with the file and, where it is known, the line.
        message: String,
    },
    /// The answer to a call says that no further row can succeed.
    #[error("the run was stopped: {0}")]
    Stopped(Failure),
    /// A row failed and the session was told to fail with it.
    #[error("row {row} of {operator} failed ({}): {failure}", failure.kind)]
    RowFailed {
        /// The operator's SQL name.
        operator: String,
        /// The ordinal of the row in the operator's input, from 0.
        row: u64,
        /// Why it has no answer.
        failure: Failure,
    },
    /// The result cannot be written.
    #[error("cannot write {}: {message}", path.display())]
    Write {
        /// The file meant to hold the result.
        path: PathBuf,
        /// What the system says and what to do.
        message: String,
    },
    /// The rows cannot be written to the stream that was given, such as a closed pipe.
    #[error("cannot write the result: {0}")]
    Output(#[from] std::io::Error),
    /// The query failed while it ran, for a reason that has nothing to do with a model.
    #[error("{message}")]
    Execution {
        /// What the engine says.
        message: String,
    },
}

impl FrameError {
    pub(crate) fn query(message: impl Into<String>) -> FrameError {
        FrameError::Query { message: message.into() }
    }

    pub(crate) fn table(message: impl Into<String>) -> FrameError {
        FrameError::Table { message: message.into() }
    }

    /// Whether the reader of the output went away, which ends a run quietly.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, FrameError::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// The message of an error met while planning.
    pub(crate) fn from_planning(error: DataFusionError) -> FrameError {
        FrameError::from_engine(error, |message| FrameError::Query { message })
    }

    /// The message of an error met while rows were flowing.
    pub(crate) fn from_execution(error: DataFusionError) -> FrameError {
        FrameError::from_engine(error, |message| FrameError::Execution { message })
    }

    fn from_engine(error: DataFusionError, other: impl FnOnce(String) -> FrameError) -> FrameError {
        match unwrapped(error) {
            DataFusionError::External(inner) => match inner.downcast::<FrameError>() {
                Ok(own) => *own,
                Err(foreign) => other(foreign.to_string()),
            },
            shared @ DataFusionError::Shared(_) => match own_in(&shared) {
                Some(own) => own,
                None => other(plain_message(&shared)),
            },
            plain => other(plain_message(&plain)),
        }
    }
}

/// What the query engine says of an expression or a plan.
impl From<DataFusionError> for FrameError {
    fn from(error: DataFusionError) -> FrameError {
        FrameError::from_planning(error)
    }
}

impl From<FrameError> for DataFusionError {
    fn from(error: FrameError) -> DataFusionError {
        DataFusionError::External(Box::new(error))
    }
}

/// Takes away what the engine wrapped round an error: names of its rules, source positions, collections of one.
fn unwrapped(error: DataFusionError) -> DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => unwrapped(*inner),
        DataFusionError::Collection(mut errors) if !errors.is_empty() => unwrapped(errors.swap_remove(0)),
        DataFusionError::ArrowError(inner, backtrace) => match *inner {
            arrow::error::ArrowError::ExternalError(external) => match external.downcast::<DataFusionError>() {
                Ok(own) => unwrapped(*own),
                Err(external) => DataFusionError::External(external),
            },
            other => DataFusionError::ArrowError(Box::new(other), backtrace),
        },
        DataFusionError::External(external) => match external.downcast::<DataFusionError>() {
            Ok(own) => unwrapped(*own),
            Err(external) => DataFusionError::External(external),
        },
        other => other,
    }
}

/// An error of our own behind a shared pointer, copied out as far as it can be.
fn own_in(error: &DataFusionError) -> Option<FrameError> {
    let DataFusionError::External(inner) = error.find_root() else { return None };
    match inner.downcast_ref::<FrameError>()? {
        FrameError::Stopped(failure) => Some(FrameError::Stopped(failure.clone())),
        FrameError::RowFailed { operator, row, failure } => {
            Some(FrameError::RowFailed { operator: operator.clone(), row: *row, failure: failure.clone() })
        }
        FrameError::Table { message } => Some(FrameError::table(message.clone())),
        other => Some(FrameError::Execution { message: other.to_string() }),
    }
}

fn plain_message(error: &DataFusionError) -> String {
    let root = error.find_root();
    match root {
        DataFusionError::Plan(message) | DataFusionError::Execution(message) | DataFusionError::NotImplemented(message) => {
            without_backtrace(message).to_owned()
        }
        DataFusionError::SQL(error, _) => format!("the SQL cannot be read: {}", parser_message(error)),
        DataFusionError::SchemaError(error, _) => schema_message(error),
        other => without_prefix(without_backtrace(&other.strip_backtrace())).to_owned(),
    }
}

fn parser_message(error: &datafusion::sql::sqlparser::parser::ParserError) -> String {
    use datafusion::sql::sqlparser::parser::ParserError;
    match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message.clone(),
        ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
    }
}

/// The engine's own text, without the parts about its settings.
fn schema_message(error: &datafusion::common::SchemaError) -> String {
    use datafusion::common::SchemaError;
    let SchemaError::FieldNotFound { field, valid_fields } = error else { return error.to_string() };
    let wanted = field.name();
    let names: Vec<&str> = valid_fields.iter().map(|column| column.name()).collect();
    let mut message = format!("there is no column {}", field.flat_name());
    if let Some(near) = nearest(wanted, names.iter().copied()) {
        message.push_str(&format!(". Did you mean {near}?"));
    }
    if !names.is_empty() {
        message.push_str(&format!("\nThe columns here are: {}", names.join(", ")));
    }
    if nearest(wanted, names.iter().copied()).is_none() {
        message.push_str("\nA text stands in single quotes; double quotes name a column.");
    }
    message
}

/// The engine says the same word twice where one of its errors holds another.
fn without_prefix(message: &str) -> &str {
    let mut rest = message;
    for prefix in ["Parquet error: ", "Arrow error: ", "External error: ", "Execution error: "] {
        while let Some(inner) = rest.strip_prefix(prefix) {
            rest = inner;
        }
    }
    rest
}

fn without_backtrace(message: &str) -> &str {
    message.split("\n\nbacktrace:").next().unwrap_or(message).trim()
}

/// The candidate a person probably meant, if one is near enough.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    candidates
        .map(|candidate| (strsim::jaro_winkler(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.72)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
