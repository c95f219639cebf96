//! Admission: a request starts when its model's pacer and the budget let it. Until then it waits in line, first come,
//! first served; it is refused only when waiting is no use.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use corsac_policy::{Admission, Budget, Ending, Pacer, Refusal, Reserved};
use corsac_wire::Usd;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::Clock;

/// The gate that every request passes.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    window: usize,
    this: Weak<Gate>,
}

#[derive(Debug)]
struct State {
    lanes: Vec<Lane>,
    budget: Budget,
    in_flight: usize,
    ending: Option<Denied>,
    timer: Option<Duration>,
}

/// The line before one model.
#[derive(Debug)]
struct Lane {
    model: Arc<str>,
    pacer: Pacer,
    queue: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    at_most: Option<Usd>,
    reply: oneshot::Sender<Result<Permit, Denied>>,
}

/// Why a request may not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The ceiling in dollars is reached.
    BudgetReached,
    /// The model's limit let nothing through for many rounds.
    Closed,
    /// The user wants no more asked.
    Stopped,
}

/// Leave to send one request. Say how it ended with [`Permit::finish`].
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    lane: usize,
    started: Duration,
    reserved: Option<Reserved>,
    at_most: Usd,
}

impl Gate {
    pub(crate) fn new(clock: Arc<dyn Clock>, window: usize, ceiling: Option<Usd>) -> Arc<Gate> {
        let state = State { lanes: Vec::new(), budget: Budget::new(ceiling), in_flight: 0, ending: None, timer: None };
        Arc::new_cyclic(|this| Gate { state: Mutex::new(state), clock, window, this: this.clone() })
    }

    /// Waits for leave to send a request that costs at most so much.
    pub(crate) async fn enter(&self, model: &Arc<str>, at_most: Option<Usd>) -> Result<Permit, Denied> {
        let waiting = {
            let mut state = self.state.lock();
            let lane = state.lane(model, self.window);
            let (reply, waiting) = oneshot::channel();
            state.lanes[lane].queue.push_back(Waiter { at_most, reply });
            self.pump(&mut state);
            waiting
        };
        waiting.await.unwrap_or(Err(Denied::Stopped))
    }

    /// Lets nothing more start. Requests under way go on; those waiting are refused once the last one has ended.
    pub(crate) fn stop(&self) {
        let mut state = self.state.lock();
        state.ending.get_or_insert(Denied::Stopped);
        self.pump(&mut state);
    }

    /// Requests under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.state.lock().in_flight
    }

    /// Requests a minute that a model was found to allow.
    pub(crate) fn learned_limits(&self) -> Vec<(Arc<str>, f64)> {
        let state = self.state.lock();
        state.lanes.iter().filter_map(|lane| Some((Arc::clone(&lane.model), lane.pacer.learned_per_minute()?))).collect()
    }

    /// Lets in whoever may start now, and sees to it that somebody looks again when the next one may.
    fn pump(&self, state: &mut State) {
        let now = self.clock.elapsed();
        let mut next_look: Option<Duration> = None;
        for lane in 0..state.lanes.len() {
            while !state.lanes[lane].queue.is_empty() {
                match self.admit(state, lane, now) {
                    Verdict::Reply(reply) => {
                        let waiter = state.lanes[lane].queue.pop_front();
                        if let Some(Err(Ok(permit))) = waiter.map(|waiter| waiter.reply.send(reply)) {
                            // nobody waits for it any more
                            permit.undo(state, now);
                        }
                    }
                    Verdict::At(at) => {
                        next_look = Some(next_look.map_or(at, |earlier| earlier.min(at)));
                        break;
                    }
                    Verdict::Later => break,
                }
            }
        }
        if let Some(at) = next_look {
            self.look_again(state, now, at);
        }
    }

    fn admit(&self, state: &mut State, lane: usize, now: Duration) -> Verdict {
        if let Some(denied) = state.ending {
            return if state.in_flight == 0 { Verdict::Reply(Err(denied)) } else { Verdict::Later };
        }
        let State { lanes, budget, .. } = state;
        let Lane { pacer, queue, .. } = &mut lanes[lane];
        let Some(waiter) = queue.front() else { return Verdict::Later };
        let reserved = match budget.reserve(waiter.at_most) {
            Ok(reserved) => reserved,
            Err(Refusal::Wait) => return Verdict::Later,
            Err(Refusal::Exhausted) => {
                state.ending = Some(Denied::BudgetReached);
                return Verdict::Reply(Err(Denied::BudgetReached));
            }
        };
        let verdict = match pacer.admit(now) {
            Admission::Go => {
                let at_most = waiter.at_most.unwrap_or(Usd::ZERO);
                state.in_flight += 1;
                let Some(gate) = self.this.upgrade() else { return Verdict::Reply(Err(Denied::Stopped)) };
                return Verdict::Reply(Ok(Permit { gate, lane, started: now, reserved: Some(reserved), at_most }));
            }
            Admission::At(at) => Verdict::At(at),
            Admission::Later => Verdict::Later,
            Admission::Closed(_) => Verdict::Reply(Err(Denied::Closed)),
        };
        budget.settle(reserved, Usd::ZERO);
        verdict
    }

    fn look_again(&self, state: &mut State, now: Duration, at: Duration) {
        if state.timer.is_some_and(|set| set > now && set <= at) {
            return;
        }
        state.timer = Some(at);
        let gate = self.this.clone();
        let wait = at.saturating_sub(now);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            if let Some(gate) = gate.upgrade() {
                let mut state = gate.state.lock();
                if state.timer.is_some_and(|set| set <= gate.clock.elapsed()) {
                    state.timer = None;
                }
                gate.pump(&mut state);
            }
        });
    }
}

enum Verdict {
    Reply(Result<Permit, Denied>),
    At(Duration),
    Later,
}

impl State {
    fn lane(&mut self, model: &Arc<str>, window: usize) -> usize {
        self.lanes.iter().position(|lane| lane.model == *model).unwrap_or_else(|| {
            self.lanes.push(Lane { model: Arc::clone(model), pacer: Pacer::new(window), queue: VecDeque::new() });
            self.lanes.len() - 1
        })
    }

    fn end(&mut self, lane: usize, reserved: Reserved, cost: Usd, started: Duration, now: Duration, ending: Ending) {
        self.budget.settle(reserved, cost);
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.pacer.ended(now, started, ending);
        }
    }
}

impl Permit {
    /// The request has ended, at this cost; the next one may start.
    pub(crate) fn finish(mut self, ending: Ending, cost: Usd) {
        self.give_back(ending, cost);
    }

    fn give_back(&mut self, ending: Ending, cost: Usd) {
        let Some(reserved) = self.reserved.take() else { return };
        let gate = Arc::clone(&self.gate);
        let now = gate.clock.elapsed();
        let mut state = gate.state.lock();
        state.end(self.lane, reserved, cost, self.started, now, ending);
        gate.pump(&mut state);
    }

    /// Takes the permit back before anything was sent, with the state already locked.
    fn undo(mut self, state: &mut State, now: Duration) {
        if let Some(reserved) = self.reserved.take() {
            state.end(self.lane, reserved, Usd::ZERO, self.started, now, Ending::Lost);
        }
    }
}

impl Drop for Permit {
    /// A request given up half-way may be billed all the same, so what was set aside for it counts as spent.
    fn drop(&mut self) {
        self.give_back(Ending::Lost, self.at_most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    const CENT: Usd = Usd::from_pico(10_000_000_000);

    fn gate(window: usize, ceiling: Option<Usd>) -> Arc<Gate> {
        Gate::new(Arc::new(SystemClock::new()), window, ceiling)
    }

    #[tokio::test(start_paused = true)]
    async fn the_window_holds_and_the_line_moves() {
        let gate = gate(2, None);
        let model: Arc<str> = "m".into();
        let first = gate.enter(&model, None).await.unwrap();
        let _second = gate.enter(&model, None).await.unwrap();
        let third = tokio::spawn({
            let (gate, model) = (Arc::clone(&gate), Arc::clone(&model));
            async move { gate.enter(&model, None).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert_eq!(gate.in_flight(), 2);
        first.finish(Ending::Served, Usd::ZERO);
        assert_eq!(third.await.unwrap(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_left_costs_nothing() {
        let gate = gate(1, Some(CENT));
        let model: Arc<str> = "m".into();
        let first = gate.enter(&model, Some(CENT)).await.unwrap();
        {
            let waiting = gate.enter(&model, Some(CENT));
            tokio::pin!(waiting);
            assert!(futures::poll!(&mut waiting).is_pending());
        }
        first.finish(Ending::Served, Usd::ZERO);
        assert_eq!(gate.in_flight(), 0);
        gate.enter(&model, Some(CENT)).await.unwrap().finish(Ending::Served, CENT);
        assert_eq!(gate.enter(&model, Some(CENT)).await.map(drop), Err(Denied::BudgetReached));
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_lets_those_under_way_end_first() {
        let gate = gate(1, None);
        let model: Arc<str> = "m".into();
        let first = gate.enter(&model, None).await.unwrap();
        let waiting = gate.enter(&model, None);
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        gate.stop();
        assert!(futures::poll!(&mut waiting).is_pending());
        first.finish(Ending::Served, Usd::ZERO);
        assert_eq!(waiting.await.map(drop), Err(Denied::Stopped));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_is_waited_out() {
        let gate = gate(8, None);
        let model: Arc<str> = "m".into();
        let start = tokio::time::Instant::now();
        let first = gate.enter(&model, None).await.unwrap();
        first.finish(Ending::RateLimited { come_back: Some(Duration::from_secs(7)) }, Usd::ZERO);
        gate.enter(&model, None).await.unwrap().finish(Ending::Served, Usd::ZERO);
        assert!(start.elapsed() >= Duration::from_secs(7));
    }
}
