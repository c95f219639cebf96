//! How texts are compared: DSPy's normalisation, and the F1 of common words.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

/// A text without case, ASCII punctuation, the articles a, an and the, and superfluous blanks; letters and their accents
/// apart (NFD).
pub fn normalized(text: &str) -> String {
    let lower: String = text.nfd().collect::<String>().to_lowercase();
    let plain: String = lower.chars().filter(|c| !c.is_ascii_punctuation()).collect();
    plain.split_whitespace().filter(|word| !matches!(*word, "a" | "an" | "the")).collect::<Vec<_>>().join(" ")
}

/// The F1 of the words that two texts have in common, after normalisation. Two empty texts have 0, as in DSPy.
pub fn word_f1(predicted: &str, gold: &str) -> f64 {
    let (predicted, gold) = (normalized(predicted), normalized(gold));
    let mut counts: HashMap<&str, usize> = HashMap::new();
    gold.split(' ').filter(|word| !word.is_empty()).for_each(|word| *counts.entry(word).or_default() += 1);
    let golden = gold.split(' ').filter(|word| !word.is_empty()).count();
    let (mut common, mut all) = (0_usize, 0_usize);
    for word in predicted.split(' ').filter(|word| !word.is_empty()) {
        all += 1;
        if let Some(left) = counts.get_mut(word).filter(|left| **left > 0) {
            *left -= 1;
            common += 1;
        }
    }
    if common == 0 {
        return 0.0;
    }
    let (precision, recall) = (common as f64 / all as f64, common as f64 / golden as f64);
    2.0 * precision * recall / (precision + recall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_case_and_points_do_not_count() {
        assert_eq!(normalized("The  Eiffel-Tower, an icon."), "eiffeltower icon");
        assert_eq!(normalized("Caf\u{e9}"), normalized("cafe\u{301}"));
    }

    #[test]
    fn common_words_count_once_each() {
        assert!((word_f1("the cat sat", "cat sat down") - 0.8).abs() < 1e-9);
        assert!((word_f1("no no no", "no") - 0.5).abs() < 1e-9);
        assert_eq!(word_f1("", ""), 0.0);
        assert_eq!(word_f1("x", "y"), 0.0);
    }
}
