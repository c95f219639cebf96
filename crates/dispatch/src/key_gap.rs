//! Takes the key out of what a server says, wherever the pieces of a reply are split.

use bytes::Bytes;
use memchr::memmem;
use secrecy::{ExposeSecret, SecretString};

/// What stands in a reply where the key stood.
const SHOWN: &[u8] = b"[key]";
/// Shorter keys would be found in ordinary words.
const SHORTEST: usize = 8;

/// Reads pieces and gives them back without the key.
pub(crate) struct KeyGap {
    key: Option<SecretString>,
    /// The end of the last piece, which may be the beginning of the key.
    held: Vec<u8>,
}

impl KeyGap {
    pub(crate) fn new(key: Option<&SecretString>) -> KeyGap {
        KeyGap { key: key.filter(|key| key.expose_secret().trim().len() >= SHORTEST).cloned(), held: Vec::new() }
    }

    /// The next piece, as far as it is certain.
    pub(crate) fn push(&mut self, piece: Bytes) -> Bytes {
        let Some(key) = self.key.as_ref().map(|key| key.expose_secret().trim().as_bytes()) else { return piece };
        if self.held.is_empty() && begun(&piece, key) == 0 && memmem::find(&piece, key).is_none() {
            return piece;
        }
        let mut whole = std::mem::take(&mut self.held);
        whole.extend_from_slice(&piece);
        let mut shown = Vec::with_capacity(whole.len());
        let mut rest = whole.as_slice();
        while let Some(at) = memmem::find(rest, key) {
            shown.extend_from_slice(&rest[..at]);
            shown.extend_from_slice(SHOWN);
            rest = &rest[at + key.len()..];
        }
        let sure = rest.len() - begun(rest, key);
        shown.extend_from_slice(&rest[..sure]);
        self.held = rest[sure..].to_vec();
        shown.into()
    }

    /// What was held back, when nothing follows.
    pub(crate) fn rest(&mut self) -> Option<Bytes> {
        (!self.held.is_empty()).then(|| std::mem::take(&mut self.held).into())
    }
}

/// How many bytes at the end are a beginning of the key.
fn begun(bytes: &[u8], key: &[u8]) -> usize {
    (1..key.len().min(bytes.len() + 1)).rev().find(|length| bytes.ends_with(&key[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "sk-or-sk-or-v1-77";

    fn through(pieces: &[&[u8]]) -> Vec<u8> {
        let key = SecretString::from(KEY);
        let mut gap = KeyGap::new(Some(&key));
        let mut shown: Vec<u8> = pieces.iter().flat_map(|piece| gap.push(Bytes::copy_from_slice(piece))).collect();
        shown.extend(gap.rest().into_iter().flatten());
        shown
    }

    proptest! {
        #[test]
        fn the_key_is_gone_wherever_pieces_end(words in prop::collection::vec(prop_oneof![Just(KEY), Just("sk-or-"), Just("é x"), Just("v1-7")], 0..8), cuts in prop::collection::vec(1usize..9, 1..60)) {
            let whole = words.concat();
            let mut pieces: Vec<&[u8]> = Vec::new();
            let mut rest = whole.as_bytes();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(String::from_utf8(through(&pieces)).unwrap(), whole.replace(KEY, "[key]"));
        }
    }

    #[test]
    fn short_keys_are_no_keys() {
        let key = SecretString::from("ollama");
        let mut gap = KeyGap::new(Some(&key));
        assert_eq!(gap.push(Bytes::from_static(b"an ollama ol")), Bytes::from_static(b"an ollama ol"));
        assert_eq!(gap.rest(), None);
    }
}
