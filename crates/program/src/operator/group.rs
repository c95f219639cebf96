//! A group of rows as one question: the texts of its rows, in parts where they are too many for one prompt.

use corsac_policy::estimated_tokens;
use serde_json::Value;

/// A group of rows, ready to be asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The texts of its rows, in order, without those that are NULL or blank.
    pub documents: Vec<String>,
    /// What the template's variables stand for, but for the rows.
    pub(super) values: Vec<Value>,
}

/// What the texts of one question about a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// All rows of the group.
    Whole,
    /// Some rows of a group that is too large for one question.
    Part,
    /// The results of its parts.
    Merge,
}

impl Stage {
    /// What is said of the texts behind the instructions.
    pub(super) fn note(self) -> &'static str {
        match self {
            Stage::Whole => "",
            Stage::Part => {
                " They are a part of a larger set whose parts are worked on separately: keep what the result for the whole set may need."
            }
            Stage::Merge => {
                " Each text is the result for one part of a larger set: put them together into the one result for the whole set."
            }
        }
    }
}

impl Group {
    /// The texts of its rows, in pieces of half the room at most, so that two always fit.
    pub fn pieces(&self, most_tokens: u64) -> Vec<String> {
        self.documents.iter().flat_map(|document| in_pieces(document, most_tokens / 2)).collect()
    }

    /// Runs of texts, each for one question of about so many tokens. They hold at least two texts as long as there are two.
    pub fn parts(texts: Vec<String>, most_tokens: u64) -> Vec<Vec<String>> {
        let mut parts: Vec<Vec<String>> = Vec::new();
        let mut room = 0;
        for document in texts {
            // the number before the text
            let tokens = estimated_tokens(&document) + 3;
            match parts.last_mut() {
                Some(part) if tokens <= room || part.len() < 2 => {
                    part.push(document);
                    room = room.saturating_sub(tokens);
                }
                _ => {
                    parts.push(vec![document]);
                    room = most_tokens.saturating_sub(tokens);
                }
            }
        }
        parts
    }
}

fn in_pieces(document: &str, half: u64) -> Vec<String> {
    if estimated_tokens(document) + 3 <= half {
        return vec![document.to_owned()];
    }
    let most_bytes = usize::try_from(half.saturating_sub(3)).unwrap_or(usize::MAX).saturating_mul(3).max(64);
    let mut pieces = Vec::new();
    let mut rest = document;
    while rest.len() > most_bytes {
        let mut end = most_bytes;
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        // between words where there are any
        let cut = rest[..end].rfind(char::is_whitespace).filter(|at| *at > end / 2).unwrap_or(end);
        pieces.push(rest[..cut].to_owned());
        rest = rest[cut..].trim_start();
    }
    pieces.push(rest.to_owned());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fit_and_lose_nothing() {
        let texts: Vec<String> = (0..100).map(|number| format!("text number {number} {}", "word ".repeat(number * 7))).collect();
        for room in [20, 200, 2_000, 200_000] {
            let parts = Group::parts(Group { documents: texts.clone(), values: Vec::new() }.pieces(room), room);
            let words = |texts: &mut dyn Iterator<Item = &String>| {
                texts.flat_map(|text| text.split_whitespace()).map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(words(&mut parts.iter().flatten()), words(&mut texts.iter()), "{room}");
            for (place, part) in parts.iter().enumerate() {
                let tokens: u64 = part.iter().map(|text| estimated_tokens(text) + 3).sum();
                assert!(tokens <= room.max(60), "{tokens} > {room}");
                assert!(part.len() >= 2 || place + 1 == parts.len(), "{room}");
            }
        }
    }
}
