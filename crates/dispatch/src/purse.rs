//! Ceilings that all processes with one ledger share: money is held on disk before it is spent, in pieces large enough that
//! the disk is asked once for many requests. What a killed process held counts as spent.

use std::sync::Arc;

use corsac_ledger::{Hold, HoldError, HoldId, HoldRequest, Ledger, Scope};
use corsac_wire::Usd;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::failure::Ends;
use crate::gate::Denied;
use crate::{Ceilings, Clock, Failure};

/// So many requests are covered by one look at the disk.
const REQUESTS_AT_ONCE: u64 = 64;
/// Where a request's price is not known, this part of the ceiling is set aside for it.
const UNPRICED_PART: u64 = 20;

/// The purses of one key.
#[derive(Debug)]
pub(crate) struct Purses {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    purses: Vec<Arc<Purse>>,
}

/// Money for one ceiling.
#[derive(Debug)]
struct Purse {
    /// The key it is for; `None` for everything.
    key: Option<Arc<str>>,
    ceiling: Usd,
    state: Mutex<State>,
    settled: Notify,
    growing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    hold: Option<Hold>,
    /// The day that the hold is for, counted from 1970.
    day: i64,
    /// What requests under way may cost.
    promised: Usd,
    /// What those that ended under this hold took.
    used: Usd,
}

/// Money set aside for one request.
#[derive(Debug, Default)]
pub(crate) struct Slips(Vec<Slip>);

#[derive(Debug)]
struct Slip {
    purse: Arc<Purse>,
    hold: HoldId,
    amount: Usd,
    day: i64,
}

impl Purses {
    /// One purse for the day and one for each key, where there are such ceilings.
    pub(crate) fn new(ledger: &Ledger, clock: &Arc<dyn Clock>, ceilings: Ceilings, keys: impl Iterator<Item = Arc<str>>) -> Purses {
        let purse = |key: Option<Arc<str>>, ceiling: Usd| {
            Arc::new(Purse { key, ceiling, state: Mutex::default(), settled: Notify::new(), growing: tokio::sync::Mutex::new(()) })
        };
        let mut purses: Vec<Arc<Purse>> = ceilings.day.map(|ceiling| purse(None, ceiling)).into_iter().collect();
        if let Some(ceiling) = ceilings.key {
            for key in keys {
                if !purses.iter().any(|known| known.key.as_ref() == Some(&key)) {
                    purses.push(purse(Some(key), ceiling));
                }
            }
        }
        Purses { ledger: ledger.clone(), clock: Arc::clone(clock), purses }
    }

    /// Sets money aside for a request that costs at most so much, under every ceiling that applies to its key. Waits while
    /// requests under way may give some back.
    pub(crate) async fn reserve(&self, key: Option<&Arc<str>>, at_most: Option<Usd>) -> Result<Slips, Ends> {
        let mut slips = Slips::default();
        for purse in self.purses.iter().filter(|purse| purse.key.is_none() || purse.key.as_ref() == key) {
            let amount = at_most.unwrap_or_else(|| purse.ceiling.per(UNPRICED_PART));
            slips.0.push(self.slip(purse, amount).await?);
        }
        Ok(slips)
    }

    async fn slip(&self, purse: &Arc<Purse>, amount: Usd) -> Result<Slip, Ends> {
        loop {
            let settled = purse.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if let Some(slip) = purse.take(amount, self.today()) {
                return Ok(slip);
            }
            let refused = {
                let _one_at_a_time = purse.growing.lock().await;
                if let Some(slip) = purse.take(amount, self.today()) {
                    return Ok(slip);
                }
                self.grow(purse, amount).await?
            };
            if refused {
                if purse.state.lock().promised == Usd::ZERO {
                    return Err(Ends::Denied(Denied::SharedCeiling));
                }
                settled.await;
            }
        }
    }

    /// Holds more on disk. Whether the ceiling leaves no more.
    async fn grow(&self, purse: &Purse, amount: Usd) -> Result<bool, Ends> {
        let (now_ms, today) = (self.clock.epoch_ms(), self.today());
        let wanted = amount.times(REQUESTS_AT_ONCE).min(purse.ceiling).max(amount);
        let (held, old) = {
            let mut state = purse.state.lock();
            let old = if state.day == today { None } else { state.hold.take().map(|hold| (hold.id(), state.promised)) };
            if state.day != today {
                // requests of yesterday that are still under way are covered by yesterday's hold
                *state = State { day: today, ..State::default() };
            }
            (state.hold.clone(), old)
        };
        if let Some((old, under_way)) = old {
            // what cannot be given back counts as spent until its day is over, which it is
            let _ = self.ledger.release(old, under_way).await;
        }
        let scope = match &purse.key {
            Some(key) => Scope::key(key.to_string()).on_day(now_ms),
            None => Scope::day(now_ms),
        };
        let result = match held {
            Some(mut hold) => self.ledger.grow(&mut hold, wanted, amount, purse.ceiling).await.map(|_| hold),
            None => {
                let pid = std::process::id();
                self.ledger.hold(HoldRequest { scope, amount: wanted, at_least: amount, ceiling: purse.ceiling, now_ms, pid }).await
            }
        };
        match result {
            Ok(hold) => {
                purse.state.lock().hold = Some(hold);
                Ok(false)
            }
            Err(HoldError::Refused { .. }) => Ok(true),
            Err(HoldError::Released { .. }) => {
                *purse.state.lock() = State { day: today, ..State::default() };
                Ok(false)
            }
            Err(HoldError::Ledger(error)) => Err(Ends::Failed(Box::new(Failure::ledger(&error)))),
        }
    }

    fn today(&self) -> i64 {
        self.clock.epoch_ms().div_euclid(86_400_000)
    }

    /// Gives back what is held and not spent.
    pub(crate) async fn release(&self) {
        for purse in &self.purses {
            let hold = {
                let mut state = purse.state.lock();
                if state.promised > Usd::ZERO {
                    continue;
                }
                let hold = state.hold.take();
                *state = State::default();
                hold
            };
            if let Some(hold) = hold {
                // what cannot be given back counts as spent until the day is over
                let _ = self.ledger.release(hold.id(), Usd::ZERO).await;
            }
        }
    }
}

impl Purse {
    fn take(self: &Arc<Purse>, amount: Usd, today: i64) -> Option<Slip> {
        let mut state = self.state.lock();
        let hold = state.hold.as_ref().filter(|_| state.day == today)?;
        let (id, covered) = (hold.id(), hold.amount());
        if state.used + state.promised + amount > covered {
            return None;
        }
        state.promised += amount;
        Some(Slip { purse: Arc::clone(self), hold: id, amount, day: today })
    }
}

impl Slips {
    /// The holds that pay, for the ledger.
    pub(crate) fn holds(&self) -> Option<Arc<[HoldId]>> {
        (!self.0.is_empty()).then(|| self.0.iter().map(|slip| slip.hold).collect())
    }

    /// The request took so much.
    pub(crate) fn settle(mut self, took: Usd) {
        for slip in &mut self.0 {
            slip.end(took);
        }
        self.0.clear();
    }
}

impl Slip {
    fn end(&mut self, took: Usd) {
        let amount = std::mem::take(&mut self.amount);
        let mut state = self.purse.state.lock();
        if state.day == self.day {
            state.promised = state.promised.minus_or_zero(amount);
            state.used += took;
        }
        drop(state);
        self.purse.settled.notify_waiters();
    }
}

impl Drop for Slips {
    /// A request given up half-way may be billed all the same.
    fn drop(&mut self) {
        for slip in &mut self.0 {
            let amount = slip.amount;
            slip.end(amount);
        }
    }
}
