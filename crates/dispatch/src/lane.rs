//! The way to one model behind one door: its pace, its circuit, its providers that rest, and who waits for it.

use std::time::Duration;

use corsac_policy::{Allowed, Circuit, CircuitLimits, CircuitState, Ending, PaceLimits, Pacer, TokenUse};

use crate::turns::Turns;
use crate::{Pace, Route};

/// What a reply says about whether a model is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers, or refuses for a reason of the request's own.
    Up,
    /// It fails whoever asks.
    Down,
    /// Nothing came back that says anything.
    Unknown,
}

/// The way to one model behind one door.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    pub(crate) route: Route,
    pub(crate) pacer: Pacer,
    pub(crate) queue: Turns<T>,
    circuit: Circuit,
    /// How often in a row the circuit opened.
    openings: u32,
    ever_up: bool,
    resting: Vec<Resting>,
}

/// A provider that wants no more for now.
#[derive(Debug)]
struct Resting {
    provider: String,
    until: Duration,
    rests: u32,
}

/// Where nothing else can be asked, more failures in a row are borne, and a share of failures is no reason to stop: every
/// answer that gets through is one that would not be had otherwise.
const ALONE: u32 = 16;
/// A model that never answered is given up after it was found down so often, some 15 s after the first time.
const NEVER_UP: u32 = 3;
/// One that did answer is waited for longer, some five minutes.
const ONCE_UP: u32 = 7;
/// A provider's first rest where it names none; doubled each time.
const FIRST_REST: Duration = Duration::from_secs(2);
const LONGEST_REST: Duration = Duration::from_secs(120);

impl<T> Lane<T> {
    pub(crate) fn new(route: Route, window: usize, has_others: bool, pace: Pace) -> Lane<T> {
        let limits = CircuitLimits::default();
        let limits = if has_others { limits } else { CircuitLimits { failures_in_a_row: ALONE, counted: 0, ..limits } };
        let pace = PaceLimits { requests_per_minute: pace.requests_per_minute, tokens_per_minute: pace.tokens_per_minute };
        Lane {
            pacer: Pacer::with_limits(window, pace),
            queue: Turns::default(),
            circuit: Circuit::new(limits),
            openings: 0,
            ever_up: false,
            resting: Vec::new(),
            route,
        }
    }

    /// Whether the circuit is open now.
    pub(crate) fn is_down(&self, now: Duration) -> bool {
        match self.circuit.state() {
            CircuitState::Closed => false,
            CircuitState::Open { until } => now < until || self.is_given_up(),
            CircuitState::HalfOpen { probing_since } => probing_since.is_some(),
        }
    }

    /// Whether to wait for it is no use any more.
    pub(crate) fn is_given_up(&self) -> bool {
        let most = if self.ever_up { ONCE_UP } else { NEVER_UP };
        self.openings >= most
    }

    /// When the circuit lets a probe through, if it is open.
    pub(crate) fn opens_at(&self, now: Duration) -> Option<Duration> {
        match self.circuit.state() {
            CircuitState::Open { until } if now < until => Some(until),
            _ => None,
        }
    }

    /// Passes the circuit: whether as a probe, or when to come again.
    pub(crate) fn take_leave(&mut self, now: Duration) -> Result<bool, Duration> {
        match self.circuit.allows(now) {
            Allowed::Yes => Ok(false),
            Allowed::Probe => Ok(true),
            Allowed::No { until } => Err(until),
        }
    }

    pub(crate) fn ended(&mut self, now: Duration, started: Duration, is_probe: bool, ending: Ending, health: Health, tokens: TokenUse) {
        self.pacer.ended(now, started, ending, tokens);
        match health {
            Health::Up => {
                self.circuit.succeeded(now);
                if self.circuit.state() == CircuitState::Closed {
                    (self.ever_up, self.openings) = (true, 0);
                }
            }
            Health::Down => {
                let was_open = matches!(self.circuit.state(), CircuitState::Open { .. });
                self.circuit.failed(now);
                if !was_open && matches!(self.circuit.state(), CircuitState::Open { .. }) {
                    self.openings += 1;
                }
            }
            Health::Unknown if is_probe => self.circuit.dropped_probe(now),
            Health::Unknown => {}
        }
    }

    /// A provider rests: as long as it said, else longer each time.
    pub(crate) fn rest_provider(&mut self, now: Duration, provider: &str, come_back: Option<Duration>) {
        let place = self.resting.iter().position(|resting| resting.provider == provider);
        let rests = place
            .map_or(0, |place| if now < self.resting[place].until { self.resting[place].rests } else { self.resting[place].rests + 1 });
        let wait = come_back.unwrap_or_else(|| FIRST_REST.saturating_mul(1 << rests.min(10)).min(LONGEST_REST));
        let resting = Resting { provider: provider.to_owned(), until: now + wait, rests };
        match place {
            Some(place) => self.resting[place] = resting,
            None => self.resting.push(resting),
        }
    }

    pub(crate) fn resting_providers(&self, now: Duration) -> Vec<String> {
        self.resting.iter().filter(|resting| now < resting.until).map(|resting| resting.provider.clone()).collect()
    }
}
