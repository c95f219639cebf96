//! Runs as a person sees them: found by the beginning of their id, with their sums and with what became of them.

use std::cmp::Reverse;
use std::sync::Arc;

use corsac_wire::Usd;
use rusqlite::{Connection, Row};
use serde_json::Value;

use crate::recall::counted;
use crate::sums::{self, Sums};
use crate::words::WordTexts;
use crate::{LedgerError, Millis, RunId, Usage};

/// Ids named in an error.
const NAMED_IN_ERRORS: usize = 5;

/// A run with its sums.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// The command as a person would type it again.
    pub command: String,
    /// The SQL or program.
    pub query: String,
    /// What else is needed to run it again.
    pub settings: Value,
    /// Where answers came from.
    pub engine: String,
    /// The model asked for first.
    pub model: String,
    /// The process that ran it.
    pub pid: u32,
    /// When it began.
    pub started_ms: Millis,
    /// When it ended, if it said so.
    pub ended_ms: Option<Millis>,
    /// What became of it.
    pub state: RunState,
    /// The remark made at its end.
    pub note: Option<String>,
    /// Rows that came out, as told at its end.
    pub rows: Option<u64>,
    /// Rows that calls were made or answers taken for: every call's own row and those that shared it.
    pub rows_served: u64,
    /// Calls recorded: `answered + from_memory + failed`.
    pub calls: u64,
    /// Calls a model answered in this run.
    pub answered: u64,
    /// Calls answered from the ledger.
    pub from_memory: u64,
    /// Calls without a valid answer.
    pub failed: u64,
    /// Requests made.
    pub attempts: u64,
    /// Tokens of all requests.
    pub usage: Usage,
    /// What the service charged for all requests.
    pub cost: Usd,
    /// What providers took through the user's own keys there, on top of it.
    pub own_key_cost: Usd,
    /// Requests paid with the user's own provider keys.
    pub byok_attempts: u64,
    /// Requests whose cost was computed and not told.
    pub estimated: u64,
    /// Requests that were served or used tokens at a cost that nobody told. They count as nothing.
    pub unpriced: u64,
    /// Who answered, the most frequent first.
    pub models: Vec<ServedBy>,
}

/// How many calls of a run one provider of one model answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedBy {
    /// The model.
    pub model: Arc<str>,
    /// The provider, where known.
    pub provider: Option<Arc<str>>,
    /// Calls it answered.
    pub answered: u64,
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Its process works on it.
    Running,
    /// It went through all rows.
    Completed,
    /// A person stopped it.
    Interrupted,
    /// The ceiling in dollars was reached.
    BudgetReached,
    /// An error ended it.
    Failed,
    /// It never said that it ended, and its process is gone.
    Crashed,
}

/// Tells of a process id and birth whether that process lives.
pub(crate) type Lives<'a> = dyn Fn(u32, Option<&str>) -> bool + 'a;

/// Before those of [`sums::COLUMNS`].
const COLUMNS: &str = "number, id, command, query, settings, engine, model, pid, process_birth, started_ms, ended_ms,
    state, rows, note, calls, answered, from_memory, failed, rows_served";

pub(crate) fn latest(connection: &Connection, words: &WordTexts, limit: usize, lives: &Lives<'_>) -> rusqlite::Result<Vec<RunSummary>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS}, {} FROM run JOIN run_total ON run = number ORDER BY number DESC LIMIT ?",
            sums::COLUMNS
        ))?
        .query_and_then([limit], |row| read_summary(connection, words, row, lives))?
        .collect()
}

pub(crate) fn summary(connection: &Connection, words: &WordTexts, number: i64, lives: &Lives<'_>) -> rusqlite::Result<RunSummary> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS}, {} FROM run JOIN run_total ON run = number WHERE number = ?", sums::COLUMNS))?
        .query_row([number], |row| read_summary(connection, words, row, lives))
}

/// The number of the one run whose id is this or begins with it.
pub(crate) fn find(connection: &Connection, id_or_prefix: &str) -> rusqlite::Result<Result<i64, LedgerError>> {
    let prefix = id_or_prefix.trim().to_ascii_lowercase();
    let is_possible = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // '{' follows 'z', so that this span is exactly what begins with the prefix, in the order of the index.
    let mut matches: Vec<(i64, String)> = if is_possible {
        connection
            .prepare_cached("SELECT number, id FROM run WHERE id >= ?1 AND id < ?1 || '{' LIMIT 1000")?
            .query_and_then([&prefix], |row| Ok::<_, rusqlite::Error>((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?
    } else {
        Vec::new()
    };
    if let [(number, _)] = matches[..] {
        return Ok(Ok(number));
    }
    if let Some((number, _)) = matches.iter().find(|(_, id)| *id == prefix) {
        return Ok(Ok(*number));
    }
    if matches.is_empty() {
        let asked = id_or_prefix.chars().take(80).collect();
        return Ok(Err(LedgerError::UnknownRun { asked, recent: recent_ids(connection)? }));
    }
    matches.sort_by_key(|(number, _)| Reverse(*number));
    let matches = matches.into_iter().map(|(_, id)| id).take(10).collect();
    Ok(Err(LedgerError::AmbiguousRun { prefix, matches }))
}

/// Ids of the latest runs, for errors.
pub(crate) fn recent_ids(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("SELECT id FROM run ORDER BY number DESC LIMIT ?")?
        .query_and_then([NAMED_IN_ERRORS as i64], |row| row.get(0))?
        .collect()
}

fn read_summary(connection: &Connection, words: &WordTexts, row: &Row<'_>, lives: &Lives<'_>) -> rusqlite::Result<RunSummary> {
    let count = |column: usize| row.get::<_, i64>(column).map(counted);
    let sums = Sums::read(row, 19)?;
    let pid = u32::try_from(row.get::<_, i64>(7)?).unwrap_or(0);
    let birth: Option<String> = row.get(8)?;
    let settings: String = row.get(4)?;
    let state = match row.get::<_, i64>(11)? {
        1 => RunState::Completed,
        2 => RunState::Interrupted,
        3 => RunState::BudgetReached,
        4 => RunState::Failed,
        _ if lives(pid, birth.as_deref()) => RunState::Running,
        _ => RunState::Crashed,
    };
    Ok(RunSummary {
        id: RunId(Arc::from(row.get::<_, String>(1)?)),
        command: row.get(2)?,
        query: row.get(3)?,
        settings: serde_json::from_str(&settings).unwrap_or(Value::Null),
        engine: row.get(5)?,
        model: row.get(6)?,
        pid,
        started_ms: row.get(9)?,
        ended_ms: row.get(10)?,
        state,
        rows: row.get::<_, Option<i64>>(12)?.map(counted),
        note: row.get(13)?,
        calls: count(14)?,
        answered: count(15)?,
        from_memory: count(16)?,
        failed: count(17)?,
        rows_served: count(18)?,
        attempts: sums.attempts,
        usage: sums.usage,
        cost: sums.cost,
        own_key_cost: sums.own_keys,
        byok_attempts: sums.byok_attempts,
        estimated: sums.estimated,
        unpriced: sums.unpriced,
        models: served_by(connection, words, row.get(0)?)?,
    })
}

fn served_by(connection: &Connection, words: &WordTexts, number: i64) -> rusqlite::Result<Vec<ServedBy>> {
    connection
        .prepare_cached(
            "SELECT model, provider, sum(answered) AS answered FROM spend WHERE run = ?
             GROUP BY model, provider HAVING sum(answered) > 0 ORDER BY 3 DESC, model, provider",
        )?
        .query_and_then([number], |row| {
            Ok(ServedBy {
                model: words.text(connection, row.get(0)?)?,
                provider: words.maybe(connection, row.get(1)?)?,
                answered: counted(row.get(2)?),
            })
        })?
        .collect()
}
