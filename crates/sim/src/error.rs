//! What can be wrong before the simulator starts. Once it runs it has no errors of its own: every
//! request gets a reply.

use thiserror::Error;

/// Why a simulator could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SimError {
    /// A script says something that cannot be done.
    #[error("the script{} cannot be used: {message}", place(*line, *rule))]
    Script {
        /// The line, counted from 1, where known.
        line: Option<usize>,
        /// The rule, counted from 1, where it is about one.
        rule: Option<usize>,
        /// What is wrong and what to write.
        message: String,
    },
    /// A script's file cannot be opened.
    #[error("the script {place} cannot be read: {why}")]
    Unreadable {
        /// The file.
        place: String,
        /// What the system said.
        why: String,
    },
    /// A script's file says something that cannot be done.
    #[error("{place}: {error}")]
    In {
        /// The file.
        place: String,
        /// What is wrong in it.
        error: Box<SimError>,
    },
    /// A flag has a value that cannot be read.
    #[error("--{flag} {value}: expected {expected}")]
    Option {
        /// The flag's name.
        flag: &'static str,
        /// What was given.
        value: String,
        /// What it should look like.
        expected: String,
    },
}

impl SimError {
    pub(crate) fn option(flag: &'static str, value: &str, expected: &str) -> Self {
        Self::Option { flag, value: value.to_owned(), expected: expected.to_owned() }
    }
}

fn place(line: Option<usize>, rule: Option<usize>) -> String {
    match (line, rule) {
        (Some(line), Some(rule)) => format!(", line {line}, rule {rule},"),
        (Some(line), None) => format!(", line {line},"),
        (None, Some(rule)) => format!(", rule {rule},"),
        (None, None) => String::new(),
    }
}
