//! Admission: a request starts when its lane's pacer and circuit and the budget let it. Until then it waits in line,
//! those who ask taking turns; it is refused only when waiting is no use.

use std::sync::{Arc, Weak};
use std::time::Duration;

use corsac_policy::{Admission, Budget, Ending, Refusal, Reserved, TokenUse};
use corsac_wire::Usd;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::lane::{Health, Lane};
use crate::{Clock, Pace, Route};

/// The gate that every request passes.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    this: Weak<Gate>,
}

#[derive(Debug)]
struct State {
    lanes: Vec<Lane<Waiter>>,
    budget: Budget,
    in_flight: usize,
    ending: Option<Denied>,
    timer: Option<Duration>,
    /// Until when the free models behind a door have no requests left.
    free_until: Vec<(usize, Duration)>,
}

#[derive(Debug)]
pub(crate) struct Waiter {
    at_most: Option<Usd>,
    tokens: u64,
    insists: bool,
    reply: oneshot::Sender<Result<Permit, Denied>>,
}

/// Why a request may not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The ceiling in dollars is reached.
    BudgetReached,
    /// A ceiling that several processes share is reached.
    SharedCeiling,
    /// The model's limit let nothing through for many rounds.
    Closed,
    /// The model is down: for long, or just now while another may be up.
    Down,
    /// The user wants no more asked.
    Stopped,
}

/// Where a request wants to go, for whom, and what it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The model and its door.
    pub(crate) route: &'a Route,
    /// The most requests worth having under way behind that door.
    pub(crate) window: usize,
    /// Limits that are known beforehand.
    pub(crate) pace: Pace,
    /// Whether another route could be taken instead.
    pub(crate) has_others: bool,
    /// Whether to wait for a model that is down rather than be sent elsewhere.
    pub(crate) insists: bool,
    /// Callers with different numbers take turns.
    pub(crate) caller: u64,
    /// The most it can cost, if that is known.
    pub(crate) at_most: Option<Usd>,
    /// Tokens it will take, as a guess.
    pub(crate) tokens: u64,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// For the pace.
    pub(crate) ending: Ending,
    /// For the circuit.
    pub(crate) health: Health,
    /// What it cost.
    pub(crate) cost: Usd,
    /// The tokens it took, where that was told.
    pub(crate) tokens: Option<u64>,
    /// Requests a minute that the refusal named as the limit.
    pub(crate) named_limit: Option<u64>,
}

/// Leave to send one request. Say how it ended with [`Permit::finish`].
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    lane: usize,
    started: Duration,
    reserved: Option<Reserved>,
    at_most: Usd,
    tokens: u64,
    is_probe: bool,
}

impl Gate {
    pub(crate) fn new(clock: Arc<dyn Clock>, ceiling: Option<Usd>) -> Arc<Gate> {
        let state =
            State { lanes: Vec::new(), budget: Budget::new(ceiling), in_flight: 0, ending: None, timer: None, free_until: Vec::new() };
        Arc::new_cyclic(|this| Gate { state: Mutex::new(state), clock, this: this.clone() })
    }

    /// Waits for leave to send a request.
    pub(crate) async fn enter(&self, asked: Asked<'_>) -> Result<Permit, Denied> {
        let waiting = {
            let mut state = self.state.lock();
            let lane = state.lane(&asked);
            let (reply, waiting) = oneshot::channel();
            state.lanes[lane]
                .queue
                .push(asked.caller, Waiter { at_most: asked.at_most, tokens: asked.tokens, insists: asked.insists, reply });
            self.pump(&mut state);
            waiting
        };
        waiting.await.unwrap_or(Err(Denied::Stopped))
    }

    /// Whether a route is rather not taken now: it is down, or its free requests are used up.
    pub(crate) fn avoids(&self, route: &Route) -> bool {
        let now = self.clock.elapsed();
        let state = self.state.lock();
        let spent = is_free(&route.model) && state.free_until.iter().any(|(door, until)| *door == route.door && now < *until);
        spent || state.lanes.iter().any(|lane| lane.route.same_place(route) && lane.is_down(now))
    }

    /// The free models behind a door have no requests left until then.
    pub(crate) fn free_is_spent(&self, door: usize, wait: Duration) {
        let until = self.clock.elapsed() + wait;
        let mut state = self.state.lock();
        state.free_until.retain(|(other, _)| *other != door);
        state.free_until.push((door, until));
    }

    /// A provider of a route wants no more for now.
    pub(crate) fn provider_is_hot(&self, route: &Route, provider: &str, come_back: Option<Duration>) {
        let now = self.clock.elapsed();
        let mut state = self.state.lock();
        if let Some(lane) = state.lanes.iter_mut().find(|lane| lane.route.same_place(route)) {
            lane.rest_provider(now, provider, come_back);
        }
    }

    /// The providers of a route that want no more for now.
    pub(crate) fn hot_providers(&self, route: &Route) -> Vec<String> {
        let now = self.clock.elapsed();
        let state = self.state.lock();
        let lane = state.lanes.iter().find(|lane| lane.route.same_place(route));
        lane.map(|lane| lane.resting_providers(now)).unwrap_or_default()
    }

    /// Lets nothing more start. Requests under way go on; those waiting are refused once the last one has ended.
    pub(crate) fn stop(&self) {
        let mut state = self.state.lock();
        state.ending.get_or_insert(Denied::Stopped);
        self.pump(&mut state);
    }

    /// Whether the user wants no more asked.
    pub(crate) fn is_stopped(&self) -> bool {
        self.state.lock().ending == Some(Denied::Stopped)
    }

    /// Requests under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.state.lock().in_flight
    }

    /// Requests a minute that models were found to allow.
    pub(crate) fn learned_limits(&self) -> Vec<(Arc<str>, f64)> {
        let state = self.state.lock();
        state.lanes.iter().filter_map(|lane| Some((Arc::clone(&lane.route.model), lane.pacer.learned_per_minute()?))).collect()
    }

    /// Models whose limit is proven to be so low that the user should hear of it, in requests a minute.
    pub(crate) fn throttled_low(&self) -> Vec<(Arc<str>, f64)> {
        let state = self.state.lock();
        state.lanes.iter().filter_map(|lane| Some((Arc::clone(&lane.route.model), lane.pacer.throttled_low()?))).collect()
    }

    /// Lets in whoever may start now, and sees to it that somebody looks again when the next one may.
    fn pump(&self, state: &mut State) {
        let now = self.clock.elapsed();
        let mut next_look: Option<Duration> = None;
        for lane in 0..state.lanes.len() {
            while !state.lanes[lane].queue.is_empty() {
                match self.admit(state, lane, now) {
                    Verdict::Reply(reply) => {
                        let waiter = state.lanes[lane].queue.pop();
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
        let here = &mut lanes[lane];
        let Some(waiter) = here.queue.peek() else { return Verdict::Later };
        let insists = waiter.insists;
        if here.is_given_up() || (!insists && here.is_down(now)) {
            return Verdict::Reply(Err(Denied::Down));
        }
        if let Some(until) = here.opens_at(now) {
            return Verdict::At(until);
        }
        let reserved = match budget.reserve(waiter.at_most) {
            Ok(reserved) => reserved,
            Err(Refusal::Wait) => return Verdict::Later,
            Err(Refusal::Exhausted) => {
                state.ending = Some(Denied::BudgetReached);
                return Verdict::Reply(Err(Denied::BudgetReached));
            }
        };
        let (at_most, tokens) = (waiter.at_most.unwrap_or(Usd::ZERO), waiter.tokens);
        let verdict = match here.pacer.admit(now, tokens) {
            Admission::Go => match (here.take_leave(now), self.this.upgrade()) {
                (Ok(is_probe), Some(gate)) => {
                    state.in_flight += 1;
                    return Verdict::Reply(Ok(Permit { gate, lane, started: now, reserved: Some(reserved), at_most, tokens, is_probe }));
                }
                (Err(until), _) => {
                    here.pacer.ended(now, now, Ending::Unsent, TokenUse { estimated: tokens, used: Some(0) });
                    Verdict::At(until)
                }
                (Ok(_), None) => Verdict::Reply(Err(Denied::Stopped)),
            },
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
    fn lane(&mut self, asked: &Asked<'_>) -> usize {
        self.lanes.iter().position(|lane| lane.route.same_place(asked.route)).unwrap_or_else(|| {
            self.lanes.push(Lane::new(asked.route.clone(), asked.window, asked.has_others, asked.pace));
            self.lanes.len() - 1
        })
    }

    fn end(&mut self, permit: &Permit, reserved: Reserved, now: Duration, ended: Ended) {
        self.budget.settle(reserved, ended.cost);
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(lane) = self.lanes.get_mut(permit.lane) {
            if let Some(limit) = ended.named_limit {
                lane.pacer.hint(now, limit as f64);
            }
            lane.ended(
                now,
                permit.started,
                permit.is_probe,
                ended.ending,
                ended.health,
                TokenUse { estimated: permit.tokens, used: ended.tokens },
            );
        }
    }
}

impl Permit {
    /// The request has ended; the next one may start.
    pub(crate) fn finish(mut self, ended: Ended) {
        self.give_back(ended);
    }

    fn give_back(&mut self, ended: Ended) {
        let Some(reserved) = self.reserved.take() else { return };
        let gate = Arc::clone(&self.gate);
        let now = gate.clock.elapsed();
        let mut state = gate.state.lock();
        state.end(self, reserved, now, ended);
        gate.pump(&mut state);
    }

    /// Takes the permit back before anything was sent, with the state already locked.
    fn undo(mut self, state: &mut State, now: Duration) {
        if let Some(reserved) = self.reserved.take() {
            let ended = Ended { ending: Ending::Unsent, health: Health::Unknown, cost: Usd::ZERO, tokens: Some(0), named_limit: None };
            state.end(&self, reserved, now, ended);
        }
    }
}

impl Drop for Permit {
    /// A request given up half-way may be billed all the same, so what was set aside for it counts as spent.
    fn drop(&mut self) {
        self.give_back(Ended { ending: Ending::Lost, health: Health::Unknown, cost: self.at_most, tokens: None, named_limit: None });
    }
}

/// Whether a model is a free variant, which shares one quota with all others.
pub(crate) fn is_free(model: &str) -> bool {
    model.ends_with(":free") || model == "openrouter/free"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    const CENT: Usd = Usd::from_pico(10_000_000_000);

    fn gate(ceiling: Option<Usd>) -> Arc<Gate> {
        Gate::new(Arc::new(SystemClock::new()), ceiling)
    }

    async fn enter(gate: &Gate, window: usize, caller: u64, at_most: Option<Usd>) -> Result<Permit, Denied> {
        let route = Route::to("m");
        gate.enter(Asked { route: &route, window, pace: Pace::default(), has_others: false, insists: true, caller, at_most, tokens: 0 })
            .await
    }

    fn ended(ending: Ending, cost: Usd) -> Ended {
        Ended { ending, health: Health::Up, cost, tokens: None, named_limit: None }
    }

    #[tokio::test(start_paused = true)]
    async fn the_window_holds_and_the_line_moves() {
        let gate = gate(None);
        let first = enter(&gate, 2, 0, None).await.unwrap();
        let _second = enter(&gate, 2, 0, None).await.unwrap();
        let third = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { enter(&gate, 2, 0, None).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert_eq!(gate.in_flight(), 2);
        first.finish(ended(Ending::Served, Usd::ZERO));
        assert_eq!(third.await.unwrap(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn callers_take_turns() {
        let gate = gate(None);
        let first = enter(&gate, 1, 0, None).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for caller in [1, 1, 1, 1, 2, 2] {
            let (gate, order) = (Arc::clone(&gate), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let permit = enter(&gate, 1, caller, None).await.unwrap();
                order.lock().push(caller);
                permit.finish(ended(Ending::Served, Usd::ZERO));
            }));
            tokio::task::yield_now().await;
        }
        first.finish(ended(Ending::Served, Usd::ZERO));
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), [1, 2, 1, 2, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_left_costs_nothing() {
        let gate = gate(Some(CENT));
        let first = enter(&gate, 1, 0, Some(CENT)).await.unwrap();
        {
            let waiting = enter(&gate, 1, 0, Some(CENT));
            tokio::pin!(waiting);
            assert!(futures::poll!(&mut waiting).is_pending());
        }
        first.finish(ended(Ending::Served, Usd::ZERO));
        assert_eq!(gate.in_flight(), 0);
        enter(&gate, 1, 0, Some(CENT)).await.unwrap().finish(ended(Ending::Served, CENT));
        assert_eq!(enter(&gate, 1, 0, Some(CENT)).await.map(drop), Err(Denied::BudgetReached));
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_lets_those_under_way_end_first() {
        let gate = gate(None);
        let first = enter(&gate, 1, 0, None).await.unwrap();
        let waiting = enter(&gate, 1, 0, None);
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        gate.stop();
        assert!(futures::poll!(&mut waiting).is_pending());
        first.finish(ended(Ending::Served, Usd::ZERO));
        assert_eq!(waiting.await.map(drop), Err(Denied::Stopped));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_is_waited_out() {
        let gate = gate(None);
        let start = tokio::time::Instant::now();
        let first = enter(&gate, 8, 0, None).await.unwrap();
        first.finish(ended(Ending::RateLimited { come_back: Some(Duration::from_secs(7)) }, Usd::ZERO));
        enter(&gate, 8, 0, None).await.unwrap().finish(ended(Ending::Served, Usd::ZERO));
        assert!(start.elapsed() >= Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_down_is_left_alone_then_probed_then_given_up() {
        let gate = gate(None);
        let down = Ended { ending: Ending::Served, health: Health::Down, cost: Usd::ZERO, tokens: None, named_limit: None };
        let start = tokio::time::Instant::now();
        let mut sent = 0;
        let denied = loop {
            match enter(&gate, 8, 0, None).await {
                Ok(permit) => permit.finish(down),
                Err(denied) => break denied,
            }
            sent += 1;
            assert!(sent < 100, "never given up");
        };
        assert_eq!(denied, Denied::Down);
        assert!(gate.avoids(&Route::to("m")));
        assert!(sent < 30 && start.elapsed() < Duration::from_secs(60), "{sent} sent in {:?}", start.elapsed());
    }
}
