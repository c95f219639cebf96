//! Chunks that end where the text pauses: between paragraphs if they fit, else between lines, sentences, words.

use unicode_segmentation::GraphemeCursor;

use super::{Size, Unit};
use crate::TextError;

/// Where a text is cut by default, from the coarsest pause to the finest. Behind the last one stand the units themselves.
pub const SEPARATORS: [&str; 8] = ["\n\n", "\n", ". ", "; ", ": ", ", ", " ", "-"];

/// Cuts a text at the coarsest separators that make its pieces small enough, and joins neighbouring pieces again as long as
/// they fit into one chunk. A separator stays at the end of its piece, and chunks are trimmed of outer blanks.
///
/// No chunk is larger than the size, counted by itself: a piece that no separator divides is cut between units. The one
/// exception is a single token with the character it ends in, where that is more tokens than a chunk may have.
///
/// # Errors
/// [`TextError::Request`] when a separator of the caller's is empty and not the last, where nothing could come after it.
pub fn recursive<'a>(text: &'a str, size: &Size, separators: Option<&[&str]>) -> Result<Vec<&'a str>, TextError> {
    let separators = separators.unwrap_or(&SEPARATORS);
    // an empty separator at the end says what is done anyway
    let separators = separators.strip_suffix(&[""]).unwrap_or(separators);
    if separators.contains(&"") {
        return Err(TextError::request("the separators", "an empty one divides everything, so it can only be the last"));
    }
    let mut cutter = Cutter { text, size, pieces: Vec::new() };
    cutter.divide(0, text.len(), separators);
    Ok(cutter.join())
}

/// A run of the text that goes into a chunk as a whole.
#[derive(Debug, Clone, Copy)]
struct Piece {
    from: usize,
    to: usize,
    /// Units, counted by itself.
    units: usize,
}

struct Cutter<'a, 's> {
    text: &'a str,
    size: &'s Size,
    pieces: Vec<Piece>,
}

impl<'a> Cutter<'a, '_> {
    /// Appends the pieces of a part of the text. The recursion is as deep as there are separators.
    fn divide(&mut self, from: usize, to: usize, separators: &[&str]) {
        let part = &self.text[from..to];
        let units = self.size.unit.count(part);
        if units <= self.size.most {
            self.pieces.push(Piece { from, to, units });
            return;
        }
        let Some((separator, finer)) = separators.split_first() else {
            self.divide_units(from, to);
            return;
        };
        let mut start = from;
        for (at, found) in part.match_indices(separator) {
            let end = from + at + found.len();
            if end < to && self.is_between_characters(end) {
                self.divide(start, end, finer);
                start = end;
            }
        }
        self.divide(start, to, finer);
    }

    fn divide_units(&mut self, from: usize, to: usize) {
        let ranges = self.size.unit.ranges(&self.text[from..to]);
        let ends = ranges.iter().skip(1).map(|(start, _)| from + start).chain([to]);
        let mut start = from;
        for end in ends {
            if end > start {
                let units = self.size.unit.count(&self.text[start..end]);
                self.pieces.push(Piece { from: start, to: end, units });
                start = end;
            }
        }
    }

    fn is_between_characters(&self, at: usize) -> bool {
        GraphemeCursor::new(at, self.text.len(), true).is_boundary(self.text, 0).unwrap_or(false)
    }

    fn join(&self) -> Vec<&'a str> {
        let mut chunks = Vec::new();
        let (mut first, mut reached) = (0, 0);
        while first < self.pieces.len() {
            let after = self.chunk_end(first);
            // blanks behind what is repeated make no chunk of their own
            if let Some((chunk, end)) = self.slice(first, after)
                && end > reached
            {
                chunks.push(chunk);
                reached = end;
            }
            if after == self.pieces.len() {
                break;
            }
            first = self.overlap_start(first, after);
        }
        chunks
    }

    /// The piece after the last one that fits into the chunk that begins here; at least one goes in.
    fn chunk_end(&self, first: usize) -> usize {
        let mut after = first;
        let mut units = 0usize;
        for piece in &self.pieces[first..] {
            units = units.saturating_add(piece.units);
            if units > self.size.most && after > first {
                break;
            }
            after += 1;
        }
        // a join may have a token more than its parts, so the chunk is counted once as it is
        while after - first > 1 && self.slice(first, after).is_some_and(|(chunk, _)| !self.fits(chunk)) {
            after -= 1;
        }
        after
    }

    /// Where the next chunk begins: as far back as the overlap allows and the next piece still fits.
    fn overlap_start(&self, first: usize, after: usize) -> usize {
        let next = self.pieces.get(after).map_or(0, |piece| piece.units);
        let mut start = after;
        let mut units = 0usize;
        for index in (first + 1..after).rev() {
            units = units.saturating_add(self.pieces[index].units);
            if units > self.size.overlap || units.saturating_add(next) > self.size.most {
                break;
            }
            start = index;
        }
        // with the pieces it repeats, the chunk must still reach beyond the last one
        while start < after && self.chunk_end(start) <= after {
            start += 1;
        }
        start
    }

    fn fits(&self, chunk: &str) -> bool {
        self.size.unit.count(chunk) <= self.size.most
    }

    /// The text of some pieces without outer blanks, unless these make a token of their neighbours; and where it ends.
    fn slice(&self, first: usize, after: usize) -> Option<(&'a str, usize)> {
        let (from, to) = (self.pieces.get(first)?.from, self.pieces.get(after.checked_sub(1)?)?.to);
        let whole = &self.text[from..to];
        let (chunk, end) = trimmed(whole)?;
        Some(if self.fits(chunk) { (chunk, from + end) } else { (whole, to) })
    }
}

/// Without outer blanks, and where that ends; nothing where there is nothing else. A blank that carries a combining mark stays.
fn trimmed(chunk: &str) -> Option<(&str, usize)> {
    let inner = chunk.trim();
    if inner.is_empty() {
        return None;
    }
    let from = chunk.len() - chunk.trim_start().len();
    let is_between = |at: usize| GraphemeCursor::new(at, chunk.len(), true).is_boundary(chunk, 0).unwrap_or(false);
    let to = from + inner.len();
    let (from, to) = (if is_between(from) { from } else { 0 }, if is_between(to) { to } else { chunk.len() });
    Some((&chunk[from..to], to))
}

impl Size {
    /// What it is counted in.
    pub fn unit(&self) -> Unit {
        self.unit
    }
}

#[cfg(test)]
mod tests {
    use super::super::Overlap;
    use super::*;
    use crate::tokens::Vocabulary;
    use proptest::prelude::*;

    const TEXT: &str = "The fox jumps. The dog sleeps; it dreams.\n\nA second paragraph is here, with a well-known word.";

    fn cut(text: &str, unit: Unit, most: usize, overlap: Overlap) -> Vec<&str> {
        recursive(text, &Size::new(unit, most, overlap).unwrap(), None).unwrap()
    }

    #[test]
    fn paragraphs_before_sentences_before_words() {
        assert_eq!(
            cut(TEXT, Unit::Characters, 60, Overlap::NONE),
            ["The fox jumps. The dog sleeps; it dreams.", "A second paragraph is here, with a well-known word."]
        );
        assert_eq!(
            cut(TEXT, Unit::Characters, 30, Overlap::NONE),
            ["The fox jumps.", "The dog sleeps; it dreams.", "A second paragraph is here,", "with a well-known word."]
        );
        assert_eq!(cut("abcdefghij", Unit::Characters, 4, Overlap::NONE), ["abcd", "efgh", "ij"]);
        assert_eq!(cut(" \n\n ", Unit::Characters, 2, Overlap::NONE), [""; 0]);
    }

    #[test]
    fn an_overlap_repeats_whole_pieces() {
        assert_eq!(cut("a b c d e f", Unit::Words, 4, Overlap::Percent(50)), ["a b c d", "c d e f"]);
        assert_eq!(cut("a b c d e", Unit::Words, 2, Overlap::Units(1)), ["a b", "b c", "c d", "d e"]);
        // the long piece leaves no room for the repetition
        assert_eq!(cut("aa bb\ncccccccc", Unit::Characters, 8, Overlap::Units(3)), ["aa bb", "cccccccc"]);
    }

    #[test]
    fn separators_of_ones_own() {
        let size = Size::new(Unit::Characters, 5, Overlap::NONE).unwrap();
        assert_eq!(recursive("aa|bb|cc dd", &size, Some(&["|", ""])).unwrap(), ["aa|", "bb|", "cc dd"]);
        assert_eq!(recursive("aabbcc", &size, Some(&[])).unwrap(), ["aabbc", "c"]);
        assert!(recursive("aa", &size, Some(&["", "|"])).unwrap_err().to_string().contains("only be the last"));
    }

    #[test]
    fn a_character_of_several_tokens_is_not_divided() {
        assert_eq!(cut("🦾🦾", Unit::Tokens(Vocabulary::Cl100k), 1, Overlap::NONE), ["🦾", "🦾"]);
    }

    proptest! {
        #![proptest_config(crate::laws())]
        #[test]
        fn no_chunk_is_too_large_and_no_word_is_lost(
            text in "(?s).{0,80}|[a-d ,;.\\-\\n\\r\u{301}👩\u{200d}世]{0,80}", most in 1usize..12, overlap in 0usize..11
        ) {
            prop_assume!(overlap < most);
            for unit in [Unit::Characters, Unit::Words, Unit::Tokens(Vocabulary::Cl100k)] {
                let chunks = cut(&text, unit, most, Overlap::Units(overlap));
                let mut reached = 0;
                for chunk in chunks {
                    prop_assert!(unit.count(chunk) <= most || unit.ranges(chunk).len() == 1, "{:?} {:?}", unit, chunk);
                    // in order, and nothing but blanks between them
                    let from = chunk.as_ptr() as usize - text.as_ptr() as usize;
                    prop_assert!(from <= reached || text[reached..from].chars().all(char::is_whitespace), "{:?}", chunk);
                    prop_assert!(from + chunk.len() > reached);
                    reached = from + chunk.len();
                }
                prop_assert!(text[reached..].trim().is_empty());
            }
        }
    }
}
