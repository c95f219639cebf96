//! The question of a join about a sample of its pairs.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::{concat_batches, filter_record_batch};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, collect};

use super::pairs::PairsExec;
use super::side::Side;
use crate::execute::SemanticExec;

impl PairsExec {
    /// Whether pairs of values match, in their order; none where there is no answer. A pair that fails the other conditions of
    /// the join is no match, whatever the model would say, and is not asked about.
    pub(super) async fn judged(
        &self,
        left: &Side,
        right: &Side,
        pairs: &[(u32, u32)],
        context: &Arc<TaskContext>,
    ) -> Result<Vec<Option<bool>>> {
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
        let answers = concat_batches(&operator.schema(), &collect(Arc::new(operator.clone()), Arc::clone(context)).await?)?;
        let answers = answers.column(answers.num_columns() - 1).as_boolean();
        let mut answers = (0..answers.len()).map(|row| answers.is_valid(row).then(|| answers.value(row)));
        let one = |row| match &fit {
            Some(fit) if !fit.value(row) => Some(false),
            _ => answers.next().flatten(),
        };
        Ok((0..rows.len()).map(one).collect())
    }
}
