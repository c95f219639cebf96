//! How likely the model finds each whole label after a prompt.

use crate::llama::{Llama, Span, Workspace};
use crate::scheduler::PASS_TOKENS;
use crate::sequence::Sequence;

/// One prompt and the labels that may follow it.
pub(crate) struct Asked<'a> {
    /// Has read the prompt.
    pub(crate) sequence: &'a mut Sequence,
    /// The vocabulary's scores after the prompt.
    pub(crate) after_prompt: &'a [f32],
    pub(crate) labels: &'a [Vec<u32>],
}

/// A label that goes on after its first token.
struct Branch<'a> {
    asked: usize,
    place: usize,
    sequence: Sequence,
    label: &'a [u32],
}

/// Hidden states turned into vocabulary scores at once; bounds the memory.
const SCORE_ROWS: usize = 32;

/// The log-probability of every label of every prompt. First tokens are known from the prompts' own scores; what
/// follows them is read in common passes.
pub(crate) fn label_scores(llama: &Llama, work: &mut Workspace, asked: Vec<Asked<'_>>) -> Vec<Vec<f32>> {
    let mut totals: Vec<Vec<f32>> = Vec::new();
    let mut branches = Vec::new();
    for (index, Asked { sequence, after_prompt, labels }) in asked.into_iter().enumerate() {
        let normaliser = log_of_sum(after_prompt);
        totals.push(labels.iter().map(|label| label.first().map_or(0.0, |token| after_prompt[*token as usize] - normaliser)).collect());
        if labels.iter().any(|label| label.len() > 1) {
            let prompt = sequence.freeze();
            let longer = labels.iter().enumerate().filter(|(_, label)| label.len() > 1);
            branches.extend(longer.map(|(place, label)| Branch { asked: index, place, sequence: Sequence::after(prompt.clone()), label }));
        }
    }
    let mut left = branches.as_mut_slice();
    while !left.is_empty() {
        let mut tokens = 0;
        let fitting = left.iter().take_while(|branch| {
            tokens += branch.label.len();
            tokens <= PASS_TOKENS
        });
        let count = fitting.count().max(1);
        let (now, later) = std::mem::take(&mut left).split_at_mut(count);
        left = later;
        let mut expected = Vec::new();
        let mut spans = Vec::new();
        for Branch { asked, place, sequence, label } in now {
            let read = &label[..label.len() - 1];
            expected.extend(label[1..].iter().map(|token| (*asked, *place, *token)));
            spans.push(Span { sequence, tokens: read, wanted: 0..read.len() });
        }
        let hidden = llama.pass(&mut spans, work);
        for (hidden, expected) in hidden.chunks(SCORE_ROWS * llama.shape.width).zip(expected.chunks(SCORE_ROWS)) {
            let scores = llama.logits(hidden, work);
            for (scores, (asked, place, token)) in scores.chunks(llama.shape.vocabulary).zip(expected) {
                totals[*asked][*place] += scores[*token as usize] - log_of_sum(scores);
            }
        }
    }
    totals
}

/// ln Σ e^score, the normaliser of log-probabilities.
fn log_of_sum(scores: &[f32]) -> f32 {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    highest + scores.iter().map(|score| (score - highest).exp()).sum::<f32>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic;

    #[test]
    fn a_label_scores_what_its_tokens_score_one_by_one() {
        let llama = synthetic_llama();
        let mut work = Workspace::default();
        let prompt = [1, 50, 60, 70];
        let label = vec![80, 90, 100];
        let mut sequence = Sequence::default();
        let hidden = llama.pass(&mut [Span { sequence: &mut sequence, tokens: &prompt, wanted: 3..4 }], &mut work);
        let after_prompt = llama.logits(&hidden, &mut work);
        let labels = [vec![99], label.clone()];
        let asked = vec![Asked { sequence: &mut sequence, after_prompt: &after_prompt, labels: &labels }];
        let scored = label_scores(&llama, &mut work, asked);

        let mut by_hand = after_prompt[80] - log_of_sum(&after_prompt);
        let mut again = Sequence::default();
        let whole = [&prompt[..], &label[..2]].concat();
        let hidden = llama.pass(&mut [Span { sequence: &mut again, tokens: &whole, wanted: 4..6 }], &mut work);
        let scores = llama.logits(&hidden, &mut work);
        for (scores, token) in scores.chunks(llama.shape.vocabulary).zip(&label[1..]) {
            by_hand += scores[*token as usize] - log_of_sum(scores);
        }
        assert_eq!(scored, [vec![after_prompt[99] - log_of_sum(&after_prompt), by_hand]]);
        assert!(by_hand < 0.0);
    }

    fn synthetic_llama() -> Llama {
        let mut file = crate::gguf::Gguf::open(std::io::Cursor::new(synthetic::gguf())).map_err(|error| error.0).unwrap();
        let vocabulary = crate::tokenizer::Tokenizer::read(&file).map_err(|error| error.0).unwrap().vocabulary();
        Llama::read(&mut file, vocabulary).map_err(|error| error.0).unwrap()
    }
}
