//! A limit that counts: so many requests within a minute, then none until older ones are a minute old. What was served in
//! the minute before a refusal *is* the limit, for windows that slide, for windows that start on the clock, and for
//! a bucket that holds a minute. So the pacer keeps its own sliding minute at exactly that count, which no such server refuses.
//!
//! A limit that has risen shows only to who asks for more than it was. Therefore the count is used up somewhat faster than it comes
//! back, and then one single request more is tried. It costs one refusal if nothing has changed; if it is served, the
//! rest of the minute is left to take what the new limit allows.

use std::time::Duration;

use super::minute::{MINUTE, Minute};
use super::pace::Bucket;

/// While a limit is new, its count is used up so many times faster than it comes back: in a quarter of the minute. The
/// other three quarters are there for what a limit that has risen lets through.
const HASTE: f64 = 4.0;
/// With each minute in which the limit held, the haste becomes less.
const CALMER: f64 = 0.85;
/// A limit that held for ten minutes is kept nearly evenly.
const CALM: f64 = 1.1;
/// After how many minutes the next single request beyond the limit goes. A limit that fell may soon be what it was: then after
/// each of the first three minutes. From [`STEADY`] on for one that did not: less and less often.
const TRIES: [u32; 7] = [1, 1, 1, 2, 3, 5, 10];
const STEADY: usize = 2;
/// A minute is used up when nothing comes back for so long: then all that is counted was sent in one go, and a limit
/// that starts anew on the clock counts the same.
const PAUSE: Duration = Duration::from_secs(5);
/// Used up so soon after the last look, it is the same minute still.
const APART: Duration = Duration::from_secs(30);
/// A count that is kept evenly has no such pauses; then a look every so often does.
const AT_LEAST: Duration = Duration::from_secs(120);
/// While a higher limit is looked for, it may double within a minute. More could be two minutes of the clock taken for one.
const MOST_RISE: u64 = 2;
/// While it is open where a limit ends, this share of it may be under way unanswered, and that is about what is
/// refused at its end.
const BEYOND_SHARE: f64 = 0.05;

/// A learned limit of requests a minute.
#[derive(Debug, Clone)]
pub(super) struct Quota {
    limit: u64,
    pace: Bucket,
    haste: f64,
    beyond: Option<Beyond>,
    /// Minutes used up since the last try, and tries without a rise.
    minutes: u32,
    tries: usize,
    used_up_at: Duration,
    tried_at: Duration,
}

/// Requests beyond what is known to be allowed.
#[derive(Debug, Clone, Copy)]
struct Beyond {
    since: Duration,
    in_flight: u64,
    served: u64,
    from: u64,
}

impl Quota {
    pub(super) fn new(limit: u64, fell: bool, learned_at: Duration, now: Duration) -> Quota {
        Quota {
            limit: limit.max(1),
            pace: Bucket::new(1.0, now),
            haste: HASTE,
            beyond: None,
            minutes: 0,
            tries: if fell { 0 } else { STEADY },
            used_up_at: learned_at,
            tried_at: learned_at,
        }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// The limit was named; it is no higher.
    pub(super) fn at_most(&mut self, cap: u64) {
        self.limit = self.limit.min(cap.max(1));
    }

    /// Whether one more may go; else when to look again, or `None` for when a reply comes in. `cap` is a limit that was
    /// named: nothing is tried beyond it. `heard_after` is how long a refusal takes.
    pub(super) fn admits(
        &mut self,
        now: Duration,
        minute: &Minute,
        cap: Option<u64>,
        heard_after: Duration,
    ) -> Result<(), Option<Duration>> {
        let counted = minute.counted();
        if self.beyond.is_some_and(|beyond| beyond.in_flight == 0) && counted < self.limit {
            self.beyond = None;
        }
        if let Some(beyond) = self.beyond {
            if beyond.in_flight >= self.most_beyond(beyond.served) {
                return Err(None);
            }
            if counted >= cap.unwrap_or(u64::MAX).min(beyond.from.saturating_mul(MOST_RISE)) {
                return Err(Some(minute.fewer_than(self.limit)));
            }
        } else if counted >= self.limit {
            let frees = minute.fewer_than(self.limit);
            let paused = frees >= now.saturating_add(PAUSE);
            if paused && now >= self.used_up_at.saturating_add(APART) {
                self.used_up(now);
            }
            let due = (paused && self.minutes >= TRIES[self.tries.min(TRIES.len() - 1)])
                || now >= self.tried_at.saturating_add(AT_LEAST.saturating_mul(TRIES[self.tries.min(TRIES.len() - 1)]));
            if !due || cap.is_some_and(|cap| counted >= cap) {
                return Err(Some(frees));
            }
        }
        let per_second = self.per_second(heard_after);
        self.pace.take(now, 1.0, per_second, (per_second / 20.0).max(1.0)).map_err(Some)?;
        if counted >= self.limit || self.beyond.is_some() {
            let beyond = self.beyond.get_or_insert(Beyond { since: now, in_flight: 0, served: 0, from: self.limit });
            beyond.in_flight += 1;
            (self.minutes, self.tried_at) = (0, now);
        }
        Ok(())
    }

    fn per_second(&self, heard_after: Duration) -> f64 {
        let even = self.limit as f64 / MINUTE.as_secs_f64();
        let unheard = BEYOND_SHARE * self.limit as f64 / heard_after.as_secs_f64().max(1e-3);
        (even * self.haste).min(unheard).max(even * CALM)
    }

    /// One alone at first, then one more with each that is served.
    fn most_beyond(&self, served: u64) -> u64 {
        ((BEYOND_SHARE * self.limit as f64) as u64).max(1).min(1 + served)
    }

    fn used_up(&mut self, now: Duration) {
        self.used_up_at = now;
        self.minutes += 1;
        self.haste = (self.haste * CALMER).max(CALM);
    }

    /// Whether a request went beyond the limit.
    pub(super) fn is_beyond(&self, started: Duration) -> bool {
        self.beyond.is_some_and(|beyond| started >= beyond.since)
    }

    pub(super) fn served(&mut self, started: Duration, minute: &Minute) {
        if let Some(beyond) = self.beyond.as_mut().filter(|beyond| started >= beyond.since) {
            beyond.in_flight = beyond.in_flight.saturating_sub(1);
            beyond.served += 1;
            // what is counted and not open any more was let through
            self.limit = self.limit.max(minute.counted().saturating_sub(beyond.in_flight));
        }
    }

    /// A request never left, or nothing is known of its end.
    pub(super) fn unheard(&mut self, started: Duration) {
        if let Some(beyond) = self.beyond.as_mut().filter(|beyond| started >= beyond.since) {
            beyond.in_flight = beyond.in_flight.saturating_sub(1);
        }
    }

    /// A request beyond the limit was refused: the limit is where it was, or where it is now. `counted` is what was let
    /// through since it last started anew, if that was said.
    pub(super) fn refused(&mut self, counted: Option<u64>) {
        if self.beyond.take().is_some_and(|beyond| beyond.served > 0) {
            (self.tries, self.haste) = (STEADY, HASTE);
            if let Some(counted) = counted {
                self.limit = self.limit.min(counted.max(1));
            }
        } else {
            self.tries += 1;
        }
    }
}
