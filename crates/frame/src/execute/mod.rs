//! The physical operator: it asks about every row of its input, streams, keeps the order, and stops when it is dropped.

mod asking;
mod figures;
mod held;
mod lineage;
mod memory;
mod reduce;
mod runtime;
mod settled;
mod stream;

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Schema, SchemaRef};
use corsac_program::Program;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{ColumnStatistics, Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{Distribution, EquivalenceProperties, LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, CardinalityEffect, EmissionType, apply_expression_roots};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements,
    Partitioning, PhysicalExpr, PlanProperties, ReplaceChildrenOptions,
};

pub(crate) use figures::Figures;
pub use figures::OperatorFigures;
pub(crate) use reduce::room_for_rows;
pub(crate) use runtime::{Planning, QueryRuntime, Wish};

use crate::bind::BoundCall;
use crate::lineage::calls_field;
use crate::node::{SemanticCall, describe_call};
use settled::{Slot, outcome_column, value_column};
use stream::{AnswerStream, StreamPlan};

/// A call with its inputs as physical expressions.
#[derive(Debug, Clone)]
pub(crate) struct PlannedCall {
    pub(crate) bound: BoundCall,
    pub(crate) arguments: Vec<Arc<dyn PhysicalExpr>>,
    pub(crate) guard: Option<Arc<dyn PhysicalExpr>>,
    value_is_read: bool,
    outcome_is_read: bool,
    figures: Arc<Figures>,
}

impl PlannedCall {
    pub(crate) fn new(call: &SemanticCall, arguments: Vec<Arc<dyn PhysicalExpr>>, guard: Option<Arc<dyn PhysicalExpr>>) -> PlannedCall {
        PlannedCall {
            bound: call.bound.clone(),
            arguments,
            guard,
            value_is_read: call.value_column.is_some(),
            outcome_is_read: call.outcome_column.is_some(),
            figures: Arc::default(),
        }
    }

    /// What the call comes to while the plan runs.
    pub(crate) fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    pub(crate) fn program(&self) -> &Program {
        &self.bound.program
    }

    fn append_columns(&self, slots: &[Slot], columns: &mut Vec<ArrayRef>) -> Result<()> {
        if self.value_is_read {
            columns.push(value_column(self.program(), slots)?);
        }
        if self.outcome_is_read {
            columns.push(outcome_column(self.program(), slots)?);
        }
        Ok(())
    }

    pub(crate) fn describe(&self) -> String {
        let inputs = self.arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let guard = self.guard.as_ref().map(ToString::to_string);
        describe_call(self.bound.name(), &inputs, &self.bound.subject, guard.as_deref())
    }
}

/// A filter that the operator applies itself, so that rows need not wait for a full batch of those that pass.
#[derive(Debug, Clone)]
pub(crate) struct Keep {
    pub(crate) predicate: Arc<dyn PhysicalExpr>,
    /// The columns that go on, by their place before the filter.
    pub(crate) projection: Option<Vec<usize>>,
}

/// The semantic operator.
#[derive(Debug, Clone)]
pub(crate) struct SemanticExec {
    input: Arc<dyn ExecutionPlan>,
    calls: Vec<PlannedCall>,
    runtime: Arc<QueryRuntime>,
    wide_schema: SchemaRef,
    keep: Option<Keep>,
    fetch: Option<usize>,
    wanted_rows: Option<usize>,
    why: Option<Arc<str>>,
    /// Whether its last column lists the calls behind each row.
    tells: bool,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl SemanticExec {
    pub(crate) fn try_new(
        input: Arc<dyn ExecutionPlan>,
        calls: Vec<PlannedCall>,
        added: &Schema,
        runtime: Arc<QueryRuntime>,
    ) -> Result<SemanticExec> {
        let mut fields = input.schema().fields().to_vec();
        fields.extend(added.fields().iter().cloned());
        let wide_schema: SchemaRef = Arc::new(Schema::new_with_metadata(fields, input.schema().metadata().clone()));
        let properties = properties(&input, &wide_schema, None)?;
        Ok(SemanticExec {
            input,
            calls,
            runtime,
            wide_schema,
            keep: None,
            fetch: None,
            wanted_rows: None,
            why: None,
            tells: false,
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The operator with the reason why it stands at this place of the plan.
    pub(crate) fn because(self, why: Option<Arc<str>>) -> SemanticExec {
        SemanticExec { why, ..self }
    }

    /// The operator with a list of the calls behind each row in its last column, which is among those added.
    pub(crate) fn telling(self, tells: bool) -> SemanticExec {
        SemanticExec { tells, ..self }
    }

    /// Why it stands at this place, where that was decided.
    pub(crate) fn why(&self) -> Option<&Arc<str>> {
        self.why.as_ref()
    }

    /// The operator with a filter of its own.
    pub(crate) fn keeping(&self, keep: Keep, fetch: Option<usize>) -> Result<SemanticExec> {
        let properties = properties(&self.input, &self.wide_schema, keep.projection.as_deref())?;
        Ok(SemanticExec { keep: Some(keep), fetch, wanted_rows: fetch.or(self.wanted_rows), properties, ..self.clone() })
    }

    /// The operator told that no more than so many of its rows may be wanted.
    pub(crate) fn wanting(&self, rows: usize) -> SemanticExec {
        SemanticExec { wanted_rows: Some(rows), ..self.clone() }
    }

    pub(crate) fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }

    pub(crate) fn calls(&self) -> &[PlannedCall] {
        &self.calls
    }

    pub(crate) fn has_filter(&self) -> bool {
        self.keep.is_some()
    }

    pub(crate) fn wanted_rows(&self) -> Option<usize> {
        self.wanted_rows
    }

    fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Result<SemanticExec> {
        let properties = properties(&input, &self.wide_schema, self.keep.as_ref().and_then(|keep| keep.projection.as_deref()))?;
        Ok(SemanticExec { input, properties, ..self.clone() })
    }
}

/// Rows leave in the order in which they came, so whatever orders the input orders the output.
fn properties(input: &Arc<dyn ExecutionPlan>, wide: &SchemaRef, projection: Option<&[usize]>) -> Result<Arc<PlanProperties>> {
    let orderings = input.equivalence_properties().oeq_class().iter().cloned();
    let equivalence = match projection {
        None => EquivalenceProperties::new_with_orderings(Arc::clone(wide), orderings.collect::<Vec<_>>()),
        Some(projection) => {
            let kept = orderings.filter_map(|ordering| over_projection(ordering, projection)).collect::<Vec<_>>();
            EquivalenceProperties::new_with_orderings(Arc::new(wide.project(projection)?), kept)
        }
    };
    Ok(Arc::new(PlanProperties::new(equivalence, Partitioning::UnknownPartitioning(1), EmissionType::Incremental, Boundedness::Bounded)))
}

/// What is left of an ordering where only these columns go on: as much of its beginning as reads no other.
fn over_projection(ordering: LexOrdering, projection: &[usize]) -> Option<LexOrdering> {
    let mut kept = Vec::new();
    for PhysicalSortExpr { expr, options } in ordering {
        let mut is_there = true;
        let renumbered = expr.transform_up(|expression| {
            let Some(column) = expression.downcast_ref::<Column>() else { return Ok(Transformed::no(expression)) };
            let Some(index) = projection.iter().position(|kept| *kept == column.index()) else {
                is_there = false;
                return Ok(Transformed::no(expression));
            };
            Ok(Transformed::yes(Arc::new(Column::new(column.name(), index)) as Arc<dyn PhysicalExpr>))
        });
        match renumbered {
            Ok(renumbered) if is_there => kept.push(PhysicalSortExpr { expr: renumbered.data, options }),
            _ => break,
        }
    }
    LexOrdering::new(kept)
}

impl DisplayAs for SemanticExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.calls.iter().map(PlannedCall::describe).collect::<Vec<_>>().join(", ");
        write!(f, "SemanticExec: {calls}")?;
        if let Some(keep) = &self.keep {
            write!(f, ", keep={}", keep.predicate)?;
        }
        if let Some(fetch) = self.fetch {
            write!(f, ", fetch={fetch}")?;
        } else if let Some(wanted) = self.wanted_rows {
            write!(f, ", wanted={wanted}")?;
        }
        if let Some(why) = &self.why {
            write!(f, " [{why}]")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for SemanticExec {
    fn name(&self) -> &str {
        "SemanticExec"
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
        vec![&self.input]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return internal_err!("SemanticExec has one input");
        };
        Ok(Arc::new(match options.children_properties {
            ChildrenPropertiesMode::Keep => SemanticExec { input, ..(*self).clone() },
            ChildrenPropertiesMode::Recompute => self.with_input(input)?,
        }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn apply_expressions(&self, f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        let inputs = self.calls.iter().flat_map(|call| call.arguments.iter().chain(call.guard.iter()));
        apply_expression_roots(inputs.chain(self.keep.iter().map(|keep| &keep.predicate)), f)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("SemanticExec has one partition, not {partition}");
        }
        let input = self.input.execute(0, context)?;
        let plan = StreamPlan {
            calls: self.calls.clone(),
            wide_schema: Arc::clone(&self.wide_schema),
            schema: self.schema(),
            keep: self.keep.clone(),
            fetch: self.fetch,
            wanted_rows: self.wanted_rows,
            tells: self.tells,
        };
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        Ok(Box::pin(AnswerStream::new(plan, Arc::clone(&self.runtime), input, metrics)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _arguments: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let Some(input) = inputs.first() else { return Ok(Arc::new(Statistics::new_unknown(&self.schema()))) };
        if self.keep.is_some() {
            let mut unknown = Statistics::new_unknown(&self.schema());
            unknown.num_rows = input.num_rows.to_inexact();
            return Ok(Arc::new(unknown));
        }
        let mut statistics = input.as_ref().clone();
        statistics.total_byte_size = Precision::Absent;
        let added = self.wide_schema.fields().len().saturating_sub(statistics.column_statistics.len());
        statistics.column_statistics.extend((0..added).map(|_| ColumnStatistics::new_unknown()));
        Ok(Arc::new(statistics))
    }

    fn supports_limit_pushdown(&self) -> bool {
        self.keep.is_none()
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        if self.keep.is_some() { CardinalityEffect::LowerEqual } else { CardinalityEffect::Equal }
    }
}

/// The fields that calls add in a physical plan.
pub(crate) fn added_fields(calls: &[SemanticCall]) -> Schema {
    told_fields(calls, None)
}

/// Those fields, and the one that lists the calls behind each row.
pub(crate) fn told_fields(calls: &[SemanticCall], calls_column: Option<&str>) -> Schema {
    Schema::new(calls.iter().flat_map(SemanticCall::fields).chain(calls_column.map(calls_field)).collect::<Vec<_>>())
}
