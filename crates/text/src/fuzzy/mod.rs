//! How alike two texts are spelled, from 0 to 100, with the definitions of the `rapidfuzz` library: whole texts, the best
//! place of the shorter in the longer, and the same over sorted words or sets of words.
//!
//! Characters are compared as Unicode scalar values, case and accents included: bring texts into one form first.

mod words;

pub use words::{partial_token_set_ratio, partial_token_sort_ratio, token_set_ratio, token_sort_ratio};

use std::collections::HashSet;
use std::str::FromStr;

use rapidfuzz::distance::{damerau_levenshtein, hamming, indel, jaro, jaro_winkler, levenshtein};

use crate::TextError;

/// What counts as a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// Insertions and deletions, as `rapidfuzz` and its predecessors count.
    #[default]
    Indel,
    /// Insertions, deletions and replacements.
    Levenshtein,
    /// The same and swaps of neighbours.
    DamerauLevenshtein,
    /// Characters in common at nearly the same place, for short texts such as names.
    Jaro,
    /// The same, and more for a common beginning.
    JaroWinkler,
    /// Places that differ; the shorter text is filled up with differences.
    Hamming,
}

impl Method {
    /// All methods by the names they have in calls.
    pub const NAMES: [(&'static str, Method); 6] = [
        ("indel", Method::Indel),
        ("levenshtein", Method::Levenshtein),
        ("damerau_levenshtein", Method::DamerauLevenshtein),
        ("jaro", Method::Jaro),
        ("jaro_winkler", Method::JaroWinkler),
        ("hamming", Method::Hamming),
    ];
}

impl FromStr for Method {
    type Err = TextError;

    fn from_str(name: &str) -> Result<Method, TextError> {
        Method::NAMES.iter().find(|(known, _)| *known == name).map(|(_, method)| *method).ok_or_else(|| {
            let names: Vec<&str> = Method::NAMES.iter().map(|(name, _)| *name).collect();
            TextError::request("the method", format!("{name:?} is not known; write one of {}", names.join(", ")))
        })
    }
}

/// How alike two texts are, 100 for equal ones.
pub fn ratio(left: &str, right: &str, method: Method) -> f64 {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    100.0 * similarity(&left, &right, method)
}

/// How well the shorter text fits at its best place in the longer one. Its cost grows with the product of the lengths and
/// once more with the shorter one's, so both should be short.
pub fn partial_ratio(left: &str, right: &str, method: Method) -> f64 {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if left.is_empty() && right.is_empty() {
        return 100.0;
    }
    let best = match left.len().cmp(&right.len()) {
        std::cmp::Ordering::Less => best_place(&left, &right, method),
        std::cmp::Ordering::Greater => best_place(&right, &left, method),
        std::cmp::Ordering::Equal => best_place(&left, &right, method).max(best_place(&right, &left, method)),
    };
    100.0 * best
}

/// From 0 to 1.
fn similarity(left: &[char], right: &[char], method: Method) -> f64 {
    let (a, b) = (left.iter().copied(), right.iter().copied());
    match method {
        Method::Indel => indel::normalized_similarity(a, b),
        Method::Levenshtein => levenshtein::normalized_similarity(a, b),
        Method::DamerauLevenshtein => damerau_levenshtein::normalized_similarity(a, b),
        Method::Jaro => jaro::normalized_similarity(a, b),
        Method::JaroWinkler => jaro_winkler::normalized_similarity(a, b),
        Method::Hamming => hamming::normalized_similarity_with_args(a, b, &hamming::Args::default().pad(true)),
    }
}

/// The best of all places: those of full length, and at both ends the shorter ones.
fn best_place(shorter: &[char], longer: &[char], method: Method) -> f64 {
    let length = shorter.len();
    if length == 0 {
        return 0.0;
    }
    let heads = (1..length).map(|end| (0, end));
    let whole = (0..longer.len() - length).map(|start| (start, start + length));
    let tails = (longer.len() - length..longer.len()).map(|start| (start, longer.len()));
    let mut best = 0.0f64;
    if method == Method::Indel {
        // a place whose rim holds a character the shorter text has not is never better than the one without it
        let known: HashSet<char> = shorter.iter().copied().collect();
        let ends_well = |(_, end): &(usize, usize)| known.contains(&longer[end - 1]);
        let begins_well = |(start, _): &(usize, usize)| known.contains(&longer[*start]);
        let comparator = indel::BatchComparator::new(shorter.iter().copied());
        for (start, end) in heads.chain(whole).filter(ends_well).chain(tails.filter(begins_well)) {
            let args = indel::Args::default().score_cutoff(best);
            let found = comparator.normalized_similarity_with_args(longer[start..end].iter().copied(), &args);
            best = best.max(found.unwrap_or(0.0));
            if best >= 1.0 {
                break;
            }
        }
        return best;
    }
    for (start, end) in heads.chain(whole).chain(tails) {
        best = best.max(similarity(shorter, &longer[start..end], method));
        if best >= 1.0 {
            break;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(given: f64, wanted: f64) -> bool {
        (given - wanted).abs() < 1e-9
    }

    #[test]
    fn values_are_those_of_rapidfuzz_for_python() {
        let cases: Vec<(&str, &str, [f64; 6], [f64; 6])> = include!("golden.in").into();
        for (a, b, ratios, methods) in cases {
            let scorers = [ratio, partial_ratio, token_sort_ratio, token_set_ratio, partial_token_sort_ratio, partial_token_set_ratio];
            for (index, (scorer, wanted)) in scorers.into_iter().zip(ratios).enumerate() {
                let given = scorer(a, b, Method::Indel);
                assert!(close(given, wanted), "scorer {index} of {a:?} and {b:?}: {given}, not {wanted}");
            }
            for ((name, method), wanted) in Method::NAMES.into_iter().zip(methods) {
                let given = ratio(a, b, method);
                assert!(close(given, wanted), "{name} of {a:?} and {b:?}: {given}, not {wanted}");
            }
        }
    }

    #[test]
    fn every_method_finds_its_place() {
        for (name, method) in Method::NAMES {
            assert_eq!(partial_ratio("bcd", "abcde", method), 100.0, "{name}");
            assert_eq!(name.parse::<Method>().unwrap(), method);
        }
        assert!("soundex".parse::<Method>().unwrap_err().to_string().contains("jaro_winkler"));
    }

    proptest! {
        #![proptest_config(crate::laws())]
        #[test]
        fn ratios_are_symmetric_and_bounded(a in "(?s).{0,30}|[ab ]{0,90}", b in "(?s).{0,30}|[ab ]{0,90}") {
            for (_, method) in Method::NAMES {
                for scorer in [ratio, partial_ratio, token_sort_ratio, token_set_ratio, partial_token_sort_ratio, partial_token_set_ratio] {
                    let given = scorer(&a, &b, method);
                    prop_assert!((0.0..=100.0).contains(&given), "{}", given);
                    prop_assert!(close(given, scorer(&b, &a, method)));
                }
                prop_assert!(close(ratio(&a, &a, method), 100.0));
                if a.chars().count() == b.chars().count() {
                    let (place, whole) = (partial_ratio(&a, &b, method), ratio(&a, &b, method));
                    prop_assert!(place + 1e-9 >= whole);
                }
            }
        }
    }
}
