//! Tokens of OpenAI's vocabularies, whose tables are part of the binary: nothing is fetched. Exact for models that use
//! them, a close guess for the others.

use std::collections::HashSet;
use std::str::FromStr;

use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton};

use crate::TextError;

/// Which table of tokens is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Vocabulary {
    /// `o200k_base`: GPT-4o and everything OpenAI has published since.
    #[default]
    O200k,
    /// `cl100k_base`: GPT-3.5, GPT-4 and the `text-embedding-3` models.
    Cl100k,
}

impl FromStr for Vocabulary {
    type Err = TextError;

    fn from_str(name: &str) -> Result<Vocabulary, TextError> {
        match name {
            "o200k_base" => Ok(Vocabulary::O200k),
            "cl100k_base" => Ok(Vocabulary::Cl100k),
            other => Err(TextError::request("the vocabulary", format!("{other:?} is not known; write 'o200k_base' or 'cl100k_base'"))),
        }
    }
}

impl Vocabulary {
    /// The table, which is unpacked when it is first needed (some tenths of a second).
    fn table(self) -> &'static CoreBPE {
        match self {
            Vocabulary::O200k => o200k_base_singleton(),
            Vocabulary::Cl100k => cl100k_base_singleton(),
        }
    }

    /// How many tokens a text has. Names of special tokens count as the text they are.
    pub fn count(self, text: &str) -> usize {
        let mut count = 0;
        self.encode(text, &mut |tokens| count += tokens.len());
        count
    }

    /// The byte at which each token ends, in order; the last one is the length of the text. A place may lie inside a
    /// character, since a token is a run of bytes.
    pub fn ends(self, text: &str) -> Vec<usize> {
        let table = self.table();
        let mut ends = Vec::with_capacity(text.len() / 4 + 1);
        let mut end = 0;
        self.encode(text, &mut |tokens| {
            for token in tokens {
                end += table.decode_bytes(&[*token]).map_or(0, |bytes| bytes.len());
                ends.push(end.min(text.len()));
            }
        });
        ends
    }

    /// Hands over the tokens piece by piece. The expression that cuts a text into words gives up on runs of about a
    /// million blanks; such a text is read in halves, which costs at most a token at the seam.
    fn encode(self, text: &str, take: &mut impl FnMut(&[u32])) {
        let mut left = vec![text];
        while let Some(part) = left.pop() {
            match self.table().encode(part, &HashSet::new()) {
                Ok((tokens, _)) => take(&tokens),
                Err(_) => {
                    let middle = part.ceil_char_boundary(part.len() / 2);
                    if (1..part.len()).contains(&middle) {
                        let (first, second) = part.split_at(middle);
                        left.extend([second, first]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_reference() {
        // from OpenAI's own tiktoken for Python
        let cases = include!("tokens_golden.in");
        for (text, o200k, cl100k) in cases {
            assert_eq!(Vocabulary::O200k.count(text), o200k, "{text:?}");
            assert_eq!(Vocabulary::Cl100k.count(text), cl100k, "{text:?}");
        }
    }

    #[test]
    fn a_million_blanks_before_a_word_are_counted() {
        let text = format!("a{}b", " ".repeat(1_500_000));
        assert!(Vocabulary::O200k.count(&text) > 2);
        assert_eq!(Vocabulary::Cl100k.ends(&text).last(), Some(&text.len()));
    }

    #[test]
    fn a_long_word_takes_no_quadratic_time() {
        assert!(Vocabulary::O200k.count(&"x7".repeat(150_000)) > 30_000);
    }

    proptest::proptest! {
        #![proptest_config(crate::laws())]
        #[test]
        fn the_tokens_are_the_text(text in "\\PC*|(?s).{0,80}") {
            let ends = Vocabulary::O200k.ends(&text);
            proptest::prop_assert_eq!(ends.len(), Vocabulary::O200k.count(&text));
            proptest::prop_assert!(ends.windows(2).all(|pair| pair[0] < pair[1]));
            proptest::prop_assert_eq!(ends.last().copied().unwrap_or(0), text.len());
        }
    }
}
