//! What can go wrong in this crate, each with what happened, to what, and what to do now.

use std::path::PathBuf;

/// Everything this crate can fail with.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LocalError {
    /// The weights cannot be used.
    #[error("the model file {} cannot be used: {why}. Fetch the default again with `corsac models pull`, or point CORSAC_LOCAL_MODEL at another llama-architecture GGUF", path.display())]
    BadModel {
        /// The file that was read.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The embedding model cannot be used.
    #[error("the embedding model's file {} cannot be used: {why}. Fetch the default again with `corsac models pull`, or point CORSAC_LOCAL_EMBEDDING_MODEL at the folder of another BERT sentence encoder", path.display())]
    BadEmbeddingModel {
        /// The file that was read.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A variable names weights that are not there.
    #[error("{variable} names {}, and there is nothing of that name", path.display())]
    NotThere {
        /// The variable.
        variable: &'static str,
        /// What it says.
        path: PathBuf,
    },
    /// There is nowhere to keep weights.
    #[error("there is no folder to keep the model in: set CORSAC_HOME or CORSAC_LOCAL_MODEL")]
    NoFolder,
    /// The JSON Schema cannot be turned into a grammar.
    #[error("the embedded model cannot enforce this JSON Schema: {0}. Simplify the schema or use another model")]
    BadSchema(String),
    /// The request itself makes no sense.
    #[error("the request to the embedded model is invalid: {0}")]
    BadRequest(String),
    /// The prompt and room for an answer do not fit the context.
    #[error("the prompt has {} tokens and the embedded model takes {limit}: shorten the text or use a model with a larger context", count(*tokens, *at_least))]
    PromptTooLong {
        /// Tokens of the prompt, counted no further than was needed to know that it is too long.
        tokens: usize,
        /// True when counting stopped early, so that the prompt may be longer still.
        at_least: bool,
        /// Tokens a prompt may have.
        limit: usize,
    },
    /// Decoding failed in a way that is not the caller's fault.
    #[error("the embedded model failed while decoding: {0}")]
    Decode(String),
    /// The scheduler thread is gone.
    #[error("the embedded model has stopped; load it again")]
    Stopped,
    /// The weights could not be fetched.
    #[error("the weights of {what} could not be fetched.\n{tried}\n{instead}")]
    Pull {
        /// The model.
        what: &'static str,
        /// One line for each source that was tried, with what it said.
        tried: String,
        /// What a person can do without the download.
        instead: &'static str,
    },
    /// A file or directory could not be read or written.
    #[error("{action} {} failed: {why}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
}

fn count(tokens: usize, at_least: bool) -> String {
    if at_least { format!("at least {tokens}") } else { tokens.to_string() }
}
