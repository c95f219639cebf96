//! What a piece of work may spend: dollars and calls. At the ceiling nothing more is asked, and what is there is kept.

use std::sync::Arc;

use corsac_dispatch::{Failure, FailureKind, Outcome};
use corsac_wire::Usd;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// A ceiling in dollars and one in calls, shared by everybody who asks under it. Answers from memory count as nothing.
///
/// A call is let through when what was spent, and as much again as the dearest call so far cost for each one under way,
/// leave room for it. A ceiling that holds whatever a call costs is the run's own, in [`corsac_dispatch::Ceilings`].
#[derive(Debug, Default)]
pub struct Allowance {
    dollars: Option<Usd>,
    calls: Option<u64>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    spent: Usd,
    dearest: Option<Usd>,
    asked: u64,
    under_way: u64,
    reached: bool,
}

enum Leave {
    Go,
    Wait,
    Never,
}

/// Leave for one call.
pub(crate) struct Ticket {
    allowance: Arc<Allowance>,
    settled: bool,
}

impl Allowance {
    /// An allowance; `None` sets no ceiling.
    pub fn new(dollars: Option<Usd>, calls: Option<u64>) -> Allowance {
        Allowance { dollars, calls, ..Allowance::default() }
    }

    /// What was spent.
    pub fn spent(&self) -> Usd {
        self.state.lock().spent
    }

    /// Calls that a model was asked for.
    pub fn asked(&self) -> u64 {
        self.state.lock().asked
    }

    /// Whether a call was refused because a ceiling was reached.
    pub fn reached(&self) -> bool {
        self.state.lock().reached
    }

    pub(crate) async fn admit(self: &Arc<Self>) -> Result<Ticket, Failure> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.leave() {
                Leave::Go => return Ok(Ticket { allowance: Arc::clone(self), settled: false }),
                Leave::Never => return Err(self.refusal()),
                Leave::Wait => changed.await,
            }
        }
    }

    fn leave(&self) -> Leave {
        let mut state = self.state.lock();
        let fits_calls = self.calls.is_none_or(|calls| state.asked + state.under_way < calls);
        let fits_dollars = match (self.dollars, state.dearest) {
            (None, _) => true,
            // nobody knows yet what a call costs: one alone finds it out
            (Some(dollars), None) => dollars > state.spent && state.under_way == 0,
            (Some(dollars), Some(dearest)) => state.spent + dearest.times(state.under_way + 1) <= dollars,
        };
        if fits_calls && fits_dollars {
            state.under_way += 1;
            return Leave::Go;
        }
        if state.under_way > 0 {
            return Leave::Wait;
        }
        state.reached = true;
        Leave::Never
    }

    fn refusal(&self) -> Failure {
        let state = self.state.lock();
        let of_dollars = self.dollars.map_or(String::new(), |dollars| format!(" of {dollars}"));
        let of_calls = self.calls.map_or(String::new(), |calls| format!(" of {calls}"));
        let message = format!(
            "not asked: {}{of_dollars} and {} calls{of_calls} are used up. Everything asked so far is remembered; run again with a higher budget to go on",
            state.spent, state.asked
        );
        Failure {
            kind: FailureKind::BudgetReached,
            message: message.into(),
            attempts: 0,
            cost: Usd::ZERO,
            model: None,
            provider: None,
            status: None,
        }
    }

    fn book(&self, cost: Usd, attempts: u32) {
        let mut state = self.state.lock();
        state.under_way = state.under_way.saturating_sub(1);
        if attempts > 0 {
            state.asked += 1;
            state.spent += cost;
            state.dearest = Some(state.dearest.unwrap_or_default().max(cost));
        }
        drop(state);
        self.changed.notify_waiters();
    }
}

impl Ticket {
    pub(crate) fn settle(mut self, outcome: &Outcome) {
        self.settled = true;
        match outcome {
            Ok(answer) => self.allowance.book(answer.cost, answer.attempts),
            Err(failure) => self.allowance.book(failure.cost, failure.attempts),
        }
    }
}

/// Who went away without an answer gives the leave back.
impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled {
            self.allowance.book(Usd::ZERO, 0);
        }
    }
}
