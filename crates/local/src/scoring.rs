//! How likely the model finds each whole label after a prompt, and which of them the prompt makes likeliest.

use std::sync::Arc;

use crate::llama::{Llama, Span, Workspace};
use crate::scheduler::PASS_TOKENS;
use crate::sequence::{Part, Sequence};

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

/// The log-probability of every label. The first token is known from the prompt's own scores; what follows is read in
/// common passes.
pub(crate) fn label_scores(llama: &Llama, work: &mut Workspace, asked: Asked<'_>) -> Vec<f32> {
    let mut contest = Contest::new(asked, None);
    let branches = contest.next(0, usize::MAX);
    read(llama, work, branches, std::slice::from_mut(&mut contest));
    contest.scores
}

/// For every prompt the place of the label that gains most over what is expected of it; of equal ones the first. A label's
/// score only falls with each of its tokens, so one that has fallen behind another's whole score is not read on: the choice
/// is the same as if all were read.
pub(crate) fn best_labels(llama: &Llama, work: &mut Workspace, asked: Vec<(Asked<'_>, Arc<Vec<f32>>)>) -> Vec<Option<usize>> {
    let at_once = (PASS_TOKENS / 4 / asked.len().max(1)).max(LEAST_AT_ONCE);
    let mut contests: Vec<Contest<'_>> = asked.into_iter().map(|(asked, expected)| Contest::new(asked, Some(expected))).collect();
    loop {
        let next: Vec<Branch<'_>> = contests.iter_mut().enumerate().flat_map(|(index, contest)| contest.next(index, at_once)).collect();
        if next.is_empty() {
            return contests.iter().map(Contest::winner).collect();
        }
        read(llama, work, next, &mut contests);
    }
}

/// Labels of one prompt that are read together before it is seen which of the others still have a chance.
const LEAST_AT_ONCE: usize = 3;
/// Sums of logarithms are rounded; labels this near are read to their end.
const ROUNDING: f32 = 1e-3;

/// The labels of one prompt against each other.
struct Contest<'a> {
    labels: &'a [Vec<u32>],
    /// What was read before the labels.
    prompt: Vec<Part>,
    /// Sums of log-probabilities as far as each label was read.
    scores: Vec<f32>,
    /// What is taken away from each score; without it all labels are read.
    expected: Option<Arc<Vec<f32>>>,
    /// Labels that are not read to their end, the one with the best prospect last.
    open: Vec<usize>,
    /// The best gain of a label that was read to its end.
    best: f32,
}

impl<'a> Contest<'a> {
    fn new(asked: Asked<'a>, expected: Option<Arc<Vec<f32>>>) -> Self {
        let Asked { sequence, after_prompt, labels } = asked;
        let normaliser = log_of_sum(after_prompt);
        let first = |label: &Vec<u32>| label.first().map_or(0.0, |token| after_prompt[*token as usize] - normaliser);
        let (open, done): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|place| labels[*place].len() > 1);
        let prompt = if open.is_empty() { Vec::new() } else { sequence.freeze() };
        let scores = labels.iter().map(first).collect();
        let mut contest = Contest { labels, prompt, scores, expected, open, best: f32::NEG_INFINITY };
        for place in done {
            contest.best = contest.best.max(contest.gain(place));
        }
        let mut open = std::mem::take(&mut contest.open);
        // of equal prospects the first label is read first
        open.sort_by(|one, other| contest.gain(*one).total_cmp(&contest.gain(*other)).then(other.cmp(one)));
        Contest { open, ..contest }
    }

    fn gain(&self, place: usize) -> f32 {
        self.scores[place] - self.expected.as_ref().map_or(0.0, |expected| expected[place])
    }

    /// The labels that are to be read now, at most so many.
    fn next(&mut self, index: usize, most: usize) -> Vec<Branch<'a>> {
        let mut next = Vec::new();
        while next.len() < most
            && let Some(place) = self.open.pop()
        {
            if self.expected.is_some() && self.gain(place) + ROUNDING < self.best {
                // the others have even less of a chance
                self.open.clear();
                break;
            }
            next.push(Branch { asked: index, place, sequence: Sequence::after(self.prompt.clone()), label: &self.labels[place] });
        }
        next
    }

    fn winner(&self) -> Option<usize> {
        let gains = (0..self.labels.len()).map(|place| (place, self.gain(place)));
        gains.reduce(|best, other| if other.1 > best.1 { other } else { best }).map(|(place, _)| place)
    }
}

/// Reads the labels to their ends.
fn read(llama: &Llama, work: &mut Workspace, mut branches: Vec<Branch<'_>>, contests: &mut [Contest<'_>]) {
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
        for Branch { asked, place, sequence, label } in now.iter_mut() {
            let read = &label[..label.len() - 1];
            expected.extend(label[1..].iter().map(|token| (*asked, *place, *token)));
            spans.push(Span { sequence, tokens: read, wanted: 0..read.len() });
        }
        let hidden = llama.pass(&mut spans, work);
        for (hidden, expected) in hidden.chunks(SCORE_ROWS * llama.shape.width).zip(expected.chunks(SCORE_ROWS)) {
            let scores = llama.logits(hidden, work);
            for (scores, (asked, place, token)) in scores.chunks(llama.shape.vocabulary).zip(expected) {
                contests[*asked].scores[*place] += scores[*token as usize] - log_of_sum(scores);
            }
        }
    }
    for Branch { asked, place, .. } in branches {
        let contest = &mut contests[asked];
        contest.best = contest.best.max(contest.gain(place));
    }
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
        let asked = Asked { sequence: &mut sequence, after_prompt: &after_prompt, labels: &labels };
        let scored = label_scores(&llama, &mut work, asked);

        let mut by_hand = after_prompt[80] - log_of_sum(&after_prompt);
        let mut again = Sequence::default();
        let whole = [&prompt[..], &label[..2]].concat();
        let hidden = llama.pass(&mut [Span { sequence: &mut again, tokens: &whole, wanted: 4..6 }], &mut work);
        let scores = llama.logits(&hidden, &mut work);
        for (scores, token) in scores.chunks(llama.shape.vocabulary).zip(&label[1..]) {
            by_hand += scores[*token as usize] - log_of_sum(scores);
        }
        assert_eq!(scored, [after_prompt[99] - log_of_sum(&after_prompt), by_hand]);
        assert!(by_hand < 0.0);
    }

    #[test]
    fn the_best_label_is_the_same_as_if_all_were_read_to_their_ends() {
        let llama = synthetic_llama();
        let mut work = Workspace::default();
        // labels of one to four tokens, some of which begin alike
        let labels: Vec<Vec<u32>> =
            (0..40u32).map(|label| (0..=label % 4).map(|at| 20 + (label / 5 * 7 + at * 11) % 200).collect()).collect();
        let mut winners = std::collections::BTreeSet::new();
        for question in 0..24u32 {
            let prompts: Vec<Vec<u32>> = (0..3).map(|nth| vec![1, 30 + question, 40 + nth * 17, 90 + question * 3]).collect();
            let mut sequences: Vec<Sequence> = prompts.iter().map(|_| Sequence::default()).collect();
            let mut after = Vec::new();
            for (sequence, prompt) in sequences.iter_mut().zip(&prompts) {
                let hidden = llama.pass(&mut [Span { sequence, tokens: prompt, wanted: 3..4 }], &mut work);
                after.push(llama.logits(&hidden, &mut work));
            }
            // what is expected differs as much as scores do, so that bounds cut off some labels and not others
            let expected: Vec<f32> = (0..40).map(|label| -4.0 - ((label * 31 + question * 7) % 23) as f32 / 3.0).collect();
            let expected = Arc::new(expected);
            let mut by_all = Vec::new();
            for (sequence, after_prompt) in sequences.iter_mut().zip(&after) {
                let scores = label_scores(&llama, &mut work, Asked { sequence, after_prompt, labels: &labels });
                let gains = scores.iter().zip(expected.iter()).map(|(score, expected)| score - expected).enumerate();
                by_all.push(gains.reduce(|best, other| if other.1 > best.1 { other } else { best }).map(|(place, _)| place));
            }
            let asked = sequences.iter_mut().zip(&after).map(|(sequence, after_prompt)| {
                let asked = Asked { sequence, after_prompt, labels: &labels };
                (asked, expected.clone())
            });
            let best = best_labels(&llama, &mut work, asked.collect());
            assert_eq!(best, by_all, "question {question}");
            winners.extend(best);
        }
        assert!(winners.len() > 3, "{winners:?}");
    }

    fn synthetic_llama() -> Llama {
        let mut file = crate::gguf::Gguf::open(std::io::Cursor::new(synthetic::gguf())).map_err(|error| error.0).unwrap();
        let vocabulary = crate::tokenizer::Tokenizer::read(&file).map_err(|error| error.0).unwrap().vocabulary();
        Llama::read(&mut file, vocabulary).map_err(|error| error.0).unwrap()
    }
}
