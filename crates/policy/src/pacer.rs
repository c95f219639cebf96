//! How many requests may be under way, and how often one may start. Without a limit in sight the window opens as fast as
//! replies are slow; after a 429 the scope rests until it was told to come back, then goes evenly at the pace that worked.

use std::time::Duration;

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
    /// Without any reply.
    Lost,
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

/// The pace of one scope. All times count from one start.
#[derive(Debug, Clone)]
pub struct Pacer {
    ceiling: f64,
    window: f64,
    in_flight: usize,
    tick_at: Duration,
    ended_in_tick: f64,
    rate: Option<Rate>,
    rests_until: Duration,
    last_decrease: Option<Duration>,
    cycle_start: Duration,
    served_in_cycle: f64,
    barren_rounds: u32,
    /// Of the latest replies, the share that was 429, newer ones counting more.
    refused_share: f64,
    served_since: f64,
    counted_since: Duration,
    resting: bool,
    told: bool,
}

/// A learned pace, kept with a token bucket.
#[derive(Debug, Clone, Copy)]
struct Rate {
    per_second: f64,
    tokens: f64,
    at: Duration,
}

/// The window opens from here; a server that answers at once needs no more.
const FIRST_WINDOW: f64 = 64.0;
/// A window through which fewer than half its requests went in one tick is too small for the distance, and doubles.
/// Long enough that a refusal, which comes back sooner than an answer, stops the opening; short enough that thousands
/// are under way within a quarter of a second.
const TICK: Duration = Duration::from_millis(40);
/// A pace that works grows by this much a second.
const GROWTH_PER_SECOND: f64 = 0.04;
/// What one reply counts in the share of refusals.
const SHARE_STEP: f64 = 0.1;
/// From this share on, the whole scope rests.
const RESTING_SHARE: f64 = 0.35;
/// Rounds without a single answer after which waiting is no use.
const BARREN_ROUNDS: u32 = 8;
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

impl Pacer {
    /// A pacer that lets at most `ceiling` requests be under way.
    pub fn new(ceiling: usize) -> Pacer {
        let ceiling = ceiling.max(1) as f64;
        Pacer {
            ceiling,
            window: FIRST_WINDOW.min(ceiling),
            in_flight: 0,
            tick_at: Duration::ZERO,
            ended_in_tick: 0.0,
            rate: None,
            rests_until: Duration::ZERO,
            last_decrease: None,
            cycle_start: Duration::ZERO,
            served_in_cycle: 0.0,
            barren_rounds: 0,
            refused_share: 0.0,
            served_since: 0.0,
            counted_since: Duration::ZERO,
            resting: false,
            told: false,
        }
    }

    /// Lets a request start, or says when to ask again. `Go` counts it as under way.
    pub fn admit(&mut self, now: Duration) -> Admission {
        if self.resting && now >= self.rests_until {
            self.wake(now);
        }
        let closed = self.barren_rounds >= BARREN_ROUNDS;
        if now < self.rests_until {
            return if closed { Admission::Closed(self.rests_until) } else { Admission::At(self.rests_until) };
        }
        if closed && self.in_flight > 0 {
            return Admission::Closed(self.rests_until);
        }
        if let Some(at) = self.open_window(now) {
            return at;
        }
        if let Some(rate) = &mut self.rate {
            let elapsed = now.saturating_sub(rate.at).as_secs_f64();
            rate.per_second *= 1.0 + GROWTH_PER_SECOND * elapsed.min(10.0);
            let burst = (rate.per_second / 10.0).max(1.0);
            rate.tokens = (rate.tokens + elapsed * rate.per_second).min(burst);
            rate.at = now;
            // a hair below one still counts: the time handed out was rounded
            if rate.tokens < 0.999_999 {
                let wait = Duration::from_secs_f64(((1.0 - rate.tokens) / rate.per_second).min(60.0)) + Duration::from_micros(1);
                return Admission::At(now + wait);
            }
            rate.tokens -= 1.0;
        }
        self.in_flight += 1;
        Admission::Go
    }

    /// Whether the window is full; if it should be wider, widens it.
    fn open_window(&mut self, now: Duration) -> Option<Admission> {
        if (self.in_flight as f64) < self.window.floor().max(1.0) {
            return None;
        }
        if self.last_decrease.is_some() || self.window >= self.ceiling {
            return Some(Admission::Later);
        }
        let tick_ends = self.tick_at + TICK;
        if now < tick_ends {
            return Some(Admission::At(tick_ends));
        }
        let slow = self.ended_in_tick < self.window / 2.0;
        self.tick_at = now;
        self.ended_in_tick = 0.0;
        if !slow {
            return Some(Admission::Later);
        }
        self.window = (self.window * 2.0).min(self.ceiling);
        None
    }

    /// A request that was let in at `started` has ended.
    pub fn ended(&mut self, now: Duration, started: Duration, ending: Ending) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.ended_in_tick += 1.0;
        match ending {
            Ending::Served => {
                self.refused_share *= 1.0 - SHARE_STEP;
                self.served_in_cycle += 1.0;
                self.served_since += 1.0;
                if !self.resting {
                    self.barren_rounds = 0;
                }
                if self.last_decrease.is_some() {
                    // with a learned pace the window need not hold back; without one it feels its way
                    let step = if self.rate.is_some() { 1.0 } else { 0.5 };
                    self.window = (self.window + step).min(self.ceiling);
                }
            }
            Ending::Lost => {}
            Ending::RateLimited { come_back } => self.slow_down(now, started, come_back),
        }
    }

    fn slow_down(&mut self, now: Duration, started: Duration, come_back: Option<Duration>) {
        self.refused_share = self.refused_share * (1.0 - SHARE_STEP) + SHARE_STEP;
        if self.last_decrease.is_some_and(|at| started <= at) {
            // of the same burst: it was sent before the last time we slowed down
            if let (Some(wait), true) = (come_back, self.resting) {
                self.rests_until = self.rests_until.max(now + wait);
            }
            return;
        }
        let alone = self.in_flight == 0 && self.served_in_cycle == 0.0;
        if self.refused_share < RESTING_SHARE && !alone {
            // a refusal here and there: the call that met it waits, the others go on a little slower
            self.window = (self.window * 0.95).max(1.0);
            if let Some(rate) = &mut self.rate {
                rate.per_second *= 0.98;
            }
            return;
        }
        let backoff = Duration::from_secs(1).saturating_mul(1 << self.barren_rounds.min(6)).min(LONGEST_BACKOFF);
        self.told |= come_back.is_some();
        self.rests_until = self.rests_until.max(now + come_back.unwrap_or(backoff));
        self.window = (self.window.min(self.in_flight as f64 + 1.0) / 2.0).max(1.0);
        self.last_decrease = Some(now);
        self.resting = true;
    }

    /// Answers a second over the last minutes, rests included.
    fn average(&mut self, now: Duration) -> f64 {
        let mut elapsed = now.saturating_sub(self.counted_since).as_secs_f64();
        if elapsed > 300.0 {
            self.counted_since = now.saturating_sub(Duration::from_secs_f64(elapsed / 2.0));
            self.served_since /= 2.0;
            elapsed /= 2.0;
        }
        self.served_since / elapsed.max(1.0)
    }

    /// The rest is over. What was served between the last rest and the end of this one, answers that came in while
    /// resting included, is what the limit lets through.
    fn wake(&mut self, now: Duration) {
        let told = std::mem::take(&mut self.told);
        // told when the limit resets, a cycle is as long as the limit's own window; else only the active part counts
        let cycle_end = if told { self.rests_until } else { self.last_decrease.unwrap_or(now) };
        let cycle = cycle_end.saturating_sub(self.cycle_start).as_secs_f64().max(0.1);
        let seen = self.served_in_cycle / cycle;
        let slower = match (seen > 0.0, self.rate) {
            (true, _) => Some(seen * if told { 0.98 } else { 0.8 }),
            // what the last minutes let through on the whole is no more than the limit
            (false, Some(rate)) => Some((rate.per_second / 2.0).max(self.average(now) * 0.95)),
            // nothing got through yet, so nothing is known of the limit: a smaller window finds out
            (false, None) => None,
        };
        self.barren_rounds = if seen > 0.0 { 0 } else { self.barren_rounds + 1 };
        self.rate = slower.map(|slower| Rate { per_second: slower.max(0.02), tokens: 1.0, at: now });
        self.window = self.window.max(slower.unwrap_or(1.0).min(self.ceiling));
        self.cycle_start = now;
        self.served_in_cycle = 0.0;
        self.refused_share = 0.0;
        self.resting = false;
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The pace that was learned, in requests a minute.
    pub fn learned_per_minute(&self) -> Option<f64> {
        self.rate.map(|rate| rate.per_second * 60.0)
    }

    /// The time until which the scope rests.
    pub fn rests_until(&self) -> Duration {
        self.rests_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    /// A server with a hidden limit of so many requests in each fixed minute, which refuses after 20 ms and answers
    /// after 300; returns (answered, refused).
    fn run(limit_per_minute: u32, told: bool, minutes: u64) -> (u32, u32) {
        let mut pacer = Pacer::new(4_096);
        let mut replies: BinaryHeap<Reverse<(Duration, Duration, bool)>> = BinaryHeap::new();
        let (mut now, mut minute, mut used, mut answered, mut refused) = (Duration::ZERO, 0, 0, 0, 0);
        let end = Duration::from_secs(60 * minutes);
        while now < end {
            while let Some(Reverse((at, started, ok))) = replies.peek().copied().filter(|Reverse((at, ..))| *at <= now) {
                replies.pop();
                let come_back = told.then(|| Duration::from_secs((at.as_secs() / 60 + 1) * 60) - at);
                pacer.ended(at, started, if ok { Ending::Served } else { Ending::RateLimited { come_back } });
                if ok { answered += 1 } else { refused += 1 }
            }
            let next = match pacer.admit(now) {
                Admission::Go => {
                    if now.as_secs() / 60 != minute {
                        (minute, used) = (now.as_secs() / 60, 0);
                    }
                    used += 1;
                    let served = used <= limit_per_minute;
                    let latency = Duration::from_millis(if served { 300 } else { 20 });
                    replies.push(Reverse((now + latency, now, served)));
                    now
                }
                Admission::At(at) | Admission::Closed(at) => at.max(now + Duration::from_micros(1)),
                Admission::Later => Duration::MAX,
            };
            let reply = replies.peek().map_or(Duration::MAX, |Reverse((at, ..))| *at);
            if next > now {
                now = next.min(reply);
            }
        }
        (answered, refused)
    }

    #[test]
    fn everything_is_under_way_at_once_when_no_limit_says_otherwise() {
        let mut pacer = Pacer::new(4_096);
        let mut now = Duration::ZERO;
        let mut admitted = 0;
        while admitted < 2_000 {
            match pacer.admit(now) {
                Admission::Go => admitted += 1,
                Admission::At(at) => now = at,
                other => panic!("{other:?} after {admitted}"),
            }
        }
        assert!(now <= Duration::from_millis(250), "{now:?}");
    }

    #[test]
    fn a_quick_server_needs_no_wide_window() {
        let mut pacer = Pacer::new(4_096);
        let mut now = Duration::ZERO;
        for _ in 0..20_000 {
            while pacer.admit(now) == Admission::Go {}
            now += Duration::from_micros(25);
            pacer.ended(now, now, Ending::Served);
        }
        assert!(pacer.in_flight() <= 256, "{}", pacer.in_flight());
    }

    #[test]
    fn hidden_limits_are_found_and_kept() {
        for (limit, told) in [(100, true), (600, true), (6_000, true), (600, false), (6_000, false)] {
            let (answered, refused) = run(limit, told, 10);
            let share = f64::from(answered) / f64::from(limit * 10);
            assert!(share > 0.8, "{limit} a minute, told {told}: {answered} answered, {refused} refused");
            assert!(
                f64::from(refused) < 0.2 * f64::from(answered + refused),
                "{limit} a minute, told {told}: {answered} answered, {refused} refused"
            );
        }
    }

    #[test]
    fn a_refusal_here_and_there_costs_little() {
        let mut pacer = Pacer::new(4_096);
        let (mut now, mut sent, mut answered) = (Duration::ZERO, 0u32, 0u32);
        let mut under_way: std::collections::VecDeque<(Duration, Duration, bool)> = Default::default();
        while answered < 2_000 {
            while under_way.front().is_some_and(|(at, ..)| *at <= now) {
                let Some((at, started, ok)) = under_way.pop_front() else { break };
                let refused = Ending::RateLimited { come_back: Some(Duration::from_secs(1)) };
                pacer.ended(at, started, if ok { Ending::Served } else { refused });
                answered += u32::from(ok);
            }
            match pacer.admit(now) {
                Admission::Go => {
                    sent += 1;
                    under_way.push_back((now + Duration::from_millis(500), now, !sent.is_multiple_of(10)));
                }
                Admission::At(at) | Admission::Closed(at) => {
                    now = under_way.front().map_or(at, |(reply, ..)| at.min(*reply)).max(now + Duration::from_micros(1));
                }
                Admission::Later => now = under_way.front().map_or(now, |(reply, ..)| (*reply).max(now + Duration::from_micros(1))),
            }
            assert!(now < Duration::from_secs(30), "{answered} answered, {sent} sent");
        }
    }

    #[test]
    fn a_scope_that_never_answers_closes_and_is_probed() {
        let mut pacer = Pacer::new(100);
        let mut now = Duration::ZERO;
        let mut rounds = 0;
        loop {
            match pacer.admit(now) {
                Admission::Go => {
                    rounds += 1;
                    pacer.ended(now, now, Ending::RateLimited { come_back: Some(Duration::from_secs(1)) });
                    now += Duration::from_micros(1);
                }
                Admission::At(at) => now = at,
                Admission::Closed(until) => {
                    assert_eq!(rounds, 9);
                    assert_eq!(pacer.admit(until), Admission::Go);
                    pacer.ended(until, until, Ending::Served);
                    assert!(matches!(pacer.admit(until + Duration::from_secs(60)), Admission::Go));
                    return;
                }
                Admission::Later => panic!("nothing is under way"),
            }
        }
    }
}
