//! Ceilings that hold across processes and across a `kill -9`: money is held for a scope, on disk, before it is spent.
//! The law is told at [`Hold`].

use corsac_wire::Usd;
use rusqlite::{Connection, OptionalExtension, params};

use crate::batch::Batch;
use crate::scope::usd;
use crate::{Ledger, LedgerError, Millis, Scope, process, runs};

/// The number of a hold, never used for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HoldId(pub(crate) i64);

/// Money set aside, which stays so until it is [released](Ledger::release), also when this value is dropped.
///
/// The law, for a [`Scope`] and all who hold for it under the same ceiling:
///
/// 1. The scope's *[standing](Ledger::standing)* is what its recorded attempts took
///    ([`AttemptRecord::charged`](crate::AttemptRecord::charged)) plus what its holds have left: each its amount less
///    what was recorded against it, and not less than nothing.
/// 2. A hold is given, or grows, only if the standing then is at or below the ceiling. Looking and giving is one
///    transaction under the file's write lock, which sees everything handed in before; it is on disk before the caller
///    hears of it.
/// 3. An attempt that names its holds ([`AttemptRecord::holds`](crate::AttemptRecord::holds)) counts against them in
///    the transaction that books it. The standing does not rise by that: money passes from held to spent. An attempt
///    that names none is spending that nobody held for.
/// 4. So as long as each process keeps what it has sent and not yet recorded within what its holds have left, the true
///    spending of the scope never passes the ceiling, whoever dies when. A request that costs more than was set aside
///    for it passes the ceiling by that excess and no more.
/// 5. Only [`release`](Ledger::release) ends a hold. One whose process was killed stands: what it had left counts as
///    spent, because requests under way may have been billed. It stops to matter when its scope is over, as a day is
///    at midnight UTC, or when somebody who knows what was billed releases it.
///
/// An attempt belongs to the day on which it was sent, so one that is sent after midnight needs a hold of the new day.
/// Hold a few times what is in flight: the disk is then asked once for many requests, and a killed process takes
/// little with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "money stays set aside until it is released"]
pub struct Hold {
    id: HoldId,
    scope: Scope,
    amount: Usd,
}

impl Hold {
    /// Its number, for the attempts that are paid from it.
    pub fn id(&self) -> HoldId {
        self.id
    }

    /// What it counts against.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// All that may be spent under this hold from its beginning to its end, including what was spent and recorded
    /// already.
    pub fn amount(&self) -> Usd {
        self.amount
    }
}

/// What is to be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRequest {
    /// What it counts against.
    pub scope: Scope,
    /// How much is wanted.
    pub amount: Usd,
    /// What to be content with if less than that is left under the ceiling. The same as `amount` for all or nothing.
    pub at_least: Usd,
    /// The ceiling of the scope.
    pub ceiling: Usd,
    /// Now, for those who look at holds later.
    pub now_ms: Millis,
    /// The process that spends it, by which holds of the dead are told.
    pub pid: u32,
}

/// Why nothing was held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// The ceiling leaves less than was wanted.
    #[error(
        "the ceiling of {ceiling} for {scope} leaves no {wanted}: {spent} spent, {held} set aside for requests under way or lost with a process that was killed"
    )]
    Refused {
        /// The scope.
        scope: Scope,
        /// The least that was wanted.
        wanted: Usd,
        /// What is recorded as spent.
        spent: Usd,
        /// What holds have left, the one that was to grow included. Where it is nothing, waiting is no use.
        held: Usd,
        /// The ceiling.
        ceiling: Usd,
    },
    /// The hold was released, here or by another hand.
    #[error("money held for {scope} was released before it was spent: hold it anew")]
    Released {
        /// The scope.
        scope: Scope,
    },
    /// The ledger could not do it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// How a scope stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// What its recorded attempts took.
    pub spent: Usd,
    /// What holds have left.
    pub held: Usd,
}

/// A hold as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldView {
    /// Its number, to release it by.
    pub id: HoldId,
    /// The text of its scope.
    pub scope: String,
    /// What may be spent under it from beginning to end.
    pub amount: Usd,
    /// What was recorded against it.
    pub recorded: Usd,
    /// The process that took it; `None` once it was released with something kept.
    pub pid: Option<u32>,
    /// Whether that process lives.
    pub is_live: bool,
    /// When it was taken.
    pub taken_ms: Millis,
}

impl HoldView {
    /// What it has left, which counts as spent.
    pub fn left(&self) -> Usd {
        self.amount.minus_or_zero(self.recorded)
    }
}

impl Ledger {
    /// Sets money aside, all that was wanted or what is left of it. On disk when this resolves.
    pub async fn hold(&self, request: HoldRequest) -> Result<Hold, HoldError> {
        self.errand(move |batch| take(batch, &request)).await?
    }

    /// Adds to a hold under the same rules as [`hold`](Ledger::hold), and gives what was added.
    pub async fn grow(&self, hold: &mut Hold, by: Usd, at_least: Usd, ceiling: Usd) -> Result<Usd, HoldError> {
        let (id, scope) = (hold.id, hold.scope.clone());
        let (added, amount) = self.errand(move |batch| grow(batch, id, &scope, by, at_least, ceiling)).await??;
        hold.amount = amount;
        Ok(added)
    }

    /// Gives back what a hold has left beyond this. `still_needed` has to cover every request under it that was sent
    /// and is not recorded: make the smaller amount known to those who send before this is called.
    pub async fn settle(&self, hold: &mut Hold, still_needed: Usd) -> Result<(), HoldError> {
        let (id, scope) = (hold.id, hold.scope.clone());
        hold.amount = self
            .errand(move |batch| {
                batch.write_sums()?;
                let Some(state) = State::read(batch.connection(), id)? else {
                    return Ok(Err(HoldError::Released { scope: scope.clone() }));
                };
                let amount = state.recorded + state.left().min(still_needed.minus_or_zero(Usd::ZERO));
                set_amount(batch.connection(), id, amount)?;
                Ok(Ok(amount))
            })
            .await??;
        Ok(())
    }

    /// Ends a hold, behind everything handed in before: attempts that are recorded later are covered by nothing. `keep` goes on counting as spent in its scope: what requests
    /// may have cost that were given up or lost and will never be recorded. A hold that ended already stays so.
    pub async fn release(&self, hold: HoldId, keep: Usd) -> Result<(), LedgerError> {
        self.errand(move |batch| {
            batch.write_sums()?;
            let connection = batch.connection();
            let Some(state) = State::read(connection, hold)? else { return Ok(()) };
            if keep <= Usd::ZERO {
                connection.prepare_cached("DELETE FROM hold WHERE id = ?")?.execute([hold.0])?;
            } else {
                set_amount(connection, hold, state.recorded + keep)?;
                connection.prepare_cached("UPDATE hold SET pid = 0, process_birth = NULL WHERE id = ?")?.execute([hold.0])?;
            }
            Ok(())
        })
        .await
    }

    /// How a scope stands, of what is on disk.
    pub fn standing(&self, scope: &Scope) -> Result<Standing, LedgerError> {
        self.quick_read(|connection, _| {
            // Both parts as of one commit: a hold taken in between would show in neither.
            let moment = connection.unchecked_transaction()?;
            let told = standing(&moment, scope)?;
            moment.finish()?;
            Ok(told)
        })
    }

    /// The holds of a scope, or all there are, in the order in which they were taken: those of a dead process may be
    /// released by who knows what it was billed.
    pub fn holds(&self, scope: Option<&Scope>) -> Result<Vec<HoldView>, LedgerError> {
        let lives = self.lives();
        let scope = scope.map(Scope::to_string);
        self.quick_read(|connection, _| {
            connection
                .prepare_cached(
                    "SELECT id, scope, amount_pico, recorded_pico, pid, process_birth, taken_ms FROM hold
                     WHERE ?1 IS NULL OR scope = ?1 ORDER BY id",
                )?
                .query_and_then([scope], |row| {
                    let pid = u32::try_from(row.get::<_, i64>(4)?).ok().filter(|pid| *pid != 0);
                    let birth: Option<String> = row.get(5)?;
                    Ok(HoldView {
                        id: HoldId(row.get(0)?),
                        scope: row.get(1)?,
                        amount: Usd::from_pico(row.get(2)?),
                        recorded: Usd::from_pico(row.get(3)?),
                        pid,
                        is_live: pid.is_some_and(|pid| lives(pid, birth.as_deref())),
                        taken_ms: row.get(6)?,
                    })
                })?
                .collect()
        })
    }
}

/// What stands in the file of one hold.
struct State {
    amount: Usd,
    recorded: Usd,
}

impl State {
    fn read(connection: &Connection, id: HoldId) -> rusqlite::Result<Option<State>> {
        connection
            .prepare_cached("SELECT amount_pico, recorded_pico FROM hold WHERE id = ?")?
            .query_row([id.0], |row| Ok(State { amount: Usd::from_pico(row.get(0)?), recorded: Usd::from_pico(row.get(1)?) }))
            .optional()
    }

    fn left(&self) -> Usd {
        self.amount.minus_or_zero(self.recorded)
    }
}

fn take(batch: &mut Batch<'_>, request: &HoldRequest) -> rusqlite::Result<Result<Hold, HoldError>> {
    let room = match room(batch, &request.scope, request.ceiling)? {
        Ok(room) => room,
        Err(error) => return Ok(Err(error)),
    };
    let Some(amount) = room.grant(request.amount, request.at_least) else {
        return Ok(Err(room.refused(&request.scope, request.at_least.min(request.amount))));
    };
    let scope = request.scope.to_string();
    let mut add =
        batch.connection().prepare_cached("INSERT INTO hold (scope, amount_pico, pid, process_birth, taken_ms) VALUES (?,?,?,?,?)")?;
    let id = add.insert(params![scope, amount.pico(), request.pid, process::birth_of(request.pid), request.now_ms])?;
    Ok(Ok(Hold { id: HoldId(id), scope: request.scope.clone(), amount }))
}

fn grow(
    batch: &mut Batch<'_>,
    id: HoldId,
    scope: &Scope,
    by: Usd,
    at_least: Usd,
    ceiling: Usd,
) -> rusqlite::Result<Result<(Usd, Usd), HoldError>> {
    let room = match room(batch, scope, ceiling)? {
        Ok(room) => room,
        Err(error) => return Ok(Err(error)),
    };
    let connection = batch.connection();
    let Some(state) = State::read(connection, id)? else {
        return Ok(Err(HoldError::Released { scope: scope.clone() }));
    };
    let Some(added) = room.grant(by, at_least) else {
        return Ok(Err(room.refused(scope, at_least.min(by))));
    };
    // A hold that was exceeded has nothing left; what is added now is to be spent from here on.
    let amount = state.amount.max(state.recorded) + added;
    set_amount(connection, id, amount)?;
    Ok(Ok((added, amount)))
}

fn set_amount(connection: &Connection, id: HoldId, amount: Usd) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE hold SET amount_pico = ? WHERE id = ?")?.execute([amount.pico(), id.0])?;
    Ok(())
}

/// A ceiling and what stands under it.
struct Room {
    standing: Standing,
    ceiling: Usd,
}

fn room(batch: &mut Batch<'_>, scope: &Scope, ceiling: Usd) -> rusqlite::Result<Result<Room, HoldError>> {
    // What this transaction booked so far has to be seen.
    batch.write_sums()?;
    let connection = batch.connection();
    if let Some(run) = scope.of_run() {
        let is_known = connection.prepare_cached("SELECT 1 FROM run WHERE id = ?")?.exists([run.as_str()])?;
        if !is_known {
            let recent = runs::recent_ids(connection)?;
            return Ok(Err(LedgerError::UnknownRun { asked: run.to_string(), recent }.into()));
        }
    }
    Ok(Ok(Room { standing: standing(connection, scope)?, ceiling }))
}

impl Room {
    /// How much may be held: all, or what is left if that is enough.
    fn grant(&self, wanted: Usd, at_least: Usd) -> Option<Usd> {
        let wanted = wanted.max(Usd::ZERO);
        let at_least = at_least.clamp(Usd::ZERO, wanted);
        let left = self.ceiling - self.standing.spent - self.standing.held;
        (left >= at_least).then(|| left.min(wanted))
    }

    fn refused(&self, scope: &Scope, wanted: Usd) -> HoldError {
        let Standing { spent, held } = self.standing;
        HoldError::Refused { scope: scope.clone(), wanted, spent, held, ceiling: self.ceiling }
    }
}

fn standing(connection: &Connection, scope: &Scope) -> rusqlite::Result<Standing> {
    let mut statement = connection.prepare_cached("SELECT amount_pico, recorded_pico FROM hold WHERE scope = ?")?;
    let mut rows = statement.query([scope.to_string()])?;
    let mut held = 0i128;
    while let Some(row) = rows.next()? {
        held += (i128::from(row.get::<_, i64>(0)?) - i128::from(row.get::<_, i64>(1)?)).max(0);
    }
    Ok(Standing { spent: scope.spent(connection)?, held: usd(held) })
}

/// Counts what attempts took against the hold they were paid from.
pub(crate) fn count_against(connection: &Connection, id: HoldId, charged: Usd) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE hold SET recorded_pico = CAST(recorded_pico + ? AS INTEGER) WHERE id = ?")?
        .execute([charged.pico(), id.0])?;
    Ok(())
}
