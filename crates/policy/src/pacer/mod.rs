//! How many requests may be under way, and how often one may start. Without a limit in sight the way opens as fast as
//! replies are slow; a limit that nobody named is found, kept without being met, and found again when it has moved.
//!
//! [`Pacer`] keeps the counts and hands each question to the phase it is in:
//!
//! - [`opening`]: no limit is known. Lumps of requests, each listened to.
//! - [`doubt`]: something was refused. Was that a limit, or chance?
//! - [`rest`]: a limit was reached. Single requests find out when it is over.
//! - [`quota`]: a limit that counts over a minute; nearly all are of that kind.
//! - [`even`]: a limit that trickles.
//!
//! [`known`] holds what the user says, in every phase.

mod doubt;
mod even;
mod known;
mod minute;
mod opening;
mod pace;
mod quota;
mod rest;

use std::time::Duration;

use doubt::{Doubt, Finding, Marks};
use even::{Even, Refused};
use known::Known;
pub use known::PaceLimits;
use minute::{MINUTE, Minute};
use opening::Opening;
use quota::Quota;
use rest::Rest;

/// How a request ended, as far as the pace is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With an answer, or a fault that has nothing to do with the pace.
    Served,
    /// With 429, and maybe with a time to come back after.
    RateLimited {
        /// The wait that was named.
        come_back: Option<Duration>,
    },
    /// Without any reply. The other side may have counted it.
    Lost,
    /// Before it was sent.
    Unsent,
}

/// Whether a request may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Now.
    Go,
    /// Ask again at this time, or when a request ends.
    At(Duration),
    /// When a request ends.
    Later,
    /// Not before this time, and waiting is no use: nothing got through for many rounds.
    Closed(Duration),
}

/// The tokens of a request, in and out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenUse {
    /// What it was let in with.
    pub estimated: u64,
    /// What it used, if that is known.
    pub used: Option<u64>,
}

/// The pace of one scope. All times count from one start.
#[derive(Debug, Clone)]
pub struct Pacer {
    ceiling: usize,
    in_flight: usize,
    known: Known,
    /// A limit that a refusal named, requests a minute, and when.
    named: Option<(u64, Duration)>,
    minute: Minute,
    marks: Marks,
    phase: Phase,
    doubt: Option<Doubt>,
    /// Refusals of requests sent up to here are understood.
    judged_at: Option<Duration>,
    refused_at: Duration,
    /// How long a refusal takes, newer ones counting more.
    heard_after: Duration,
    /// Of the latest replies, the share that was a refusal, newer ones counting more.
    of_replies: f64,
    /// The latest requests and refusals, newer ones counting more.
    of_requests: (f64, f64),
    /// Until then refusals come by chance, and only their share counts.
    tolerant_until: Duration,
    /// Refusals by chance: since when, what was sent since, and how many there were.
    chance: Option<Run>,
    /// Until then there is no doubt about that.
    sure_until: Duration,
    /// What was sent since that was found, and refused of it.
    sure: Run,
    /// Until then a lower pace has proven to change nothing.
    futile_until: Duration,
    /// What was let through since the last limit was reached, and since when.
    run: Run,
    /// Rests in a row that were over within seconds.
    short_rests: u32,
    /// Rounds in a row in which nothing was served.
    barren_rounds: u32,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    since: Duration,
    sent: u64,
    refused: u64,
    served: bool,
}

#[derive(Debug, Clone)]
enum Phase {
    Open(Opening),
    Rest(Rest),
    Quota(Quota),
    Even(Even),
}

/// When the minute began that ends at a time that was told. What was told is as old as a refusal takes.
fn began(now: Duration, ends: Duration, heard_after: Duration) -> Duration {
    ends.min(now.saturating_add(MINUTE)).saturating_sub(MINUTE).saturating_sub(heard_after)
}

/// What a refusal means.
enum Heard {
    /// A rest is not over.
    Barren,
    /// The price of finding out; the phase took note of it.
    Expected,
    /// A limit was reached.
    Limit,
    /// Nothing about the pace.
    Chance,
    /// It is not known yet.
    Doubtful,
}

/// What a reply or a request counts in the share of refusals beside the next one: about the last twenty count. Fewer than ten
/// requests are no share.
const LATELY: f64 = 0.95;
const LEAST_LATELY: f64 = 10.0;
/// Where refusals come by chance: from this share on, that is, after some seven in a row, it is a limit all the same.
const LIMIT_SHARE: f64 = 0.35;
/// How long refusals are taken for chance after they proved to be.
const TOLERANT: Duration = Duration::from_secs(60);
/// Fewer than that between two limits that were reached, and a third refusal needs no second look.
const LITTLE: u64 = 5;
/// After so many by chance it is tried whether a lower pace meets fewer.
const MANY_CHANCES: u64 = 8;
/// A pace that changes nothing is not tried again for this long.
const FUTILE_FOR: Duration = Duration::from_secs(600);
/// Where it is sure that refusals come by chance, there is no doubt for so many times as long as a doubt takes: doubts cost a
/// tenth of the time at most.
const SURE_FOR: u32 = 10;
/// So many refusals, and more than half of all: nothing is sure any more.
const SURE_NO_MORE: u64 = 20;
/// Rounds without a single answer after which waiting is no use.
const BARREN_ROUNDS: u32 = 8;
/// A limit that is over so soon does not count over a minute. The second time in a row it trickles.
const SHORT_REST: Duration = Duration::from_secs(10);
/// So long without any refusal, what was learned is forgotten.
const FORGET: Duration = Duration::from_secs(900);
/// A limit that was named is taken for true this long; then one request beyond it finds out.
const NAMED_FOR: Duration = Duration::from_secs(600);
/// No request has more tokens than this; what says so is not believed, and sums stay in bounds.
const MOST_TOKENS: u64 = 1 << 32;
/// When to ask again where no better time is known.
const TICK: Duration = Duration::from_millis(100);
/// Fewer requests a minute than this are worth a word to the user: what a popular model takes is counted in hundreds.
const LOW_PER_MINUTE: f64 = 120.0;

impl Pacer {
    /// A pacer that lets at most `ceiling` requests be under way.
    pub fn new(ceiling: usize) -> Pacer {
        Pacer::with_limits(ceiling, PaceLimits::default())
    }

    /// A pacer that lets at most `ceiling` requests be under way and keeps limits that are known beforehand.
    pub fn with_limits(ceiling: usize, limits: PaceLimits) -> Pacer {
        let ceiling = ceiling.max(1);
        Pacer {
            ceiling,
            in_flight: 0,
            known: Known::new(limits),
            named: None,
            minute: Minute::new(),
            marks: Marks::default(),
            phase: Phase::Open(Opening::new()),
            doubt: None,
            judged_at: None,
            refused_at: Duration::ZERO,
            heard_after: Duration::ZERO,
            of_replies: 0.0,
            of_requests: (0.0, 0.0),
            tolerant_until: Duration::ZERO,
            chance: None,
            sure_until: Duration::ZERO,
            sure: Run { since: Duration::ZERO, sent: 0, refused: 0, served: false },
            futile_until: Duration::ZERO,
            run: Run { since: Duration::ZERO, sent: 0, refused: 0, served: false },
            short_rests: 0,
            barren_rounds: 0,
        }
    }

    /// Lets a request of about so many tokens start, or says when to ask again. `Go` counts it as under way. Where no
    /// limit on tokens is known, the tokens do not matter.
    pub fn admit(&mut self, now: Duration, tokens: u64) -> Admission {
        let tokens = tokens.min(MOST_TOKENS);
        self.minute.advance(now);
        self.settle_doubt(now);
        self.forget(now);
        if let (Phase::Rest(rest), true) = (&self.phase, self.barren_rounds >= BARREN_ROUNDS)
            && (now < rest.next || self.in_flight > 0)
        {
            return Admission::Closed(rest.next.max(now));
        }
        if self.in_flight >= self.ceiling {
            return Admission::Later;
        }
        let ready = self.known.ready(now, tokens, &self.minute);
        if ready > now {
            return Admission::At(ready);
        }
        match self.admits(now) {
            Ok(()) => {
                self.known.take(now, tokens);
                self.minute.sent(now, tokens);
                self.marks.sent(now);
                self.of_requests = (self.of_requests.0 * LATELY + 1.0, self.of_requests.1 * LATELY);
                self.run.sent += 1;
                self.sure.sent += 1;
                if let Some(chance) = &mut self.chance {
                    chance.sent += 1;
                }
                self.in_flight += 1;
                Admission::Go
            }
            Err(Some(at)) => Admission::At(at.max(now.saturating_add(Duration::from_micros(1)))),
            // with nothing under way nobody would ask again
            Err(None) if self.in_flight == 0 => Admission::At(now.saturating_add(TICK)),
            Err(None) => Admission::Later,
        }
    }

    fn admits(&mut self, now: Duration) -> Result<(), Option<Duration>> {
        if let Some(doubt) = &mut self.doubt {
            return doubt.admits(now).map_err(Some);
        }
        let cap = self.cap(now);
        let patience = self.patience();
        if let Phase::Rest(rest) = &self.phase
            && let Some(probe) = rest.probe.filter(|probe| now >= probe.started.saturating_add(patience))
        {
            // had it been refused, that would be known by now
            self.resume(now, probe.started);
        }
        match &mut self.phase {
            Phase::Open(opening) => opening.admits(now, self.in_flight),
            Phase::Rest(rest) => rest.admits(now, &self.minute, patience),
            Phase::Quota(quota) => quota.admits(now, &self.minute, cap, self.heard_after),
            Phase::Even(even) => even.admits(now, cap.map(|cap| cap as f64 / MINUTE.as_secs_f64())),
        }
    }

    /// The share of refusals. Quick ones come before the answers to what was sent with them, so of the replies they seem
    /// more than they are; slow ones come when less is sent, so of the requests they do. The lesser share is right.
    fn refused_share(&self) -> f64 {
        self.of_replies.min(self.of_requests.1 / self.of_requests.0.max(LEAST_LATELY))
    }

    /// Most of what was sent since it was sure was refused: it was a limit after all.
    fn is_sure_no_more(&self) -> bool {
        self.sure.refused >= SURE_NO_MORE && 2 * self.sure.refused > self.sure.sent
    }

    /// After this long without a refusal, a request was not refused.
    fn patience(&self) -> Duration {
        self.heard_after.saturating_mul(3).saturating_add(Duration::from_millis(100))
    }

    /// The limit that was named, as long as that is believed.
    fn cap(&self, now: Duration) -> Option<u64> {
        self.named.filter(|(_, at)| now.saturating_sub(*at) < NAMED_FOR).map(|(limit, _)| limit)
    }

    /// A request that was let in at `started` has ended.
    pub fn ended(&mut self, now: Duration, started: Duration, ending: Ending, tokens: TokenUse) {
        let tokens = TokenUse { estimated: tokens.estimated.min(MOST_TOKENS), used: tokens.used.map(|used| used.min(MOST_TOKENS)) };
        self.in_flight = self.in_flight.saturating_sub(1);
        self.minute.advance(now);
        match ending {
            Ending::Served => self.served(now, started, tokens),
            Ending::RateLimited { come_back } => self.refused(now, started, rest::told(now, come_back), tokens),
            Ending::Lost => self.unheard(started, false),
            Ending::Unsent => {
                self.minute.taken_back(started, tokens.estimated);
                self.known.unsent(tokens.estimated);
                self.run.sent = self.run.sent.saturating_sub(1);
                if let Some(doubt) = &mut self.doubt {
                    doubt.taken_back(started);
                }
                self.unheard(started, true);
            }
        }
        self.settle_doubt(now);
    }

    fn unheard(&mut self, started: Duration, unsent: bool) {
        match &mut self.phase {
            Phase::Open(opening) if unsent => opening.taken_back(started),
            Phase::Even(even) if unsent => even.taken_back(started),
            Phase::Rest(rest) if rest.is_probe(started) => rest.probe = None,
            Phase::Quota(quota) => quota.unheard(started),
            Phase::Open(_) | Phase::Even(_) | Phase::Rest(_) => {}
        }
    }

    fn served(&mut self, now: Duration, started: Duration, tokens: TokenUse) {
        if let Some(used) = tokens.used {
            self.minute.used(started, tokens.estimated, used);
            self.known.used(tokens.estimated, used);
        }
        self.of_replies *= LATELY;
        if self.judged_at.is_none_or(|judged| started > judged) {
            self.run.served = true;
            self.barren_rounds = 0;
        }
        if let Some(doubt) = &mut self.doubt {
            doubt.heard(started, false);
        }
        match &mut self.phase {
            Phase::Open(opening) => opening.served(now, started),
            Phase::Rest(rest) if rest.is_probe(started) => self.resume(now, started),
            Phase::Rest(_) => {}
            Phase::Quota(quota) => quota.served(started, &self.minute),
            Phase::Even(even) => even.served(),
        }
    }

    fn refused(&mut self, now: Duration, started: Duration, told: Option<Duration>, tokens: TokenUse) {
        self.refused_at = now;
        self.of_requests.1 += 1.0;
        self.of_replies = self.of_replies * LATELY + (1.0 - LATELY);
        let took = now.saturating_sub(started);
        self.heard_after = if self.heard_after.is_zero() { took } else { (self.heard_after + took) / 2 };
        self.minute.taken_back(started, tokens.estimated);
        self.known.used(tokens.estimated, 0);
        let understood = self.judged_at.is_some_and(|judged| started <= judged);
        if !understood {
            self.run.sent = self.run.sent.saturating_sub(1);
        }
        if let Some(doubt) = &mut self.doubt {
            doubt.told = doubt.told.max(told);
            doubt.heard(started, true);
        }
        match &mut self.phase {
            Phase::Open(opening) => opening.taken_back(started),
            Phase::Rest(rest) if !rest.is_probe(started) => rest.refused_too(told),
            Phase::Even(even) if understood => even.taken_back(started),
            Phase::Quota(quota) if understood || self.doubt.is_some() => quota.unheard(started),
            Phase::Rest(_) | Phase::Quota(_) | Phase::Even(_) => {}
        }
        if understood || self.doubt.is_some() {
            return;
        }
        self.sure.refused += u64::from(started >= self.sure.since);
        let seldom = now < self.sure_until && !self.is_sure_no_more() || now < self.tolerant_until && self.refused_share() < LIMIT_SHARE;
        let soon = told.is_none_or(|at| at <= now.saturating_add(SHORT_REST));
        let heard = match &mut self.phase {
            Phase::Rest(rest) => {
                rest.refused(now, started, told, &self.minute);
                Heard::Barren
            }
            Phase::Even(even) => match even.refused(now, started, self.marks.since(started), self.heard_after) {
                Refused::Slower if soon => Heard::Expected,
                Refused::Slower | Refused::Dry => Heard::Limit,
                Refused::Futile => Heard::Chance,
            },
            Phase::Quota(quota) if quota.is_beyond(started) => {
                let counted = told.map(|at| self.minute.counted_since(began(now, at, self.heard_after)));
                quota.refused(counted);
                let frees = self.minute.fewer_than(quota.limit()).saturating_add(Duration::from_secs(2));
                if told.is_some_and(|at| at > frees) { Heard::Limit } else { Heard::Expected }
            }
            Phase::Open(_) | Phase::Quota(_) if seldom => Heard::Chance,
            Phase::Open(_) | Phase::Quota(_) => Heard::Doubtful,
        };
        match heard {
            Heard::Barren => self.barren_rounds += 1,
            Heard::Expected => self.judged_at = Some(now),
            Heard::Limit => self.limit_reached(now, started, told),
            Heard::Chance => self.by_chance(now, started),
            Heard::Doubtful => self.doubt_it(now, started, told),
        }
    }

    /// The first refusal that is not understood.
    fn doubt_it(&mut self, now: Duration, started: Duration, told: Option<Duration>) {
        let doubt = Doubt::new(now, started, self.marks.since(started), self.heard_after, told);
        // nothing was served in the last minute, or it had just begun to be served again
        let little = self.minute.requests() == 0 || self.short_rests > 0 && self.run.sent < LITTLE || now < self.tolerant_until;
        if doubt.knows_little() && little {
            self.limit_reached(now, started, told);
        } else {
            self.doubt = Some(doubt);
        }
    }

    fn settle_doubt(&mut self, now: Duration) {
        let Some(finding) = self.doubt.as_ref().and_then(|doubt| doubt.finding(now)) else { return };
        let Some(doubt) = self.doubt.take() else { return };
        match finding {
            Finding::Limit => self.limit_reached(now, doubt.first, doubt.told),
            Finding::Chance { sure } => {
                if sure {
                    self.tolerant_until = now.saturating_add(TOLERANT);
                    self.futile_until = self.futile_until.max(self.tolerant_until);
                    self.sure = Run { since: now, sent: 0, refused: 0, served: false };
                    self.sure_until = now.saturating_add(doubt.patience.saturating_mul(SURE_FOR));
                    if let Phase::Open(opening) = &mut self.phase {
                        opening.feel_forward(now);
                    }
                }
                self.by_chance(now, doubt.first);
            }
        }
    }

    /// Refusals come by chance: the others go on.
    fn by_chance(&mut self, now: Duration, started: Duration) {
        let known = now < self.tolerant_until;
        self.tolerant_until = now.saturating_add(TOLERANT);
        match self.phase {
            Phase::Even(_) => {
                self.futile_until = now.saturating_add(FUTILE_FOR);
                self.phase = Phase::Open(Opening::anew(now, self.heard_after));
            }
            // the next lump could be a large one: small ones again, to be sure
            Phase::Open(_) if !known => self.phase = Phase::Open(Opening::anew(now, self.heard_after)),
            Phase::Open(_) if now >= self.futile_until => {}
            Phase::Quota(_) => {}
            Phase::Open(_) | Phase::Rest(_) => return,
        }
        let chance = self.chance.filter(|_| known).unwrap_or(Run { since: now, sent: 0, refused: 0, served: true });
        let refused = chance.refused + 1;
        self.chance = Some(Run { refused, sent: chance.sent.saturating_sub(1), ..chance });
        if refused > MANY_CHANCES {
            // one after another: whether an even pace, a little lower, meets as many will tell
            self.judged_at = Some(now);
            self.phase = Phase::Even(Even::new(chance.sent, now.saturating_sub(chance.since), started, now));
            self.chance = None;
        }
    }

    /// A request sent at `emptied_at` met the limit.
    fn limit_reached(&mut self, now: Duration, emptied_at: Duration, told: Option<Duration>) {
        // told when it starts anew, it started a minute before that
        let from = began(now, told.unwrap_or(now), self.heard_after);
        let counted = self.minute.counted_since(from);
        let named = self.cap(now).filter(|named| counted <= named + named / 10);
        let run = (self.run.sent, emptied_at.saturating_sub(self.run.since));
        self.barren_rounds = if self.run.served { 0 } else { self.barren_rounds + 1 };
        self.run = Run { since: emptied_at, sent: 0, refused: 0, served: false };
        self.chance = None;
        self.judged_at = Some(now);
        self.doubt = None;
        let mut rest = Rest::new(now, named.unwrap_or(counted), named.is_some(), emptied_at, run);
        if matches!(self.phase, Phase::Quota(_)) {
            rest.fell = true;
        }
        rest.plan(now, told, &self.minute);
        self.phase = Phase::Rest(rest);
    }

    /// The rest is over: the single request that was sent at `shown_by` was not refused.
    fn resume(&mut self, now: Duration, shown_by: Duration) {
        let Phase::Rest(rest) = &self.phase else { return };
        let early = rest.quota == 0 || rest.probe.is_none_or(|probe| probe.early);
        let short = shown_by.saturating_sub(rest.since) <= SHORT_REST;
        let phase = match (early, short, self.short_rests) {
            (true, true, 0) => Phase::Open(Opening::anew(now, self.heard_after)),
            (true, true, _) => Phase::Even(Even::new(rest.run.0, rest.run.1, rest.emptied_at, now)),
            (true, false, _) if rest.quota == 0 => Phase::Open(Opening::anew(now, self.heard_after)),
            _ => Phase::Quota(Quota::new(rest.quota, rest.fell, rest.since, now)),
        };
        if early {
            self.minute.starts_anew(shown_by);
        }
        self.short_rests = if early && short { self.short_rests + 1 } else { 0 };
        (self.of_replies, self.of_requests) = (0.0, (0.0, 0.0));
        self.phase = phase;
    }

    /// What was learned long ago no longer holds.
    fn forget(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Quota(_) | Phase::Even(_)) && now.saturating_sub(self.refused_at) > FORGET {
            self.short_rests = 0;
            self.phase = Phase::Open(Opening::past(self.minute.requests(), now, self.heard_after));
        }
    }

    /// A refusal named the limit: so many requests a minute. For ten minutes nothing is tried beyond it. Say it before
    /// [`Pacer::ended`] of that request.
    pub fn hint(&mut self, now: Duration, requests_per_minute: f64) {
        if requests_per_minute.is_finite() && requests_per_minute >= 1.0 {
            let limit = requests_per_minute as u64;
            self.named = Some((limit, now));
            if let Phase::Quota(quota) = &mut self.phase {
                quota.at_most(limit);
            }
        }
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The pace that was learned, in requests a minute.
    pub fn learned_per_minute(&self) -> Option<f64> {
        match &self.phase {
            Phase::Open(_) => None,
            Phase::Rest(rest) => Some(rest.quota as f64).filter(|quota| *quota > 0.0),
            Phase::Quota(quota) => Some(quota.limit() as f64),
            Phase::Even(even) => Some(even.per_second() * MINUTE.as_secs_f64()),
        }
    }

    /// The time until which the scope rests; zero when it does not.
    pub fn rests_until(&self) -> Duration {
        if let Phase::Rest(rest) = &self.phase { rest.next } else { Duration::ZERO }
    }

    /// The limit in requests a minute, if it is proven and so low that the user should hear of it: another model may
    /// suit a large table better.
    pub fn throttled_low(&self) -> Option<f64> {
        let proven = match &self.phase {
            Phase::Open(_) | Phase::Rest(_) => false,
            Phase::Quota(_) => true,
            Phase::Even(even) => even.is_measured(),
        };
        self.learned_per_minute().filter(|limit| proven && *limit <= LOW_PER_MINUTE)
    }
}
