//! The operator of a clustering: it holds all rows with their vectors, finds the groups, and gives the rows in order.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Builder, Int64Array, ListBuilder, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, apply_expression_roots};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, InputDistributionRequirements, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::{TryStreamExt, stream};

use super::kmeans::{Clusters, Search};
use super::node::Labels;
use crate::execute::SemanticExec;
use crate::join::PlannedSide;

/// Rows of the result in one batch.
const BATCH_ROWS: usize = 8_192;

/// Each row with the number of its group.
#[derive(Debug, Clone)]
pub(super) struct ClusterExec {
    side: PlannedSide,
    search: Search,
    labels: Labels,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl ClusterExec {
    pub(super) fn new(side: PlannedSide, search: Search, labels: Labels) -> ClusterExec {
        let fields = side.input.schema().fields().iter().cloned().chain(labels.fields()).collect::<Vec<_>>();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let equivalence = EquivalenceProperties::new(Arc::clone(&schema));
        let properties = PlanProperties::new(equivalence, Partitioning::UnknownPartitioning(1), EmissionType::Final, Boundedness::Bounded);
        ClusterExec { side, search, labels, schema, properties: Arc::new(properties) }
    }

    /// The operator that embeds the rows, if they are texts.
    pub(super) fn embedding(&self) -> Option<SemanticExec> {
        self.side.operator().ok().flatten()
    }

    async fn rows(self, context: Arc<TaskContext>) -> Result<RecordBatch> {
        let rows = self.side.collect(Arc::clone(&context)).await?;
        let embedded = self.side.vectors(&rows, context).await?;
        let search = self.search;
        // how many rows have each vector
        let weights: Vec<f64> =
            embedded.value_of.iter().map(|value| rows.rows_of.get(*value as usize).map_or(1, Vec::len) as f64).collect();
        let vectors = embedded.vectors;
        let found = tokio::task::spawn_blocking(move || search.clusters(&vectors, &weights)).await;
        let found = found.map_err(|error| exec_datafusion_err!("the search for clusters was broken off: {error}"))?;
        let group_of = |value: &Option<u32>| {
            let vector = embedded.vector_of.get((*value)? as usize).copied().flatten()?;
            found.labels.get(vector as usize).copied()
        };
        let groups: Vec<Option<usize>> = rows.value_of.iter().map(group_of).collect();
        let mut columns: Vec<ArrayRef> = rows.rows.columns().to_vec();
        columns.push(Arc::new(Int64Array::from_iter(groups.iter().map(|group| group.map(|group| group as i64)))));
        if self.labels.centroid.is_some() {
            columns.push(centroids(&groups, &found));
        }
        Ok(RecordBatch::try_new(self.schema, columns)?)
    }
}

fn centroids(groups: &[Option<usize>], found: &Clusters) -> ArrayRef {
    let mut lists = ListBuilder::new(Float32Builder::new());
    for group in groups {
        if let Some(group) = group {
            lists.values().append_slice(found.centroids.row(*group));
        }
        lists.append(group.is_some());
    }
    Arc::new(lists.finish())
}

impl DisplayAs for ClusterExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SemanticClusterExec: {}, by=[{}]", self.search, self.side.key)
    }
}

impl ExecutionPlan for ClusterExec {
    fn name(&self) -> &str {
        "SemanticClusterExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition])
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.side.input]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([input]) = <[Arc<dyn ExecutionPlan>; 1]>::try_from(children) else {
            return internal_err!("SemanticClusterExec has one input");
        };
        let mut plan = (*self).clone();
        plan.side.input = input;
        Ok(Arc::new(plan))
    }

    fn apply_expressions(&self, f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        apply_expression_roots([&self.side.key], f)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("SemanticClusterExec has one partition, not {partition}");
        }
        let batches = stream::once(self.clone().rows(context)).map_ok(|rows| {
            let starts = (0..rows.num_rows()).step_by(BATCH_ROWS);
            let slices: Vec<Result<RecordBatch>> =
                starts.map(|start| Ok(rows.slice(start, BATCH_ROWS.min(rows.num_rows() - start)))).collect();
            stream::iter(slices)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches.try_flatten())))
    }
}
