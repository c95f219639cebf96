//! What one call has been through so far, and what it may still try. A step of the remedy moves it on.

use crate::hop::Need;
use crate::{Effort, FaultClass, Hop, Ladder, Parameters, Step, Strategy};

/// The bounds of a call.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The routes, in the order in which they are tried. Never empty; an empty list counts as one route of which
    /// nothing is known.
    pub routes: Vec<Hop>,
    /// How structure is asked for at first, where a route has no way of its own.
    pub strategy: Strategy,
    /// The answer's token limit at first.
    pub max_tokens: u32,
    /// The highest it may be raised to.
    pub max_tokens_cap: u32,
    /// The most requests for this call, waits for a rate limit not counted.
    pub attempts: u32,
    /// Parameters that are sent and could be left out.
    pub sent: Parameters,
    /// The effort that is asked for, if one is.
    pub effort: Option<Effort>,
    /// Whether the paid twin of a `:free` model may be asked when the free one is not to be had.
    pub may_pay_for_free: bool,
    /// Whether an input that was stopped by moderation, or declined, may go to another model.
    pub may_ask_others: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            routes: vec![Hop::default()],
            strategy: Strategy::Text,
            max_tokens: 512,
            max_tokens_cap: 8_192,
            attempts: 12,
            sent: Parameters::NONE,
            effort: None,
            may_pay_for_free: false,
            may_ask_others: true,
        }
    }
}

/// Waits for a rate limit on one route, after which it is left.
pub(crate) const RATE_LIMITS_PER_ROUTE: u32 = 16;
/// Waits for the account's own requests under way: they end, but many calls wait for the same money.
pub(crate) const IN_FLIGHT_WAITS: u32 = 64;
/// A route is asked again after it was left for a rest, but only once.
const VISITS: u8 = 2;

impl Limits {
    /// More requests than this are never sent for one call, whatever comes back.
    pub fn most_requests(&self) -> u32 {
        let visits = u32::try_from(self.routes.len().max(1)).unwrap_or(u32::MAX).saturating_mul(u32::from(VISITS));
        // each visit ends with the refusal after the last wait
        self.attempts.saturating_add(visits.saturating_mul(IN_FLIGHT_WAITS + 1))
    }
}

/// Where a call stands.
#[derive(Debug, Clone)]
pub struct Course {
    /// Which route is taken, by its place in the list.
    pub route: usize,
    /// How structure is asked for now.
    pub strategy: Strategy,
    /// The answer's token limit now.
    pub max_tokens: u32,
    /// Providers left out, by the names they gave themselves.
    pub ignored: Vec<String>,
    /// Whether more providers may be left out: not once that has left nobody.
    pub may_ignore: bool,
    /// Parameters no longer sent.
    pub dropped: Parameters,
    /// The effort asked for in place of the one that was set.
    pub effort: Option<Effort>,
    /// Whether the model is asked without its `:free`.
    pub paid: bool,
    /// What was wrong with the last answer, to be shown to the model.
    pub correction: Option<String>,
    /// Requests sent.
    pub attempts: u32,
    /// Requests on this route that were answered with a limit.
    pub rate_limited: u32,
    /// Faults in a row since something about the request was changed.
    pub repeats: u32,
    /// Whether calls like this one have been answered, so that a refusal of all of them cannot be meant.
    pub others_answered: bool,
    /// Whether the answer was asked for again with its error shown.
    pub corrected: bool,
    /// How often `max_tokens` was changed by a remedy.
    pub resized: u32,
    /// What another route must have after the last fault.
    need: Need,
    /// Whether the last fault was a limit that passes.
    limited: bool,
    /// What was found to fail, and in what a route must differ from it.
    barred: Vec<(Need, Hop)>,
    standing: Vec<Standing>,
    /// Requests that were answered with nothing: none of them is sent again.
    barren: Vec<Asked>,
    limits: Limits,
}

/// What became of a route.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    visits: u8,
    /// Left for good, not only until a limit passes.
    left: bool,
}

/// What makes two requests of one call the same.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    route: usize,
    strategy: Strategy,
    max_tokens: u32,
    ignored: Vec<String>,
    dropped: Parameters,
    effort: Option<Effort>,
    paid: bool,
    correction: Option<String>,
}

/// What is said to a model whose answer was empty, when the same has to be asked again.
const WAS_EMPTY: &str = "there was nothing in it";

impl Course {
    /// The start of a call.
    pub fn new(limits: &Limits) -> Course {
        let mut limits = limits.clone();
        if limits.routes.is_empty() {
            limits.routes.push(Hop::default());
        }
        let mut standing = vec![Standing::default(); limits.routes.len()];
        standing[0].visits = 1;
        let mut course = Course {
            route: 0,
            strategy: limits.strategy,
            max_tokens: limits.max_tokens,
            ignored: Vec::new(),
            may_ignore: true,
            dropped: Parameters::NONE,
            effort: None,
            paid: false,
            correction: None,
            attempts: 0,
            rate_limited: 0,
            repeats: 0,
            others_answered: false,
            corrected: false,
            resized: 0,
            need: Need::Any,
            limited: false,
            barred: Vec::new(),
            standing,
            barren: Vec::new(),
            limits,
        };
        course.settle_in();
        course
    }

    /// Begins on another route than the first, before anything was sent: one behind which nothing is down, say. Those passed
    /// over may be taken later.
    pub fn begin_on(&mut self, route: usize) {
        if route >= self.limits.routes.len() || self.attempts + self.rate_limited > 0 {
            return;
        }
        for (place, standing) in self.standing.iter_mut().enumerate() {
            standing.visits = u8::from(place == route);
        }
        self.route = route;
        self.settle_in();
    }

    /// Counts a request that came back with a fault.
    pub fn count(&mut self, fault: &FaultClass) {
        if fault.is_rate_limit() {
            self.rate_limited += 1;
        } else {
            self.attempts += 1;
            self.repeats += 1;
        }
        self.need = Need::after(fault);
        self.limited = fault.is_rate_limit() && *fault != FaultClass::DailyQuota;
        if *fault == FaultClass::Empty {
            self.barren.push(self.asked());
        }
    }

    /// The bounds.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The route that is taken.
    pub fn hop(&self) -> &Hop {
        // `route` is moved only to places that are there
        &self.limits.routes[self.route.min(self.limits.routes.len() - 1)]
    }

    /// The route as it is asked now: the paid twin of a free model is not free.
    pub(crate) fn here(&self) -> Hop {
        let hop = *self.hop();
        Hop { free: hop.free && !self.paid, ..hop }
    }

    /// The ways to ask for structure on this route, in order.
    pub fn ladder(&self) -> Ladder {
        self.hop().ladder.unwrap_or_else(|| Ladder::from(self.limits.strategy))
    }

    /// Whether the bound on requests is reached.
    pub fn is_spent(&self) -> bool {
        self.attempts >= self.limits.attempts
    }

    /// The highest token limit a remedy may set on this route.
    pub fn max_tokens_cap(&self) -> u32 {
        self.limits.max_tokens_cap.min(self.hop().max_tokens_cap.unwrap_or(u32::MAX))
    }

    /// Parameters that are sent now and could be left out.
    pub fn sent(&self) -> Parameters {
        self.limits.sent.without(self.dropped)
    }

    /// The effort asked for now, if one is.
    pub fn effort(&self) -> Option<Effort> {
        self.effort.or(self.limits.effort)
    }

    /// The next route that can help: in order, none left for good, none that shares what has failed, none that is rather not
    /// taken as long as there is another; one that was left for a rest comes last. `anyway` takes one that is rather not
    /// taken before none.
    pub(crate) fn next_route(&self, need: Need, skip: &dyn Fn(usize) -> bool, anyway: bool) -> Option<usize> {
        let here = self.here();
        let helps = |place: &usize| {
            let there = &self.limits.routes[*place];
            *place != self.route && need.met_by(there, &here) && self.barred.iter().all(|(need, failed)| need.met_by(there, failed))
        };
        let fresh = || (0..self.standing.len()).filter(|place| self.standing[*place].visits == 0).filter(helps);
        let rested = || {
            let again = |place: &usize| !self.standing[*place].left && (1..VISITS).contains(&self.standing[*place].visits);
            (0..self.standing.len()).filter(again).filter(helps)
        };
        let healthy = fresh().find(|place| !skip(*place));
        if !anyway {
            return healthy;
        }
        healthy.or_else(|| rested().find(|place| !skip(*place))).or_else(|| fresh().next()).or_else(|| rested().next())
    }

    /// Whether a step would send again what was answered with nothing.
    pub(crate) fn repeats_an_empty(&self, step: &Step) -> bool {
        if self.barren.is_empty() || *step == Step::GiveUp {
            return false;
        }
        let mut after = self.clone();
        after.take(step);
        after.barren.contains(&after.asked())
    }

    /// Moves on by a step.
    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Retry { .. } | Step::GiveUp => {}
            Step::IgnoreProvider(provider) => self.ignored.push(provider.clone()),
            Step::AllowProviders => {
                self.ignored.clear();
                self.may_ignore = false;
                if self.barren.contains(&self.asked()) {
                    self.correction = Some(WAS_EMPTY.to_owned());
                    self.corrected = true;
                }
            }
            Step::DropParameters(parameters) => {
                self.dropped = self.dropped.and(*parameters);
                self.repeats = 0;
            }
            Step::Effort { effort, max_tokens } => {
                self.effort = Some(*effort);
                self.max_tokens = *max_tokens;
                self.repeats = 0;
            }
            Step::NextStrategy(strategy) => {
                self.strategy = *strategy;
                self.correction = None;
                self.repeats = 0;
            }
            Step::MaxTokens(tokens) => {
                self.max_tokens = *tokens;
                self.resized += 1;
            }
            Step::AskAgain(error) => {
                self.correction = Some(error.clone());
                self.corrected = true;
            }
            Step::PaidTwin => {
                self.paid = true;
                self.rate_limited = 0;
                self.repeats = 0;
            }
            Step::NextRoute(route) => self.move_to(*route),
        }
    }

    fn move_to(&mut self, route: usize) {
        let Some(there) = self.limits.routes.get(route).copied() else { return };
        let here = self.here();
        // a limit passes; what was waited for often enough does not count as passing
        let rests = self.limited && self.rate_limited < RATE_LIMITS_PER_ROUTE;
        if let Some(standing) = self.standing.get_mut(self.route) {
            standing.left = !rests;
        }
        if !rests {
            self.barred.push((self.need, here));
        }
        if let Some(standing) = self.standing.get_mut(route) {
            standing.visits = standing.visits.saturating_add(1);
        }
        self.route = route;
        self.rate_limited = 0;
        self.repeats = 0;
        // with another key, the same model at the same host takes what it took before
        if (there.model, there.host) != (here.model, here.host) {
            self.ignored.clear();
            self.effort = None;
            self.paid = false;
            self.corrected = false;
            self.correction = None;
            self.resized = 0;
            self.may_ignore = true;
            self.settle_in();
        }
        self.max_tokens = self.max_tokens.min(self.max_tokens_cap());
    }

    /// Takes over what is known of the route.
    fn settle_in(&mut self) {
        let hop = *self.hop();
        self.strategy = self.ladder().first();
        self.dropped = self.limits.sent.within(hop.nobody_takes);
        self.max_tokens = hop.max_tokens.unwrap_or(self.limits.max_tokens).min(self.max_tokens_cap());
    }

    fn asked(&self) -> Asked {
        let mut ignored = self.ignored.clone();
        ignored.sort_unstable();
        Asked {
            route: self.route,
            strategy: self.strategy,
            max_tokens: self.max_tokens,
            ignored,
            dropped: self.dropped,
            effort: self.effort,
            paid: self.paid,
            correction: self.correction.clone(),
        }
    }
}
