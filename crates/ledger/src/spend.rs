//! What was spent, from sums that the writer keeps with every commit; no call or attempt is read for it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use corsac_wire::Usd;
use rusqlite::{Connection, params};

use crate::recall::counted;
use crate::words::WordTexts;
use crate::{Millis, RunId, Usage};

const MILLIS_PER_DAY: i64 = 86_400_000;

/// By what spending is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpendBy {
    /// The run's id.
    Run,
    /// The model that served, or that was asked where none did.
    Model,
    /// The provider that served; "unknown" where none was named.
    Provider,
    /// The day in UTC, as `2026-11-22`.
    Day,
}

/// Which spending is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpendWithin<'a> {
    /// All of it.
    Everything,
    /// That of one run.
    Run(&'a RunId),
    /// That of the UTC day of this moment and of all days after it.
    Since(Millis),
}

/// One sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendLine {
    /// The run, model, provider or day.
    pub key: String,
    /// Calls that ended there: answered, or failed after at least one request.
    pub calls: u64,
    /// Calls answered there.
    pub answered: u64,
    /// Requests made.
    pub attempts: u64,
    /// Tokens of all requests.
    pub usage: Usage,
    /// Dollars of all requests.
    pub cost: Usd,
}

pub(crate) fn lines(
    connection: &Connection,
    words: &WordTexts,
    by: SpendBy,
    run: Option<i64>,
    since: Option<Millis>,
) -> rusqlite::Result<Vec<SpendLine>> {
    let first_day = since.map_or(i64::MIN, |moment| moment.div_euclid(MILLIS_PER_DAY));
    let column = match by {
        SpendBy::Run => "run",
        SpendBy::Model => "model",
        SpendBy::Provider => "provider",
        SpendBy::Day => "day",
    };
    // Summed here and not in SQL: SQLite's sum() refuses what does not fit 64 bits, this one stops at the largest.
    let mut sums: BTreeMap<i64, SpendLine> = BTreeMap::new();
    let sql = format!(
        "SELECT {column}, calls, answered, attempts, prompt_tokens, completion_tokens, cached_tokens, cost_pico
         FROM spend WHERE (?1 IS NULL OR run = ?1) AND day >= ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![run, first_day])?;
    while let Some(row) = rows.next()? {
        let line = sums.entry(row.get(0)?).or_insert_with(|| SpendLine {
            key: String::new(),
            calls: 0,
            answered: 0,
            attempts: 0,
            usage: Usage::default(),
            cost: Usd::ZERO,
        });
        line.calls = line.calls.saturating_add(counted(row.get(1)?));
        line.answered = line.answered.saturating_add(counted(row.get(2)?));
        line.attempts = line.attempts.saturating_add(counted(row.get(3)?));
        line.usage.add(Usage {
            prompt_tokens: counted(row.get(4)?),
            completion_tokens: counted(row.get(5)?),
            cached_tokens: counted(row.get(6)?),
        });
        line.cost += Usd::from_pico(row.get(7)?);
    }
    let mut lines = Vec::with_capacity(sums.len());
    for (key, line) in sums.into_iter().rev() {
        lines.push(SpendLine { key: name(connection, words, by, key)?, ..line });
    }
    if by != SpendBy::Day {
        lines.sort_by_key(|line| Reverse(line.cost));
    }
    Ok(lines)
}

fn name(connection: &Connection, words: &WordTexts, by: SpendBy, key: i64) -> rusqlite::Result<String> {
    match by {
        SpendBy::Run => connection
            .prepare_cached("SELECT coalesce((SELECT id FROM run WHERE number = ?), 'unknown')")?
            .query_row([key], |row| row.get(0)),
        SpendBy::Model | SpendBy::Provider => {
            Ok(words.maybe(connection, Some(key))?.map_or_else(|| "unknown".to_owned(), |word| word.to_string()))
        }
        // A day too far from now for a calendar is named by its number.
        SpendBy::Day => {
            connection.prepare_cached("SELECT coalesce(date(?1 * 86400, 'unixepoch'), 'day ' || ?1)")?.query_row([key], |row| row.get(0))
        }
    }
}
