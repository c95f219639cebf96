//! A classification label by label: precision, recall, F1, and what is taken for what.

use std::collections::BTreeMap;

/// Counts of gold and predicted labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Classes {
    /// How often each label (first) was given as each other (second).
    pub confusion: BTreeMap<(String, String), usize>,
}

/// One label's figures, 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// The label.
    pub label: String,
    /// Which share of those predicted as this are this.
    pub precision: f64,
    /// Which share of those that are this were predicted as this.
    pub recall: f64,
    /// The harmonic mean.
    pub f1: f64,
    /// Examples that are this.
    pub examples: usize,
}

impl Classes {
    /// Counts pairs of gold and predicted.
    pub fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Classes {
        let mut confusion = BTreeMap::new();
        pairs.into_iter().for_each(|pair| *confusion.entry(pair).or_default() += 1);
        Classes { confusion }
    }

    /// The figures of every label that examples have.
    pub fn figures(&self) -> Vec<Class> {
        let mut labels: Vec<&String> = self.confusion.keys().map(|(gold, _)| gold).collect();
        labels.dedup();
        let figures = labels.into_iter().map(|label| {
            let right = self.confusion.get(&(label.clone(), label.clone())).copied().unwrap_or_default();
            let sum =
                |is: &dyn Fn(&(String, String)) -> bool| self.confusion.iter().filter(|(pair, _)| is(pair)).map(|(_, count)| count).sum();
            let (examples, predicted): (usize, usize) = (sum(&|pair| pair.0 == *label), sum(&|pair| pair.1 == *label));
            let share = |of: usize| if of == 0 { 0.0 } else { right as f64 / of as f64 };
            let (precision, recall) = (share(predicted), share(examples));
            let f1 = if right == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
            Class { label: label.clone(), precision, recall, f1, examples }
        });
        figures.collect()
    }

    /// The mean F1 over labels, each counted the same.
    pub fn macro_f1(&self) -> f64 {
        let figures = self.figures();
        super::interval::mean(&figures.iter().map(|class| class.f1).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_their_own_figures() {
        let pairs = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "b"), ("c", "a")];
        let classes = Classes::of(pairs.map(|(gold, predicted)| (gold.to_owned(), predicted.to_owned())));
        let figures = classes.figures();
        let of = |label: &str| figures.iter().find(|class| class.label == label).unwrap().clone();
        assert_eq!((of("a").precision, of("a").recall, of("a").examples), (2.0 / 3.0, 2.0 / 3.0, 3));
        assert_eq!((of("b").precision, of("b").recall), (0.5, 1.0));
        assert_eq!((of("c").f1, of("c").examples), (0.0, 1));
        assert!((classes.macro_f1() - (2.0 / 3.0 + 2.0 / 3.0) / 3.0).abs() < 1e-9);
    }
}
