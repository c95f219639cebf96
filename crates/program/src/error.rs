//! What can be wrong with a program before or while its prompt is written.

use corsac_schema::SchemaError;

use crate::SignatureError;

/// A program that cannot be built, or a row that cannot be put into it.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The template has a syntax error.
    #[error("the template cannot be read: {message} (line {line})\n  {excerpt}")]
    Template {
        /// What is wrong.
        message: String,
        /// The line, counted from 1.
        line: usize,
        /// That line.
        excerpt: String,
    },
    /// The template names no column.
    #[error(
        "the template {template:?} names no column, so every row would get the same question: write {{{{ column }}}} where the column's value belongs"
    )]
    NoVariable {
        /// The template as written.
        template: String,
    },
    /// The template failed on a row's values.
    #[error("the template could not be filled in: {message}")]
    Render {
        /// What is wrong.
        message: String,
    },
    /// An example does not fit the program.
    #[error("example {number} cannot be used: {why}")]
    Example {
        /// Which, counted from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such metric.
    #[error("the metric {name:?} cannot be used: {why}")]
    Metric {
        /// The name given.
        name: String,
        /// What is wrong, or which there are.
        why: String,
    },
    /// The schema or the labels cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The fields make no signature.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A module that does not say what it takes and gives.
    #[error("this {module} does not say what it takes and gives, so it cannot be called with a row: implement `Module::interface` for it")]
    Silent {
        /// Its kind.
        module: &'static str,
    },
}

impl ProgramError {
    pub(crate) fn template(source: &str, error: &minijinja::Error) -> ProgramError {
        let line = error.line().unwrap_or(1);
        ProgramError::Template {
            message: error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
            line,
            excerpt: source.lines().nth(line.saturating_sub(1)).unwrap_or(source).to_owned(),
        }
    }
}
