//! Money: what was spent by whom and when, what a call is expected to cost, and whether it may.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::account::{Account, Caller, State, key_state};
use crate::calendar::ResetInterval;
use crate::catalog::Endpoint;
use crate::config::BudgetConfig;
use crate::money::PicoDollars;
use crate::reply::SimReply;
use crate::wire_error;

const NOTHING: PicoDollars = PicoDollars(0);

/// What was spent, in all and by UTC day.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent {
    pub(crate) total: PicoDollars,
    by_day: BTreeMap<u64, PicoDollars>,
}

impl Spent {
    fn add(&mut self, day: u64, amount: PicoDollars) {
        self.total = self.total.plus(amount);
        let spent = self.by_day.entry(day).or_default();
        *spent = spent.plus(amount);
    }

    /// What was spent in the interval that `day` lies in; without an interval, in all.
    pub(crate) fn within(&self, interval: Option<ResetInterval>, day: u64) -> PicoDollars {
        let Some(interval) = interval else {
            return self.total;
        };
        self.by_day.range(interval.first_day(day)..).fold(NOTHING, |sum, (_, spent)| sum.plus(*spent))
    }
}

/// What a call will cost at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub(crate) prompt_tokens: u64,
    pub(crate) prompt_price: PicoDollars,
    pub(crate) completion_price: PicoDollars,
    /// As asked for, else the longest answer of the model; over all answers.
    pub(crate) max_tokens: u64,
}

impl Estimate {
    pub(crate) fn prompt(self) -> PicoDollars {
        self.prompt_price.times(self.prompt_tokens)
    }

    fn total(self) -> PicoDollars {
        self.prompt().plus(self.completion_price.times(self.max_tokens))
    }

    fn is_free(self) -> bool {
        self.prompt_price == NOTHING && self.completion_price == NOTHING
    }

    /// The 402 if `left` is all there is.
    fn beyond(self, left: PicoDollars, by_key: bool) -> Result<(), Box<SimReply>> {
        if self.total() <= left {
            return Ok(());
        }
        if self.prompt() > left {
            let affordable = left.0.checked_div(self.prompt_price.0).unwrap_or(0);
            return Err(Box::new(wire_error::prompt_unaffordable(self.prompt_tokens, affordable)));
        }
        let affordable = left.minus(self.prompt()).0.checked_div(self.completion_price.0).unwrap_or(0);
        Err(Box::new(wire_error::cannot_afford(self.max_tokens, affordable, by_key)))
    }
}

/// Money held for a call: its estimate until it ends, then what it cost until that is settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    number: u64,
    estimate: PicoDollars,
    cost: PicoDollars,
    end: Duration,
    settled: Duration,
}

impl Hold {
    fn amount(&self, now: Duration) -> PicoDollars {
        if now < self.end { self.estimate } else { self.cost }
    }

    /// When the amount becomes smaller next.
    fn next_change(&self, now: Duration) -> Duration {
        if now < self.end { self.end } else { self.settled }
    }
}

/// One row of `/activity`: a day, a model, a provider, a key.
pub(crate) type Activity = BTreeMap<(u64, usize, String, String), ActivityRow>;

/// What came together in a row of `/activity`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ActivityRow {
    pub(crate) requests: u64,
    pub(crate) cost: PicoDollars,
    pub(crate) byok_cost: PicoDollars,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    pub(crate) reasoning_tokens: u64,
}

/// A call that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done<'a> {
    pub(crate) model: usize,
    pub(crate) provider: &'a str,
    pub(crate) cost: PicoDollars,
    /// What was paid to the provider with the caller's own key.
    pub(crate) byok_cost: PicoDollars,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    pub(crate) reasoning_tokens: u64,
    /// When its answer has come whole.
    pub(crate) end: Duration,
}

impl Account {
    /// Whether an endpoint is paid with a key of the caller's own.
    pub(crate) fn is_byok(&self, endpoint: &Endpoint) -> bool {
        self.keys.byok.contains(&endpoint.slug)
    }

    /// Whether the account affords a call; the money is held until [`Account::settle`] says for how long. The number
    /// of the hold, if anything is held.
    pub(crate) fn afford(&self, caller: Caller<'_>, estimate: Estimate, now: Duration) -> Result<Option<u64>, Box<SimReply>> {
        let day = self.day(now);
        let mut state = self.state.lock();
        if let Some(credits) = self.keys.credits_dollars
            && self.keys.spent_dollars.plus(state.spent.total) > credits
        {
            // a debt stops free models too
            return Err(Box::new(wire_error::no_credits()));
        }
        if estimate.is_free() {
            return Ok(None);
        }
        self.key_affords(&mut state, caller, estimate, day)?;
        for budget in &self.keys.budgets {
            let spent = state.spent.within(budget.reset, day);
            if spent >= budget.limit_dollars {
                return Err(Box::new(self.budget_exceeded(budget, spent, now)));
            }
        }
        let balance = self.keys.credits_dollars.map(|credits| credits.minus(self.keys.spent_dollars).minus(state.spent.total));
        if let Some(balance) = balance {
            if balance == NOTHING {
                return Err(Box::new(wire_error::no_credits()));
            }
            estimate.beyond(balance, false)?;
        }
        self.hold(&mut state, estimate, balance, now)
    }

    fn key_affords(&self, state: &mut State, caller: Caller<'_>, estimate: Estimate, day: u64) -> Result<(), Box<SimReply>> {
        let (Some(limit), reset) = self.key_limit(state, caller.name()) else {
            return Ok(());
        };
        let includes_byok = state.managed.iter().any(|managed| managed.key == caller.name() && managed.terms.include_byok);
        let key = key_state(state, caller.name());
        let byok = if includes_byok { key.byok.within(reset, day) } else { NOTHING };
        let spent = key.spent.within(reset, day).plus(byok);
        if spent >= limit {
            return Err(Box::new(wire_error::key_limit(403, reset.map_or("total", ResetInterval::name))));
        }
        estimate.beyond(limit.minus(spent), true)
    }

    fn budget_exceeded(&self, budget: &BudgetConfig, spent: PicoDollars, now: Duration) -> SimReply {
        let source = if budget.scope.starts_with("workspace") { "openrouter_workspace_budget" } else { "openrouter_guardrail_budget" };
        let resets_at = budget.reset.map(|reset| self.next_reset(reset, now));
        wire_error::budget_exceeded(source, &budget.scope, budget.limit_dollars.json(), spent.json(), resets_at)
    }

    fn hold(
        &self,
        state: &mut State,
        estimate: Estimate,
        balance: Option<PicoDollars>,
        now: Duration,
    ) -> Result<Option<u64>, Box<SimReply>> {
        let share = self.limits.in_flight_percent.zip(balance).map(|(percent, balance)| PicoDollars(balance.0 / 100 * u64::from(percent)));
        let Some(budget) = [self.limits.in_flight_dollars, share].into_iter().flatten().min() else {
            return Ok(None);
        };
        if estimate.total() > budget {
            return Err(Box::new(wire_error::weight_exceeds_budget()));
        }
        state.holds.retain(|hold| hold.settled > now);
        let held = state.holds.iter().fold(estimate.total(), |sum, hold| sum.plus(hold.amount(now)));
        if held > budget {
            let next = state.holds.iter().map(|hold| hold.next_change(now)).min().unwrap_or(now);
            return Err(Box::new(wire_error::in_flight(next.saturating_sub(now).as_millis().div_ceil(1_000).max(1))));
        }
        state.holds_made += 1;
        let number = state.holds_made;
        let (end, settled) = (Duration::MAX, Duration::MAX);
        state.holds.push(Hold { number, estimate: estimate.total(), cost: NOTHING, end, settled });
        Ok(Some(number))
    }

    /// Books what a call cost, and says how long its money is still held.
    pub(crate) fn settle(&self, caller: Caller<'_>, hold: Option<u64>, done: Done<'_>, now: Duration) {
        let day = self.day(now);
        let mut state = self.state.lock();
        state.spent.add(day, done.cost);
        let key = key_state(&mut state, caller.name());
        key.spent.add(day, done.cost);
        key.byok.add(day, done.byok_cost);
        key.last_used_ms = Some(self.epoch_ms(now));
        // reading the rows back is rare, so they are only kept apart by what tells them apart
        let row = state.activity.entry((day, done.model, done.provider.to_owned(), caller.name().to_owned())).or_default();
        row.requests += 1;
        row.cost = row.cost.plus(done.cost);
        row.byok_cost = row.byok_cost.plus(done.byok_cost);
        row.prompt_tokens += done.prompt_tokens;
        row.completion_tokens += done.completion_tokens;
        row.reasoning_tokens += done.reasoning_tokens;
        if let Some(held) = hold.and_then(|number| state.holds.iter_mut().find(|held| held.number == number)) {
            held.cost = done.cost;
            held.end = done.end;
            held.settled = done.end.saturating_add(Duration::from_millis(self.limits.settlement_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spent;
    use crate::calendar::ResetInterval;
    use crate::money::PicoDollars;

    #[test]
    fn spending_is_told_by_interval() {
        let mut spent = Spent::default();
        // Sunday 2026-11-22 is day 20779; the week began on day 20773, the month on day 20758
        for (day, amount) in [(20_700, 1), (20_758, 10), (20_773, 100), (20_779, 1_000)] {
            spent.add(day, PicoDollars(amount));
        }
        let within = |interval| spent.within(interval, 20_779).0;
        assert_eq!(within(Some(ResetInterval::Daily)), 1_000);
        assert_eq!(within(Some(ResetInterval::Weekly)), 1_100);
        assert_eq!(within(Some(ResetInterval::Monthly)), 1_110);
        assert_eq!(within(None), 1_111);
    }
}
