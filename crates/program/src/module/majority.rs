//! The answer that most predictions agree on.

use crate::evaluate::normalized;
use crate::{Prediction, Record};

use super::in_line;

/// The first prediction that holds the most frequent value of an output (the last one where none is named). Values are
/// compared without case, punctuation and articles; at a tie the earlier one wins. `None` without predictions.
pub fn majority<'a>(predictions: &'a [Prediction], field: Option<&str>) -> Option<&'a Prediction> {
    let key = |outputs: &Record| {
        let value = match field {
            Some(name) => outputs.get(name),
            None => outputs.values().next_back(),
        };
        value.map(|value| normalized(&in_line(value))).filter(|text| !text.is_empty())
    };
    let keys: Vec<Option<String>> = predictions.iter().map(|prediction| key(&prediction.outputs)).collect();
    // predictions without a value count only where there is nothing else
    let counted: Vec<usize> = match keys.iter().any(Option::is_some) {
        true => (0..keys.len()).filter(|place| keys[*place].is_some()).collect(),
        false => (0..keys.len()).collect(),
    };
    let votes = |place: usize| keys.iter().filter(|key| **key == keys[place]).count();
    let best = counted.iter().copied().max_by_key(|place| (votes(*place), std::cmp::Reverse(*place)))?;
    predictions.get(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record;

    fn of(answers: &[&str]) -> Vec<Prediction> {
        answers.iter().map(|answer| Prediction::of(record([("why", "x".into()), ("answer", (*answer).into())]))).collect()
    }

    #[test]
    fn most_frequent_wins_and_ties_go_to_the_first() {
        let predictions = of(&["Rome", "the Paris.", "paris", "Oslo"]);
        assert_eq!(majority(&predictions, None).unwrap().text("answer"), Some("the Paris."));
        let predictions = of(&["Rome", "Oslo"]);
        assert_eq!(majority(&predictions, Some("answer")).unwrap().text("answer"), Some("Rome"));
        assert_eq!(majority(&of(&["", "Oslo"]), None).unwrap().text("answer"), Some("Oslo"));
        assert!(majority(&[], None).is_none());
    }
}
