//! WordPiece with BERT's vocabulary file: words into the longest pieces that are known.

use std::collections::HashMap;

use super::normalize::{is_punctuation, normalized};
use super::safetensors::Unusable;

/// Words with more characters are not looked at.
const LONGEST_WORD: usize = 100;
/// Marks the pieces that continue a word.
const CONTINUES: &str = "##";
/// Names that are one token wherever they stand in a text, as in the tokenizer published with the model.
const NAMED: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Text to tokens.
pub(crate) struct WordPiece {
    beginnings: HashMap<Box<str>, u32>,
    continuations: HashMap<Box<str>, u32>,
    /// Bytes of the longest piece.
    longest: usize,
    named: [u32; NAMED.len()],
    vocabulary: usize,
}

impl WordPiece {
    /// From a `vocab.txt`: one piece a line, numbered by line.
    pub(crate) fn read(vocabulary: &str) -> Result<Self, Unusable> {
        let (mut beginnings, mut continuations) = (HashMap::<Box<str>, u32>::new(), HashMap::<Box<str>, u32>::new());
        let mut pieces = 0u32;
        for line in vocabulary.lines() {
            let piece = line.trim_end();
            match piece.strip_prefix(CONTINUES) {
                Some(rest) if !rest.is_empty() => continuations.insert(rest.into(), pieces),
                _ => beginnings.insert(piece.into(), pieces),
            };
            pieces += 1;
        }
        let mut named = [0; NAMED.len()];
        for (token, name) in named.iter_mut().zip(NAMED) {
            *token = *beginnings.get(name).ok_or_else(|| Unusable(format!("its vocabulary has no {name}")))?;
        }
        let longest = beginnings.keys().chain(continuations.keys()).map(|piece| piece.len()).max().unwrap_or(0);
        Ok(Self { beginnings, continuations, longest, named, vocabulary: pieces as usize })
    }

    /// How many tokens there are.
    pub(crate) fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The tokens of a text between a beginning and an end mark, cut off behind so that there are no more than `limit`.
    pub(crate) fn encode(&self, text: &str, limit: usize) -> Vec<u32> {
        let [_, _, first, last, _] = self.named;
        let room = limit.max(2) - 1;
        let mut tokens = vec![first];
        let mut rest = text;
        while tokens.len() < room {
            let Some((at, index)) = next_named(rest) else {
                self.words(rest, room, &mut tokens);
                break;
            };
            self.words(&rest[..at], room, &mut tokens);
            tokens.push(self.named[index]);
            rest = &rest[at + NAMED[index].len()..];
        }
        tokens.truncate(room);
        tokens.push(last);
        tokens
    }

    /// Cuts at spaces and around punctuation, until there are `enough` tokens.
    fn words(&self, text: &str, enough: usize, tokens: &mut Vec<u32>) {
        let mut word = String::new();
        for character in normalized(text) {
            let alone = is_punctuation(character);
            if alone || character.is_whitespace() {
                self.pieces(&word, tokens);
                word.clear();
                if alone {
                    self.pieces(character.encode_utf8(&mut [0; 4]), tokens);
                }
                if tokens.len() >= enough {
                    return;
                }
            } else if word.len() <= 4 * LONGEST_WORD {
                // beyond that a word is too long already, however long it gets
                word.push(character);
            }
        }
        self.pieces(&word, tokens);
    }

    /// One word: always the longest piece that fits; a word that does not come out is unknown as a whole.
    fn pieces(&self, word: &str, tokens: &mut Vec<u32>) {
        if word.is_empty() {
            return;
        }
        let before = tokens.len();
        let unknown = self.named[1];
        if word.len() > LONGEST_WORD && word.chars().count() > LONGEST_WORD {
            tokens.push(unknown);
            return;
        }
        let mut at = 0;
        while at < word.len() {
            let known = if at == 0 { &self.beginnings } else { &self.continuations };
            let longest = word.len().min(at + self.longest);
            let piece = (at + 1..=longest)
                .rev()
                .filter(|end| word.is_char_boundary(*end))
                .find_map(|end| known.get(&word[at..end]).map(|token| (*token, end)));
            let Some((token, end)) = piece else {
                tokens.truncate(before);
                tokens.push(unknown);
                return;
            };
            tokens.push(token);
            at = end;
        }
    }
}

/// Where the next name of a special token stands, and which one.
fn next_named(text: &str) -> Option<(usize, usize)> {
    text.match_indices('[').find_map(|(at, _)| Some((at, NAMED.iter().position(|name| text[at..].starts_with(name))?)))
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::weights;

    const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\naffable\n,\n!\na\n##b\n漢\n##\n#\n";

    fn tokens(text: &str, limit: usize) -> Vec<u32> {
        WordPiece::read(VOCABULARY).unwrap().encode(text, limit)
    }

    #[test]
    fn the_longest_piece_is_taken() {
        assert_eq!(tokens("unaffable", 99), [2, 5, 6, 7, 3]);
        assert_eq!(tokens("Affable, AB!", 99), [2, 8, 9, 11, 12, 10, 3]);
        assert_eq!(tokens("a漢b", 99), [2, 11, 13, 1, 3]);
        assert_eq!(tokens("", 99), [2, 3]);
        assert_eq!(tokens("##", 99), [2, 15, 15, 3]);
    }

    #[test]
    fn words_that_do_not_come_out_are_unknown() {
        assert_eq!(tokens("unaffableness, a", 99), [2, 1, 9, 11, 3]);
        let long = format!("a{}", "b".repeat(99));
        assert_eq!(tokens(&long, 999).len(), 102);
        assert_eq!(tokens(&format!("{long}b a"), 999), [2, 1, 11, 3]);
        assert_eq!(tokens(&format!("{} a", "b".repeat(100_000)), 999), [2, 1, 11, 3]);
    }

    #[test]
    fn names_of_special_tokens_are_tokens() {
        assert_eq!(tokens("a[SEP]a [MASK][x[PAD]", 99), [2, 11, 3, 11, 4, 1, 1, 0, 3]);
        assert_eq!(tokens("[sep", 99), [2, 1, 1, 3]);
    }

    #[test]
    fn what_is_too_long_is_cut_behind() {
        assert_eq!(tokens("a a a a a", 5), [2, 11, 11, 11, 3]);
        assert_eq!(tokens("unaffable", 4), [2, 5, 6, 3]);
        assert_eq!(tokens("a[SEP]a[SEP]a", 4), [2, 11, 3, 3]);
        assert_eq!(tokens("a", 0), [2, 3]);
        assert_eq!(tokens(&"a ".repeat(3), 5), tokens(&"a ".repeat(1_000_000), 5));
    }

    #[test]
    fn a_vocabulary_needs_its_marks() {
        assert!(WordPiece::read("a\nb\n").is_err_and(|why| why.0.contains("[PAD]")));
    }

    /// The default model's tokenizer, where its files are found.
    fn published() -> Option<WordPiece> {
        let named = std::env::var_os("CORSAC_LOCAL_EMBEDDING_MODEL").map(std::path::PathBuf::from);
        let folder = weights::locate_embedding(named.as_deref(), &weights::default_cache_dir().unwrap_or_default());
        let Some(folder) = folder else {
            println!("not run: {} was not found; set CORSAC_LOCAL_EMBEDDING_MODEL or run `corsac models pull`", weights::EMBEDDING_NAME);
            return None;
        };
        Some(WordPiece::read(&std::fs::read_to_string(folder.join(weights::EMBEDDING_VOCABULARY)).unwrap()).unwrap())
    }

    /// The reference was made by an independent tokenizer; see `tests/golden/make_embeddings.py`.
    fn golden() -> serde_json::Value {
        serde_json::from_str(include_str!("../../tests/golden/minilm_tokens.json")).unwrap()
    }

    #[test]
    fn awkward_texts_have_the_reference_tokens() {
        let Some(wordpiece) = published() else { return };
        let golden = golden();
        let cases = golden["cases"].as_array().unwrap();
        assert!(cases.len() > 90);
        for case in cases {
            let tokens = wordpiece.encode(case["text"].as_str().unwrap(), 256);
            assert_eq!(serde_json::to_value(&tokens).unwrap(), case["tokens"], "{:?}", case["text"]);
        }
    }

    #[test]
    fn every_character_is_read_as_the_reference_reads_it() {
        let Some(wordpiece) = published() else { return };
        let golden = golden();
        let blocks = golden["characters"].as_array().unwrap();
        assert_eq!(blocks.len(), 0x11_0000 / 4096);
        // the reference knows characters as they were in 2015; what has been classed since is in rare scripts
        let left_out: Vec<(u32, u32)> = serde_json::from_value(golden["left_out"].clone()).unwrap();
        assert!(left_out.iter().map(|(first, last)| last - first + 1).sum::<u32>() < 800);
        let compared = |character: &char| !left_out.iter().any(|(first, last)| (*first..=*last).contains(&u32::from(*character)));
        let differ = blocks.par_iter().enumerate().filter(|(block, checksum)| {
            let first = *block as u32 * 4096;
            let mut lines = String::new();
            for character in (first..first + 4096).filter_map(char::from_u32).filter(compared) {
                let tokens = wordpiece.encode(&format!("a{character}b"), 256);
                lines.push_str(&tokens.iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
                lines.push('\n');
            }
            weights::hexadecimal(&Sha256::digest(lines))[..16] != **checksum
        });
        let differ: Vec<String> = differ.map(|(block, _)| format!("U+{:X}…", block * 4096)).collect();
        assert!(differ.is_empty(), "{differ:?}");
    }
}
