//! What the simulator makes of a text: its key words, its numbers and whether it sounds pleased.

use std::sync::LazyLock;

/// Words that speak for something, sorted.
const PLEASED: &[&str] = &[
    "amazing",
    "awesome",
    "beautiful",
    "best",
    "better",
    "brilliant",
    "comfortable",
    "delicious",
    "delight",
    "delighted",
    "durable",
    "easy",
    "effective",
    "enjoy",
    "enjoyed",
    "excellent",
    "fabulous",
    "fantastic",
    "fast",
    "favorite",
    "fine",
    "fresh",
    "friendly",
    "fun",
    "glad",
    "good",
    "gorgeous",
    "great",
    "happy",
    "helpful",
    "impressed",
    "incredible",
    "joy",
    "liked",
    "love",
    "loved",
    "lovely",
    "loves",
    "nice",
    "perfect",
    "perfectly",
    "pleasant",
    "pleased",
    "quality",
    "quick",
    "recommend",
    "recommended",
    "reliable",
    "satisfied",
    "smooth",
    "solid",
    "sturdy",
    "super",
    "superb",
    "tasty",
    "terrific",
    "thanks",
    "wonderful",
    "works",
    "worth",
];

/// Words that speak against something, sorted.
const DISPLEASED: &[&str] = &[
    "annoying",
    "awful",
    "bad",
    "broke",
    "broken",
    "cheap",
    "complaint",
    "cracked",
    "crap",
    "damaged",
    "dead",
    "defective",
    "difficult",
    "dirty",
    "disappointed",
    "disappointing",
    "disappointment",
    "disgusting",
    "dull",
    "fail",
    "failed",
    "fake",
    "faulty",
    "flimsy",
    "garbage",
    "hate",
    "hated",
    "horrible",
    "hurt",
    "issue",
    "junk",
    "late",
    "leaked",
    "leaking",
    "missing",
    "never",
    "noisy",
    "overpriced",
    "pain",
    "poor",
    "poorly",
    "problem",
    "refund",
    "return",
    "returned",
    "returning",
    "ripped",
    "rude",
    "slow",
    "smell",
    "stale",
    "terrible",
    "torn",
    "ugly",
    "unhappy",
    "useless",
    "waste",
    "wasted",
    "worst",
    "wrong",
];

/// Words that turn the next one around.
const TURNING: &[&str] = &["cannot", "cant", "didnt", "doesnt", "dont", "isnt", "no", "not", "wasnt", "without", "wont"];

/// Words that say nothing about a text, sorted.
const COMMON: &[&str] = &[
    "about",
    "after",
    "again",
    "also",
    "answer",
    "because",
    "been",
    "before",
    "being",
    "below",
    "both",
    "could",
    "does",
    "each",
    "following",
    "from",
    "given",
    "have",
    "here",
    "into",
    "just",
    "more",
    "most",
    "only",
    "other",
    "over",
    "please",
    "question",
    "same",
    "should",
    "some",
    "such",
    "text",
    "than",
    "that",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "this",
    "those",
    "very",
    "were",
    "what",
    "when",
    "where",
    "which",
    "while",
    "will",
    "with",
    "would",
    "your",
];

/// What a known word says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Pleased,
    Displeased,
    Turning,
    Common,
}

/// All known words by their first letter: every word of every prompt is looked up, so it must be cheap.
static KNOWN: LazyLock<[Vec<(&'static str, Meaning)>; 26]> = LazyLock::new(|| {
    let mut by_letter: [Vec<(&'static str, Meaning)>; 26] = Default::default();
    let lists = [(PLEASED, Meaning::Pleased), (DISPLEASED, Meaning::Displeased), (TURNING, Meaning::Turning), (COMMON, Meaning::Common)];
    for (list, meaning) in lists {
        for word in list {
            if let Some(bucket) = letter(word).and_then(|letter| by_letter.get_mut(letter)) {
                bucket.push((word, meaning));
            }
        }
    }
    by_letter
});

fn letter(word: &str) -> Option<usize> {
    let first = word.as_bytes().first()?;
    first.is_ascii_lowercase().then(|| usize::from(first - b'a'))
}

fn meaning_of(lower: &str) -> Option<Meaning> {
    let bucket = KNOWN.get(letter(lower)?)?;
    bucket.iter().find(|(known, _)| known.len() == lower.len() && *known == lower).map(|(_, meaning)| *meaning)
}

/// A text, read once.
#[derive(Debug, Default)]
pub(crate) struct Words<'a> {
    /// Words of four letters and more that are not among the common ones, in order, at most 64.
    pub(crate) key_words: Vec<&'a str>,
    /// Numbers in the text, in order, at most 16.
    pub(crate) numbers: Vec<i64>,
    /// Pleased words less displeased ones.
    pub(crate) mood: i32,
}

impl<'a> Words<'a> {
    /// Reads a text; `labels` are words that stand for themselves and say nothing about the mood.
    pub(crate) fn read(text: &'a str, labels: &[String]) -> Self {
        let mut words = Self::default();
        let mut turned = false;
        let mut lower = String::new();
        for word in text.split(|character: char| !character.is_alphanumeric() && character != '\'') {
            if word.is_empty() {
                continue;
            }
            lower.clear();
            for character in word.chars().filter(|character| *character != '\'') {
                if character.is_ascii() { lower.push(character.to_ascii_lowercase()) } else { lower.extend(character.to_lowercase()) }
            }
            let meaning = meaning_of(&lower);
            if meaning == Some(Meaning::Turning) {
                turned = true;
                continue;
            }
            let mood = match meaning {
                Some(Meaning::Pleased) if !labels.contains(&lower) => 1,
                Some(Meaning::Displeased) if !labels.contains(&lower) => -1,
                _ => 0,
            };
            words.mood += if turned { -mood } else { mood };
            turned = false;
            if lower.as_bytes().first().is_some_and(u8::is_ascii_digit) {
                if words.numbers.len() < 16 {
                    words.numbers.extend(lower.parse::<i64>().ok());
                }
            } else if words.key_words.len() < 64 && lower.len() >= 4 && meaning != Some(Meaning::Common) {
                words.key_words.push(word);
            }
        }
        words
    }

    /// `count` key words in a row from somewhere in the text; a plain word where there are none.
    pub(crate) fn phrase(&self, start: u64, count: usize) -> String {
        let length = self.key_words.len();
        if length == 0 {
            return "nothing".to_owned();
        }
        let start = usize::try_from(start % length as u64).unwrap_or(0);
        let chosen: Vec<&str> = self.key_words.iter().skip(start).take(count.max(1)).copied().collect();
        chosen.join(" ")
    }
}

/// How pleased a label sounds, from -2 to 2; none if it says nothing of the kind.
pub(crate) fn mood_of_label(label: &str) -> Option<i32> {
    let lower = label.to_lowercase();
    let strong = ["very", "strongly", "extremely"].iter().any(|word| lower.contains(word));
    let last = lower.rsplit([' ', '_', '-']).next().unwrap_or("");
    let direction = match last {
        "positive" | "good" | "pos" | "happy" | "pleased" | "satisfied" | "favorable" | "favourable" | "great" => 1,
        "negative" | "bad" | "neg" | "unhappy" | "angry" | "dissatisfied" | "unfavorable" | "poor" => -1,
        "neutral" | "mixed" | "average" | "ok" => return Some(0),
        _ => return None,
    };
    Some(if strong { 2 * direction } else { direction })
}

#[cfg(test)]
mod tests {
    use super::{COMMON, DISPLEASED, PLEASED, TURNING, Words, mood_of_label};

    #[test]
    fn lists_are_sorted_for_the_search() {
        for list in [PLEASED, DISPLEASED, TURNING, COMMON] {
            assert!(list.is_sorted(), "{list:?}");
        }
        assert_eq!((PLEASED.len(), DISPLEASED.len()), (60, 60));
    }

    #[test]
    fn mood_counts_words_and_turns() {
        assert!(Words::read("I love it, great quality", &[]).mood > 0);
        assert!(Words::read("Terrible. It broke and I want a refund", &[]).mood < 0);
        assert!(Words::read("this is not good", &[]).mood < 0);
        assert_eq!(Words::read("Is it good or bad?", &["good".into(), "bad".into()]).mood, 0);
    }

    #[test]
    fn key_words_and_numbers() {
        let words = Words::read("There were 42 broken cups, naïve café", &[]);
        assert_eq!(words.key_words, ["broken", "cups", "naïve", "café"]);
        assert_eq!(words.numbers, [42]);
        assert_eq!(words.phrase(1, 2), "cups naïve");
        assert_eq!(Words::read("", &[]).phrase(7, 3), "nothing");
    }

    #[test]
    fn labels() {
        assert_eq!(mood_of_label("Very Positive"), Some(2));
        assert_eq!(mood_of_label("negative"), Some(-1));
        assert_eq!(mood_of_label("mixed"), Some(0));
        assert_eq!(mood_of_label("shipping"), None);
    }
}
