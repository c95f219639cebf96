//! Calls as a person sees them: with their attempts and their answer, and failures gathered by kind.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use corsac_wire::Usd;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::batch::POSITION_BITS;
use crate::recall::{self, counted};
use crate::sums::stored;
use crate::words::{WordTexts, leading};
use crate::{AttemptRecord, CostSource, Fingerprint, RunId, StoredAnswer, Usage, shared};

/// Characters of an input shown as an example of a failure.
const EXAMPLE_CHARACTERS: usize = 200;

/// Which calls of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFilter {
    /// Every call.
    All,
    /// Those without a valid answer.
    Failed,
    /// Those that this input row, counted from 0, asked itself or took the answer of.
    Row(u64),
}

/// A recorded call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallView {
    /// Its place among the calls of its run, counted from 0.
    pub position: u64,
    /// What was asked.
    pub fingerprint: Fingerprint,
    /// Who asked.
    pub operator: Arc<str>,
    /// The first input row that asked, counted from 0.
    pub row: u64,
    /// Rows that took this answer: the first and those that shared it. Sharing is counted by fingerprint, so two calls
    /// of one run with the same fingerprint both show it.
    pub rows: u64,
    /// The beginning of the input.
    pub input: String,
    /// The length of the whole input in characters.
    pub input_characters: u64,
    /// How it went.
    pub outcome: CallViewOutcome,
    /// The requests made for it, in order.
    pub attempts: Vec<AttemptRecord>,
}

impl CallView {
    /// What the service charged for the call, over all attempts.
    pub fn cost(&self) -> Usd {
        self.attempts.iter().map(|attempt| attempt.cost).sum()
    }
}

/// How a recorded call went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallViewOutcome {
    /// A model answered. The answer is the newest under this fingerprint, `None` if it was removed since.
    Answered(Option<StoredAnswer>),
    /// The ledger had the answer.
    FromMemory(Option<StoredAnswer>),
    /// No valid answer could be had.
    Failed {
        /// The kind of failure.
        kind: Arc<str>,
        /// What a person is told.
        message: String,
    },
}

/// The failures of one kind in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureKind {
    /// The kind.
    pub kind: Arc<str>,
    /// Calls that failed like this.
    pub calls: u64,
    /// Rows that got no value because of it.
    pub rows: u64,
    /// The input row of the first of them, counted from 0.
    pub first_row: u64,
    /// The beginning of its input.
    pub first_input: String,
    /// Its message.
    pub first_message: String,
}

/// The keys of a run's entries: from its first to its last possible.
fn span(run: i64) -> (i64, i64) {
    (run << POSITION_BITS, (run << POSITION_BITS) | ((1 << POSITION_BITS) - 1))
}

const COLUMNS: &str = "id, fingerprint, operator, row, outcome, kind, message, input, input_characters, first_attempt,
    attempts, (SELECT rows FROM shared WHERE shared.run = ?1 AND shared.fingerprint = call.fingerprint)";

pub(crate) fn page(
    connection: &Connection,
    words: &WordTexts,
    run: i64,
    filter: CallFilter,
    after: Option<u64>,
    limit: usize,
) -> rusqlite::Result<Vec<CallView>> {
    let (first, last) = span(run);
    let from = match after {
        None => first,
        Some(position) => first.saturating_add(i64::try_from(position).unwrap_or(i64::MAX)).saturating_add(1),
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let condition = match filter {
        CallFilter::All => "",
        CallFilter::Failed => "AND outcome = 2",
        CallFilter::Row(row) => return page_of_row(connection, words, run, row, from, limit),
    };
    let sql = format!("SELECT {COLUMNS} FROM call WHERE id BETWEEN ?2 AND ?3 {condition} ORDER BY id LIMIT ?4");
    connection.prepare_cached(&sql)?.query_and_then([run, from, last, limit], |row| read_call(connection, words, first, row))?.collect()
}

/// Looks at the beginning of every call of the run: a call is found by its place only, and this is asked by a person
/// about one row.
fn page_of_row(connection: &Connection, words: &WordTexts, run: i64, row: u64, from: i64, limit: i64) -> rusqlite::Result<Vec<CallView>> {
    let row = stored(row);
    let taken = shared::taken_by_row(connection, span(run), row)?;
    found_by_looking(connection, words, run, from, limit, |asked, name| asked == row || (!taken.is_empty() && taken.contains(name)))
}

/// The calls with one of these fingerprints.
pub(crate) fn named(connection: &Connection, words: &WordTexts, run: i64, fingerprints: &[Fingerprint]) -> rusqlite::Result<Vec<CallView>> {
    let wanted: HashSet<&[u8; 16]> = fingerprints.iter().map(Fingerprint::as_bytes).collect();
    found_by_looking(connection, words, run, span(run).0, i64::MAX, |_, name| wanted.contains(name))
}

/// The calls that are wanted, by their row and their fingerprint.
fn found_by_looking(
    connection: &Connection,
    words: &WordTexts,
    run: i64,
    from: i64,
    limit: i64,
    wanted: impl Fn(i64, &[u8; 16]) -> bool,
) -> rusqlite::Result<Vec<CallView>> {
    let (first, last) = span(run);
    let mut find = connection.prepare_cached("SELECT id, row, fingerprint FROM call WHERE id BETWEEN ? AND ? ORDER BY id")?;
    let mut read = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM call WHERE id = ?2"))?;
    let mut found = find.query([from, last])?;
    let mut calls = Vec::new();
    while let Some(call) = found.next()? {
        if calls.len() as u64 >= limit.unsigned_abs() {
            break;
        }
        if wanted(call.get(1)?, &call.get(2)?) {
            let id: i64 = call.get(0)?;
            calls.extend(
                read.query_and_then([run, id], |row| read_call(connection, words, first, row))?.collect::<rusqlite::Result<Vec<_>>>()?,
            );
        }
    }
    Ok(calls)
}

pub(crate) fn last_asked(
    connection: &Connection,
    words: &WordTexts,
    fingerprint: &Fingerprint,
) -> rusqlite::Result<Option<(RunId, CallView)>> {
    let found = connection
        .prepare_cached("SELECT id FROM call WHERE fingerprint = ? AND attempts > 0 ORDER BY id DESC LIMIT 1")?
        .query_row([fingerprint.as_bytes()], |row| row.get::<_, i64>(0))
        .optional()?;
    let Some(id) = found else { return Ok(None) };
    let run = id >> POSITION_BITS;
    let name: String = connection.prepare_cached("SELECT id FROM run WHERE number = ?")?.query_row([run], |row| row.get(0))?;
    let mut read = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM call WHERE id = ?2"))?;
    let call = read.query_and_then([run, id], |row| read_call(connection, words, span(run).0, row))?.next().transpose()?;
    Ok(call.map(|call| (RunId(name.into()), call)))
}

fn read_call(connection: &Connection, words: &WordTexts, first: i64, row: &Row<'_>) -> rusqlite::Result<CallView> {
    let fingerprint = Fingerprint::from_bytes(row.get(1)?);
    let outcome = match row.get::<_, i64>(4)? {
        0 => CallViewOutcome::Answered(recall::answer(connection, words, &fingerprint, None)?),
        1 => CallViewOutcome::FromMemory(recall::answer(connection, words, &fingerprint, None)?),
        _ => CallViewOutcome::Failed {
            kind: words.maybe(connection, row.get(5)?)?.unwrap_or_else(|| Arc::from("?")),
            message: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
        },
    };
    Ok(CallView {
        position: counted(row.get::<_, i64>(0)? - first),
        fingerprint,
        operator: words.text(connection, row.get(2)?)?,
        row: counted(row.get(3)?),
        rows: counted(row.get::<_, Option<i64>>(11)?.unwrap_or(0)).saturating_add(1),
        input: row.get(7)?,
        input_characters: counted(row.get(8)?),
        outcome,
        attempts: attempts(connection, words, row.get(9)?, row.get(10)?)?,
    })
}

fn attempts(connection: &Connection, words: &WordTexts, first: i64, count: i64) -> rusqlite::Result<Vec<AttemptRecord>> {
    if count <= 0 {
        return Ok(Vec::new());
    }
    connection
        .prepare_cached(
            "SELECT started_ms, duration_ms, model_asked, model_served, provider, strategy, http_status, fault, message,
                    remedy, prompt_tokens, completion_tokens, cached_tokens, cost_pico, cost_source, generation_id,
                    reasoning_tokens, cache_write_tokens, byok, upstream_pico, key_label, first_byte_ms, route_asked,
                    route_served
             FROM attempt WHERE id BETWEEN ? AND ? ORDER BY id",
        )?
        .query_and_then([first, first.saturating_add(count - 1)], |row| {
            Ok(AttemptRecord {
                started_ms: row.get(0)?,
                duration_ms: counted(row.get(1)?),
                model_asked: words.text(connection, row.get(2)?)?,
                model_served: words.maybe(connection, row.get(3)?)?,
                provider: words.maybe(connection, row.get(4)?)?,
                strategy: words.text(connection, row.get(5)?)?,
                http_status: row.get(6)?,
                fault: words.maybe(connection, row.get(7)?)?,
                message: row.get(8)?,
                remedy: row.get(9)?,
                usage: Usage {
                    prompt_tokens: counted(row.get(10)?),
                    completion_tokens: counted(row.get(11)?),
                    cached_tokens: counted(row.get(12)?),
                    reasoning_tokens: counted(row.get(16)?),
                    cache_write_tokens: counted(row.get(17)?),
                },
                cost: Usd::from_pico(row.get(13)?),
                cost_source: match row.get::<_, i64>(14)? {
                    0 => CostSource::Reported,
                    1 => CostSource::Estimated,
                    _ => CostSource::Unknown,
                },
                generation_id: row.get(15)?,
                byok: row.get(18)?,
                upstream_cost: row.get::<_, Option<i64>>(19)?.map(Usd::from_pico),
                key_label: words.maybe(connection, row.get(20)?)?,
                time_to_first_byte_ms: row.get::<_, Option<i64>>(21)?.map(counted),
                route_asked: words.maybe(connection, row.get(22)?)?,
                route_served: words.maybe(connection, row.get(23)?)?,
                holds: None,
            })
        })?
        .collect()
}

pub(crate) fn failures_by_kind(connection: &Connection, words: &WordTexts, run: i64) -> rusqlite::Result<Vec<FailureKind>> {
    let (first, last) = span(run);
    let mut statement = connection.prepare_cached(
        "SELECT kind, row, fingerprint,
                (SELECT rows FROM shared WHERE shared.run = ?1 AND shared.fingerprint = call.fingerprint), id
         FROM call WHERE outcome = 2 AND id BETWEEN ?2 AND ?3 ORDER BY id",
    )?;
    let mut example = connection.prepare_cached("SELECT input, message FROM call WHERE id = ?")?;
    let mut place_of_kind: HashMap<Option<i64>, usize> = HashMap::new();
    let mut kinds: Vec<FailureKind> = Vec::new();
    let mut counted_shares: HashSet<[u8; 16]> = HashSet::new();
    let mut rows = statement.query([run, first, last])?;
    while let Some(row) = rows.next()? {
        let kind: Option<i64> = row.get(0)?;
        let place = match place_of_kind.get(&kind) {
            Some(place) => *place,
            None => {
                let (input, message): (String, Option<String>) =
                    example.query_row([row.get::<_, i64>(4)?], |row| Ok((row.get(0)?, row.get(1)?))).optional()?.unwrap_or_default();
                place_of_kind.insert(kind, kinds.len());
                kinds.push(FailureKind {
                    kind: words.maybe(connection, kind)?.unwrap_or_else(|| Arc::from("?")),
                    calls: 0,
                    rows: 0,
                    first_row: counted(row.get(1)?),
                    first_input: leading(&input, EXAMPLE_CHARACTERS).to_owned(),
                    first_message: message.unwrap_or_default(),
                });
                kinds.len() - 1
            }
        };
        let shared = match row.get::<_, Option<i64>>(3)? {
            // A question that failed twice was shared by the same rows, which count once.
            Some(shared) if counted_shares.insert(row.get(2)?) => counted(shared),
            _ => 0,
        };
        if let Some(kind) = kinds.get_mut(place) {
            kind.calls += 1;
            kind.rows = kind.rows.saturating_add(shared).saturating_add(1);
        }
    }
    kinds.sort_by_key(|kind| Reverse(kind.calls));
    Ok(kinds)
}
