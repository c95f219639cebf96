//! Likeness of texts whose words may stand in another order, or more than once.

use std::collections::BTreeSet;

use super::{Method, partial_ratio, ratio};

/// The likeness of the texts with their words sorted.
pub fn token_sort_ratio(left: &str, right: &str, method: Method) -> f64 {
    ratio(&sorted(left), &sorted(right), method)
}

/// The same for the best place of the shorter one in the longer.
pub fn partial_token_sort_ratio(left: &str, right: &str, method: Method) -> f64 {
    partial_ratio(&sorted(left), &sorted(right), method)
}

/// The likeness of the texts as sets of words: the best among the common words, and these with what only one or the other
/// has. It is 100 where one text has all words of the other, and 0 where one has none at all.
pub fn token_set_ratio(left: &str, right: &str, method: Method) -> f64 {
    let Some(sets) = Sets::of(left, right) else { return 0.0 };
    if !sets.common.is_empty() && (sets.only_left.is_empty() || sets.only_right.is_empty()) {
        return 100.0;
    }
    let common = sets.common.join(" ");
    let with = |words: &[&str]| sets.common.iter().chain(words).copied().collect::<Vec<_>>().join(" ");
    let (left, right) = (with(&sets.only_left), with(&sets.only_right));
    let best = ratio(&left, &right, method);
    if common.is_empty() {
        return best;
    }
    best.max(ratio(&common, &left, method)).max(ratio(&common, &right, method))
}

/// 100 where the texts share a word, else the best place of one's words in the other's. It is 0 where one has none at all.
pub fn partial_token_set_ratio(left: &str, right: &str, method: Method) -> f64 {
    let Some(sets) = Sets::of(left, right) else { return 0.0 };
    if !sets.common.is_empty() {
        return 100.0;
    }
    partial_ratio(&sets.only_left.join(" "), &sets.only_right.join(" "), method)
}

fn sorted(text: &str) -> String {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.sort_unstable();
    words.join(" ")
}

/// The words of two texts, each once and sorted.
struct Sets<'a> {
    common: Vec<&'a str>,
    only_left: Vec<&'a str>,
    only_right: Vec<&'a str>,
}

impl<'a> Sets<'a> {
    fn of(left: &'a str, right: &'a str) -> Option<Sets<'a>> {
        let left: BTreeSet<&str> = left.split_whitespace().collect();
        let right: BTreeSet<&str> = right.split_whitespace().collect();
        if left.is_empty() || right.is_empty() {
            return None;
        }
        Some(Sets {
            common: left.intersection(&right).copied().collect(),
            only_left: left.difference(&right).copied().collect(),
            only_right: right.difference(&left).copied().collect(),
        })
    }
}
