//! The operator of a similarity join: both sides are held with their vectors, and the nearest rows are found one row of the
//! left side after the other, as they are wanted.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::take_arrays;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, apply_expression_roots};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, InputDistributionRequirements, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::{TryStreamExt, stream};

use super::Metric;
use super::nearest_node::fields;
use super::side::{PlannedSide, Side, SideVectors};
use crate::execute::SemanticExec;

/// Rows of the result in one batch, about.
const BATCH_ROWS: usize = 1_024;

/// Each row of the left side beside the nearest of the right one.
#[derive(Debug, Clone)]
pub(crate) struct NearestExec {
    left: PlannedSide,
    right: PlannedSide,
    k: usize,
    metric: Metric,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl NearestExec {
    pub(crate) fn new(left: PlannedSide, right: PlannedSide, k: usize, metric: Metric) -> NearestExec {
        let schema: SchemaRef = Arc::new(Schema::new(fields(&left.input.schema(), &right.input.schema())));
        let equivalence = EquivalenceProperties::new(Arc::clone(&schema));
        let properties =
            PlanProperties::new(equivalence, Partitioning::UnknownPartitioning(1), EmissionType::Incremental, Boundedness::Bounded);
        NearestExec { left, right, k, metric, schema, properties: Arc::new(properties) }
    }

    /// The operators that embed the sides that are texts.
    pub(crate) fn embedding(&self) -> Vec<SemanticExec> {
        [&self.left, &self.right].into_iter().filter_map(|side| side.operator().ok().flatten()).collect()
    }

    async fn start(self, context: Arc<TaskContext>) -> Result<Search> {
        let (left, right) = futures::try_join!(self.left.collect(Arc::clone(&context)), self.right.collect(Arc::clone(&context)))?;
        let (of_left, of_right) = futures::try_join!(self.left.vectors(&left, Arc::clone(&context)), self.right.vectors(&right, context))?;
        let (of_left, of_right) = SideVectors::prepared(of_left, of_right, self.metric)?;
        Ok(Search { plan: self, left, right, of_left, of_right, known: HashMap::new(), next_row: 0 })
    }
}

/// Both sides, ready to be searched.
struct Search {
    plan: NearestExec,
    left: Side,
    right: Side,
    of_left: SideVectors,
    of_right: SideVectors,
    /// The nearest rows of values that more than one row has.
    known: HashMap<u32, Vec<(u32, f32)>>,
    next_row: usize,
}

impl Search {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let (mut lefts, mut rights, mut similarities, mut ranks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        while lefts.len() < BATCH_ROWS && self.next_row < self.left.rows.num_rows() {
            let row = self.next_row;
            self.next_row += 1;
            for (rank, (right, similarity)) in self.nearest_rows(row).into_iter().enumerate() {
                lefts.push(row as u32);
                rights.push(right);
                similarities.push(similarity);
                ranks.push(rank as i64 + 1);
            }
        }
        if lefts.is_empty() {
            return Ok(None);
        }
        let mut columns: Vec<ArrayRef> = take_arrays(self.left.rows.columns(), &UInt32Array::from(lefts), None)?;
        columns.extend(take_arrays(self.right.rows.columns(), &UInt32Array::from(rights), None)?);
        columns.push(Arc::new(Float32Array::from(similarities)));
        columns.push(Arc::new(Int64Array::from(ranks)));
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.plan.schema), columns)?))
    }

    /// The nearest rows of the right side to a row of the left one, with their similarity.
    fn nearest_rows(&mut self, row: usize) -> Vec<(u32, f32)> {
        let Some(value) = self.left.value_of.get(row).copied().flatten() else { return Vec::new() };
        if let Some(known) = self.known.get(&value) {
            return known.clone();
        }
        let Some(vector) = self.of_left.vector_of.get(value as usize).copied().flatten() else { return Vec::new() };
        let found = self.of_right.vectors.nearest(self.plan.metric, self.of_left.vectors.row(vector as usize), self.plan.k);
        let rows_of = |value: u32| self.right.rows_of.get(value as usize).into_iter().flatten().copied();
        let rows = found.into_iter().filter_map(|near| Some((*self.of_right.value_of.get(near.row)?, near.similarity)));
        let rows: Vec<(u32, f32)> =
            rows.flat_map(|(value, similarity)| rows_of(value).map(move |row| (row, similarity))).take(self.plan.k).collect();
        if self.left.rows_of.get(value as usize).is_some_and(|rows| rows.len() > 1) {
            self.known.insert(value, rows.clone());
        }
        rows
    }
}

impl DisplayAs for NearestExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimilarityJoinExec: {} nearest by {}, by=[{}, {}]", self.k, self.metric.name(), self.left.key, self.right.key)
    }
}

impl ExecutionPlan for NearestExec {
    fn name(&self) -> &str {
        "SimilarityJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition, Distribution::SinglePartition])
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false, false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false, false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left.input, &self.right.input]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([left, right]) = <[Arc<dyn ExecutionPlan>; 2]>::try_from(children) else {
            return internal_err!("SimilarityJoinExec has two inputs");
        };
        let mut plan = (*self).clone();
        plan.left.input = left;
        plan.right.input = right;
        Ok(Arc::new(plan))
    }

    fn apply_expressions(&self, f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        apply_expression_roots([&self.left.key, &self.right.key], f)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("SimilarityJoinExec has one partition, not {partition}");
        }
        let batches = stream::once(self.clone().start(context))
            .map_ok(|search| stream::try_unfold(search, |mut search| async move { Ok(search.next()?.map(|batch| (batch, search))) }));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches.try_flatten())))
    }
}
