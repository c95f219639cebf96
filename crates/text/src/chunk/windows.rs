//! Chunks of equal size, without a look at what the text says.

use super::Size;

/// Cuts a text into chunks of exactly the size, the last one perhaps smaller, each beginning with the overlap of the one
/// before. A blank text has no chunk of words.
pub fn windows<'a>(text: &'a str, size: &Size) -> Vec<&'a str> {
    let units = size.unit.ranges(text);
    let step = size.most - size.overlap;
    let mut chunks = Vec::with_capacity(units.len() / step + 1);
    let mut first = 0;
    while first < units.len() {
        let after = first.saturating_add(size.most).min(units.len());
        if let (Some((from, _)), Some((_, to))) = (units.get(first), units.get(after - 1)) {
            chunks.push(&text[*from..*to]);
        }
        if after == units.len() {
            break;
        }
        first += step;
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::super::{Overlap, Unit};
    use super::*;
    use crate::tokens::Vocabulary;
    use proptest::prelude::*;

    fn cut(text: &str, unit: Unit, most: usize, overlap: Overlap) -> Vec<&str> {
        windows(text, &Size::new(unit, most, overlap).unwrap())
    }

    #[test]
    fn characters() {
        assert_eq!(cut("abcdefgh", Unit::Characters, 4, Overlap::Percent(25)), ["abcd", "defg", "gh"]);
        assert_eq!(cut("abcd", Unit::Characters, 4, Overlap::Units(3)), ["abcd"]);
        assert_eq!(cut("e\u{301}a👩‍👩‍👧b\r\nc", Unit::Characters, 2, Overlap::NONE), ["e\u{301}a", "👩‍👩‍👧b", "\r\nc"]);
        assert!(cut("", Unit::Characters, 4, Overlap::NONE).is_empty());
    }

    #[test]
    fn words_keep_the_blanks_between_them() {
        assert_eq!(cut(" one  two\nthree four ", Unit::Words, 2, Overlap::NONE), ["one  two", "three four"]);
        assert_eq!(cut("a b c d e", Unit::Words, 3, Overlap::Units(1)), ["a b c", "c d e"]);
        assert!(cut(" \n ", Unit::Words, 2, Overlap::NONE).is_empty());
    }

    #[test]
    fn tokens_never_end_inside_a_character() {
        let unit = Unit::Tokens(Vocabulary::Cl100k);
        assert_eq!(cut("The quick brown fox", unit, 2, Overlap::NONE), ["The quick", " brown fox"]);
        // this character is several tokens in this vocabulary
        assert!(Vocabulary::Cl100k.count("🦾") > 1);
        assert_eq!(cut("🦾🦾", unit, 1, Overlap::NONE), ["🦾", "🦾"]);
    }

    #[test]
    fn sizes_that_go_nowhere_are_refused() {
        for (most, overlap) in
            [(0, Overlap::NONE), (3, Overlap::Units(3)), (3, Overlap::Percent(100)), (usize::MAX, Overlap::Percent(usize::MAX))]
        {
            assert!(Size::new(Unit::Words, most, overlap).is_err(), "{most} {overlap:?}");
        }
        assert_eq!(Size::new(Unit::Words, usize::MAX, Overlap::Percent(50)).unwrap().overlap(), usize::MAX / 2);
    }

    proptest! {
        #![proptest_config(crate::laws())]
        #[test]
        fn chunks_without_overlap_are_the_text(text in "(?s).{0,60}|[a-c \\r\\n\u{301}👩\u{200d}]{0,40}", most in 1usize..9) {
            for unit in [Unit::Characters, Unit::Tokens(Vocabulary::Cl100k)] {
                prop_assert_eq!(cut(&text, unit, most, Overlap::NONE).concat(), text.clone());
            }
            for chunk in cut(&text, Unit::Characters, most, Overlap::NONE) {
                prop_assert!(Unit::Characters.count(chunk) <= most);
            }
            let words: Vec<&str> = cut(&text, Unit::Words, most, Overlap::NONE).into_iter().flat_map(str::split_whitespace).collect();
            prop_assert_eq!(words, text.split_whitespace().collect::<Vec<_>>());
        }

        #[test]
        fn neighbours_share_the_overlap(words in proptest::collection::vec("[a-z]{1,4}", 0..40), most in 2usize..9, overlap in 0usize..8) {
            prop_assume!(overlap < most);
            let text = words.join(" ");
            let chunks: Vec<Vec<&str>> = cut(&text, Unit::Words, most, Overlap::Units(overlap)).into_iter().map(|chunk| chunk.split(' ').collect()).collect();
            for pair in chunks.windows(2) {
                prop_assert_eq!(pair[0].len(), most);
                prop_assert_eq!(&pair[0][most - overlap..], &pair[1][..overlap]);
            }
        }
    }
}
