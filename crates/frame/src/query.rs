//! A planned query: what it will do, what it will ask, and its rows.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use corsac_dispatch::CallSettings;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, displayable, execute_stream};
use futures::{StreamExt, TryStreamExt};

use crate::cluster;
use crate::error::FrameError;
use crate::estimate::{self, OperatorEstimate, measure_rows, rows_entering};
use crate::execute::{Figures, OperatorFigures, PlannedCall, QueryRuntime, SemanticExec};
use crate::join;
use crate::lineage::{Telling, carrying};

/// A query that can run.
#[derive(Debug)]
pub struct Query {
    state: SessionState,
    logical: LogicalPlan,
    /// What runs. Where it carries the calls behind each row, they stand in its last column.
    physical: Arc<dyn ExecutionPlan>,
    /// What is shown of it: the same without the calls.
    shown: Arc<dyn ExecutionPlan>,
    carries: bool,
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

/// Whom a call asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The model, the profile and what else the call or the session says.
    pub settings: Arc<CallSettings>,
    /// Whether a vector is wanted, so that an embedding model is asked.
    pub vectors: bool,
}

impl Query {
    pub(crate) async fn plan(state: SessionState, plan: LogicalPlan, runtime: Arc<QueryRuntime>) -> Result<Query, FrameError> {
        let mut logical = state.optimize(&plan).map_err(FrameError::from_planning)?;
        if measure_rows(&state, &runtime).await {
            // with the sizes known that the first time could only be guessed
            logical = state.optimize(&plan).map_err(FrameError::from_planning)?;
        }
        let shown = state.query_planner().create_physical_plan(&logical, &state).await.map_err(FrameError::from_planning)?;
        let carried = carried(&state, &logical).await;
        let carries = carried.is_some();
        Ok(Query { physical: carried.unwrap_or_else(|| Arc::clone(&shown)), state, logical, shown, carries, runtime })
    }

    /// The columns of the result.
    pub fn schema(&self) -> SchemaRef {
        self.shown.schema()
    }

    /// The plan, first as what is asked and then as what is run.
    pub fn explain(&self) -> String {
        format!("{}\n\n{}", self.logical.display_indent(), displayable(self.shown.as_ref()).indent(false).to_string().trim_end())
    }

    /// Whether a model is asked at all.
    pub fn has_semantic_calls(&self) -> bool {
        !self.operators().is_empty()
    }

    /// Whether the plan rests on what calls cost: where nobody knew that, it is worth planning again once somebody does.
    pub fn depends_on_prices(&self) -> bool {
        let ordered = self.operators().iter().any(|operator| operator.why().is_some());
        // the closure never fails
        ordered || self.physical.exists(|node| Ok(join::pairs_in(node.as_ref()).is_some())).unwrap_or(false)
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
        if !self.carries {
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)));
        }
        let mut telling = Telling::new(self.runtime, &schema);
        let schema = telling.schema();
        let stream = stream.map(move |batch| telling.take(batch?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    /// What each call will ask. It reads the first rows of the input where that is cheap, and asks nothing.
    ///
    /// # Errors
    /// [`FrameError::Execution`] when those rows cannot be read.
    pub async fn estimate(&self) -> Result<Vec<OperatorEstimate>, FrameError> {
        let mut estimates = Vec::new();
        for operator in self.operators() {
            estimates.extend(estimate::of_operator(&operator, &self.state, &self.runtime).await?);
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
}

/// The plan that carries the calls behind each row; none where nothing is asked. A plan that cannot be made so runs as it
/// is: a row that cannot be traced is better than a query that does not run.
async fn carried(state: &SessionState, logical: &LogicalPlan) -> Option<Arc<dyn ExecutionPlan>> {
    let carrying = carrying(logical).ok().flatten()?;
    state.query_planner().create_physical_plan(&carrying, state).await.ok()
}

fn is_vector(call: &PlannedCall) -> bool {
    matches!(call.program().output(), corsac_program::Output::Vector { .. })
}
