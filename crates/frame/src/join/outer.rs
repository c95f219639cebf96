//! The end of a join that keeps rows without a match: after the pairs of each row of the left side comes a row that says
//! that they are over, and only then it is known whether any of them matched.

use std::fmt;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinType, Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties};
use futures::StreamExt;

/// Decides for each row of the left side what comes of its matches.
#[derive(Debug, Clone)]
pub(crate) struct OuterExec {
    input: Arc<dyn ExecutionPlan>,
    kind: JoinType,
    schema: SchemaRef,
    /// The column that is true where the pairs of a row are over.
    end_column: usize,
    /// The column that lists the call behind each pair, where it is carried; it is the last one of the schema.
    calls_column: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl OuterExec {
    /// `schema` holds the first columns of the input, and the column of calls if there is one.
    pub(crate) fn new(
        input: Arc<dyn ExecutionPlan>,
        kind: JoinType,
        schema: SchemaRef,
        end_column: usize,
        calls_column: Option<usize>,
    ) -> OuterExec {
        let equivalence = EquivalenceProperties::new(Arc::clone(&schema));
        let properties =
            PlanProperties::new(equivalence, Partitioning::UnknownPartitioning(1), EmissionType::Incremental, Boundedness::Bounded);
        OuterExec { input, kind, schema, end_column, calls_column, properties: Arc::new(properties) }
    }
}

/// Which rows go on, given where pairs end; `matched` is carried from batch to batch.
fn kept(kind: JoinType, ends: impl Iterator<Item = bool>, matched: &mut bool) -> BooleanArray {
    let one = |end: bool| {
        let before = *matched;
        *matched = !end;
        match (kind, end) {
            (JoinType::Left, true) | (JoinType::LeftAnti, true) => !before,
            (JoinType::Left, false) => true,
            (JoinType::LeftSemi, false) => !before,
            _ => false,
        }
    };
    BooleanArray::from(ends.map(one).collect::<Vec<bool>>())
}

impl DisplayAs for OuterExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SemanticJoinExec: {}", self.kind)
    }
}

impl ExecutionPlan for OuterExec {
    fn name(&self) -> &str {
        "SemanticJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(OuterExec { input, ..(*self).clone() })),
            _ => internal_err!("SemanticJoinExec has one input"),
        }
    }

    fn apply_expressions(&self, _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let (kind, end_column, schema) = (self.kind, self.end_column, Arc::clone(&self.schema));
        let first = schema.fields().len() - usize::from(self.calls_column.is_some());
        let columns: Vec<usize> = (0..first).chain(self.calls_column).collect();
        let mut matched = false;
        let rows = input.map(move |batch| -> Result<RecordBatch> {
            let batch = batch?;
            let ends = batch.column(end_column).as_boolean();
            let keep = kept(kind, ends.iter().map(|end| end.unwrap_or_default()), &mut matched);
            let rows = filter_record_batch(&batch.project(&columns)?, &keep)?;
            // the plan may know better than the operator below that a column has no NULL
            let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
            Ok(RecordBatch::try_new_with_options(Arc::clone(&schema), rows.columns().to_vec(), &options)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `m` is a match, `.` the end of a row.
    fn check(kind: JoinType, rows: &str, wanted: &str) {
        let mut matched = false;
        // one row at a time, as the smallest batches would come
        let found: String = rows.chars().filter(|row| kept(kind, std::iter::once(*row == '.'), &mut matched).value(0)).collect();
        assert_eq!(found, wanted, "{kind} over {rows}");
    }

    #[test]
    fn rows_without_a_match_are_known_at_their_end() {
        check(JoinType::Left, "mm..m..", "mm.m.");
        check(JoinType::LeftSemi, "mm..m..", "mm");
        check(JoinType::LeftAnti, "mm..m..", "..");
    }
}
