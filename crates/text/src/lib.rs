//! What people do with text beside asking a model about it: cut it into chunks, count its tokens, look into JSON and
//! markdown, read transcripts, compare spellings and vectors, take parts out by a pattern.
//!
//! Plain functions over `&str` and slices; nothing here knows a table, a query or a model, opens a file or reads a clock.
//! Text comes from anywhere, so no text makes a function panic: what cannot be read is a [`TextError`] that says what and
//! where.
//!
//! ```
//! use corsac_text::chunk::{Overlap, Size, Unit, recursive};
//!
//! let size = Size::new(Unit::Words, 4, Overlap::NONE)?;
//! let chunks = recursive("Two short words.\n\nThen a second paragraph, which is longer.", &size, None)?;
//! assert_eq!(chunks, ["Two short words.", "Then a second paragraph,", "which is longer."]);
//! # Ok::<(), corsac_text::TextError>(())
//! ```

pub mod chunk;
mod error;
pub mod fuzzy;
pub mod json;
pub mod markdown;
pub mod pattern;
pub mod regexp;
pub mod tokens;
pub mod transcript;
pub mod vector;

pub use error::TextError;

/// How properties are tried: nothing is written beside the code.
#[cfg(test)]
pub(crate) fn laws() -> proptest::prelude::ProptestConfig {
    proptest::prelude::ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() }
}
