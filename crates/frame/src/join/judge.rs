//! The question of a join about a sample of its pairs.

use std::sync::{Arc, PoisonError};

use arrow::array::{Array, AsArray};
use arrow::compute::{concat_batches, filter_record_batch};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, collect};

use super::pairs::PairsExec;
use super::side::Side;
use crate::execute::SemanticExec;

/// What became of a pair of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Match,
    NoMatch,
    /// The question ended without an answer.
    NoAnswer,
    /// The first rows with these values fail the other conditions of the join, so they are no match whatever the model would say.
    NotAsked,
}

impl Verdict {
    /// Whether it is a match, if anybody knows.
    pub(super) fn matches(self) -> Option<bool> {
        match self {
            Verdict::Match => Some(true),
            Verdict::NoMatch | Verdict::NotAsked => Some(false),
            Verdict::NoAnswer => None,
        }
    }
}

impl PairsExec {
    /// Whether pairs of values match, in their order. The matches are remembered until the query ends, so that they can be put
    /// again as rows without a second question.
    pub(super) async fn judged(&self, left: &Side, right: &Side, pairs: &[(u32, u32)], context: &Arc<TaskContext>) -> Result<Vec<Verdict>> {
        let rows: Vec<(u32, Option<u32>)> =
            pairs.iter().filter_map(|(one, other)| Some((left.first_row(*one)?, Some(right.first_row(*other)?)))).collect();
        let batch = self.batch(left, right, &rows)?;
        let fit = self.satisfied(&batch)?;
        let asked = match &fit {
            Some(fit) => filter_record_batch(&batch, fit)?,
            None => batch,
        };
        let schema = asked.schema();
        let input = MemorySourceConfig::try_new_exec(&[vec![asked]], schema, None)?;
        let operator = SemanticExec::try_new(input, vec![self.call.clone()], &self.added, Arc::clone(&self.left.runtime))?;
        let memory = self.left.runtime.memory(&self.call.bound.identity);
        let keep = |keeps: bool| memory.lock().unwrap_or_else(PoisonError::into_inner).keep_matches(keeps);
        keep(true);
        let answered = collect(Arc::new(operator.clone()), Arc::clone(context)).await;
        keep(false);
        let answers = concat_batches(&operator.schema(), &answered?)?;
        let answers = answers.column(answers.num_columns() - 1).as_boolean();
        let mut answers = (0..answers.len()).map(|row| answers.is_valid(row).then(|| answers.value(row)));
        let one = |row| match &fit {
            Some(fit) if !fit.value(row) => Verdict::NotAsked,
            _ => match answers.next().flatten() {
                Some(true) => Verdict::Match,
                Some(false) => Verdict::NoMatch,
                None => Verdict::NoAnswer,
            },
        };
        Ok((0..rows.len()).map(one).collect())
    }
}
