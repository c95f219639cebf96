//! Text as an uncased BERT reads it: cleaned, without accents, in lower case, Chinese characters standing alone.
//!
//! The rules and the ranges of Chinese characters are those of the tokenizer published with BERT.

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;

/// The characters that are read, in order. Lazy: of a long text only what is looked at is normalised.
pub(crate) fn normalized(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .filter(|character| !is_noise(*character))
        .flat_map(|character| {
            let (before, character, after) = match character {
                _ if character.is_whitespace() => (None, ' ', None),
                _ if is_chinese(character) => (Some(' '), character, Some(' ')),
                _ => (None, character, None),
            };
            before.into_iter().chain([character]).chain(after)
        })
        .nfd()
        .filter(|character| character.is_ascii() || get_general_category(*character) != GeneralCategory::NonspacingMark)
        .flat_map(char::to_lowercase)
}

/// Whether a character is a word of its own.
pub(crate) fn is_punctuation(character: char) -> bool {
    use GeneralCategory::{
        ClosePunctuation, ConnectorPunctuation, DashPunctuation, FinalPunctuation, InitialPunctuation, OpenPunctuation, OtherPunctuation,
    };
    // among ASCII, symbols such as $ and ^ count as well
    character.is_ascii_punctuation()
        || !character.is_ascii()
            && matches!(
                get_general_category(character),
                ClosePunctuation
                    | ConnectorPunctuation
                    | DashPunctuation
                    | FinalPunctuation
                    | InitialPunctuation
                    | OpenPunctuation
                    | OtherPunctuation
            )
}

/// What is left out: controls, formats, private characters, and the sign that stands for what could not be decoded.
fn is_noise(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => false,
        '\u{FFFD}' => true,
        _ if character.is_ascii() => character.is_ascii_control(),
        _ => {
            matches!(get_general_category(character), GeneralCategory::Control | GeneralCategory::Format | GeneralCategory::PrivateUse)
        }
    }
}

fn is_chinese(character: char) -> bool {
    matches!(u32::from(character),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F | 0x2B740..=0x2B81F
        | 0x2B920..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_made_plain() {
        let plain = |text: &str| normalized(text).collect::<String>();
        assert_eq!(plain("Crème BRÛLÉE\tÅngström\u{A0}İ"), "creme brulee angstrom i");
        assert_eq!(plain("a\u{0}b\u{200D}c\u{FFFD}d\u{E000}e\u{7F}"), "abcde");
        assert_eq!(plain("x漢y字"), "x 漢 y 字 ");
        assert_eq!(plain("ÀÉ"), plain("A\u{300}E\u{301}"));
        assert_eq!(plain("Straße"), "straße");
    }

    #[test]
    fn punctuation_of_all_scripts() {
        for character in "!$+<=>^`|~_-\u{2014}«»“”、。「」¿؟".chars() {
            assert!(is_punctuation(character), "{character:?}");
        }
        for character in "a1é漢€±×\u{1F600}".chars() {
            assert!(!is_punctuation(character), "{character:?}");
        }
    }
}
