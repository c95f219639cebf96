//! `corsac sql`: plan, price, ask, write, report.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Instant;

use corsac_frame::{Change, Destination, Existing, Explain, Format, OnError, Query, Session, SessionOptions, Statement, Target, Written};
use corsac_wire::Usd;
use serde::{Deserialize, Serialize};

use crate::args::{EngineChoice, OnErrorChoice, OutputFormat, Sql};
use crate::engine::{self, Prepared};
use crate::exit::{Exit, Stop};
use crate::explain::{self, Analysis};
use crate::foretold::{Foretold, price_lines};
use crate::job::{Job, Planning, Told};
use crate::progress::grouped;
use crate::{home, screen, shell};

/// What the ledger keeps of a command, so that it can be run again. No secret is among it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) folder: std::path::PathBuf,
    pub(crate) sql: Sql,
}

/// Above this, somebody at a terminal who set no budget is asked before anything is spent.
const ASK_ABOVE: Usd = Usd::from_pico(1_000_000_000_000);

pub(crate) async fn run(arguments: Sql) -> Result<Exit, Stop> {
    if arguments.query.is_none() && arguments.file.is_none() {
        return shell::run(arguments).await;
    }
    let text = query_text(&arguments)?;
    let statements = shell::statements(&text);
    if statements.len() < 2 { run_statement(&arguments, text).await } else { run_all(arguments, statements).await }
}

/// Runs statements one after another, each as a run of its own; `--out` takes the rows of the last. The first that fails ends
/// it, since those behind may stand on it.
async fn run_all(arguments: Sql, statements: Vec<String>) -> Result<Exit, Stop> {
    let count = statements.len();
    let mut worst = Exit::Done;
    for (place, statement) in statements.into_iter().enumerate() {
        let mut own = arguments.clone();
        if place + 1 < count {
            (own.out, own.append, own.overwrite) = (None, false, false);
        }
        let exit = run_statement(&own, statement)
            .await
            .map_err(|stop| Stop { message: format!("statement {} of {count}: {}", place + 1, stop.message), ..stop })?;
        worst = if worst == Exit::Done { exit } else { worst };
    }
    Ok(worst)
}

/// Runs one statement with the flags of the command.
pub(crate) async fn run_statement(arguments: &Sql, text: String) -> Result<Exit, Stop> {
    if arguments.again && arguments.append {
        return Err(Stop::new(
            Exit::Usage,
            "the run appended its rows to a file: run again, it would do so twice. Run the command without --append",
        ));
    }
    let (format, target) = output(arguments)?;
    let mut prepared = engine::prepare(&arguments.asking)?;
    let planning = Planning::new(SessionOptions {
        on_error: if arguments.on_error == OnErrorChoice::Fail { OnError::Fail } else { OnError::Null },
        home: home::folder().ok(),
        model_is_named: arguments.asking.model.is_some(),
        ..SessionOptions::default()
    });
    register_tables(&planning.session, &arguments.tables).await?;
    let explained = Explain::of(&text);
    let statement = explained.map_or(text.as_str(), |explain| explain.query);
    let (mut query, destination) = match planning.session.statement(statement).await? {
        Statement::Rows(query) => (query, None),
        Statement::Change(change) => return changed(arguments, &planning.session, change, explained.is_some()),
        Statement::Keep(keep) => {
            let (query, destination) = keep.into_parts();
            refuse_out(arguments)?;
            if arguments.again && !destination.is_repeatable() {
                let why = "the statement adds rows to what is there: run again, it could do so twice. If the run was broken off, nothing was added: run the command again";
                return Err(Stop::new(Exit::Usage, why));
            }
            (query, Some(destination))
        }
    };
    let (plans_only, analyzes) = match explained {
        Some(explain) => (arguments.explain || !explain.analyze, explain.analyze),
        None => (arguments.explain, false),
    };
    let as_json =
        explained.is_some_and(|explain| explain.json) || matches!(arguments.format, Some(OutputFormat::Json | OutputFormat::Jsonl));
    let asks = query.has_semantic_calls();
    if asks {
        prepared.expect(query.asked())?;
        let must_know = plans_only || prepared.settings.ceilings.run.is_some() || std::io::stdin().is_terminal() && !arguments.yes;
        prepared.price(must_know).await?;
        planning.know(&prepared);
        if query.depends_on_prices() {
            // it was planned before anybody knew whom it asks, and what that costs
            query = match planning.session.statement(statement).await? {
                Statement::Rows(again) => again,
                Statement::Keep(again) => again.into_parts().0,
                Statement::Change(_) => query,
            };
        }
    }
    if plans_only {
        return explain::plan(&query, &prepared, as_json).await;
    }
    if !arguments.quiet {
        for warning in planning.session.warnings() {
            screen::note(&format!("corsac: {warning}"));
        }
    }
    let (format, target) = if analyzes { (Format::Csv, Target::Writer(Box::new(std::io::sink()))) } else { (format, target) };
    let kept_in = destination.as_ref().map(Destination::describe);
    if !asks && !analyzes {
        let rows = query.stream().await?;
        let written = match destination {
            Some(destination) => destination.fill(rows).await,
            None => corsac_frame::write(rows, format, target).await,
        };
        let written = written.or_else(|error| if error.is_closed_pipe() { Ok(nothing()) } else { Err(error) })?;
        tell_kept(arguments, kept_in.as_deref(), &written);
        return Ok(Exit::Done);
    }
    if !arguments.yes && !agreed(&query, &prepared).await? {
        return Err(Stop::new(Exit::Interrupted, "nothing was asked"));
    }
    let (watch, plan) = (query.watch(), analyzes.then(|| query.explain()));
    let told = Told { command: "sql", query: text, settings: kept(arguments)?, quiet: arguments.quiet };
    let mut job = Job::begin(planning, prepared, home::ledger()?, told).await?;
    let started = Instant::now();
    let result = match destination {
        Some(destination) => job.keep(query, destination).await,
        None => job.run(query, format, target).await,
    };
    if let Ok(written) = &result {
        tell_kept(arguments, kept_in.as_deref(), written);
    }
    if let (Some(explained), Ok(written)) = (&plan, &result) {
        let operators = &watch.read();
        Analysis { run: job.run_id(), explained, rows: written.rows, took: started.elapsed(), operators }.show(as_json);
    }
    job.end(result.map(drop)).await
}

/// Gives the files of `--table` their names.
pub(crate) async fn register_tables(session: &Session, tables: &[String]) -> Result<(), Stop> {
    let mut named: Vec<&str> = Vec::new();
    for table in tables {
        let (name, source) = table
            .split_once('=')
            .filter(|(name, source)| !name.trim().is_empty() && !source.is_empty())
            .ok_or_else(|| Stop::new(Exit::Usage, format!("--table {table}: write NAME=PATH, such as reviews=reviews.csv")))?;
        if named.contains(&name.trim()) {
            return Err(Stop::new(Exit::Usage, format!("--table {table}: there is a table {} already", name.trim())));
        }
        named.push(name.trim());
        session.register(name.trim(), source).await?;
    }
    Ok(())
}

/// Makes a change of the catalog and says what was done.
fn changed(arguments: &Sql, session: &Session, change: Change, explained: bool) -> Result<Exit, Stop> {
    refuse_out(arguments)?;
    if arguments.explain || explained {
        screen::note("corsac: the statement asks nothing; it was not run");
        return Ok(Exit::Done);
    }
    let done = change.apply()?;
    if !arguments.quiet {
        for warning in session.warnings() {
            screen::note(&format!("corsac: {warning}"));
        }
        screen::note(&done);
    }
    Ok(Exit::Done)
}

fn refuse_out(arguments: &Sql) -> Result<(), Stop> {
    match &arguments.out {
        Some(out) => Err(Stop::new(Exit::Usage, format!("--out {}: the statement gives no rows to write there", out.display()))),
        None => Ok(()),
    }
}

fn tell_kept(arguments: &Sql, kept_in: Option<&str>, written: &Written) {
    if let (Some(place), false) = (kept_in, arguments.quiet) {
        screen::note(&format!("{place}: {} rows", grouped(written.rows)));
    }
}

fn nothing() -> Written {
    Written { rows: 0, bytes: 0 }
}

fn kept(arguments: &Sql) -> Result<serde_json::Value, Stop> {
    let kept = Kept { folder: std::env::current_dir()?, sql: arguments.clone() };
    serde_json::to_value(kept).map_err(|error| Stop::new(Exit::Failure, error.to_string()))
}

fn query_text(arguments: &Sql) -> Result<String, Stop> {
    let text = match (&arguments.query, &arguments.file) {
        (Some(query), _) => query.clone(),
        (None, Some(path)) => std::fs::read_to_string(path)
            .map_err(|error| Stop::new(Exit::Usage, format!("the query file {} cannot be read: {error}", path.display())))?,
        (None, None) => String::new(),
    };
    if text.trim().is_empty() {
        return Err(Stop::new(Exit::Usage, "the query is empty"));
    }
    Ok(text)
}

/// The format that was asked for, else the one the file's ending names, else what suits the reader.
fn output(arguments: &Sql) -> Result<(Format, Target), Stop> {
    let by_ending = |path: &Path| match path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase).as_deref() {
        Some("csv") => Some(OutputFormat::Csv),
        Some("tsv" | "tab") => Some(OutputFormat::Tsv),
        Some("arrow" | "feather" | "ipc") => Some(OutputFormat::Arrow),
        Some("json") => Some(OutputFormat::Json),
        Some("jsonl" | "ndjson") => Some(OutputFormat::Jsonl),
        Some("parquet") => Some(OutputFormat::Parquet),
        Some("md" | "markdown") => Some(OutputFormat::Markdown),
        Some("txt") => Some(OutputFormat::Table),
        _ => None,
    };
    let chosen = match (arguments.format, &arguments.out) {
        (Some(format), _) => format,
        (None, Some(path)) => by_ending(path).ok_or_else(|| {
            let why = format!("--out {}: its ending names no format; say which with --format", path.display());
            Stop::new(Exit::Usage, why)
        })?,
        (None, None) if std::io::stdout().is_terminal() => OutputFormat::Table,
        (None, None) => OutputFormat::Csv,
    };
    if matches!(chosen, OutputFormat::Parquet | OutputFormat::Arrow) && arguments.out.is_none() && std::io::stdout().is_terminal() {
        return Err(Stop::new(Exit::Usage, "Parquet and Arrow are not for the eye: name a file with --out"));
    }
    let format = match chosen {
        OutputFormat::Table => Format::Table { width: terminal_width(arguments.out.is_none()) },
        OutputFormat::Csv => Format::Csv,
        OutputFormat::Tsv => Format::Tsv,
        OutputFormat::Json => Format::Json,
        OutputFormat::Jsonl => Format::JsonLines,
        OutputFormat::Parquet => Format::Parquet,
        OutputFormat::Arrow => Format::Arrow,
        OutputFormat::Markdown => Format::Markdown,
    };
    let target = match &arguments.out {
        Some(path) => Target::Place { path: path.clone(), existing: if arguments.append { Existing::Append } else { Existing::Replace } },
        None => Target::Writer(Box::new(std::io::stdout())),
    };
    Ok((format, target))
}

/// The terminal's width, where the table goes to one.
pub(crate) fn terminal_width(to_screen: bool) -> Option<usize> {
    let watched = to_screen && std::io::stdout().is_terminal();
    watched.then(|| terminal_size::terminal_size().map_or(120, |(width, _)| usize::from(width.0).max(40)))
}

/// Asks a person at a terminal before a dear run for which no budget was set.
async fn agreed(query: &Query, prepared: &Prepared) -> Result<bool, Stop> {
    let alone = prepared.choice != EngineChoice::Openrouter || prepared.settings.ceilings.run.is_some();
    if alone || !std::io::stdin().is_terminal() || !screen::is_watched() {
        return Ok(true);
    }
    let estimates = query.estimate().await?;
    let ledger = home::ledger_if_any();
    let price = |one| Foretold::of(one, prepared, ledger.as_ref())?.price;
    let likely: Option<Usd> = estimates.iter().map(|one| price(one).map(|price| price.likely)).sum();
    match likely {
        Some(likely) if likely > ASK_ABOVE => {
            for line in price_lines(&estimates, prepared) {
                screen::note(&line);
            }
            Ok(screen::confirm("Go on? (--budget sets a ceiling, --yes does not ask)"))
        }
        _ => Ok(true),
    }
}
