//! Byte-level byte-pair encoding from a GGUF's own vocabulary and merges.
//!
//! Special tokens are never recognised in text: only the chat template writes them, so nobody's text can end a
//! turn or open another one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{Read, Seek};

use crate::gguf::{Gguf, GgufError, Value};
use crate::pretokenize::Family;

/// Text to tokens and back.
pub(crate) struct Tokenizer {
    /// Bytes of each token; of a special token its name.
    tokens: Vec<Vec<u8>>,
    special: Vec<bool>,
    by_name: HashMap<Vec<u8>, u32>,
    /// A pair that merges, with its rank (lower first) and what it becomes.
    merges: HashMap<(u32, u32), (u32, u32)>,
    /// None for the bytes that the vocabulary lacks; text drops them, as the model's own tokenizer does.
    single_bytes: [Option<u32>; 256],
    family: Family,
    /// Pieces that are a token as they stand skip merging.
    whole_pieces_first: bool,
    ends: Vec<u32>,
}

/// GGUF token types: anything but a normal, user-defined or byte token is special.
const NORMAL: i64 = 1;
const USER_DEFINED: i64 = 4;
const BYTE: i64 = 6;

impl Tokenizer {
    /// Builds the tokenizer that the file describes.
    pub(crate) fn read<R: Read + Seek>(file: &Gguf<R>) -> Result<Self, GgufError> {
        match file.text("tokenizer.ggml.model") {
            Some("gpt2") => {}
            other => {
                return Err(GgufError(format!(
                    "its tokenizer is {:?}; byte-level BPE (\"gpt2\") can be read",
                    other.unwrap_or("not named")
                )));
            }
        }
        let pre = file.text("tokenizer.ggml.pre").unwrap_or("gpt-2");
        let Some(family) = Family::named(pre) else {
            return Err(GgufError(format!("its pre-tokenizer {pre:?} is unknown here; known are smollm, gpt-2 and llama-bpe")));
        };
        let Some(Value::Texts(names)) = file.value("tokenizer.ggml.tokens") else {
            return Err(GgufError("it has no vocabulary".into()));
        };
        let Some(Value::Texts(merges)) = file.value("tokenizer.ggml.merges") else {
            return Err(GgufError("it has no merges".into()));
        };
        let types = match file.value("tokenizer.ggml.token_type") {
            Some(Value::Numbers(types)) if types.len() == names.len() => types.clone(),
            _ => vec![NORMAL; names.len()],
        };
        let byte_of = byte_of_character();
        let spelled = |text: &str| -> Option<Vec<u8>> { text.chars().map(|character| byte_of.get(&character).copied()).collect() };
        let mut tokens = Vec::new();
        let mut special = Vec::new();
        let mut by_name = HashMap::new();
        for (index, (name, kind)) in names.iter().zip(types).enumerate() {
            let plain = if matches!(kind, NORMAL | BYTE) { spelled(name) } else { None };
            special.push(plain.is_none() && kind != USER_DEFINED);
            let bytes = plain.unwrap_or_else(|| name.as_bytes().to_vec());
            by_name.entry(bytes.clone()).or_insert(index as u32);
            tokens.push(bytes);
        }
        let single_bytes = std::array::from_fn(|byte| by_name.get(&[byte as u8][..]).copied());
        let mut ranks = HashMap::with_capacity(merges.len());
        for (rank, merge) in merges.iter().enumerate() {
            // the space that parts the two halves is never the first character, which may be a space itself
            let parts = merge.char_indices().skip(1).find(|(_, character)| *character == ' ').map(|(at, _)| merge.split_at(at));
            let pair = parts.and_then(|(left, right)| Some((spelled(left)?, spelled(&right[1..])?)));
            let Some((left, right)) = pair else {
                return Err(GgufError(format!("merge {rank} is not a pair of tokens")));
            };
            let joined = [left.as_slice(), right.as_slice()].concat();
            if let (Some(left), Some(right), Some(joined)) = (by_name.get(&left), by_name.get(&right), by_name.get(&joined)) {
                ranks.entry((*left, *right)).or_insert((rank as u32, *joined));
            }
        }
        let mut ends: Vec<u32> = ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"]
            .iter()
            .filter_map(|key| file.size(key))
            .map(|id| id as u32)
            .collect();
        ends.extend(
            ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>"]
                .iter()
                .filter_map(|name| by_name.get(name.as_bytes()))
                .copied(),
        );
        let named = ends.clone();
        let mut position = 0..;
        ends.retain(|id| position.next().is_some_and(|at| !named[..at].contains(id)));
        ends.retain(|id| special.get(*id as usize).copied().unwrap_or(false));
        Ok(Self { tokens, special, by_name, merges: ranks, single_bytes, family, whole_pieces_first: family == Family::Llama3, ends })
    }

    pub(crate) fn vocabulary(&self) -> usize {
        self.tokens.len()
    }

    /// The bytes a token stands for, or a special token's name.
    pub(crate) fn bytes(&self, token: u32) -> &[u8] {
        self.tokens.get(token as usize).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn is_special(&self, token: u32) -> bool {
        self.special.get(token as usize).copied().unwrap_or(true)
    }

    /// A special token by its name.
    pub(crate) fn special(&self, name: &str) -> Option<u32> {
        self.by_name.get(name.as_bytes()).copied().filter(|token| self.is_special(*token))
    }

    /// Tokens that end an answer; the first is the one the model was made with.
    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Appends the text's tokens, stopping early once `into` holds more than `most`.
    pub(crate) fn encode(&self, text: &str, into: &mut Vec<u32>, most: usize) {
        for piece in self.family.pieces(text) {
            if into.len() > most {
                return;
            }
            self.encode_piece(piece.as_bytes(), into);
        }
    }

    /// Merges pairs in order of rank, leftmost first, until none is left.
    fn encode_piece(&self, piece: &[u8], into: &mut Vec<u32>) {
        if self.whole_pieces_first
            && let Some(token) = self.by_name.get(piece).filter(|token| !self.is_special(**token))
        {
            into.push(*token);
            return;
        }
        let mut tokens: Vec<u32> = piece.iter().filter_map(|byte| self.single_bytes[usize::from(*byte)]).collect();
        if tokens.len() <= 1 {
            into.extend(tokens);
            return;
        }
        const GONE: usize = usize::MAX;
        let mut next: Vec<usize> = (1..=tokens.len()).collect();
        let mut previous: Vec<usize> = (0..tokens.len()).map(|index| index.wrapping_sub(1)).collect();
        let end = tokens.len();
        let mut waiting = BinaryHeap::new();
        let offer = |waiting: &mut BinaryHeap<_>, left: usize, right: usize, tokens: &[u32]| {
            if let Some((rank, joined)) = self.merges.get(&(tokens[left], tokens[right])) {
                waiting.push(Reverse((*rank, left, right, tokens[left], tokens[right], *joined)));
            }
        };
        for left in 0..end - 1 {
            offer(&mut waiting, left, left + 1, &tokens);
        }
        while let Some(Reverse((_, left, right, left_token, right_token, joined))) = waiting.pop() {
            // the pair may have been merged away since it was offered
            if next[left] != right || tokens[left] != left_token || tokens[right] != right_token {
                continue;
            }
            tokens[left] = joined;
            let after = next[right];
            next[left] = after;
            next[right] = GONE;
            if after < end {
                previous[after] = left;
                offer(&mut waiting, left, after, &tokens);
            }
            if previous[left] < end {
                offer(&mut waiting, previous[left], left, &tokens);
            }
        }
        let mut index = 0;
        while index < end {
            into.push(tokens[index]);
            index = next[index];
        }
    }
}

/// GPT-2's way to write bytes as printable characters: printable Latin-1 stands for itself, the rest moves to 256 and up.
fn byte_of_character() -> HashMap<char, u8> {
    let mut moved = 0;
    (0..=255u8)
        .map(|byte| match byte {
            b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => (char::from(byte), byte),
            _ => {
                moved += 1;
                (char::from_u32(255 + moved).unwrap_or('\u{FFFD}'), byte)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor};

    use super::*;

    fn tiny() -> Tokenizer {
        let file = Gguf::open(Cursor::new(crate::synthetic::gguf())).map_err(|error| error.0).unwrap();
        Tokenizer::read(&file).map_err(|error| error.0).unwrap()
    }

    fn encoded(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        tokenizer.encode(text, &mut tokens, usize::MAX);
        tokens
    }

    #[test]
    fn merges_apply_by_rank_and_bytes_round_trip() {
        let tokenizer = tiny();
        let spelled: Vec<_> =
            encoded(&tokenizer, "lab the thin").iter().map(|token| String::from_utf8_lossy(tokenizer.bytes(*token)).into_owned()).collect();
        // "th" comes before " t", so the blank of " thin" stays alone
        assert_eq!(spelled, ["lab", " the", " ", "th", "in"]);
        for text in ["", "plain", "ünï çødé 漢字 😀", "\0\u{1}\t\r\n <|im_end|>"] {
            let bytes: Vec<u8> = encoded(&tokenizer, text).iter().flat_map(|token| tokenizer.bytes(*token).to_vec()).collect();
            assert_eq!(bytes, text.as_bytes());
        }
    }

    #[test]
    fn a_very_long_piece_is_merged_in_good_time_and_encoding_stops_when_told() {
        let tokenizer = tiny();
        assert_eq!(encoded(&tokenizer, &"in".repeat(200_000)).len(), 200_000);
        let mut tokens = Vec::new();
        tokenizer.encode(&"word ".repeat(100_000), &mut tokens, 50);
        assert!((51..60).contains(&tokens.len()));
    }

    /// The reference was made by an independent tokenizer; see `tests/golden/make_tokens.py`.
    #[test]
    fn the_real_vocabulary_gives_the_reference_tokens() {
        let named = std::env::var_os("CORSAC_LOCAL_MODEL").map(std::path::PathBuf::from);
        let Some(path) = crate::weights::locate(named.as_deref(), &crate::weights::default_cache_dir().unwrap_or_default()) else {
            println!("not run: the default weights were not found; set CORSAC_LOCAL_MODEL or run `corsac models pull`");
            return;
        };
        let file = Gguf::open(BufReader::new(std::fs::File::open(path).unwrap())).map_err(|error| error.0).unwrap();
        let tokenizer = Tokenizer::read(&file).map_err(|error| error.0).unwrap();
        let cases: Vec<serde_json::Value> = serde_json::from_str(include_str!("../tests/golden/smollm_tokens.json")).unwrap();
        assert!(cases.len() > 80);
        for case in cases {
            let text = case["text"].as_str().unwrap();
            assert_eq!(serde_json::json!(encoded(&tokenizer, text)), case["tokens"], "{text:?}");
        }
    }
}
