//! How often groups of rows will be asked about: by the groups among the first rows, and by the tokens of their texts.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use corsac_text::tokens::Vocabulary;
use datafusion::common::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use serde_json::Value;

use super::{Asking, AskingRange, Rows, first_rows_if_cheap, rows_of};
use crate::cell::{json_value, readable};
use crate::error::FrameError;
use crate::execute::{PlannedCall, QueryRuntime, room_for_rows};

/// Tokens of a text where none was looked at.
const USUAL_TOKENS: f64 = 50.0;
/// Tokens of the result for a part, which is put together with others.
const RESULT_TOKENS: f64 = 100.0;
/// Tokens of a text's number, and of the marks around the words of a chat.
const NUMBER_TOKENS: f64 = 3.0;
const CHAT_MARKS: f64 = 12.0;

/// What is known of rows that are to be put into groups.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    rows: u64,
    /// The mean tokens of a row's text, with rows that have none counted as nothing.
    tokens_a_row: f64,
    /// Different groups among the first rows, those seen once, and the rows looked at.
    groups: u64,
    seen_once: u64,
    looked_at: u64,
    /// Whether there is one group, of all rows.
    one_group: bool,
    /// Tokens of rows that one question has room for, and those of all else in it.
    room: f64,
    around: f64,
}

/// The groups, and how often they are asked about. `None` where nobody knows how many rows there are.
pub(super) async fn of(
    call: &PlannedCall,
    input: &Arc<dyn ExecutionPlan>,
    state: &SessionState,
    runtime: &QueryRuntime,
) -> std::result::Result<Option<(Rows, AskingRange)>, FrameError> {
    let Some(aggregate) = aggregate_below(input) else { return Ok(None) };
    let Some(rows) = rows_of(aggregate.input()) else { return Ok(None) };
    let sample = first_rows_if_cheap(aggregate.input(), state).await?;
    let texts = texts_of(call, input, aggregate);
    let groups: Vec<Arc<dyn PhysicalExpr>> = aggregate.group_expr().expr().iter().map(|(group, _)| Arc::clone(group)).collect();
    let (mut seen, mut tokens, mut looked_at) = (HashMap::new(), 0, 0u64);
    for batch in &sample {
        look_at(batch, &groups, texts.as_ref(), &mut seen, &mut tokens).map_err(FrameError::from_execution)?;
        looked_at += batch.num_rows() as u64;
    }
    let words = call.program().words().concat();
    let known = Known {
        rows: rows as u64,
        tokens_a_row: if looked_at > 0 && texts.is_some() { tokens as f64 / looked_at as f64 } else { USUAL_TOKENS },
        groups: seen.len() as u64,
        seen_once: seen.values().filter(|count| **count == 1u64).count() as u64,
        looked_at,
        one_group: groups.is_empty(),
        room: room_for_rows(call, runtime) as f64,
        around: (Vocabulary::O200k.count(call.program().system()) + Vocabulary::O200k.count(&words)) as f64 + CHAT_MARKS,
    };
    let likely = known.likely_groups();
    Ok(Some((Rows { count: likely as usize, exact: known.one_group }, known.range())))
}

fn aggregate_below(plan: &Arc<dyn ExecutionPlan>) -> Option<&AggregateExec> {
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        // the lowest of several stages is the one over the rows
        return aggregate_below(aggregate.input()).or(Some(aggregate));
    }
    match plan.children().as_slice() {
        [only] => aggregate_below(only),
        _ => None,
    }
}

/// What gives the text of a row.
fn texts_of(call: &PlannedCall, input: &Arc<dyn ExecutionPlan>, aggregate: &AggregateExec) -> Option<Arc<dyn PhysicalExpr>> {
    let is_list = |argument: &&Arc<dyn PhysicalExpr>| {
        argument.data_type(&input.schema()).is_ok_and(|data_type| matches!(data_type, arrow::datatypes::DataType::List(_)))
    };
    let rows = call.arguments.iter().find(is_list)?.downcast_ref::<Column>()?;
    let gathered = aggregate.aggr_expr().iter().find(|gathered| gathered.name() == rows.name())?;
    gathered.expressions().first().cloned()
}

fn look_at(
    batch: &RecordBatch,
    groups: &[Arc<dyn PhysicalExpr>],
    texts: Option<&Arc<dyn PhysicalExpr>>,
    seen: &mut HashMap<String, u64>,
    tokens: &mut usize,
) -> Result<()> {
    let column = |of: &Arc<dyn PhysicalExpr>| readable(of.evaluate(batch)?.into_array(batch.num_rows())?);
    let keys = groups.iter().map(column).collect::<Result<Vec<_>>>()?;
    let texts = texts.map(column).transpose()?;
    for row in 0..batch.num_rows() {
        let key = keys.iter().map(|key| json_value(key.as_ref(), row)).collect::<Result<Vec<_>>>()?;
        *seen.entry(Value::Array(key).to_string()).or_default() += 1;
        if let Some(texts) = texts.as_ref().filter(|texts| texts.is_valid(row)) {
            let text = match json_value(texts.as_ref(), row)? {
                Value::String(text) => text,
                other => other.to_string(),
            };
            *tokens += Vocabulary::O200k.count(text.trim()) + if text.trim().is_empty() { 0 } else { NUMBER_TOKENS as usize };
        }
    }
    Ok(())
}

impl Known {
    /// Groups seen, and as many more as go on turning up at the rate of those seen once (Good, 1953).
    fn likely_groups(&self) -> u64 {
        if self.one_group || self.rows == 0 {
            return 1;
        }
        let rest = self.rows.saturating_sub(self.looked_at) as f64;
        let new = if self.looked_at == 0 { 1.0 } else { self.seen_once as f64 / self.looked_at as f64 };
        (self.groups + (rest * new) as u64).clamp(1, self.rows)
    }

    fn range(&self) -> AskingRange {
        let least = if self.one_group { 1 } else { self.groups.clamp(1, self.rows.max(1)) };
        let most = if self.one_group { 1 } else { self.rows.max(1) };
        AskingRange { low: self.asking(least), likely: self.asking(self.likely_groups()), high: self.asking(most) }
    }

    /// What so many groups ask, if all are alike.
    fn asking(&self, groups: u64) -> Asking {
        let tokens = self.tokens_a_row * self.rows as f64 / groups as f64;
        let (mut requests, mut results) = (0u64, 0.0);
        let mut open = tokens;
        loop {
            let texts = open / if requests == 0 { self.tokens_a_row.max(1.0) } else { RESULT_TOKENS };
            // two texts are put into a question however long they are
            let parts = ((open / self.room).ceil()).min((texts / 2.0).ceil()).max(1.0);
            requests += parts as u64;
            if parts <= 1.0 {
                break;
            }
            open = parts * RESULT_TOKENS;
            results += open;
        }
        let requests = requests.saturating_mul(groups);
        let prompt_tokens = (tokens + results) * groups as f64 + self.around * requests as f64;
        Asking { requests, prompt_tokens: prompt_tokens as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known =
        Known { rows: 10_000, tokens_a_row: 30.0, groups: 4, seen_once: 0, looked_at: 64, one_group: false, room: 6_000.0, around: 50.0 };

    #[test]
    fn groups_go_on_as_they_begin() {
        assert_eq!(KNOWN.likely_groups(), 4);
        assert_eq!(Known { groups: 64, seen_once: 64, ..KNOWN }.likely_groups(), 10_000);
        assert_eq!(Known { one_group: true, groups: 1, ..KNOWN }.likely_groups(), 1);
        assert_eq!(Known { looked_at: 0, groups: 0, ..KNOWN }.likely_groups(), 10_000);
        assert_eq!(Known { rows: 0, ..KNOWN }.likely_groups(), 1);
    }

    #[test]
    fn a_group_that_is_too_large_is_asked_about_in_parts_and_again() {
        // 75,000 tokens in each of four groups: thirteen parts, and one question for their results
        let range = KNOWN.range();
        assert_eq!((range.low.requests, range.likely.requests, range.high.requests), (4 * 14, 4 * 14, 10_000));
        assert_eq!(range.likely.prompt_tokens, 300_000 + 4 * 1_300 + 56 * 50);
        let one = Known { one_group: true, rows: 100, ..KNOWN }.range();
        assert_eq!((one.low, one.high), (one.likely, one.likely));
        assert_eq!(one.likely, Asking { requests: 1, prompt_tokens: 3_050 });
    }
}
