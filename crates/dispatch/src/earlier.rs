//! How earlier calls of the same question ended, as far as the ledger remembers: from it a planner guesses how many rows
//! a condition will let through. Nothing is asked for it.

use std::ops::ControlFlow;

use corsac_ledger::{INPUT_CHARACTERS, Ledger};
use serde_json::Value;

/// Calls looked at, the newest first, and answers that are enough.
const CALLS_AT_MOST: u64 = 20_000;
const ANSWERS_AT_MOST: u64 = 400;
/// Fewer answers say too little.
const ANSWERS_AT_LEAST: u64 = 8;
/// Words around the inputs that are shorter than this could stand in any question.
const LETTERS_AT_LEAST: usize = 8;

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many were counted.
    pub of: u64,
    /// How many of them it is true of.
    pub part: u64,
}

/// How often earlier calls of an operator were answered with true, each different question once a call. They are known by the
/// words around what came from the rows: the first stands at the beginning of the prompt's own part, the last at its end.
/// `None` where fewer than eight answers are found, or the words could stand in any question.
pub fn earlier_truths(ledger: &Ledger, operator: &str, words: &[String]) -> Option<Share> {
    let letters: usize = words.iter().map(|word| word.chars().filter(|letter| letter.is_alphanumeric()).count()).sum();
    if letters < LETTERS_AT_LEAST {
        return None;
    }
    let mut share = Share { of: 0, part: 0 };
    let look = |input: &str, answer: &str| {
        if has_words(input, words)
            && let Some(truth) = truth_in(answer)
        {
            share.of += 1;
            share.part += u64::from(truth);
        }
        if share.of >= ANSWERS_AT_MOST { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    // a ledger that cannot be read now will say so where it matters
    ledger.each_recent_answer(operator, CALLS_AT_MOST, look).ok()?;
    (share.of >= ANSWERS_AT_LEAST).then_some(share)
}

/// The one truth value in an answer.
fn truth_in(answer: &str) -> Option<bool> {
    match serde_json::from_str(answer).ok()? {
        Value::Bool(truth) => Some(truth),
        Value::Object(fields) => match fields.values().collect::<Vec<_>>().as_slice() {
            [Value::Bool(truth)] => Some(*truth),
            _ => None,
        },
        _ => None,
    }
}

/// Whether an input, which may have been cut, has these words around what was filled in.
fn has_words(input: &str, words: &[String]) -> bool {
    let Some((first, later)) = words.split_first() else { return false };
    let Some(mut rest) = input.strip_prefix(first.as_str()) else { return false };
    let was_cut = input.len() >= INPUT_CHARACTERS && input.chars().count() >= INPUT_CHARACTERS;
    for (place, word) in later.iter().enumerate() {
        let is_last = place + 1 == later.len();
        match if is_last { rest.ends_with(word.as_str()).then_some(rest.len()) } else { rest.find(word.as_str()) } {
            Some(at) if !is_last => rest = &rest[at + word.len()..],
            Some(_) => {}
            // what is missing may have been cut off
            None => return was_cut,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &str, words: &[&str], expected: bool) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(has_words(input, &words), expected, "{words:?} in {input:?}");
    }

    #[test]
    fn a_question_is_known_by_the_words_around_its_inputs() {
        check("Is kettle about tea?", &["Is ", " about ", "?"], true);
        check("Is kettle about tea!", &["Is ", " about ", "?"], false);
        check("Was kettle about tea?", &["Is ", " about ", "?"], false);
        check("the same for all", &["the same for all"], true);
        check("Is a? b?", &["Is ", "?"], true);
        check("x", &[], false);
        let long = format!("Is {}", "ü".repeat(INPUT_CHARACTERS - 3));
        check(&long, &["Is ", " good?"], true);
        check(&long, &["Was ", " good?"], false);
    }

    #[test]
    fn truths_are_read_out_of_answers() {
        assert_eq!(truth_in(r#"{"answer":true}"#), Some(true));
        assert_eq!(truth_in("false"), Some(false));
        assert_eq!((truth_in(r#"{"answer":true,"more":false}"#), truth_in("yes"), truth_in(r#"{"label":"a"}"#)), (None, None, None));
    }
}
