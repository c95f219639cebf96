//! Without a limit in sight: how far to open. In lumps that end just past the next round number, with a pause after each
//! in which a refusal would come back.

use std::time::Duration;

/// The pause between lumps. A refusal is quicker than an answer, mostly back within 20 ms; and with this pause two
/// thousand requests are under way after 18 lumps, 0.38 s.
const TICK: Duration = Duration::from_millis(21);
/// Once answers come in it is known how long things take, and there is time to hear more between lumps: a quarter of
/// that. It costs a fraction of a second where there is no limit, and saves refusals where they are as slow as answers.
const OF_AN_ANSWER: f64 = 0.25;
/// Where refusals are slow, the pause is this long, and somewhat more is refused.
const LONGEST_TICK: Duration = Duration::from_millis(500);
/// Before the first reply of any kind, no more than this.
const BLIND: u64 = 2_000;
/// The first lump is just past 20: what a `:free` model takes in a minute, and enough for a server that answers at once.
const FIRST: u64 = 20;
/// Replies that come as quickly as this: the server is the bottleneck, and a wider window is of no use.
const QUICK: Duration = Duration::from_millis(5);
/// Answers that take so many times longer than they did lately: the server is at its limit, more would only queue there.
const CONGESTED: f64 = 4.0;
/// How long "lately" is. Models differ in how long they talk, so the mark is set anew.
const LATELY: Duration = Duration::from_secs(5);
/// While replies come in, so many more than were answered may be under way without waiting for the next lump; that is
/// all a quick server needs, and few enough to be refused without harm.
const MOST_SPARE: u64 = 64;

/// Enough to tell chance from a limit.
const FEELER: u64 = 40;

/// Limits are round numbers. A lump that ends just past one, and then listens, finds that limit with a handful of refusals.
const ROUND: [u64; 9] = [10, 12, 15, 20, 30, 40, 50, 60, 80];
/// Beyond the first thousands there is no more hurry, and a lump refused is a large one.
const FINE: [u64; 12] = [10, 12, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90];

/// How far the way is open.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    since: Duration,
    sent: u64,
    served: u64,
    rung: u64,
    tick_at: Duration,
    /// How long a refusal takes, if that is known.
    heard_after: Duration,
    /// How long answers take, newer ones counting more; in seconds.
    latency: Option<f64>,
    least_latency: f64,
    least_at: Duration,
}

/// The end of the lump that goes on from here.
fn rung_above(sent: u64) -> u64 {
    let just_past = |round: u64| round.saturating_add((round / 100).max(1));
    if sent < 10 {
        return just_past(sent.max(1));
    }
    let mut power = 1u64;
    loop {
        let rounds: &[u64] = if sent > BLIND { &FINE } else { &ROUND };
        for round in rounds {
            let rung = just_past(round.saturating_mul(power));
            if rung > sent {
                return rung;
            }
        }
        match power.checked_mul(10) {
            Some(next) => power = next,
            None => return u64::MAX,
        }
    }
}

impl Opening {
    pub(super) fn new() -> Opening {
        Opening::from(rung_above(FIRST), 0, Duration::ZERO, Duration::ZERO)
    }

    /// After one request was served that should have been refused by what was known: the first lump is one request.
    pub(super) fn anew(now: Duration, heard_after: Duration) -> Opening {
        let mut opening = Opening::from(rung_above(1), 1, now, heard_after);
        opening.served = 1;
        opening
    }

    /// After a time without trouble: so many were fine.
    pub(super) fn past(fine: u64, now: Duration, heard_after: Duration) -> Opening {
        Opening::from(rung_above(fine.max(FIRST)), 0, now, heard_after)
    }

    fn from(rung: u64, sent: u64, now: Duration, heard_after: Duration) -> Opening {
        Opening { since: now, sent, served: 0, rung, tick_at: now, heard_after, latency: None, least_latency: f64::INFINITY, least_at: now }
    }

    /// Whether one more may go; else when to look again, or `None` for when a reply comes in.
    pub(super) fn admits(&mut self, now: Duration, in_flight: usize) -> Result<(), Option<Duration>> {
        let spare = MOST_SPARE.min(2 + self.served / 20);
        if self.sent < self.rung.max(self.served + spare) || in_flight == 0 {
            self.sent += 1;
            return Ok(());
        }
        if self.latency.is_none() && self.sent > BLIND {
            return Err(None);
        }
        let tick_ends = self.tick_at.saturating_add(self.tick());
        if now < tick_ends {
            return Err(Some(tick_ends));
        }
        if !self.is_held_back() {
            return Err(None);
        }
        self.rung = rung_above(self.sent);
        self.tick_at = now;
        self.sent += 1;
        Ok(())
    }

    /// The next lump is a small one: a lump that ended just past a limit meets few refusals too, and looks like chance.
    pub(super) fn feel_forward(&mut self, now: Duration) {
        self.rung = self.rung.min(self.sent.saturating_add(FEELER));
        self.tick_at = now;
    }

    /// The pause in which to listen.
    fn tick(&self) -> Duration {
        if self.heard_after > Duration::ZERO {
            return (self.heard_after.saturating_add(self.heard_after / 10)).clamp(TICK, LONGEST_TICK);
        }
        TICK.max(Duration::try_from_secs_f64(self.latency.unwrap_or(0.0) * OF_AN_ANSWER).unwrap_or(TICK))
    }

    /// Whether it is the window that holds back, and not the server.
    fn is_held_back(&self) -> bool {
        self.latency.is_none_or(|latency| latency > QUICK.as_secs_f64() && latency <= CONGESTED * self.least_latency)
    }

    pub(super) fn served(&mut self, now: Duration, started: Duration) {
        // answers to what was sent before tell nothing of how far it is open now
        self.served += u64::from(started >= self.since);
        if self.latency.is_none() {
            // from here on there is something to listen to
            self.tick_at = now;
        }
        let latency = now.saturating_sub(started).as_secs_f64();
        let smoothed = self.latency.map_or(latency, |before| before + (latency - before) / 16.0);
        self.latency = Some(smoothed);
        if smoothed < self.least_latency || now.saturating_sub(self.least_at) > LATELY {
            (self.least_latency, self.least_at) = (smoothed, now);
        }
    }

    /// A request was refused or never left.
    pub(super) fn taken_back(&mut self, started: Duration) {
        if started >= self.since {
            self.sent = self.sent.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lumps_end_just_past_round_numbers() {
        let mut rungs = vec![];
        let mut sent = 1;
        while sent < 7_000 {
            sent = rung_above(sent);
            rungs.push(sent);
        }
        assert_eq!(rungs[..12], [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 16]);
        assert!([21, 101, 202, 606, 1_010, 6_060].iter().all(|rung| rungs.contains(rung)), "{rungs:?}");
        assert!(rungs.windows(2).all(|pair| pair[1] <= pair[0] + pair[0] / 2 + 1));
        assert_eq!(rung_above(u64::MAX - 1), u64::MAX);
    }
}
