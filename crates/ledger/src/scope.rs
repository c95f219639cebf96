//! What a ceiling counts: the spending of a run, of a key, of a day, or of what these have in common.

use std::fmt;
use std::sync::Arc;

use corsac_wire::Usd;
use rusqlite::{Connection, params_from_iter, types::Value};

use crate::days::{day_of, day_text};
use crate::{Millis, RunId};

/// Spending that a ceiling is set for. Its text, such as `key …ab12 on 2026-11-22`, names it in messages and in the
/// file; equal texts are the same scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Scope {
    run: Option<RunId>,
    key: Option<Arc<str>>,
    days: Option<(i64, i64)>,
}

impl Scope {
    /// Everything the ledger knows of.
    pub fn everything() -> Scope {
        Scope::default()
    }

    /// What one run spends. The run must have been started.
    pub fn run(run: &RunId) -> Scope {
        Scope { run: Some(run.clone()), ..Scope::default() }
    }

    /// What is spent on the UTC day of this moment.
    pub fn day(moment: Millis) -> Scope {
        Scope::default().between(moment, moment)
    }

    /// What is paid with one key, by its label: see [`AttemptRecord::key_label`](crate::AttemptRecord::key_label).
    pub fn key(label: impl Into<Arc<str>>) -> Scope {
        Scope { key: Some(label.into()), ..Scope::default() }
    }

    /// Of that, what is spent from the UTC day of one moment to that of another, both included: for weeks and months.
    #[must_use]
    pub fn between(self, from: Millis, until: Millis) -> Scope {
        Scope { days: Some((day_of(from), day_of(until))), ..self }
    }

    /// Of that, what is spent on the UTC day of this moment.
    #[must_use]
    pub fn on_day(self, moment: Millis) -> Scope {
        self.between(moment, moment)
    }

    /// The run, where the scope has one.
    pub(crate) fn of_run(&self) -> Option<&RunId> {
        self.run.as_ref()
    }

    /// What the file's sums say was spent in here, bills of the user's own provider keys included. An id of no run has
    /// spent nothing.
    pub(crate) fn spent(&self, connection: &Connection) -> rusqlite::Result<Usd> {
        let mut conditions = vec!["TRUE"];
        let mut values: Vec<Value> = Vec::new();
        if let Some(run) = &self.run {
            conditions.push("run = (SELECT number FROM run WHERE id = ?)");
            values.push(Value::Text(run.as_str().to_owned()));
        }
        if let Some(key) = &self.key {
            conditions.push("key_label = (SELECT id FROM word WHERE text = ?)");
            values.push(Value::Text(crate::words::kept(key).to_owned()));
        }
        match self.days {
            // One day is looked up by itself, which lets the index over keys and days serve.
            Some((first, last)) if first == last => {
                conditions.push("day = ?");
                values.push(Value::Integer(first));
            }
            Some((first, last)) => {
                conditions.push("day BETWEEN ? AND ?");
                values.extend([Value::Integer(first), Value::Integer(last)]);
            }
            None => {}
        }
        // Summed here and not in SQL, whose sum() refuses what does not fit 64 bits.
        let sql = format!("SELECT cost_pico, upstream_pico FROM spend WHERE {}", conditions.join(" AND "));
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut pico = 0i128;
        while let Some(row) = rows.next()? {
            pico += i128::from(row.get::<_, i64>(0)?) + i128::from(row.get::<_, i64>(1)?);
        }
        Ok(usd(pico))
    }
}

/// The nearest amount that can be held.
pub(crate) fn usd(pico: i128) -> Usd {
    Usd::from_pico(pico.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.run, &self.key) {
            (None, None) if self.days.is_none() => f.write_str("everything")?,
            (None, None) => f.write_str("all")?,
            (Some(run), None) => write!(f, "run {run}")?,
            (None, Some(key)) => write!(f, "key {}", crate::words::kept(key))?,
            (Some(run), Some(key)) => write!(f, "run {run} key {}", crate::words::kept(key))?,
        }
        match self.days {
            Some((first, last)) if first == last => write!(f, " on {}", day_text(first)),
            Some((first, last)) => write!(f, " from {} to {}", day_text(first), day_text(last)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Millis = 1_790_000_000_000;
    const DAY: Millis = 86_400_000;

    #[test]
    fn scopes_are_told_apart_by_their_text() {
        let run = RunId::unrecorded();
        assert_eq!(Scope::everything().to_string(), "everything");
        assert_eq!(Scope::day(NOON).to_string(), "all on 2026-09-21");
        assert_eq!(Scope::run(&run).to_string(), "run unrecorded");
        assert_eq!(Scope::key("…ab12").to_string(), "key …ab12");
        assert_eq!(Scope::key("…ab12").on_day(NOON).to_string(), "key …ab12 on 2026-09-21");
        assert_eq!(Scope::key("…ab12").between(NOON, NOON + 6 * DAY).to_string(), "key …ab12 from 2026-09-21 to 2026-09-27");
        assert_eq!(Scope::day(NOON), Scope::day(NOON + 1));
    }
}
