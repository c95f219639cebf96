//! Leaves a scope (a model, a provider, all free models) alone while it is down: after failures in a row nothing is sent
//! for a time that doubles, then one request alone finds out whether it is up again.
//!
//! It decides, it does not wait: every call is given the time, counted from one start. How a scope is *paced* while it is
//! up is the [`Pacer`](crate::Pacer)'s business; a 429 is no failure here.

use std::time::Duration;

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CircuitLimits {
    /// So many failures in a row open it.
    pub failures_in_a_row: u32,
    /// A failure counts as the next in a row only this long after the one before it.
    pub within: Duration,
    /// This share of failures among the last [`CircuitLimits::counted`] replies opens it too.
    pub failed_share: f64,
    /// Replies over which the share is taken, at most 64; 0 takes none.
    pub counted: u32,
    /// How long it stays open the first time.
    pub backoff: Duration,
    /// No backoff is longer.
    pub longest: Duration,
    /// A probe that has not been reported back after this long is given up, and another one may go.
    pub patience: Duration,
}

impl Default for CircuitLimits {
    /// - Five in a row: one provider's retry storm is over by then, while two or three bad replies among hundreds under
    ///   way are an ordinary minute.
    /// - Within a minute: failures that lie further apart are separate mishaps of a run that is nearly idle.
    /// - Half of the last 32: a provider that fails every other request costs more than it brings; fewer than 32
    ///   replies would open on chance.
    /// - 5 s to 5 min: outages of a provider are mostly restarts of some seconds or incidents of many minutes. One
    ///   probe in five minutes costs nothing, and no run waits longer than that after the incident.
    /// - Two minutes of patience: longer than a whole answer of a slow model usually takes.
    fn default() -> CircuitLimits {
        CircuitLimits {
            failures_in_a_row: 5,
            within: Duration::from_secs(60),
            failed_share: 0.5,
            counted: 32,
            backoff: Duration::from_secs(5),
            longest: Duration::from_secs(300),
            patience: Duration::from_secs(120),
        }
    }
}

/// A reset that is said to lie further away than this is not believed: the longest real one is a day's quota, and clocks
/// differ. After it one probe finds out.
const FURTHEST_RESET: Duration = Duration::from_secs(36 * 3_600);

/// Whether a request may go to the scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Yes.
    Yes,
    /// Yes, and it alone: report back with [`Circuit::succeeded`], [`Circuit::failed`] or [`Circuit::dropped_probe`].
    Probe,
    /// No; ask again at this time, or earlier when the probe under way has ended.
    No {
        /// When to ask again.
        until: Duration,
    },
}

/// What a circuit is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// Requests pass.
    Closed,
    /// Nothing passes before this time.
    Open {
        /// When one probe may go.
        until: Duration,
    },
    /// One probe may go, or is under way.
    HalfOpen {
        /// When the probe under way was let through.
        probing_since: Option<Duration>,
    },
}

/// The circuit of one scope. All times count from one start.
#[derive(Debug, Clone)]
pub struct Circuit {
    limits: CircuitLimits,
    state: CircuitState,
    failures: u32,
    successes: u32,
    failed_at: Duration,
    /// The last replies, the newest in the lowest bit; a failure is a one.
    recent: u64,
    recorded: u32,
    /// How often it opened since it was last well.
    openings: u32,
}

impl Default for Circuit {
    fn default() -> Circuit {
        Circuit::new(CircuitLimits::default())
    }
}

impl Circuit {
    /// A closed circuit.
    pub fn new(limits: CircuitLimits) -> Circuit {
        let limits = CircuitLimits { failures_in_a_row: limits.failures_in_a_row.max(1), counted: limits.counted.min(64), ..limits };
        Circuit {
            limits,
            state: CircuitState::Closed,
            failures: 0,
            successes: 0,
            failed_at: Duration::ZERO,
            recent: 0,
            recorded: 0,
            openings: 0,
        }
    }

    /// Whether a request may go. [`Allowed::Probe`] takes the only place there is while the circuit is half open.
    pub fn allows(&mut self, now: Duration) -> Allowed {
        match self.state {
            CircuitState::Closed => Allowed::Yes,
            CircuitState::Open { until } if now < until => Allowed::No { until },
            CircuitState::HalfOpen { probing_since: Some(since) } if now < since.saturating_add(self.limits.patience) => {
                Allowed::No { until: since.saturating_add(self.limits.patience) }
            }
            CircuitState::Open { .. } | CircuitState::HalfOpen { .. } => {
                self.state = CircuitState::HalfOpen { probing_since: Some(now) };
                Allowed::Probe
            }
        }
    }

    /// A request got an answer, or a fault that says nothing against the scope. Answers that come in while the circuit
    /// is open belong to requests sent before, and change nothing.
    pub fn succeeded(&mut self, _now: Duration) {
        match self.state {
            CircuitState::Closed => {
                self.failures = 0;
                self.record(false);
                self.successes = self.successes.saturating_add(1);
                // well again only after as many good replies as bad ones opened it: one that comes and goes backs off further
                if self.successes >= self.limits.failures_in_a_row {
                    self.openings = 0;
                }
            }
            CircuitState::HalfOpen { .. } => {
                self.state = CircuitState::Closed;
                (self.failures, self.successes, self.recent, self.recorded) = (0, 1, 0, 0);
            }
            CircuitState::Open { .. } => {}
        }
    }

    /// A request failed in a way that speaks against the scope.
    pub fn failed(&mut self, now: Duration) {
        match self.state {
            CircuitState::Closed => {
                let in_a_row = self.failures > 0 && now.saturating_sub(self.failed_at) <= self.limits.within;
                self.failures = if in_a_row { self.failures.saturating_add(1) } else { 1 };
                (self.failed_at, self.successes) = (now, 0);
                self.record(true);
                if self.failures >= self.limits.failures_in_a_row || self.fails_too_often() {
                    self.open(now);
                }
            }
            CircuitState::HalfOpen { .. } => self.open(now),
            CircuitState::Open { .. } => {}
        }
    }

    /// The probe was given up before anything came of it; another one may go.
    pub fn dropped_probe(&mut self, _now: Duration) {
        if let CircuitState::HalfOpen { probing_since } = &mut self.state {
            *probing_since = None;
        }
    }

    /// Opens until a time that is known, such as the reset of a daily quota. An opening that lasts longer stays.
    pub fn open_until(&mut self, now: Duration, until: Duration) {
        let until = until.min(now.saturating_add(FURTHEST_RESET));
        let later = !matches!(self.state, CircuitState::Open { until: set } if set >= until);
        if until > now && later {
            self.state = CircuitState::Open { until };
        }
    }

    /// What the circuit is doing. An opening whose time is over still reads as open until [`Circuit::allows`] is asked.
    pub fn state(&self) -> CircuitState {
        self.state
    }

    fn open(&mut self, now: Duration) {
        let doubled = self.limits.backoff.saturating_mul(1 << self.openings.min(30));
        self.openings = self.openings.saturating_add(1);
        self.successes = 0;
        self.state = CircuitState::Open { until: now.saturating_add(doubled.min(self.limits.longest)) };
    }

    fn record(&mut self, failed: bool) {
        self.recent = self.recent << 1 | u64::from(failed);
        self.recorded = self.recorded.saturating_add(1);
    }

    fn fails_too_often(&self) -> bool {
        let counted = self.limits.counted;
        if counted == 0 || self.recorded < counted {
            return false;
        }
        let failed = (self.recent & (u64::MAX >> (64 - counted))).count_ones();
        f64::from(failed) >= self.limits.failed_share * f64::from(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn opened(now: Duration) -> Circuit {
        let mut circuit = Circuit::default();
        for _ in 0..5 {
            circuit.failed(now);
        }
        circuit
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_probe_closes_it() {
        let mut circuit = Circuit::default();
        for _ in 0..4 {
            circuit.failed(SECOND);
            assert_eq!(circuit.allows(SECOND), Allowed::Yes);
        }
        circuit.failed(SECOND);
        assert_eq!(circuit.allows(SECOND * 2), Allowed::No { until: SECOND * 6 });
        assert_eq!(circuit.allows(SECOND * 6), Allowed::Probe);
        assert!(matches!(circuit.allows(SECOND * 6), Allowed::No { .. }));
        circuit.succeeded(SECOND * 7);
        assert_eq!((circuit.state(), circuit.allows(SECOND * 7)), (CircuitState::Closed, Allowed::Yes));
    }

    #[test]
    fn an_answer_in_between_or_a_long_pause_starts_the_row_anew() {
        let mut circuit = Circuit::default();
        for second in 0..40 {
            circuit.failed(SECOND * second);
            if second % 4 == 3 {
                (0..8).for_each(|_| circuit.succeeded(SECOND * second));
            }
        }
        assert_eq!(circuit.state(), CircuitState::Closed);
        let mut circuit = Circuit::default();
        for minutes in 0..20 {
            circuit.failed(SECOND * 61 * minutes);
        }
        assert_eq!(circuit.state(), CircuitState::Closed);
    }

    #[test]
    fn every_other_reply_failing_opens_it() {
        let mut circuit = Circuit::default();
        let mut replies = 0;
        while circuit.state() == CircuitState::Closed {
            replies += 1;
            if replies % 2 == 0 {
                circuit.failed(SECOND)
            } else {
                circuit.succeeded(SECOND)
            }
            assert!(replies <= 32, "{circuit:?}");
        }
        assert_eq!(replies, 32);
    }

    #[test]
    fn the_backoff_doubles_and_is_forgotten_once_well() {
        let mut now = Duration::ZERO;
        let mut circuit = opened(now);
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(circuit.state(), CircuitState::Open { until: now + SECOND * seconds });
            now += SECOND * seconds;
            assert_eq!(circuit.allows(now), Allowed::Probe);
            circuit.failed(now);
        }
        now += SECOND * 300;
        assert_eq!(circuit.allows(now), Allowed::Probe);
        for _ in 0..6 {
            circuit.succeeded(now);
        }
        for _ in 0..5 {
            circuit.failed(now);
        }
        assert_eq!(circuit.state(), CircuitState::Open { until: now + SECOND * 5 });
    }

    #[test]
    fn a_scope_that_comes_and_goes_backs_off_further() {
        let mut circuit = opened(Duration::ZERO);
        assert_eq!(circuit.allows(SECOND * 5), Allowed::Probe);
        circuit.succeeded(SECOND * 5);
        for _ in 0..5 {
            circuit.failed(SECOND * 5);
        }
        assert_eq!(circuit.state(), CircuitState::Open { until: SECOND * 15 });
    }

    #[test]
    fn a_dropped_or_forgotten_probe_frees_its_place() {
        let mut circuit = opened(Duration::ZERO);
        assert_eq!(circuit.allows(SECOND * 5), Allowed::Probe);
        circuit.dropped_probe(SECOND * 6);
        assert_eq!(circuit.allows(SECOND * 6), Allowed::Probe);
        assert_eq!(circuit.allows(SECOND * 7), Allowed::No { until: SECOND * 126 });
        assert_eq!(circuit.allows(SECOND * 126), Allowed::Probe);
    }

    #[test]
    fn a_known_reset_is_kept_and_an_absurd_one_is_not_believed() {
        let mut circuit = Circuit::default();
        circuit.open_until(SECOND, SECOND * 3_600);
        circuit.open_until(SECOND, SECOND * 60);
        circuit.succeeded(SECOND * 2);
        assert_eq!(circuit.allows(SECOND * 3_599), Allowed::No { until: SECOND * 3_600 });
        assert_eq!(circuit.allows(SECOND * 3_600), Allowed::Probe);
        circuit.open_until(SECOND * 3_601, Duration::MAX);
        assert_eq!(circuit.state(), CircuitState::Open { until: SECOND * 3_601 + FURTHEST_RESET });
        let mut past = Circuit::default();
        past.open_until(SECOND * 9, SECOND * 9);
        assert_eq!(past.state(), CircuitState::Closed);
    }

    #[derive(Debug, Clone)]
    enum Event {
        Ask,
        Succeed,
        Fail,
        Drop,
        OpenFor(u64),
        Pass(u64),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            4 => Just(Event::Ask),
            2 => Just(Event::Succeed),
            3 => Just(Event::Fail),
            1 => Just(Event::Drop),
            1 => (0u64..100_000_000).prop_map(Event::OpenFor),
            3 => (0u64..400_000).prop_map(Event::Pass),
        ];
        proptest::collection::vec(event, 0..300)
    }

    proptest! {
        /// Whatever happens: while not closed, no second probe goes before the first is reported back, dropped or given
        /// up; nothing goes before the time that was named; that time is bounded; and waiting for it brings a probe.
        #[test]
        fn one_probe_at_once_and_never_stuck(events in events(), in_a_row in 1u32..8, counted in 0u32..80) {
            let limits = CircuitLimits { failures_in_a_row: in_a_row, counted, ..CircuitLimits::default() };
            let mut circuit = Circuit::new(limits);
            let mut now = Duration::ZERO;
            let mut probe: Option<Duration> = None;
            let mut closed_before: Option<Duration> = None;
            for event in events {
                match event {
                    Event::Ask => match circuit.allows(now) {
                        Allowed::Yes => prop_assert_eq!(circuit.state(), CircuitState::Closed),
                        Allowed::Probe => {
                            prop_assert!(probe.is_none_or(|since| now >= since + limits.patience), "two probes: {circuit:?}");
                            prop_assert!(closed_before.is_none_or(|until| now >= until));
                            probe = Some(now);
                        }
                        Allowed::No { until } => {
                            prop_assert!(until > now && until <= now + FURTHEST_RESET);
                            closed_before = Some(until).filter(|_| matches!(circuit.state(), CircuitState::Open { .. }));
                        }
                    },
                    Event::Succeed => { circuit.succeeded(now); probe = None; }
                    Event::Fail => { circuit.failed(now); probe = None; }
                    Event::Drop => { circuit.dropped_probe(now); probe = None; }
                    Event::OpenFor(ms) => {
                        circuit.open_until(now, now + Duration::from_millis(ms));
                        if matches!(circuit.state(), CircuitState::Open { .. }) { probe = None; }
                    }
                    Event::Pass(ms) => now += Duration::from_millis(ms),
                }
                if circuit.state() == CircuitState::Closed { closed_before = None; }
            }
            // never stuck: one look at the time it names, or at most two (a probe under way first), lets something through
            let mut looks = 0;
            while let Allowed::No { until } = circuit.allows(now) {
                now = until;
                looks += 1;
                prop_assert!(looks <= 1, "{circuit:?}");
            }
        }
    }
}
