//! Why a program gave no prediction.

use std::sync::Arc;

use corsac_dispatch::{Failure, FailureKind};

/// Why a module gave no prediction.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ModuleError {
    /// An input is missing.
    #[error("{predictor}: the input `{field}` is missing; given were {}", if given.is_empty() { "none".to_owned() } else { given.join(", ") })]
    Input {
        /// The predictor's path.
        predictor: Arc<str>,
        /// The field.
        field: String,
        /// What was given.
        given: Vec<String>,
    },
    /// A call has no answer.
    #[error("{predictor}: {failure}")]
    Failed {
        /// The predictor's path.
        predictor: Arc<str>,
        /// Why.
        failure: Box<Failure>,
    },
    /// The reply could not be read, and neither could a second one.
    #[error("{predictor}: the reply cannot be read, asked again too: {why}. It begins: {reply:?}")]
    Unreadable {
        /// The predictor's path.
        predictor: Arc<str>,
        /// What is wrong with it.
        why: String,
        /// Its beginning.
        reply: String,
    },
    /// An output is not what the Rust type holds.
    #[error("the output `{field}` {why}")]
    Output {
        /// The field, and the place inside it.
        field: String,
        /// What is wrong.
        why: String,
    },
    /// Anything else.
    #[error("{predictor}: {why}")]
    Other {
        /// The predictor's path, or the module's kind.
        predictor: Arc<str>,
        /// What happened.
        why: String,
    },
}

impl ModuleError {
    /// Anything a module of one's own wants to say.
    pub fn other(predictor: &str, why: String) -> ModuleError {
        ModuleError::Other { predictor: predictor.into(), why }
    }

    /// The class of failure, in the words of the engine.
    pub fn kind(&self) -> FailureKind {
        match self {
            ModuleError::Input { .. } => FailureKind::BadInput,
            ModuleError::Failed { failure, .. } => failure.kind,
            ModuleError::Unreadable { .. } | ModuleError::Output { .. } => FailureKind::InvalidAnswer,
            ModuleError::Other { .. } => FailureKind::Internal,
        }
    }

    /// Whether nothing asked after this can succeed either: the run was stopped, or a ceiling was reached.
    pub fn ends_asking(&self) -> bool {
        self.kind().stops_run() || self.kind().ends_asking()
    }
}
