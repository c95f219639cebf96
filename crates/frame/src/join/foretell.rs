//! What a join will ask, before it runs, by the way it is expected to go.

use arrow::array::RecordBatch;
use corsac_text::tokens::Vocabulary;
use datafusion::common::Result;

use super::pairs::PairsExec;
use super::side::PlannedSide;
use super::way::{Circumstances, Expected, Way, choose, fewest_questions};
use crate::cell::{Cells, readable};
use crate::estimate::{Asking, AskingRange, OperatorEstimate, Rows, rows_of};

impl PairsExec {
    /// How often the question about pairs, of which `question` tells what is known, will be asked; and what else will be, given
    /// the first rows of both sides. Nothing is known where nobody knows how many rows the sides have.
    pub(crate) fn asking(
        &self,
        question: &OperatorEstimate,
        left: &[RecordBatch],
        right: &[RecordBatch],
    ) -> Result<(Option<OperatorEstimate>, Option<AskingRange>)> {
        let rows = |side: &PlannedSide| rows_of(&side.input).map(|count| count as u64);
        let Some((of_left, of_right)) = rows(&self.left).zip(rows(&self.right)) else { return Ok((None, None)) };
        let known = self.circumstances((of_left, mean_tokens(&self.left, left)?), (of_right, mean_tokens(&self.right, right)?));
        let expected = choose(&known, self.wish().way).expected;
        let range = range(&known, &expected);
        let choices = (expected.way == Way::Classify).then(|| self.choices(question, &known, &expected));
        Ok((choices, Some(range)))
    }

    /// The questions with values to choose from.
    fn choices(&self, question: &OperatorEstimate, known: &Circumstances, expected: &Expected) -> OperatorEstimate {
        let (few, few_tokens, many_tokens) = if known.right <= known.left {
            (known.right, known.right_tokens, known.left_tokens)
        } else {
            (known.left, known.left_tokens, known.right_tokens)
        };
        let tokens = known.choice_tokens(few, few_tokens, many_tokens);
        let asking = Asking { requests: expected.choices, prompt_tokens: expected.choices.saturating_mul(tokens) };
        // a choice names about one value, as its number
        OperatorEstimate {
            description: format!("{} for {few} values at once", question.description),
            rows: Some(Rows { count: expected.choices as usize, exact: false }),
            asking: Some(AskingRange { low: asking, likely: asking, high: asking }),
            ..question.clone()
        }
    }
}

fn range(known: &Circumstances, expected: &Expected) -> AskingRange {
    let tokens = known.pair_tokens();
    let asking = |requests: u64| Asking { requests, prompt_tokens: requests.saturating_mul(tokens) };
    let all = known.all_pairs();
    AskingRange {
        low: asking(fewest_questions(known, expected.way)),
        likely: asking(expected.questions),
        high: asking(all.max(expected.questions)),
    }
}

/// The mean tokens of a side's texts over its first rows, else what is usual.
fn mean_tokens(side: &PlannedSide, sample: &[RecordBatch]) -> Result<u64> {
    let (mut tokens, mut texts) = (0, 0);
    for batch in sample {
        let keys = readable(side.key.evaluate(batch)?.into_array(batch.num_rows())?)?;
        let cells = Cells::of(&keys);
        for text in (0..batch.num_rows()).filter(|row| !cells.is_null(*row)).filter_map(|row| cells.text(row)) {
            texts += 1;
            tokens += Vocabulary::O200k.count(text);
        }
    }
    Ok(if texts == 0 { super::pairs::USUAL_TOKENS } else { (tokens as u64).div_ceil(texts) })
}
