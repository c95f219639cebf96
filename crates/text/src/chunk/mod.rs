//! Cutting a text into chunks of a bounded size, measured in characters, words or tokens, with or without an overlap.
//!
//! A *character* is what a reader takes for one (a grapheme cluster): no chunk begins or ends inside one. A *word* is what
//! stands between blanks. Every chunk is a piece of the text as it stands, so nothing in it is changed.

mod recursive;
mod windows;

pub use recursive::{SEPARATORS, recursive};
pub use windows::windows;

use unicode_segmentation::UnicodeSegmentation;

use crate::TextError;
use crate::tokens::Vocabulary;

/// What a chunk's size is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Grapheme clusters.
    Characters,
    /// What stands between blanks.
    Words,
    /// Tokens of a vocabulary.
    Tokens(Vocabulary),
}

/// How much of a chunk the next one repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Overlap {
    /// So many units.
    Units(usize),
    /// So many hundredths of the chunk's size, rounded down.
    Percent(usize),
}

impl Overlap {
    /// Nothing is repeated.
    pub const NONE: Overlap = Overlap::Units(0);
}

/// How large chunks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    unit: Unit,
    most: usize,
    overlap: usize,
}

impl Size {
    /// Chunks of at most so many units.
    ///
    /// # Errors
    /// [`TextError::Request`] when a chunk would hold nothing, or repeat all of the one before it.
    pub fn new(unit: Unit, most: usize, overlap: Overlap) -> Result<Size, TextError> {
        if most == 0 {
            return Err(TextError::request("the size of a chunk", "it is 0, and a chunk needs at least 1"));
        }
        let (overlap, given) = match overlap {
            Overlap::Units(units) => (units, units.to_string()),
            Overlap::Percent(percent) => {
                if percent >= 100 {
                    return Err(TextError::request(
                        "the overlap",
                        format!("{percent}% leaves nothing new in a chunk; write less than 100%"),
                    ));
                }
                // in this order nothing is lost to rounding, and 128 bits hold any product
                let units = most as u128 * percent as u128 / 100;
                (usize::try_from(units).unwrap_or(0), format!("{percent}%"))
            }
        };
        if overlap >= most {
            return Err(TextError::request("the overlap", format!("{given} must be less than the size of a chunk, which is {most}")));
        }
        Ok(Size { unit, most, overlap })
    }

    /// The most units in a chunk.
    pub fn most(&self) -> usize {
        self.most
    }

    /// The most units that two neighbours share.
    pub fn overlap(&self) -> usize {
        self.overlap
    }
}

impl Unit {
    /// How many of these a text has.
    pub fn count(self, text: &str) -> usize {
        match self {
            // one byte is one character, but for a line end of two
            Unit::Characters if text.is_ascii() && !text.contains('\r') => text.len(),
            Unit::Characters => text.graphemes(true).count(),
            Unit::Words => text.split_whitespace().count(),
            Unit::Tokens(vocabulary) => vocabulary.count(text),
        }
    }

    /// The units of a text as ranges of bytes, in order. Blanks between words belong to none; where a token ends inside a
    /// character, the character goes with it.
    fn ranges(self, text: &str) -> Vec<(usize, usize)> {
        match self {
            Unit::Characters => text.grapheme_indices(true).map(|(at, one)| (at, at + one.len())).collect(),
            Unit::Words => {
                let base = text.as_ptr() as usize;
                text.split_whitespace().map(|word| (word.as_ptr() as usize - base, word)).map(|(at, word)| (at, at + word.len())).collect()
            }
            Unit::Tokens(vocabulary) => whole_characters(text, &vocabulary.ends(text)),
        }
    }
}

/// Moves every end that lies inside a character to the end of it; what is then empty goes.
fn whole_characters(text: &str, ends: &[usize]) -> Vec<(usize, usize)> {
    let mut ranges = Vec::with_capacity(ends.len());
    let mut ends = ends.iter().copied().peekable();
    let mut from = 0;
    for (at, one) in text.grapheme_indices(true) {
        let boundary = at + one.len();
        let mut reached = false;
        while ends.next_if(|end| *end <= boundary).is_some() {
            reached = true;
        }
        if reached {
            ranges.push((from, boundary));
            from = boundary;
        }
    }
    if from < text.len() {
        ranges.push((from, text.len()));
    }
    ranges
}
