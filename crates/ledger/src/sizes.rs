//! How long answers are: counted with every commit by operator, model and schema, so that the room and the price of
//! the next ones can be foretold without reading the old ones.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use crate::recall::counted;
use crate::sums::stored;
use crate::words::kept;
use crate::{Fingerprint, Ledger, LedgerError};

/// Sizes below this have a bucket each.
const EXACT: u64 = 16;

/// Buckets in each doubling of the size, as a power of two.
const BITS: u32 = 3;

/// How long the answers to one kind of question were, in tokens as the provider counts them, reasoning included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutputSizes {
    /// Answers measured. Those whose tokens nobody told are not among them.
    pub answers: u64,
    /// Their mean length.
    pub mean_tokens: f64,
    /// At least 95 % of the answers were no longer than this. Never less than the exact value, and at most an eighth
    /// more; exact below 16 tokens.
    pub p95_tokens: u64,
    /// The longest.
    pub max_tokens: u64,
}

impl Ledger {
    /// How long answers were that this operator had from this model, which may be the one that was asked or the one
    /// that served. Answers to calls with another schema do not count, and without a schema only those to calls
    /// without one. `None` where there was no such answer. Takes some ten microseconds.
    pub fn measured_output(&self, operator: &str, model: &str, schema: Option<Fingerprint>) -> Result<Option<OutputSizes>, LedgerError> {
        self.quick_read(|connection, _| read(connection, operator, model, schema))
    }
}

/// Sizes gathered in one transaction.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    gained: HashMap<Place, Gain>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    operator: i64,
    model: i64,
    schema: Option<Fingerprint>,
    bucket: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Gain {
    answers: u64,
    tokens: u64,
    largest: u64,
}

impl Sizes {
    /// One answer of so many tokens.
    pub(crate) fn measure(&mut self, operator: i64, model: i64, schema: Option<Fingerprint>, tokens: u64) {
        let gain = self.gained.entry(Place { operator, model, schema, bucket: bucket(tokens) }).or_default();
        gain.answers += 1;
        gain.tokens = gain.tokens.saturating_add(tokens);
        gain.largest = gain.largest.max(tokens);
    }

    pub(crate) fn write(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.gained.is_empty() {
            return Ok(());
        }
        let mut add = connection.prepare_cached(
            "INSERT INTO output_size VALUES (?,?,?,?,?,?,?)
             ON CONFLICT DO UPDATE SET answers = answers + excluded.answers,
                 tokens = CAST(tokens + excluded.tokens AS INTEGER), largest = max(largest, excluded.largest)",
        )?;
        for (place, gain) in self.gained.drain() {
            add.execute(params![
                place.operator,
                place.model,
                schema_bytes(&place.schema),
                place.bucket,
                stored(gain.answers),
                stored(gain.tokens),
                stored(gain.largest),
            ])?;
        }
        Ok(())
    }
}

/// A schema as it is stored; none is empty.
pub(crate) fn schema_bytes(schema: &Option<Fingerprint>) -> &[u8] {
    schema.as_ref().map_or(&[], |schema| schema.as_bytes())
}

fn read(connection: &Connection, operator: &str, model: &str, schema: Option<Fingerprint>) -> rusqlite::Result<Option<OutputSizes>> {
    let mut statement = connection.prepare_cached(
        "SELECT answers, tokens, largest FROM output_size
         WHERE operator = (SELECT id FROM word WHERE text = ?1) AND model = (SELECT id FROM word WHERE text = ?2)
           AND schema = ?3
         ORDER BY bucket",
    )?;
    let buckets = statement
        .query_and_then(params![kept(operator), kept(model), schema_bytes(&schema)], |row| {
            Ok(Gain { answers: counted(row.get(0)?), tokens: counted(row.get(1)?), largest: counted(row.get(2)?) })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(summed(&buckets))
}

/// Of buckets in order of size.
fn summed(buckets: &[Gain]) -> Option<OutputSizes> {
    let answers = buckets.iter().fold(0u64, |sum, bucket| sum.saturating_add(bucket.answers));
    if answers == 0 {
        return None;
    }
    let tokens: u128 = buckets.iter().map(|bucket| u128::from(bucket.tokens)).sum();
    let enough = answers - answers / 20;
    let mut passed = 0u64;
    let p95 = buckets.iter().find(|bucket| {
        passed = passed.saturating_add(bucket.answers);
        passed >= enough
    });
    Some(OutputSizes {
        answers,
        mean_tokens: tokens as f64 / answers as f64,
        p95_tokens: p95.map_or(0, |bucket| bucket.largest),
        max_tokens: buckets.iter().map(|bucket| bucket.largest).max().unwrap_or(0),
    })
}

/// The bucket of a size: its own below [`EXACT`], above it one of eight equal parts between two powers of two.
fn bucket(tokens: u64) -> u32 {
    match tokens.checked_ilog2() {
        Some(power) if tokens >= EXACT => {
            let part = (tokens >> (power - BITS)) & ((1 << BITS) - 1);
            EXACT as u32 + ((power - EXACT.ilog2()) << BITS) + part as u32
        }
        _ => tokens as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        let mut last = 0;
        for tokens in 1..100_000u64 {
            let this = bucket(tokens);
            assert!(this == last || this == last + 1, "{tokens}");
            last = this;
        }
        assert_eq!(bucket(15), 15);
        assert_eq!((bucket(16), bucket(17), bucket(18)), (16, 16, 17));
        assert_eq!(bucket(u64::MAX), 16 + 59 * 8 + 7);
    }

    proptest! {
        #[test]
        fn told_sizes_hold_for_what_was_measured(mut sizes in prop::collection::vec(1u64..3_000, 1..300)) {
            let mut buckets: std::collections::BTreeMap<u32, Gain> = Default::default();
            for &tokens in &sizes {
                let gain = buckets.entry(bucket(tokens)).or_default();
                *gain = Gain { answers: gain.answers + 1, tokens: gain.tokens + tokens, largest: gain.largest.max(tokens) };
            }
            let told = summed(&buckets.into_values().collect::<Vec<_>>()).unwrap();
            sizes.sort_unstable();
            let exact = sizes[(sizes.len() * 19).div_ceil(20) - 1];
            prop_assert!(told.p95_tokens >= exact && told.p95_tokens <= exact + exact / 8, "{} for {}", told.p95_tokens, exact);
            prop_assert_eq!(told.max_tokens, *sizes.last().unwrap());
            prop_assert_eq!(told.answers, sizes.len() as u64);
            let mean = sizes.iter().sum::<u64>() as f64 / sizes.len() as f64;
            prop_assert!((told.mean_tokens - mean).abs() < 1e-9);
        }
    }
}
