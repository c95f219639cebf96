//! One transaction of the writer: every waiting job is put into the file, sums are gathered on the way and written
//! once at the end. An error of SQLite ends the whole batch; a job that is wrong in itself is answered alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use corsac_wire::Usd;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::days::day_of;
use crate::queue::SharedRows;
use crate::record::{CallOutcome, CallRecord, CostSource, EndState};
use crate::shared::Sharing;
use crate::sizes::Sizes;
use crate::sums::{Bookings, SpendKey, Sums, stored};
use crate::words::{WordNumbers, WordStatements, leading};
use crate::{AttemptRecord, Fingerprint, HoldId, RunEnd, RunId, RunStart, StoredAnswer, holds, process, results};

/// Bits of a call's or attempt's key that hold its position in the run. The rest holds the run's number.
pub(crate) const POSITION_BITS: u32 = 36;

/// Characters kept of a message or remedy.
pub(crate) const MESSAGE_CHARACTERS: usize = 4_000;

/// What a run gained in this batch since the sums were last written.
#[derive(Debug, Default)]
struct Gain {
    number: i64,
    calls_before: i64,
    attempts_before: i64,
    lists_before: i64,
    calls: i64,
    answered: i64,
    from_memory: i64,
    failed: i64,
    attempts: i64,
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
    bookings: Bookings,
    sizes: Sizes,
    sharing: Sharing,
    /// What attempts took from holds.
    charges: Vec<(HoldId, Usd)>,
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
                                      cached_tokens, cost_pico, cost_source, generation_id, reasoning_tokens,
                                      cache_write_tokens, byok, upstream_pico, key_label, first_byte_ms, route_asked,
                                      route_served)
                 VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            )?,
            // Of two runs that answered the same, the newer answer stays, whichever is written last.
            answer: connection.prepare_cached(
                "INSERT INTO answer (fingerprint, body, model, provider, cost_pico, prompt_tokens, completion_tokens,
                                     cached_tokens, created_ms, repaired, reasoning_tokens, cache_write_tokens)
                 VALUES (?,?,?,?,?,?,?,?,?,?,?,?)
                 ON CONFLICT (fingerprint) DO UPDATE SET
                     body = excluded.body, model = excluded.model, provider = excluded.provider,
                     cost_pico = excluded.cost_pico, prompt_tokens = excluded.prompt_tokens,
                     completion_tokens = excluded.completion_tokens, cached_tokens = excluded.cached_tokens,
                     created_ms = excluded.created_ms, repaired = excluded.repaired,
                     reasoning_tokens = excluded.reasoning_tokens, cache_write_tokens = excluded.cache_write_tokens
                 WHERE excluded.created_ms >= created_ms",
            )?,
            runs: HashMap::new(),
            bookings: Bookings::default(),
            sizes: Sizes::default(),
            sharing: Sharing::default(),
            charges: Vec::new(),
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
            .prepare_cached(
                "INSERT INTO run_total (run, calls, answered, from_memory, failed, rows_served, attempts, prompt_tokens,
                                        completion_tokens, cached_tokens, cost_pico)
                 VALUES (?,0,0,0,0,0,0,0,0,0,0)",
            )?
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
    pub(crate) fn shared(&mut self, run: &RunId, fingerprint: Fingerprint, rows: &SharedRows) -> rusqlite::Result<bool> {
        let Some(gain) = gain_of(&mut self.runs, self.connection, run)? else { return Ok(false) };
        match rows {
            SharedRows::Counted(rows) => self.sharing.count(gain.number, fingerprint, *rows),
            SharedRows::Listed(rows) => self.sharing.list(gain.number, fingerprint, rows),
        }
        Ok(true)
    }

    /// Rows of a run's result. A run that the file does not hold gave none.
    pub(crate) fn results(&mut self, run: &RunId, rows: i64, bytes: &[u8]) -> rusqlite::Result<()> {
        match gain_of(&mut self.runs, self.connection, run)? {
            Some(gain) => results::append(self.connection, gain.number, rows, bytes),
            None => Ok(()),
        }
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

        let mut last = None;
        for (position, attempt) in (0i64..).zip(&call.attempts) {
            let named = named(self.numbers, &mut self.words, attempt)?;
            write_attempt(&mut self.attempt, first_attempt + position, &named, attempt)?;
            let key = named.spend_key(gain.number, operator, day_of(attempt.started_ms));
            self.bookings.attempt(key, &Sums::of(attempt));
            if let Some(holds) = &attempt.holds {
                charge(&mut self.charges, holds, attempt.charged());
            }
            last = Some((attempt, key));
        }
        gain.calls += 1;
        gain.attempts += call.attempts.len() as i64;

        match &call.outcome {
            CallOutcome::Answered(answer) => {
                gain.answered += 1;
                let key = match last {
                    // Mostly the answer's model and provider are those of the attempt that gave it.
                    Some((attempt, key)) if gave(attempt, answer) => key,
                    // The answer knows best; the day and key of its last attempt are those it is booked on.
                    last => SpendKey {
                        run: gain.number,
                        day: last.map_or(day_of(answer.created_ms), |(_, key)| key.day),
                        model: self.numbers.number(&mut self.words, &answer.model)?,
                        provider: self.numbers.maybe(&mut self.words, answer.provider.as_ref())?.unwrap_or(0),
                        operator,
                        key_label: last.map_or(0, |(_, key)| key.key_label),
                    },
                };
                write_answer(&mut self.answer, &key, fingerprint, answer)?;
                self.bookings.call(key, true);
                self.measure(call, answer, operator, key.model)?;
            }
            CallOutcome::FromMemory => gain.from_memory += 1,
            CallOutcome::Failed { .. } => {
                gain.failed += 1;
                if let Some((_, key)) = last {
                    self.bookings.call(key, false);
                }
            }
        }
        Ok(true)
    }

    /// Counts how long an answer is. The next caller will ask by the name that this one used, or by that of the model
    /// it knows to serve.
    fn measure(&mut self, call: &CallRecord, answer: &StoredAnswer, operator: i64, served: i64) -> rusqlite::Result<()> {
        let tokens = answer.usage.completion_tokens;
        if tokens == 0 {
            return Ok(());
        }
        self.sizes.measure(operator, served, call.schema, tokens);
        if let Some(attempt) = call.attempts.last()
            && attempt.model_asked != answer.model
        {
            let asked = self.numbers.number(&mut self.words, &attempt.model_asked)?;
            self.sizes.measure(operator, asked, call.schema, tokens);
        }
        Ok(())
    }

    /// The number of a word.
    pub(crate) fn word(&mut self, text: &Arc<str>) -> rusqlite::Result<i64> {
        self.numbers.number(&mut self.words, text)
    }

    /// For what no other function does. Sums of this transaction are in the file after [`Batch::write_sums`].
    pub(crate) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// Puts the sums gathered so far into the file.
    pub(crate) fn write_sums(&mut self) -> rusqlite::Result<()> {
        let connection = self.connection;
        for (hold, charged) in self.charges.drain(..) {
            holds::count_against(connection, hold, charged)?;
        }
        self.sizes.write(connection)?;
        let by_run = self.bookings.write(connection)?;
        let lists: HashMap<i64, i64> = self.runs.values().flatten().map(|gain| (gain.number, gain.lists_before)).collect();
        let shared = self.sharing.write(connection, |run| lists.get(&run).copied().unwrap_or(0))?;
        // CAST: as for spending.
        let mut total = connection.prepare_cached(
            "UPDATE run_total SET
                 calls = calls + ?, answered = answered + ?, from_memory = from_memory + ?, failed = failed + ?,
                 rows_served = CAST(rows_served + ? AS INTEGER), attempts = attempts + ?,
                 prompt_tokens = CAST(prompt_tokens + ? AS INTEGER),
                 completion_tokens = CAST(completion_tokens + ? AS INTEGER),
                 cached_tokens = CAST(cached_tokens + ? AS INTEGER),
                 reasoning_tokens = CAST(reasoning_tokens + ? AS INTEGER),
                 cache_write_tokens = CAST(cache_write_tokens + ? AS INTEGER),
                 cost_pico = CAST(cost_pico + ? AS INTEGER), upstream_pico = CAST(upstream_pico + ? AS INTEGER),
                 byok_attempts = byok_attempts + ?, estimated = estimated + ?, unpriced = unpriced + ?,
                 row_lists = row_lists + ?
             WHERE run = ?",
        )?;
        for gain in self.runs.values_mut().flatten() {
            let added = shared.get(&gain.number).copied().unwrap_or_default();
            if gain.calls == 0 && added.rows == 0 {
                continue;
            }
            let sums = by_run.get(&gain.number).copied().unwrap_or_default();
            total.execute(params![
                gain.calls,
                gain.answered,
                gain.from_memory,
                gain.failed,
                added.rows.saturating_add(gain.calls),
                gain.attempts,
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
                added.lists,
                gain.number,
            ])?;
            *gain = Gain {
                number: gain.number,
                calls_before: gain.calls_before + gain.calls,
                attempts_before: gain.attempts_before + gain.attempts,
                lists_before: gain.lists_before + added.lists,
                ..Gain::default()
            };
        }
        Ok(())
    }

    /// Writes the sums and makes everything durable.
    pub(crate) fn commit(mut self) -> rusqlite::Result<()> {
        self.write_sums()?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

/// What this run gained so far in the batch; `None` for a run that the file does not hold.
fn gain_of<'r>(runs: &'r mut HashMap<RunId, Option<Gain>>, connection: &Connection, run: &RunId) -> rusqlite::Result<Option<&'r mut Gain>> {
    // Looked up by reference first: an entry would need a copy of the id for every call.
    if !runs.contains_key(run) {
        let gain = connection
            .prepare_cached("SELECT number, calls, attempts, row_lists FROM run JOIN run_total ON run = number WHERE id = ?")?
            .query_row([run.as_str()], |row| {
                Ok(Gain {
                    number: row.get(0)?,
                    calls_before: row.get(1)?,
                    attempts_before: row.get(2)?,
                    lists_before: row.get(3)?,
                    ..Gain::default()
                })
            })
            .optional()?;
        if let Entry::Vacant(place) = runs.entry(run.clone()) {
            place.insert(gain);
        }
    }
    Ok(runs.get_mut(run).and_then(Option::as_mut))
}

/// Adds to what was taken from each of these holds.
fn charge(charges: &mut Vec<(HoldId, Usd)>, holds: &[HoldId], charged: Usd) {
    for hold in holds {
        // Few holds are open at a time.
        match charges.iter_mut().find(|(id, _)| id == hold) {
            Some((_, sum)) => *sum += charged,
            None => charges.push((*hold, charged)),
        }
    }
}

/// Whether the answer is booked where this attempt is.
fn gave(attempt: &AttemptRecord, answer: &StoredAnswer) -> bool {
    attempt.model_served.as_ref().unwrap_or(&attempt.model_asked) == &answer.model && attempt.provider == answer.provider
}

/// The numbers of an attempt's words.
struct Named {
    model_asked: i64,
    model_served: Option<i64>,
    provider: Option<i64>,
    strategy: i64,
    fault: Option<i64>,
    key_label: Option<i64>,
    route_asked: Option<i64>,
    route_served: Option<i64>,
}

fn named(numbers: &mut WordNumbers, words: &mut WordStatements<'_>, attempt: &AttemptRecord) -> rusqlite::Result<Named> {
    let model_asked = numbers.number(words, &attempt.model_asked)?;
    Ok(Named {
        model_asked,
        model_served: match &attempt.model_served {
            Some(served) if *served == attempt.model_asked => Some(model_asked),
            served => numbers.maybe(words, served.as_ref())?,
        },
        provider: numbers.maybe(words, attempt.provider.as_ref())?,
        strategy: numbers.number(words, &attempt.strategy)?,
        fault: numbers.maybe(words, attempt.fault.as_ref())?,
        key_label: numbers.maybe(words, attempt.key_label.as_ref())?,
        route_asked: numbers.maybe(words, attempt.route_asked.as_ref())?,
        route_served: numbers.maybe(words, attempt.route_served.as_ref())?,
    })
}

impl Named {
    fn spend_key(&self, run: i64, operator: i64, day: i64) -> SpendKey {
        SpendKey {
            run,
            day,
            model: self.model_served.unwrap_or(self.model_asked),
            provider: self.provider.unwrap_or(0),
            operator,
            key_label: self.key_label.unwrap_or(0),
        }
    }
}

fn write_attempt(statement: &mut CachedStatement<'_>, id: i64, named: &Named, attempt: &AttemptRecord) -> rusqlite::Result<()> {
    let cost_source = match attempt.cost_source {
        CostSource::Reported => 0,
        CostSource::Estimated => 1,
        CostSource::Unknown => 2,
    };
    statement.execute(params![
        id,
        attempt.started_ms,
        stored(attempt.duration_ms),
        named.model_asked,
        named.model_served,
        named.provider,
        named.strategy,
        attempt.http_status,
        named.fault,
        attempt.message.as_deref().map(|message| leading(message, MESSAGE_CHARACTERS)),
        attempt.remedy.as_deref().map(|remedy| leading(remedy, MESSAGE_CHARACTERS)),
        stored(attempt.usage.prompt_tokens),
        stored(attempt.usage.completion_tokens),
        stored(attempt.usage.cached_tokens),
        attempt.cost.pico(),
        cost_source,
        attempt.generation_id,
        stored(attempt.usage.reasoning_tokens),
        stored(attempt.usage.cache_write_tokens),
        attempt.byok,
        attempt.upstream_cost.map(Usd::pico),
        named.key_label,
        attempt.time_to_first_byte_ms.map(stored),
        named.route_asked,
        named.route_served,
    ])?;
    Ok(())
}

fn write_answer(
    statement: &mut CachedStatement<'_>,
    key: &SpendKey,
    fingerprint: &[u8; 16],
    answer: &StoredAnswer,
) -> rusqlite::Result<()> {
    statement.execute(params![
        fingerprint,
        answer.body,
        key.model,
        Some(key.provider).filter(|provider| *provider != 0),
        answer.cost.pico(),
        stored(answer.usage.prompt_tokens),
        stored(answer.usage.completion_tokens),
        stored(answer.usage.cached_tokens),
        answer.created_ms,
        answer.repaired,
        stored(answer.usage.reasoning_tokens),
        stored(answer.usage.cache_write_tokens),
    ])?;
    Ok(())
}
