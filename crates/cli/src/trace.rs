//! From a row to the calls that made its values: `corsac runs trace` and `corsac runs show --row`. Everything stands in
//! the ledger; nothing is asked.

use corsac_ledger::{AttemptRecord, CallView, CallViewOutcome, CostSource, Ledger, RunId};
use serde_json::{Value, json};

use crate::args::TraceFormat;
use crate::exit::Stop;
use crate::runs::{excerpt, exported, moment};
use crate::screen;

/// A call of a row. Where the run sent nothing for it, the call that did, which may be of an earlier run.
struct Traced {
    call: CallView,
    asked: Option<(RunId, CallView)>,
}

pub(crate) fn run(ledger: &Ledger, id: &str, row: u64, operator: Option<&str>, format: TraceFormat) -> Result<(), Stop> {
    let run = ledger.run(id)?;
    let traced = traced(ledger, &run.id, row, operator)?;
    match format {
        TraceFormat::Json => {
            let calls: Vec<Value> = traced
                .iter()
                .map(|Traced { call, asked }| {
                    let mut record = exported(&run, call);
                    record["row"] = row.into();
                    record["asked_for_row"] = call.row.into();
                    record["rows"] = call.rows.into();
                    record["input_characters"] = call.input_characters.into();
                    record["attempts"] = attempts_json(&call.attempts);
                    record["asked_by"] = asked.as_ref().map_or(Value::Null, |(run, call)| {
                        json!({
                            "run": run.as_str(),
                            "row": call.row,
                            "operator": call.operator.as_ref(),
                            "cost": call.cost(),
                            "attempts": attempts_json(&call.attempts),
                        })
                    });
                    record
                })
                .collect();
            screen::result(&json!({ "run": run.id.as_str(), "row": row, "calls": calls }).to_string());
        }
        TraceFormat::Text => {
            for Traced { call, asked } in &traced {
                show_call(call, Some(row));
                if let Some((run, call)) = asked {
                    screen::result(&format!("  asked    in run {run} for row {} of {}  {}", call.row, call.operator, call.cost()));
                    call.attempts.iter().for_each(show_attempt);
                }
            }
        }
    }
    if traced.is_empty() {
        screen::note(&format!(
            "no call of run {} tells of row {row}: its input is NULL or blank, no operator was given so many rows, or it was not reached. Rows \
             are counted from 0, in the order in which they came to an operator",
            run.id
        ));
    }
    Ok(())
}

fn traced(ledger: &Ledger, run: &RunId, row: u64, operator: Option<&str>) -> Result<Vec<Traced>, Stop> {
    let mut traced = Vec::new();
    for call in ledger.calls_of_row(run, operator, row)? {
        let asked = if call.attempts.is_empty() { ledger.last_asked(call.fingerprint)? } else { None };
        traced.push(Traced { call, asked });
    }
    Ok(traced)
}

/// A call for a person, with every attempt. With a row that is not the one it was made for, it says so.
pub(crate) fn show_call(call: &CallView, row: Option<u64>) {
    let row = row.unwrap_or(call.row);
    let mut head = format!("row {row}  {}  {}", call.operator, call.cost());
    if row != call.row {
        head.push_str(&format!("  took the answer of row {}", call.row));
    }
    if call.rows > 1 {
        head.push_str(&format!("  ({} rows)", crate::progress::grouped(call.rows)));
    }
    screen::result(&head);
    screen::result(&format!("  input    {}", excerpt(&call.input, 400)));
    let body = |answer: &Option<corsac_ledger::StoredAnswer>| {
        excerpt(answer.as_ref().map_or("(replaced since)", |answer| answer.body.as_str()), 400)
    };
    match &call.outcome {
        CallViewOutcome::Answered(answer) => screen::result(&format!("  answer   {}", body(answer))),
        CallViewOutcome::FromMemory(answer) => screen::result(&format!("  memory   {}", body(answer))),
        CallViewOutcome::Failed { kind, message } => screen::result(&format!("  failed   {kind}: {message}")),
    }
    call.attempts.iter().for_each(show_attempt);
}

fn show_attempt(attempt: &AttemptRecord) {
    let served = attempt.model_served.as_deref().unwrap_or(&attempt.model_asked);
    let by = attempt.provider.as_deref().map_or(String::new(), |provider| format!(" by {provider}"));
    let status = attempt.http_status.map_or("no reply".to_owned(), |status| format!("HTTP {status}"));
    screen::result(&format!(
        "  attempt  {}  {served}{by}  {}  {status}  {} ms  {} + {} tokens  {}",
        moment(attempt.started_ms),
        attempt.strategy,
        attempt.duration_ms,
        attempt.usage.prompt_tokens,
        attempt.usage.completion_tokens,
        attempt.cost
    ));
    if let Some(fault) = &attempt.fault {
        screen::result(&format!("           {fault}: {}", excerpt(attempt.message.as_deref().unwrap_or_default(), 300)));
    }
    if let Some(remedy) = &attempt.remedy {
        screen::result(&format!("           → {remedy}"));
    }
}

fn attempts_json(attempts: &[AttemptRecord]) -> Value {
    attempts
        .iter()
        .map(|attempt| {
            json!({
                "started": moment(attempt.started_ms),
                "duration_ms": attempt.duration_ms,
                "time_to_first_byte_ms": attempt.time_to_first_byte_ms,
                "model_asked": attempt.model_asked.as_ref(),
                "model_served": attempt.model_served.as_deref(),
                "provider": attempt.provider.as_deref(),
                "strategy": attempt.strategy.as_ref(),
                "http_status": attempt.http_status,
                "fault": attempt.fault.as_deref(),
                "message": attempt.message,
                "remedy": attempt.remedy,
                "prompt_tokens": attempt.usage.prompt_tokens,
                "completion_tokens": attempt.usage.completion_tokens,
                "cached_tokens": attempt.usage.cached_tokens,
                "reasoning_tokens": attempt.usage.reasoning_tokens,
                "cost": attempt.cost,
                "cost_source": match attempt.cost_source {
                    CostSource::Reported => "reported",
                    CostSource::Estimated => "estimated",
                    CostSource::Unknown => "unknown",
                },
                "generation_id": attempt.generation_id,
            })
        })
        .collect()
}
