//! What can be wrong with a text or with what is to be done with it.

/// Why a text could not be read or a request cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The text is not what it should be: JSON, a transcript, a number.
    #[error("{what} cannot be read: {reason} ({place})")]
    Malformed {
        /// What was to be read, such as "JSON".
        what: &'static str,
        /// Where, such as "line 3".
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// A constant of the call cannot be used: a size, a method, a template, an expression.
    #[error("{what} cannot be used: {reason}")]
    Request {
        /// Which constant, such as "the overlap".
        what: &'static str,
        /// What is wrong with it and what would be right.
        reason: String,
    },
}

impl TextError {
    pub(crate) fn malformed(what: &'static str, place: impl Into<String>, reason: impl Into<String>) -> TextError {
        TextError::Malformed { what, place: place.into(), reason: reason.into() }
    }

    pub(crate) fn request(what: &'static str, reason: impl Into<String>) -> TextError {
        TextError::Request { what, reason: reason.into() }
    }

    /// Whether the text is to blame, and not what was asked of it.
    pub fn is_malformed(&self) -> bool {
        matches!(self, TextError::Malformed { .. })
    }
}
