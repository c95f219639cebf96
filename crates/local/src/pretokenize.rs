//! Cuts text into the pieces that byte-pair merging may not cross, as each tokenizer family defines them.
//!
//! Written by hand after the published patterns instead of running them through a regex engine: they need one
//! character of look-ahead at most.

use unicode_general_category::{GeneralCategory, get_general_category};

/// The families whose rules are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    Gpt2,
    /// Every `\p{N}` stands alone, what lies between is cut as `Gpt2` does.
    Smollm,
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    Llama3,
}

impl Family {
    /// By the name in `tokenizer.ggml.pre`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "gpt-2" | "gpt2" => Self::Gpt2,
            "smollm" | "starcoder" | "refact" | "command-r" => Self::Smollm,
            "llama3" | "llama-v3" | "llama-bpe" => Self::Llama3,
            _ => return None,
        })
    }

    /// The pieces in order; together they are the whole text.
    pub(crate) fn pieces(self, text: &str) -> Pieces<'_> {
        Pieces { family: self, rest: text }
    }
}

/// Iterator over pieces.
pub(crate) struct Pieces<'a> {
    family: Family,
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let bytes = match self.family {
            Family::Gpt2 => gpt2(self.rest, false),
            Family::Smollm => gpt2(self.rest, true),
            Family::Llama3 => llama3(self.rest),
        };
        let (piece, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        Some(piece)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
}

fn class(character: char) -> Class {
    use GeneralCategory::{
        DecimalNumber, LetterNumber, LowercaseLetter, ModifierLetter, OtherLetter, OtherNumber, TitlecaseLetter, UppercaseLetter,
    };
    if character.is_ascii() {
        return match character {
            'a'..='z' | 'A'..='Z' => Class::Letter,
            '0'..='9' => Class::Number,
            ' ' | '\t'..='\r' => Class::Space,
            _ => Class::Other,
        };
    }
    match get_general_category(character) {
        UppercaseLetter | LowercaseLetter | TitlecaseLetter | ModifierLetter | OtherLetter => Class::Letter,
        DecimalNumber | LetterNumber | OtherNumber => Class::Number,
        _ if character.is_whitespace() => Class::Space,
        _ => Class::Other,
    }
}

/// Bytes of the longest start of `text` whose characters all pass.
fn run(text: &str, passes: impl Fn(char) -> bool) -> usize {
    text.find(|character| !passes(character)).unwrap_or(text.len())
}

fn contraction(text: &str, any_case: bool) -> Option<usize> {
    let rest = text.strip_prefix('\'')?.as_bytes();
    ["s", "t", "re", "ve", "m", "ll", "d"].iter().find_map(|ending| {
        let start = rest.get(..ending.len())?;
        let same = if any_case { start.eq_ignore_ascii_case(ending.as_bytes()) } else { start == ending.as_bytes() };
        same.then_some(1 + ending.len())
    })
}

/// A run of spaces gives its last one to the word that follows, unless the text ends here.
fn spaces(text: &str, end: usize, more_follows: bool) -> usize {
    let last = text[..end].chars().next_back().map_or(0, char::len_utf8);
    if more_follows && end > last { end - last } else { end }
}

fn gpt2(text: &str, numbers_alone: bool) -> usize {
    if let Some(bytes) = contraction(text, false) {
        return bytes;
    }
    let mut characters = text.chars();
    let first = characters.next().unwrap_or(' ');
    let offset = usize::from(first == ' ');
    // the class of the run: of the first character, or of what one blank leads into
    let lead = if first == ' ' { characters.next() } else { Some(first) };
    match lead.map(class) {
        Some(Class::Number) if numbers_alone => {
            if offset == 0 {
                first.len_utf8()
            } else {
                offset
            }
        }
        Some(kind) if kind != Class::Space => offset + run(&text[offset..], |character| class(character) == kind),
        _ => {
            let end = run(text, |character| class(character) == Class::Space);
            // a number that stands alone is not part of the text around it, so the spaces before it end that text
            let more = text[end..].chars().next().is_some_and(|next| !(numbers_alone && class(next) == Class::Number));
            spaces(text, end, more)
        }
    }
}

fn llama3(text: &str) -> usize {
    if let Some(bytes) = contraction(text, true) {
        return bytes;
    }
    let mut characters = text.chars();
    let first = characters.next().unwrap_or(' ');
    let second = characters.next();
    let letters = |text: &str| run(text, |character| class(character) == Class::Letter);
    let is_break = |character: char| matches!(character, '\r' | '\n');
    match class(first) {
        Class::Letter => return letters(text),
        Class::Number => {
            return text
                .char_indices()
                .take(3)
                .take_while(|(_, character)| class(*character) == Class::Number)
                .map(|(at, character)| at + character.len_utf8())
                .last()
                .unwrap_or(1);
        }
        _ => {}
    }
    if !is_break(first) && second.is_some_and(|second| class(second) == Class::Letter) {
        return first.len_utf8() + letters(&text[first.len_utf8()..]);
    }
    let offset = usize::from(first == ' ');
    let lead = if first == ' ' { second } else { Some(first) };
    if lead.map(class) == Some(Class::Other) {
        let end = offset + run(&text[offset..], |character| class(character) == Class::Other);
        return end + run(&text[end..], is_break);
    }
    let end = run(text, |character| class(character) == Class::Space);
    match text[..end].rfind(is_break) {
        Some(at) => at + 1,
        None => spaces(text, end, end < text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(family: Family, text: &str, expected: &[&str]) {
        assert_eq!(family.pieces(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn gpt2_pieces() {
        check(Family::Gpt2, "I'm 23  years\n old!?", &["I", "'m", " 23", " ", " years", "\n", " old", "!?"]);
        check(Family::Gpt2, "end   ", &["end", "   "]);
    }

    #[test]
    fn smollm_numbers_stand_alone() {
        check(Family::Smollm, "in 2004  5x", &["in", " ", "2", "0", "0", "4", "  ", "5", "x"]);
        check(Family::Smollm, " 'x 's", &[" '", "x", " '", "s"]);
    }

    #[test]
    fn llama3_pieces() {
        check(Family::Llama3, "I'LL pay $12345.\n\n ok", &["I", "'LL", " pay", " $", "123", "45", ".\n\n", " ok"]);
        check(Family::Llama3, "a  \n  b", &["a", "  \n", " ", " b"]);
    }
}
