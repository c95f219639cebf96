//! A planned query: what it will do, what it will ask, and its rows.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use corsac_dispatch::{CallSettings, Contract};
use corsac_program::Part;
use corsac_text::tokens::Vocabulary;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, displayable, execute_stream};
use futures::{StreamExt, TryStreamExt};

use crate::cell::{Cells, readable};
use crate::cluster;
use crate::error::FrameError;
use crate::execute::{Figures, OperatorFigures, PlannedCall, QueryRuntime, SemanticExec};
use crate::join;
use crate::table::FileScan;

/// How many rows an estimate looks at.
const SAMPLE_ROWS: usize = 64;

/// A query that can run.
#[derive(Debug)]
pub struct Query {
    state: SessionState,
    logical: LogicalPlan,
    physical: Arc<dyn ExecutionPlan>,
    runtime: Arc<QueryRuntime>,
}

/// Looks on while a query runs.
#[derive(Debug, Clone)]
pub struct Watch {
    calls: Vec<(String, String, Arc<Figures>)>,
}

impl Watch {
    /// What each call came to so far, those nearest to the tables first.
    pub fn read(&self) -> Vec<OperatorReport> {
        let read = |(operator, description, figures): &(String, String, Arc<Figures>)| OperatorReport {
            operator: operator.clone(),
            description: description.clone(),
            figures: figures.read(),
        };
        self.calls.iter().map(read).collect()
    }
}

/// What one call of a query came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorReport {
    /// The operator's SQL name.
    pub operator: String,
    /// What it asks, as plans show it.
    pub description: String,
    /// What it came to.
    pub figures: OperatorFigures,
}

/// What one call of a query will ask, as far as it can be known before it runs.
#[derive(Debug, Clone)]
pub struct OperatorEstimate {
    /// The operator's SQL name.
    pub operator: String,
    /// What it asks, as plans show it.
    pub description: String,
    /// Rows that will enter it.
    pub rows: Option<Rows>,
    /// Tokens of the part of the prompt that all rows share.
    pub system_tokens: u64,
    /// The mean tokens of a row's own part, over the first rows.
    pub mean_user_tokens: Option<f64>,
    /// Whether a tokenizer counted them, rather than a rule of thumb.
    pub counted: bool,
    /// How many rows of input that mean was taken over, and how many of them had something to ask.
    pub sampled: Sampled,
    /// What an answer must look like, from which its size can be guessed.
    pub contract: Contract,
    /// The answer's token limit, where the call names one.
    pub max_tokens: Option<u32>,
    /// Whom it asks.
    pub settings: Arc<CallSettings>,
}

/// Whom a call asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The model, the profile and what else the call or the session says.
    pub settings: Arc<CallSettings>,
    /// Whether a vector is wanted, so that an embedding model is asked.
    pub vectors: bool,
}

/// A number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// How many.
    pub count: usize,
    /// Whether that is certain; otherwise it is the most, or a guess.
    pub exact: bool,
}

/// The rows an estimate looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sampled {
    /// Rows of input.
    pub rows: usize,
    /// Rows with something to ask: not NULL, not blank, and within the call's guard.
    pub asked: usize,
    /// Different questions among them.
    pub distinct: usize,
}

impl Query {
    pub(crate) async fn plan(state: SessionState, plan: LogicalPlan, runtime: Arc<QueryRuntime>) -> Result<Query, FrameError> {
        let logical = state.optimize(&plan).map_err(FrameError::from_planning)?;
        let physical = state.query_planner().create_physical_plan(&logical, &state).await.map_err(FrameError::from_planning)?;
        Ok(Query { state, logical, physical, runtime })
    }

    /// The columns of the result.
    pub fn schema(&self) -> SchemaRef {
        self.physical.schema()
    }

    /// The plan, first as what is asked and then as what is run.
    pub fn explain(&self) -> String {
        format!("{}\n\n{}", self.logical.display_indent(), displayable(self.physical.as_ref()).indent(false).to_string().trim_end())
    }

    /// Whether a model is asked at all.
    pub fn has_semantic_calls(&self) -> bool {
        !self.operators().is_empty()
    }

    /// Whom its calls ask, each way once.
    pub fn asked(&self) -> Vec<Asked> {
        let mut all: Vec<Asked> = Vec::new();
        for call in self.operators().iter().flat_map(SemanticExec::calls) {
            for (_, settings) in self.runtime.parts_of(&call.bound) {
                let asked = Asked { settings, vectors: is_vector(call) };
                if !all.contains(&asked) {
                    all.push(asked);
                }
            }
        }
        all
    }

    /// What each call comes to, to be read while the query runs and after it, when the query itself is gone.
    pub fn watch(&self) -> Watch {
        let operators = self.operators();
        let calls = operators.iter().flat_map(SemanticExec::calls);
        Watch { calls: calls.map(|call| (call.program().operator().to_owned(), call.describe(), Arc::clone(call.figures()))).collect() }
    }

    /// The rows, in order. Dropping the stream stops everything that is under way.
    ///
    /// # Errors
    /// [`FrameError::Execution`] when the plan cannot be started.
    pub async fn stream(self) -> Result<SendableRecordBatchStream, FrameError> {
        for operator in self.operators() {
            let rows = rows_entering(&operator);
            self.runtime.progress.expect_rows(rows.filter(|rows| rows.exact).map(|rows| rows.count as u64));
        }
        let stream = execute_stream(self.physical, self.state.task_ctx()).map_err(FrameError::from_execution)?;
        let schema = stream.schema();
        // the errors of our own come out as themselves, and those of the engine in plain words
        let stream = stream.map_err(|error| FrameError::from_execution(error).into());
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    /// What each call will ask. It reads the first rows of the input where that is cheap, and asks nothing.
    ///
    /// # Errors
    /// [`FrameError::Execution`] when those rows cannot be read.
    pub async fn estimate(&self) -> Result<Vec<OperatorEstimate>, FrameError> {
        let mut estimates = Vec::new();
        for operator in self.operators() {
            let sample = if is_cheap_to_start(operator.input()) { self.sample(operator.input()).await? } else { Vec::new() };
            for call in operator.calls() {
                let parts = self.runtime.parts_of(&call.bound);
                estimates.extend(estimate(call, parts, rows_entering(&operator), &sample).map_err(FrameError::from_execution)?);
            }
        }
        Ok(estimates)
    }

    /// The operators, those nearest to the tables first.
    fn operators(&self) -> Vec<SemanticExec> {
        let mut operators = Vec::new();
        // the closure never fails
        let _ = self.physical.apply(|node| {
            operators.extend(node.downcast_ref::<SemanticExec>().cloned());
            operators.extend(join::embedding(node.as_ref()));
            operators.extend(cluster::embedding(node.as_ref()));
            Ok(TreeNodeRecursion::Continue)
        });
        operators.reverse();
        operators
    }

    async fn sample(&self, input: &Arc<dyn ExecutionPlan>) -> Result<Vec<arrow::array::RecordBatch>, FrameError> {
        let mut stream = execute_stream(Arc::clone(input), self.state.task_ctx()).map_err(FrameError::from_execution)?;
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
}

fn is_vector(call: &PlannedCall) -> bool {
    matches!(call.program().output(), corsac_program::Output::Vector { .. })
}

/// What the calls of one function will ask: one estimate for each kind of call that it makes.
fn estimate(
    call: &PlannedCall,
    parts: Vec<(Part, Arc<CallSettings>)>,
    rows: Option<Rows>,
    sample: &[arrow::array::RecordBatch],
) -> datafusion::common::Result<Vec<OperatorEstimate>> {
    let program = call.program();
    let vocabulary = if program.contract().is_embedding() { Vocabulary::Cl100k } else { Vocabulary::O200k };
    let looked = look(call, sample, vocabulary, parts.len())?;
    // how many questions a group takes depends on the texts in it
    let rows = rows.filter(|_| !program.is_about_groups());
    let several = parts.len() > 1;
    let of_part = |(place, (part, settings)): (usize, (Part, Arc<CallSettings>))| {
        let own_tokens = looked.own_tokens.get(place).copied().unwrap_or_default();
        let shared = looked.shared.get(place).map_or(vocabulary.count(program.system()), |tokens| *tokens);
        let rows = rows.map(|Rows { count, exact }| Rows {
            count: count.saturating_mul(part.times as usize),
            // it may be called less often
            exact: exact && part.times == 1,
        });
        OperatorEstimate {
            description: if several { format!("{} of {}", part.operator, call.describe()) } else { call.describe() },
            operator: part.operator.to_string(),
            rows,
            system_tokens: shared as u64,
            mean_user_tokens: (looked.sampled.asked > 0).then(|| own_tokens as f64 / looked.sampled.asked as f64),
            // the rows that were not looked at have prompts of about that length; what parts tell each other is not known
            counted: looked.sampled.asked > 0 && !several,
            sampled: looked.sampled,
            contract: part.contract,
            max_tokens: settings.max_tokens,
            settings,
        }
    };
    Ok(parts.into_iter().enumerate().map(of_part).collect())
}

/// What the first rows come to.
#[derive(Default)]
struct Looked {
    sampled: Sampled,
    /// For each kind of call the tokens of all rows' own parts.
    own_tokens: Vec<usize>,
    /// The tokens of what its rows share.
    shared: Vec<usize>,
}

fn look(
    call: &PlannedCall,
    sample: &[arrow::array::RecordBatch],
    vocabulary: Vocabulary,
    parts: usize,
) -> datafusion::common::Result<Looked> {
    use arrow::array::{Array, AsArray};
    let mut looked = Looked { own_tokens: vec![0; parts], ..Looked::default() };
    let mut seen = std::collections::HashSet::new();
    for batch in sample {
        let rows = batch.num_rows();
        looked.sampled.rows += rows;
        let reached = call.guard.as_ref().map(|guard| guard.evaluate(batch)?.into_array(rows)).transpose()?;
        let evaluate = |argument: &Arc<dyn datafusion::physical_plan::PhysicalExpr>| readable(argument.evaluate(batch)?.into_array(rows)?);
        let arguments = call.arguments.iter().map(evaluate).collect::<datafusion::common::Result<Vec<_>>>()?;
        let cells: Vec<Cells<'_>> = arguments.iter().map(Cells::of).collect();
        for row in 0..rows {
            if reached.as_ref().is_some_and(|reached| reached.is_null(row) || !reached.as_boolean().value(row)) {
                continue;
            }
            let values = cells.iter().map(|cells| cells.value(row)).collect::<datafusion::common::Result<Vec<_>>>()?;
            let Ok(Some(prompts)) = call.program().prompts(&values) else { continue };
            looked.sampled.asked += 1;
            if looked.shared.is_empty() {
                looked.shared = prompts.iter().map(|prompt| vocabulary.count(&prompt.system)).collect();
            }
            for (tokens, prompt) in looked.own_tokens.iter_mut().zip(&prompts) {
                *tokens += vocabulary.count(&prompt.user);
            }
            seen.extend(prompts.into_iter().next().map(|prompt| prompt.user));
        }
    }
    looked.sampled.distinct = seen.len();
    Ok(looked)
}

/// About how many rows a plan gives, where that can be told.
pub(crate) fn rows_of(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let statistics = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new()).ok()?;
    statistics.num_rows.get_value().copied()
}

/// How many rows an operator will see, from the statistics of files and from what stands between.
fn rows_entering(operator: &SemanticExec) -> Option<Rows> {
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
fn is_cheap_to_start(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let source = plan.downcast_ref::<FileScan>().is_some() || plan.downcast_ref::<DataSourceExec>().is_some();
    let passes = plan.downcast_ref::<ProjectionExec>().is_some() || plan.downcast_ref::<FilterExec>().is_some() || is_transparent(plan);
    source || (passes && plan.children().into_iter().all(is_cheap_to_start))
}
