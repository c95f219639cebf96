//! What was spent, from sums that the writer keeps with every commit; no call or attempt is read for it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use corsac_wire::Usd;
use rusqlite::{Connection, params};

use crate::days::day_text;
use crate::recall::counted;
use crate::sums::{self, Sums};
use crate::words::WordTexts;
use crate::{Millis, RunId, Usage};

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
    /// Who asked, such as `semantic_classify`; "unknown" for what was spent before this was kept.
    Operator,
    /// The label of the key that paid; "unknown" where none was told.
    Key,
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
    /// That of the UTC days from that of one moment to that of another, both included.
    Between(Millis, Millis),
}

/// One sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendLine {
    /// The run, model, provider, operator, key label or day.
    pub key: String,
    /// Calls that ended there: answered, or failed after at least one request.
    pub calls: u64,
    /// Calls answered there.
    pub answered: u64,
    /// Requests made.
    pub attempts: u64,
    /// Tokens of all requests.
    pub usage: Usage,
    /// What the service charged for all requests: exactly the sum of what it told, and what was computed where it told
    /// nothing.
    pub cost: Usd,
    /// What providers took through the user's own keys there, on top of it.
    pub own_key_cost: Usd,
    /// Requests paid with the user's own provider keys.
    pub byok_attempts: u64,
    /// Requests whose cost was computed and not told.
    pub estimated: u64,
    /// Requests that were served or used tokens at a cost that nobody told. They count as nothing.
    pub unpriced: u64,
}

pub(crate) fn lines(
    connection: &Connection,
    words: &WordTexts,
    by: SpendBy,
    run: Option<i64>,
    days: RangeInclusive<i64>,
) -> rusqlite::Result<Vec<SpendLine>> {
    let column = match by {
        SpendBy::Run => "run",
        SpendBy::Model => "model",
        SpendBy::Provider => "provider",
        SpendBy::Operator => "operator",
        SpendBy::Key => "key_label",
        SpendBy::Day => "day",
    };
    // Summed here and not in SQL: SQLite's sum() refuses what does not fit 64 bits, this one stops at the largest.
    let mut found: BTreeMap<i64, (u64, u64, Sums)> = BTreeMap::new();
    let sql =
        format!("SELECT {column}, calls, answered, {} FROM spend WHERE (?1 IS NULL OR run = ?1) AND day BETWEEN ?2 AND ?3", sums::COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![run, days.start(), days.end()])?;
    while let Some(row) = rows.next()? {
        let (calls, answered, sums) = found.entry(row.get(0)?).or_default();
        *calls = calls.saturating_add(counted(row.get(1)?));
        *answered = answered.saturating_add(counted(row.get(2)?));
        sums.add(&Sums::read(row, 3)?);
    }
    let mut lines = Vec::with_capacity(found.len());
    for (key, (calls, answered, sums)) in found.into_iter().rev() {
        lines.push(SpendLine {
            key: name(connection, words, by, key)?,
            calls,
            answered,
            attempts: sums.attempts,
            usage: sums.usage,
            cost: sums.cost,
            own_key_cost: sums.own_keys,
            byok_attempts: sums.byok_attempts,
            estimated: sums.estimated,
            unpriced: sums.unpriced,
        });
    }
    if by != SpendBy::Day {
        lines.sort_by_key(|line| Reverse(line.cost + line.own_key_cost));
    }
    Ok(lines)
}

fn name(connection: &Connection, words: &WordTexts, by: SpendBy, key: i64) -> rusqlite::Result<String> {
    match by {
        SpendBy::Run => connection
            .prepare_cached("SELECT coalesce((SELECT id FROM run WHERE number = ?), 'unknown')")?
            .query_row([key], |row| row.get(0)),
        SpendBy::Model | SpendBy::Provider | SpendBy::Operator | SpendBy::Key => {
            Ok(words.maybe(connection, Some(key))?.map_or_else(|| "unknown".to_owned(), |word| word.to_string()))
        }
        SpendBy::Day => Ok(day_text(key)),
    }
}
