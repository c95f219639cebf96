//! From a row to the calls that made its values: `corsac runs trace` and `corsac runs show --row`. Everything stands in
//! the ledger; nothing is asked.

use corsac_ledger::{AttemptRecord, CallView, CallViewOutcome, CostSource, Ledger, RunId, RunSummary};
use serde_json::{Value, json};

use crate::args::TraceFormat;
use crate::exit::{Exit, Stop};
use crate::runs::{excerpt, exported, moment};
use crate::screen;

/// Which rows are counted.
pub(crate) enum Which<'a> {
    /// Those that the query gave.
    Result,
    /// Those that came to this operator, or to any.
    Operator(Option<&'a str>),
}

/// A call of a row. Where the run sent nothing for it, the call that did, which may be of an earlier run.
struct Traced {
    call: CallView,
    asked: Option<(RunId, CallView)>,
}

/// The calls of a row, and how often one had its share that is not listed.
struct Found {
    calls: Vec<Traced>,
    more: u64,
}

pub(crate) fn run(ledger: &Ledger, id: &str, row: u64, which: &Which<'_>, format: TraceFormat) -> Result<(), Stop> {
    let run = ledger.run(id)?;
    let found = match which {
        Which::Result => of_result(ledger, &run.id, row)?,
        Which::Operator(operator) => Found { calls: with_askers(ledger, ledger.calls_of_row(&run.id, *operator, row)?)?, more: 0 },
    };
    match format {
        TraceFormat::Json => {
            let calls: Vec<Value> = found.calls.iter().map(|traced| traced.json(&run, row)).collect();
            screen::result(&json!({ "run": run.id.as_str(), "row": row, "calls": calls, "more": found.more }).to_string());
        }
        TraceFormat::Text => {
            for Traced { call, asked } in &found.calls {
                match which {
                    Which::Result => show_call(call, None),
                    Which::Operator(_) => show_call(call, Some(row)),
                }
                if let Some((run, call)) = asked {
                    screen::result(&format!("  asked    in run {run} for row {} of {}  {}", call.row, call.operator, call.cost()));
                    call.attempts.iter().for_each(show_attempt);
                }
            }
            if found.more > 0 {
                screen::result(&format!(
                    "and up to {} more: the row is made of many, and the first are listed. `corsac runs export {}` has every call of the run",
                    crate::progress::grouped(found.more),
                    run.id
                ));
            }
        }
    }
    if found.calls.is_empty() {
        let why = match which {
            Which::Result => format!("no call made row {row} of what run {} gave: what it would have asked about is NULL or blank", run.id),
            Which::Operator(_) => format!(
                "no call of run {} tells of row {row}: its input is NULL or blank, no operator was given so many rows, or it was not reached. \
                 Rows are counted from 0, in the order in which they came to an operator",
                run.id
            ),
        };
        screen::note(&why);
    }
    Ok(())
}

/// What a row of the result stems from.
fn of_result(ledger: &Ledger, run: &RunId, row: u64) -> Result<Found, Stop> {
    let Some(listed) = ledger.result_row(run, row)? else {
        let why = match ledger.result_rows(run)? {
            0 => format!(
                "run {run} kept nothing of the rows it gave: it gave none, an earlier version recorded it, or its query looks for different rows \
                 under a LIMIT. `corsac runs trace {run} {row} --operator NAME` counts the rows as they came to a function"
            ),
            rows => format!("run {run} gave {} rows, counted from 0: there is no row {row}", crate::progress::grouped(rows)),
        };
        return Err(Stop::new(Exit::Usage, why));
    };
    let calls = ledger.calls_named(run, &listed.calls)?;
    Ok(Found { calls: with_askers(ledger, calls)?, more: listed.more })
}

fn with_askers(ledger: &Ledger, calls: Vec<CallView>) -> Result<Vec<Traced>, Stop> {
    let mut traced = Vec::with_capacity(calls.len());
    for call in calls {
        let asked = if call.attempts.is_empty() { ledger.last_asked(call.fingerprint)? } else { None };
        traced.push(Traced { call, asked });
    }
    Ok(traced)
}

impl Traced {
    fn json(&self, run: &RunSummary, row: u64) -> Value {
        let Traced { call, asked } = self;
        let mut record = exported(run, call);
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
    }
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
