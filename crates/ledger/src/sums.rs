//! What attempts add up to: gathered while a transaction runs, written once at its end, and read back for runs and
//! for spending. No sum is ever made of rounded parts, and one too large for the file stops at the largest number.

use std::collections::HashMap;

use corsac_wire::Usd;
use rusqlite::{Connection, Row, params};

use crate::recall::counted;
use crate::{AttemptRecord, CostSource, Usage};

/// Sums over attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) attempts: u64,
    pub(crate) usage: Usage,
    pub(crate) cost: Usd,
    /// What providers took through keys of the user.
    pub(crate) own_keys: Usd,
    pub(crate) byok_attempts: u64,
    pub(crate) estimated: u64,
    pub(crate) unpriced: u64,
}

/// The columns that [`Sums::read`] takes, in order.
pub(crate) const COLUMNS: &str = "attempts, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens,
    cache_write_tokens, cost_pico, upstream_pico, byok_attempts, estimated, unpriced";

impl Sums {
    pub(crate) fn of(attempt: &AttemptRecord) -> Sums {
        let used_tokens = attempt.usage.prompt_tokens > 0 || attempt.usage.completion_tokens > 0;
        // A refusal that used nothing was free, also where nobody says so.
        let is_unpriced = attempt.cost_source == CostSource::Unknown && (attempt.fault.is_none() || used_tokens);
        Sums {
            attempts: 1,
            usage: attempt.usage,
            cost: attempt.cost,
            own_keys: attempt.own_key_bill(),
            byok_attempts: attempt.byok.into(),
            estimated: (attempt.cost_source == CostSource::Estimated).into(),
            unpriced: is_unpriced.into(),
        }
    }

    pub(crate) fn add(&mut self, other: &Sums) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.usage.add(other.usage);
        self.cost += other.cost;
        self.own_keys += other.own_keys;
        self.byok_attempts = self.byok_attempts.saturating_add(other.byok_attempts);
        self.estimated = self.estimated.saturating_add(other.estimated);
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
    }

    /// Reads [`COLUMNS`] that begin at this column.
    pub(crate) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Sums> {
        let count = |column: usize| row.get::<_, i64>(first + column).map(counted);
        Ok(Sums {
            attempts: count(0)?,
            usage: Usage {
                prompt_tokens: count(1)?,
                completion_tokens: count(2)?,
                cached_tokens: count(3)?,
                reasoning_tokens: count(4)?,
                cache_write_tokens: count(5)?,
            },
            cost: Usd::from_pico(row.get(first + 6)?),
            own_keys: Usd::from_pico(row.get(first + 7)?),
            byok_attempts: count(8)?,
            estimated: count(9)?,
            unpriced: count(10)?,
        })
    }
}

/// Where spending is booked: the run's number, the day, and words (0 where not known).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SpendKey {
    pub(crate) run: i64,
    pub(crate) day: i64,
    pub(crate) model: i64,
    pub(crate) provider: i64,
    pub(crate) operator: i64,
    pub(crate) key_label: i64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Booked {
    calls: u64,
    answered: u64,
    sums: Sums,
}

/// The spending of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Bookings {
    lines: Vec<(SpendKey, Booked)>,
    place: HashMap<SpendKey, usize>,
    latest: usize,
}

impl Bookings {
    fn line(&mut self, key: SpendKey) -> Option<&mut Booked> {
        // Most attempts are booked where the one before was.
        if self.lines.get(self.latest).is_none_or(|(latest, _)| *latest != key) {
            let lines = &mut self.lines;
            self.latest = *self.place.entry(key).or_insert_with(|| {
                lines.push((key, Booked::default()));
                lines.len() - 1
            });
        }
        self.lines.get_mut(self.latest).map(|(_, line)| line)
    }

    pub(crate) fn attempt(&mut self, key: SpendKey, sums: &Sums) {
        if let Some(line) = self.line(key) {
            line.sums.add(sums);
        }
    }

    /// A call that ended there.
    pub(crate) fn call(&mut self, key: SpendKey, is_answered: bool) {
        if let Some(line) = self.line(key) {
            line.calls += 1;
            line.answered += u64::from(is_answered);
        }
    }

    /// Writes what was booked, and begins anew. Gives the sums by run.
    pub(crate) fn write(&mut self, connection: &Connection) -> rusqlite::Result<HashMap<i64, Sums>> {
        let mut by_run: HashMap<i64, Sums> = HashMap::new();
        if self.lines.is_empty() {
            return Ok(by_run);
        }
        // CAST: a sum beyond 64 bits becomes a float in SQLite, and the cast brings it back to the largest integer.
        let mut spend = connection.prepare_cached(
            "INSERT INTO spend VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
             ON CONFLICT DO UPDATE SET
                 calls = calls + excluded.calls, answered = answered + excluded.answered,
                 attempts = attempts + excluded.attempts,
                 prompt_tokens = CAST(prompt_tokens + excluded.prompt_tokens AS INTEGER),
                 completion_tokens = CAST(completion_tokens + excluded.completion_tokens AS INTEGER),
                 cached_tokens = CAST(cached_tokens + excluded.cached_tokens AS INTEGER),
                 reasoning_tokens = CAST(reasoning_tokens + excluded.reasoning_tokens AS INTEGER),
                 cache_write_tokens = CAST(cache_write_tokens + excluded.cache_write_tokens AS INTEGER),
                 cost_pico = CAST(cost_pico + excluded.cost_pico AS INTEGER),
                 upstream_pico = CAST(upstream_pico + excluded.upstream_pico AS INTEGER),
                 byok_attempts = byok_attempts + excluded.byok_attempts,
                 estimated = estimated + excluded.estimated, unpriced = unpriced + excluded.unpriced",
        )?;
        for (key, Booked { calls, answered, sums }) in self.lines.drain(..) {
            spend.execute(params![
                key.run,
                key.day,
                key.model,
                key.provider,
                key.operator,
                key.key_label,
                stored(calls),
                stored(answered),
                stored(sums.attempts),
                stored(sums.usage.prompt_tokens),
                stored(sums.usage.completion_tokens),
                stored(sums.usage.cached_tokens),
                stored(sums.usage.reasoning_tokens),
                stored(sums.usage.cache_write_tokens),
                sums.cost.pico(),
                sums.own_keys.pico(),
                stored(sums.byok_attempts),
                stored(sums.estimated),
                stored(sums.unpriced),
            ])?;
            by_run.entry(key.run).or_default().add(&sums);
        }
        self.place.clear();
        self.latest = 0;
        Ok(by_run)
    }
}

/// SQLite has signed integers only. A count beyond them is no count anybody made.
pub(crate) fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
