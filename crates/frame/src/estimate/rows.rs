//! How many rows a plan gives, and its first ones, where that is cheap to know.

use std::sync::Arc;

use arrow::array::RecordBatch;
use corsac_text::tokens::Vocabulary;
use datafusion::common::stats::Precision;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;

use super::Rows;
use crate::bind::BoundCall;
use crate::cell::{Cells, readable};
use crate::error::FrameError;
use crate::execute::{QueryRuntime, SemanticExec};
use crate::table::FileScan;

/// How many rows an estimate looks at.
const SAMPLE_ROWS: usize = 64;

/// The first rows of a plan.
pub(super) async fn first_rows(state: &SessionState, input: &Arc<dyn ExecutionPlan>) -> Result<Vec<RecordBatch>, FrameError> {
    let mut stream = execute_stream(Arc::clone(input), state.task_ctx()).map_err(FrameError::from_execution)?;
    let mut batches = Vec::new();
    let mut missing = SAMPLE_ROWS;
    while missing > 0 {
        let Some(batch) = stream.next().await else { break };
        let batch = batch.map_err(FrameError::from_execution)?;
        let taken = batch.num_rows().min(missing);
        missing -= taken;
        batches.push(batch.slice(0, taken));
    }
    Ok(batches)
}

/// Looks at the first rows for which calls are wished to be measured, where that is cheap. Tells whether any was.
pub(crate) async fn measure_rows(state: &SessionState, runtime: &QueryRuntime) -> bool {
    let mut found = false;
    for wish in runtime.take_wishes() {
        for call in &wish.calls {
            // rows that cannot be looked at now are met again when the query runs, which then says why
            if let Ok(Some(mean)) = mean_input_tokens(state, &wish.plan, call).await {
                runtime.keep_input_tokens(call, mean);
                found = true;
            }
        }
    }
    found
}

async fn mean_input_tokens(state: &SessionState, plan: &LogicalPlan, call: &BoundCall) -> Result<Option<f64>, FrameError> {
    let columns: Vec<_> = call.arguments.iter().enumerate().map(|(place, input)| input.clone().alias(format!("input{place}"))).collect();
    let inputs = LogicalPlanBuilder::from(plan.clone()).project(columns).and_then(|plan| plan.limit(0, Some(SAMPLE_ROWS)));
    let inputs = inputs.and_then(LogicalPlanBuilder::build).map_err(FrameError::from_planning)?;
    let logical = state.optimize(&inputs).map_err(FrameError::from_planning)?;
    let physical = state.query_planner().create_physical_plan(&logical, state).await.map_err(FrameError::from_planning)?;
    if !is_cheap_to_start(&physical) {
        return Ok(None);
    }
    let (mut tokens, mut asked) = (0, 0u64);
    for batch in first_rows(state, &physical).await? {
        let inputs = batch.columns().iter().map(|column| readable(Arc::clone(column))).collect::<datafusion::common::Result<Vec<_>>>();
        let inputs = inputs.map_err(FrameError::from_execution)?;
        let cells: Vec<Cells<'_>> = inputs.iter().map(Cells::of).collect();
        for row in 0..batch.num_rows() {
            let values = cells.iter().map(|cells| cells.value(row)).collect::<datafusion::common::Result<Vec<_>>>();
            if let Ok(Some(prompt)) = call.program.prompt(&values.map_err(FrameError::from_execution)?) {
                asked += 1;
                tokens += Vocabulary::O200k.count(&prompt.user);
            }
        }
    }
    Ok((asked > 0).then(|| tokens as f64 / asked as f64))
}

/// About how many rows a plan gives, where that can be told.
pub(crate) fn rows_of(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let statistics = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new()).ok()?;
    statistics.num_rows.get_value().copied()
}

/// How many rows an operator will see, from the statistics of files and from what stands between.
pub(crate) fn rows_entering(operator: &SemanticExec) -> Option<Rows> {
    let statistics = StatisticsContext::new().compute(operator.input().as_ref(), &StatisticsArgs::new()).ok()?;
    match statistics.num_rows {
        Precision::Exact(count) => Some(Rows { count, exact: true }),
        Precision::Inexact(count) => Some(Rows { count, exact: keeps_count(operator.input()) }),
        Precision::Absent => None,
    }
}

/// Whether the number of rows of a counted file still holds at this place of the plan. Files of text are counted when
/// they are registered, but the engine is told that the number is not certain, so that it never answers `count(*)` by it.
fn keeps_count(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(scan) = plan.downcast_ref::<FileScan>() {
        return scan.is_counted();
    }
    let passes = plan.downcast_ref::<ProjectionExec>().is_some()
        || plan.downcast_ref::<SemanticExec>().is_some_and(|operator| !operator.has_filter())
        || is_transparent(plan);
    passes && plan.children().into_iter().all(keeps_count)
}

/// Limits, and what the engine puts in to let other tasks run.
fn is_transparent(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<CooperativeExec>().is_some()
        || plan.downcast_ref::<GlobalLimitExec>().is_some()
        || plan.downcast_ref::<LocalLimitExec>().is_some()
}

/// Whether the first rows of a plan come without working through all of its input, and without asking.
pub(super) fn is_cheap_to_start(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let source = plan.downcast_ref::<FileScan>().is_some() || plan.downcast_ref::<DataSourceExec>().is_some();
    let passes = plan.downcast_ref::<ProjectionExec>().is_some() || plan.downcast_ref::<FilterExec>().is_some() || is_transparent(plan);
    source || (passes && plan.children().into_iter().all(is_cheap_to_start))
}
