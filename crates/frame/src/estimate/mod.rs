//! What the calls of a query will ask, as far as that can be known before it runs: rows are counted where that is cheap, and the
//! first of them are looked at. Nothing is asked for it.

mod groups;
mod rows;

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use corsac_dispatch::{CallSettings, Contract};
use corsac_program::Part;
use corsac_text::tokens::Vocabulary;
use datafusion::common::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use crate::cell::{Cells, readable};
use crate::error::FrameError;
use crate::execute::{PlannedCall, QueryRuntime, SemanticExec};
use crate::join;
use rows::{first_rows, is_cheap_to_start};
pub(crate) use rows::{measure_rows, rows_entering, rows_of};

/// What one call of a query will ask, as far as it can be known before it runs.
#[derive(Debug, Clone)]
pub struct OperatorEstimate {
    /// The operator's SQL name.
    pub operator: String,
    /// What it asks, as plans show it.
    pub description: String,
    /// Rows that will enter it; the groups for `semantic_reduce`.
    pub rows: Option<Rows>,
    /// How often it will ask, where that is another number than that of the rows.
    pub asking: Option<AskingRange>,
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
    /// Why it is asked at its place of the plan, where there was a choice.
    pub why: Option<Arc<str>>,
}

/// Questions, before any is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asking {
    /// How many.
    pub requests: u64,
    /// Tokens of their prompts together.
    pub prompt_tokens: u64,
}

/// How often something will ask that depends on what is in the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AskingRange {
    /// If it asks little.
    pub low: Asking,
    /// The best guess.
    pub likely: Asking,
    /// The most.
    pub high: Asking,
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

/// What one operator will ask, each of its calls.
pub(crate) async fn of_operator(
    operator: &SemanticExec,
    state: &SessionState,
    runtime: &QueryRuntime,
) -> std::result::Result<Vec<OperatorEstimate>, FrameError> {
    let sample = first_rows_if_cheap(operator.input(), state).await?;
    let mut estimates = Vec::new();
    for call in operator.calls() {
        let parts = runtime.parts_of(&call.bound);
        let mut of_call = estimate(call, parts, rows_entering(operator), &sample).map_err(FrameError::from_execution)?;
        for part in &mut of_call {
            part.why = operator.why().cloned();
        }
        if let [question] = of_call.as_mut_slice() {
            if call.program().is_about_groups() {
                let (groups, asking) = groups::of(call, operator.input(), state, runtime).await?.unzip();
                (question.rows, question.asking) = (groups, asking);
            } else if let Some(pairs) = join::pairs_in(operator.input().as_ref()) {
                let left = first_rows_if_cheap(&pairs.left.input, state).await?;
                let right = first_rows_if_cheap(&pairs.right.input, state).await?;
                let (choices, asking) = pairs.asking(question, &left, &right).map_err(FrameError::from_execution)?;
                question.asking = asking;
                estimates.extend(choices);
            }
        }
        estimates.extend(of_call);
    }
    Ok(estimates)
}

async fn first_rows_if_cheap(plan: &Arc<dyn ExecutionPlan>, state: &SessionState) -> std::result::Result<Vec<RecordBatch>, FrameError> {
    if is_cheap_to_start(plan) { first_rows(state, plan).await } else { Ok(Vec::new()) }
}

/// What the calls of one function will ask: one estimate for each kind of call that it makes.
fn estimate(
    call: &PlannedCall,
    parts: Vec<(Part, Arc<CallSettings>)>,
    rows: Option<Rows>,
    sample: &[RecordBatch],
) -> Result<Vec<OperatorEstimate>> {
    let program = call.program();
    let vocabulary = if program.contract().is_embedding() { Vocabulary::Cl100k } else { Vocabulary::O200k };
    let looked = look(call, sample, vocabulary, parts.len())?;
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
            asking: None,
            system_tokens: shared as u64,
            mean_user_tokens: (looked.sampled.asked > 0).then(|| own_tokens as f64 / looked.sampled.asked as f64),
            // the rows that were not looked at have prompts of about that length; what parts tell each other is not known
            counted: looked.sampled.asked > 0 && !several,
            sampled: looked.sampled,
            contract: part.contract,
            max_tokens: settings.max_tokens,
            settings,
            why: None,
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

fn look(call: &PlannedCall, sample: &[RecordBatch], vocabulary: Vocabulary, parts: usize) -> Result<Looked> {
    let mut looked = Looked { own_tokens: vec![0; parts], ..Looked::default() };
    let mut seen = HashSet::new();
    for batch in sample {
        let rows = batch.num_rows();
        looked.sampled.rows += rows;
        let reached = call.guard.as_ref().map(|guard| guard.evaluate(batch)?.into_array(rows)).transpose()?;
        let evaluate = |argument: &Arc<dyn PhysicalExpr>| readable(argument.evaluate(batch)?.into_array(rows)?);
        let arguments = call.arguments.iter().map(evaluate).collect::<Result<Vec<_>>>()?;
        let cells: Vec<Cells<'_>> = arguments.iter().map(Cells::of).collect();
        for row in 0..rows {
            if reached.as_ref().is_some_and(|reached| reached.is_null(row) || !reached.as_boolean().value(row)) {
                continue;
            }
            let values = cells.iter().map(|cells| cells.value(row)).collect::<Result<Vec<_>>>()?;
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
