//! One transaction of the writer: every waiting job is put into the file, sums are gathered on the way and written
//! once at the end. An error of SQLite ends the whole batch; a job that is wrong in itself is answered alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use corsac_wire::Usd;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::record::{CallOutcome, CallRecord, CostSource, EndState, Usage};
use crate::words::{WordNumbers, WordStatements, leading};
use crate::{AttemptRecord, Fingerprint, RunEnd, RunId, RunStart, StoredAnswer, process};

/// Bits of a call's or attempt's key that hold its position in the run. The rest holds the run's number.
pub(crate) const POSITION_BITS: u32 = 36;

/// Characters kept of a message or remedy.
const MESSAGE_CHARACTERS: usize = 4_000;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// What a run gained in this batch.
struct Gain {
    number: i64,
    calls_before: i64,
    attempts_before: i64,
    calls: i64,
    answered: i64,
    from_memory: i64,
    failed: i64,
    rows_served: i64,
    attempts: i64,
    usage: Usage,
    cost: Usd,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct SpendKey {
    run: i64,
    day: i64,
    model: i64,
    provider: i64,
}

#[derive(Default)]
struct SpendGain {
    calls: i64,
    answered: i64,
    attempts: i64,
    usage: Usage,
    cost: Usd,
}

/// The open transaction.
pub(crate) struct Batch<'c> {
    connection: &'c Connection,
    numbers: &'c mut WordNumbers,
    words: WordStatements<'c>,
    call: CachedStatement<'c>,
    attempt: CachedStatement<'c>,
    answer: CachedStatement<'c>,
    runs: HashMap<RunId, Option<Gain>>,
    spend: HashMap<SpendKey, SpendGain>,
}

impl<'c> Batch<'c> {
    /// Takes the write lock of the file.
    pub(crate) fn begin(connection: &'c Connection, numbers: &'c mut WordNumbers) -> rusqlite::Result<Batch<'c>> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Batch {
            connection,
            numbers,
            words: WordStatements::prepare(connection)?,
            call: connection.prepare_cached(
                "INSERT INTO call (id, fingerprint, operator, row, outcome, kind, message, input, input_characters,
                                   first_attempt, attempts)
                 VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            )?,
            attempt: connection.prepare_cached(
                "INSERT INTO attempt (id, started_ms, duration_ms, model_asked, model_served, provider, strategy,
                                      http_status, fault, message, remedy, prompt_tokens, completion_tokens,
                                      cached_tokens, cost_pico, cost_source, generation_id)
                 VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            )?,
            // Of two runs that answered the same, the newer answer stays, whichever is written last.
            answer: connection.prepare_cached(
                "INSERT INTO answer (fingerprint, body, model, provider, cost_pico, prompt_tokens, completion_tokens,
                                     cached_tokens, created_ms, repaired)
                 VALUES (?,?,?,?,?,?,?,?,?,?)
                 ON CONFLICT (fingerprint) DO UPDATE SET
                     body = excluded.body, model = excluded.model, provider = excluded.provider,
                     cost_pico = excluded.cost_pico, prompt_tokens = excluded.prompt_tokens,
                     completion_tokens = excluded.completion_tokens, cached_tokens = excluded.cached_tokens,
                     created_ms = excluded.created_ms, repaired = excluded.repaired
                 WHERE excluded.created_ms >= created_ms",
            )?,
            runs: HashMap::new(),
            spend: HashMap::new(),
        })
    }

    pub(crate) fn start_run(&mut self, start: &RunStart) -> rusqlite::Result<RunId> {
        let mut taken = self.connection.prepare_cached("SELECT 1 FROM run WHERE id = ?")?;
        let mut attempt = 0;
        let id = loop {
            let candidate = RunId::candidate(start, attempt);
            if !taken.exists([candidate.as_str()])? {
                break candidate;
            }
            attempt += 1;
        };
        self.connection
            .prepare_cached(
                "INSERT INTO run (id, command, query, settings, engine, model, pid, process_birth, started_ms)
                 VALUES (?,?,?,?,?,?,?,?,?)",
            )?
            .execute(params![
                id.as_str(),
                start.command,
                start.query,
                start.settings.to_string(),
                start.engine,
                start.model,
                start.pid,
                process::birth_of(start.pid),
                start.started_ms,
            ])?;
        self.connection
            .prepare_cached("INSERT INTO run_total VALUES (?,0,0,0,0,0,0,0,0,0,0)")?
            .execute([self.connection.last_insert_rowid()])?;
        // Had somebody asked for this id before, it would be remembered as unknown.
        self.runs.remove(&id);
        Ok(id)
    }

    /// `false` when there is no such run.
    pub(crate) fn finish_run(&mut self, run: &RunId, end: &RunEnd) -> rusqlite::Result<bool> {
        let state = match end.state {
            EndState::Completed => 1,
            EndState::Interrupted => 2,
            EndState::BudgetReached => 3,
            EndState::Failed => 4,
        };
        let note = end.note.as_deref().map(|note| leading(note, MESSAGE_CHARACTERS));
        let changed = self
            .connection
            .prepare_cached("UPDATE run SET ended_ms = ?, state = ?, rows = ?, note = ? WHERE id = ?")?
            .execute(params![end.ended_ms, state, stored(end.rows), note, run.as_str()])?;
        Ok(changed == 1)
    }

    /// `false` when there is no such run.
    pub(crate) fn shared(&mut self, run: &RunId, fingerprint: &Fingerprint, rows: u64) -> rusqlite::Result<bool> {
        let Some(gain) = gain_of(&mut self.runs, self.connection, run)? else { return Ok(false) };
        let rows = stored(rows);
        gain.rows_served = gain.rows_served.saturating_add(rows);
        self.connection
            .prepare_cached(
                "INSERT INTO shared (run, fingerprint, rows) VALUES (?,?,?)
                 ON CONFLICT DO UPDATE SET rows = CAST(rows + excluded.rows AS INTEGER)",
            )?
            .execute(params![gain.number, fingerprint.as_bytes(), rows])?;
        Ok(true)
    }

    /// `false` when there is no such run.
    pub(crate) fn call(&mut self, call: &CallRecord, input_characters: u64) -> rusqlite::Result<bool> {
        let Some(gain) = gain_of(&mut self.runs, self.connection, &call.run)? else { return Ok(false) };
        let run_bits = gain.number << POSITION_BITS;
        let first_attempt = run_bits | (gain.attempts_before + gain.attempts);
        let fingerprint = call.fingerprint.as_bytes();

        let (outcome, kind, message) = match &call.outcome {
            CallOutcome::Answered(_) => (0, None, None),
            CallOutcome::FromMemory => (1, None, None),
            CallOutcome::Failed { kind, message } => (2, Some(kind), Some(leading(message, MESSAGE_CHARACTERS))),
        };
        let kind = self.numbers.maybe(&mut self.words, kind)?;
        let operator = self.numbers.number(&mut self.words, &call.operator)?;
        self.call.execute(params![
            run_bits | (gain.calls_before + gain.calls),
            fingerprint,
            operator,
            stored(call.row),
            outcome,
            kind,
            message,
            call.input,
            stored(input_characters),
            first_attempt,
            call.attempts.len() as i64,
        ])?;

        let mut last_key = None;
        for (position, attempt) in (0i64..).zip(&call.attempts) {
            let key = spend_key(self.numbers, &mut self.words, gain.number, attempt)?;
            write_attempt(&mut self.attempt, self.numbers, &mut self.words, first_attempt + position, attempt)?;
            let spent = self.spend.entry(key).or_default();
            spent.attempts += 1;
            spent.usage.add(attempt.usage);
            spent.cost += attempt.cost;
            gain.usage.add(attempt.usage);
            gain.cost += attempt.cost;
            last_key = Some(key);
        }
        gain.calls += 1;
        gain.rows_served = gain.rows_served.saturating_add(1);
        gain.attempts += call.attempts.len() as i64;

        match &call.outcome {
            CallOutcome::Answered(answer) => {
                gain.answered += 1;
                write_answer(&mut self.answer, self.numbers, &mut self.words, fingerprint, answer)?;
                // The answer knows best who gave it; the day of its last attempt is the day it is booked on.
                let model = self.numbers.number(&mut self.words, &answer.model)?;
                let provider = self.numbers.maybe(&mut self.words, answer.provider.as_ref())?.unwrap_or(0);
                let day = last_key.map_or(answer.created_ms.div_euclid(MILLIS_PER_DAY), |key| key.day);
                let spent = self.spend.entry(SpendKey { run: gain.number, day, model, provider }).or_default();
                spent.calls += 1;
                spent.answered += 1;
            }
            CallOutcome::FromMemory => gain.from_memory += 1,
            CallOutcome::Failed { .. } => {
                gain.failed += 1;
                if let Some(key) = last_key {
                    self.spend.entry(key).or_default().calls += 1;
                }
            }
        }
        Ok(true)
    }

    /// Writes the sums and makes everything durable.
    pub(crate) fn commit(self) -> rusqlite::Result<()> {
        // CAST: a sum beyond 64 bits becomes a float in SQLite, and the cast brings it back to the largest integer.
        let mut total = self.connection.prepare_cached(
            "UPDATE run_total SET
                 calls = calls + ?, answered = answered + ?, from_memory = from_memory + ?, failed = failed + ?,
                 rows_served = CAST(rows_served + ? AS INTEGER), attempts = attempts + ?,
                 prompt_tokens = CAST(prompt_tokens + ? AS INTEGER),
                 completion_tokens = CAST(completion_tokens + ? AS INTEGER),
                 cached_tokens = CAST(cached_tokens + ? AS INTEGER),
                 cost_pico = CAST(cost_pico + ? AS INTEGER)
             WHERE run = ?",
        )?;
        for gain in self.runs.values().flatten() {
            total.execute(params![
                gain.calls,
                gain.answered,
                gain.from_memory,
                gain.failed,
                gain.rows_served,
                gain.attempts,
                stored(gain.usage.prompt_tokens),
                stored(gain.usage.completion_tokens),
                stored(gain.usage.cached_tokens),
                gain.cost.pico(),
                gain.number,
            ])?;
        }
        let mut spend = self.connection.prepare_cached(
            "INSERT INTO spend VALUES (?,?,?,?,?,?,?,?,?,?,?)
             ON CONFLICT DO UPDATE SET
                 calls = calls + excluded.calls, answered = answered + excluded.answered,
                 attempts = attempts + excluded.attempts,
                 prompt_tokens = CAST(prompt_tokens + excluded.prompt_tokens AS INTEGER),
                 completion_tokens = CAST(completion_tokens + excluded.completion_tokens AS INTEGER),
                 cached_tokens = CAST(cached_tokens + excluded.cached_tokens AS INTEGER),
                 cost_pico = CAST(cost_pico + excluded.cost_pico AS INTEGER)",
        )?;
        for (key, gain) in &self.spend {
            spend.execute(params![
                key.run,
                key.day,
                key.model,
                key.provider,
                gain.calls,
                gain.answered,
                gain.attempts,
                stored(gain.usage.prompt_tokens),
                stored(gain.usage.completion_tokens),
                stored(gain.usage.cached_tokens),
                gain.cost.pico(),
            ])?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

/// What this run gained so far in the batch; `None` for a run that the file does not hold.
fn gain_of<'r>(runs: &'r mut HashMap<RunId, Option<Gain>>, connection: &Connection, run: &RunId) -> rusqlite::Result<Option<&'r mut Gain>> {
    // Looked up by reference first: an entry would need a copy of the id for every call.
    if !runs.contains_key(run) {
        let gain = connection
            .prepare_cached("SELECT number, calls, attempts FROM run JOIN run_total ON run = number WHERE id = ?")?
            .query_row([run.as_str()], |row| {
                Ok(Gain {
                    number: row.get(0)?,
                    calls_before: row.get(1)?,
                    attempts_before: row.get(2)?,
                    calls: 0,
                    answered: 0,
                    from_memory: 0,
                    failed: 0,
                    rows_served: 0,
                    attempts: 0,
                    usage: Usage::default(),
                    cost: Usd::ZERO,
                })
            })
            .optional()?;
        if let Entry::Vacant(place) = runs.entry(run.clone()) {
            place.insert(gain);
        }
    }
    Ok(runs.get_mut(run).and_then(Option::as_mut))
}

fn spend_key(numbers: &mut WordNumbers, words: &mut WordStatements<'_>, run: i64, attempt: &AttemptRecord) -> rusqlite::Result<SpendKey> {
    let model = numbers.number(words, attempt.model_served.as_ref().unwrap_or(&attempt.model_asked))?;
    let provider = numbers.maybe(words, attempt.provider.as_ref())?.unwrap_or(0);
    Ok(SpendKey { run, day: attempt.started_ms.div_euclid(MILLIS_PER_DAY), model, provider })
}

fn write_attempt(
    statement: &mut CachedStatement<'_>,
    numbers: &mut WordNumbers,
    words: &mut WordStatements<'_>,
    id: i64,
    attempt: &AttemptRecord,
) -> rusqlite::Result<()> {
    let model_asked = numbers.number(words, &attempt.model_asked)?;
    let model_served = numbers.maybe(words, attempt.model_served.as_ref())?;
    let provider = numbers.maybe(words, attempt.provider.as_ref())?;
    let strategy = numbers.number(words, &attempt.strategy)?;
    let fault = numbers.maybe(words, attempt.fault.as_ref())?;
    let cost_source = match attempt.cost_source {
        CostSource::Reported => 0,
        CostSource::Estimated => 1,
        CostSource::Unknown => 2,
    };
    statement.execute(params![
        id,
        attempt.started_ms,
        stored(attempt.duration_ms),
        model_asked,
        model_served,
        provider,
        strategy,
        attempt.http_status,
        fault,
        attempt.message.as_deref().map(|message| leading(message, MESSAGE_CHARACTERS)),
        attempt.remedy.as_deref().map(|remedy| leading(remedy, MESSAGE_CHARACTERS)),
        stored(attempt.usage.prompt_tokens),
        stored(attempt.usage.completion_tokens),
        stored(attempt.usage.cached_tokens),
        attempt.cost.pico(),
        cost_source,
        attempt.generation_id,
    ])?;
    Ok(())
}

fn write_answer(
    statement: &mut CachedStatement<'_>,
    numbers: &mut WordNumbers,
    words: &mut WordStatements<'_>,
    fingerprint: &[u8; 16],
    answer: &StoredAnswer,
) -> rusqlite::Result<()> {
    let model = numbers.number(words, &answer.model)?;
    let provider = numbers.maybe(words, answer.provider.as_ref())?;
    statement.execute(params![
        fingerprint,
        answer.body,
        model,
        provider,
        answer.cost.pico(),
        stored(answer.usage.prompt_tokens),
        stored(answer.usage.completion_tokens),
        stored(answer.usage.cached_tokens),
        answer.created_ms,
        answer.repaired,
    ])?;
    Ok(())
}

/// SQLite has signed integers only. A count beyond them is no count anybody made.
fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
