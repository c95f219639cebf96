//! `corsac runs`: what the ledger knows of earlier runs.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use corsac_ledger::{CallFilter, CallView, CallViewOutcome, Ledger, RunState, RunSummary};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::args::{ExportFormat, RunsCommand, TraceFormat};
use crate::exit::{Exit, Stop};
use crate::progress::{clock, grouped};
use crate::sql::Kept;
use crate::trace::Which;
use crate::{home, screen, sql, trace};

pub(crate) async fn run(command: RunsCommand) -> Result<Exit, Stop> {
    let ledger = home::ledger()?;
    match command {
        RunsCommand::List { number } => list(&ledger, number)?,
        RunsCommand::Show { id, row, failed } => show(&ledger, &id, row, failed)?,
        RunsCommand::Trace { id, row, operator, format } => {
            let which = operator.as_deref().map_or(Which::Result, |operator| Which::Operator(Some(operator)));
            trace::run(&ledger, &id, row, &which, format)?;
        }
        RunsCommand::Retry { id, quiet } => return retry(&ledger, &id, quiet).await,
        RunsCommand::Export { id, out, format } => export(&ledger, &id, out.as_deref(), format)?,
    }
    Ok(Exit::Done)
}

fn list(ledger: &Ledger, number: usize) -> Result<(), Stop> {
    let runs = ledger.runs(number)?;
    if runs.is_empty() {
        screen::note("Nothing was run yet. `corsac demo` is a good first one.");
        return Ok(());
    }
    screen::result(&format!(
        "{:<9} {:<20} {:<15} {:>9} {:>9} {:>9} {:>7} {:>10}  {}",
        "run", "started", "state", "rows", "answers", "memory", "failed", "cost", "query"
    ));
    for run in runs {
        screen::result(&format!(
            "{:<9} {:<20} {:<15} {:>9} {:>9} {:>9} {:>7} {:>10}  {}",
            run.id,
            moment(run.started_ms),
            state(run.state),
            run.rows.map_or("?".to_owned(), grouped),
            grouped(run.answered),
            grouped(run.from_memory),
            grouped(run.failed),
            run.cost.to_string(),
            excerpt(&run.query, 60),
        ));
    }
    Ok(())
}

fn show(ledger: &Ledger, id: &str, row: Option<u64>, failed: bool) -> Result<(), Stop> {
    let run = ledger.run(id)?;
    if let Some(row) = row {
        return trace::run(ledger, id, row, &Which::Operator(None), TraceFormat::Text);
    }
    if failed {
        return show_calls(ledger, &run, CallFilter::Failed, &format!("no call of run {} failed", run.id));
    }
    let took =
        run.ended_ms.map_or("not ended".to_owned(), |ended| clock(Duration::from_millis((ended - run.started_ms).max(0).unsigned_abs())));
    screen::result(&format!("run      {}  {}  {}  {took}", run.id, state(run.state), moment(run.started_ms)));
    screen::result(&format!("engine   {}  {}", run.engine, run.model));
    screen::result(&format!("query    {}", run.query.trim()));
    screen::result(&format!(
        "rows     {}  calls {}: {} answered, {} from memory, {} failed",
        run.rows.map_or("?".to_owned(), grouped),
        grouped(run.calls),
        grouped(run.answered),
        grouped(run.from_memory),
        grouped(run.failed)
    ));
    screen::result(&format!(
        "spent    {}  {} requests, {} tokens in, {} out",
        run.cost,
        grouped(run.attempts),
        grouped(run.usage.prompt_tokens),
        grouped(run.usage.completion_tokens)
    ));
    for served in &run.models {
        let by = served.provider.as_deref().map_or(String::new(), |provider| format!(" by {provider}"));
        screen::result(&format!("served   {}{by}: {}", served.model, grouped(served.answered)));
    }
    for kind in ledger.failures_by_kind(&run.id)? {
        screen::result(&format!(
            "failed   {} {}{}, first at row {} (from 0): {}",
            grouped(kind.calls),
            kind.kind,
            if kind.rows > kind.calls { format!(" ({} rows)", grouped(kind.rows)) } else { String::new() },
            kind.first_row,
            excerpt(&kind.first_message, 200)
        ));
    }
    if let Some(note) = &run.note {
        screen::result(&format!("ended    {note}"));
    }
    if run.failed > 0 {
        screen::note(&format!("`corsac runs show {} --failed` shows every attempt, `corsac runs retry {}` asks again", run.id, run.id));
    }
    Ok(())
}

fn show_calls(ledger: &Ledger, run: &RunSummary, filter: CallFilter, none: &str) -> Result<(), Stop> {
    let mut any = false;
    ledger.each_call(&run.id, filter, |call| {
        any = true;
        trace::show_call(&call, None);
        ControlFlow::Continue(())
    })?;
    if !any {
        screen::note(none);
    }
    Ok(())
}

async fn retry(ledger: &Ledger, id: &str, quiet: bool) -> Result<Exit, Stop> {
    let run = ledger.run(id)?;
    if run.command == "demo" {
        return Err(Stop::new(Exit::Usage, "a demo is run again with `corsac demo`: what is answered comes from memory"));
    }
    let kept: Kept = serde_json::from_value(run.settings.clone()).map_err(|error| {
        Stop::new(Exit::Failure, format!("run {} was recorded by another version and cannot be run again: {error}", run.id))
    })?;
    let from_stdin = run.query.contains("'-'") || kept.sql.tables.iter().any(|table| table.ends_with("=-"));
    if from_stdin {
        return Err(Stop::new(
            Exit::Usage,
            format!(
                "run {} read its table from stdin, which is gone: run the command again with the same input, what is answered comes from memory",
                run.id
            ),
        ));
    }
    std::env::set_current_dir(&kept.folder)
        .map_err(|error| Stop::new(Exit::Failure, format!("run {} was started in {}: {error}", run.id, kept.folder.display())))?;
    let mut again = kept.sql;
    again.query = Some(run.query);
    again.file = None;
    again.asking.fresh = false;
    again.again = true;
    again.quiet |= quiet;
    sql::run(again).await
}

fn export(ledger: &Ledger, id: &str, out: Option<&Path>, format: ExportFormat) -> Result<(), Stop> {
    let run = ledger.run(id)?;
    let beside = out.map(|path| path.with_extension(format!("{}.part", std::process::id())));
    let mut sink: Box<dyn Write> = match &beside {
        Some(path) => Box::new(std::io::BufWriter::new(std::fs::File::create(path)?)),
        None => Box::new(std::io::BufWriter::new(std::io::stdout())),
    };
    let mut failed: Option<std::io::Error> = None;
    if format == ExportFormat::Csv {
        writeln!(sink, "{}", COLUMNS.join(","))?;
    }
    ledger.each_call(&run.id, CallFilter::All, |call| {
        let record = exported(&run, &call);
        let line = match format {
            ExportFormat::Jsonl => record.to_string(),
            ExportFormat::Csv => COLUMNS.map(|column| csv_cell(&record[column])).join(","),
        };
        match writeln!(sink, "{line}") {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    let written = failed.map_or_else(|| sink.flush(), Err);
    drop(sink);
    match (written, beside, out) {
        (Ok(()), Some(beside), Some(out)) => std::fs::rename(beside, out)?,
        (Err(error), _, None) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        (Err(error), beside, _) => {
            if let Some(beside) = beside {
                // the export failed anyway; a leftover is only untidy
                let _ = std::fs::remove_file(beside);
            }
            return Err(error.into());
        }
        (Ok(()), ..) => {}
    }
    Ok(())
}

const COLUMNS: [&str; 16] = [
    "run",
    "operator",
    "row",
    "input",
    "outcome",
    "answer",
    "error_kind",
    "error",
    "model",
    "provider",
    "attempts",
    "prompt_tokens",
    "completion_tokens",
    "cost",
    "remedies",
    "fingerprint",
];

pub(crate) fn exported(run: &RunSummary, call: &CallView) -> Value {
    let (outcome, answer, kind, error) = match &call.outcome {
        CallViewOutcome::Answered(answer) => ("answered", answer.as_ref(), None, None),
        CallViewOutcome::FromMemory(answer) => ("from_memory", answer.as_ref(), None, None),
        CallViewOutcome::Failed { kind, message } => ("failed", None, Some(kind.to_string()), Some(message.clone())),
    };
    let tokens = |of: fn(&corsac_ledger::Usage) -> u64| call.attempts.iter().map(|attempt| of(&attempt.usage)).sum::<u64>();
    let last = call.attempts.last();
    json!({
        "run": run.id.as_str(),
        "operator": call.operator.as_ref(),
        "row": call.row,
        "input": call.input,
        "outcome": outcome,
        "answer": answer.map(|answer| serde_json::from_str::<Value>(&answer.body).unwrap_or_else(|_| Value::String(answer.body.clone()))),
        "error_kind": kind,
        "error": error,
        "model": answer.map(|answer| answer.model.as_ref()).or(last.map(|attempt| attempt.model_asked.as_ref())),
        "provider": answer.and_then(|answer| answer.provider.as_deref()).or(last.and_then(|attempt| attempt.provider.as_deref())),
        "attempts": call.attempts.len(),
        "prompt_tokens": tokens(|usage| usage.prompt_tokens),
        "completion_tokens": tokens(|usage| usage.completion_tokens),
        "cost": call.cost(),
        "remedies": call.attempts.iter().filter_map(|attempt| attempt.remedy.as_deref()).collect::<Vec<_>>(),
        "fingerprint": call.fingerprint.to_string(),
    })
}

fn csv_cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn state(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Completed => "completed",
        RunState::Interrupted => "interrupted",
        RunState::BudgetReached => "budget reached",
        RunState::Failed => "failed",
        RunState::Crashed => "crashed",
    }
}

pub(crate) fn moment(epoch_ms: i64) -> String {
    let seconds = OffsetDateTime::from_unix_timestamp(epoch_ms.div_euclid(1_000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    seconds.format(&Rfc3339).unwrap_or_default()
}

pub(crate) fn excerpt(text: &str, characters: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > characters { line.chars().take(characters - 1).chain(['…']).collect() } else { line }
}
