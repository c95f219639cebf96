//! A limit that trickles: soon after a refusal the next request is served again, as with a bucket that holds little, or a
//! limit per second. Here the count of a minute says nothing, but the pace between two refusals does: the bucket was
//! empty at both, so what was let through in between is what flows in.

use std::time::Duration;

use super::pace::Bucket;

/// Kept below what was measured by this much, so that nothing is refused while the limit stays.
const BELOW: f64 = 0.98;
/// A pace that was measured over fewer requests is only a guess: it rises at once, and quickly.
const MEASURED: u64 = 5;
const GUESS_GROWTH: f64 = 0.06;
/// Fewer than that are taken together with no more than so many times as many.
const FEW: u64 = 8;
/// Refusals that agree are taken together, over so long, for what lies between the first and the last.
const TOGETHER: Duration = Duration::from_secs(120);
/// A measured pace is kept for a while, then rises by this much a second until the next refusal.
const GROWTH: f64 = 0.03;
/// For how long at first, in seconds, and how many times longer each time nothing has changed. Shorter after a fall: what
/// fell may soon be what it was.
const HOLD: (f64, f64) = (40.0, 1.5);
const HOLD_AFTER_FALL: (f64, f64) = (20.0, 1.15);
/// Up to where the refusals of looking for a higher pace, one and those until it is heard, are so few of what is served.
const REFUSED_SHARE: f64 = 0.006;
const LONGEST_HOLD: f64 = 120.0;
/// A pace that was refused again at once was far off.
const CUT: f64 = 0.7;
/// So many refusals without anything served in between: it no longer trickles.
const DRY: u32 = 3;
/// A refusal at a pace that was kept, below what was measured, speaks against a limit on the pace: once if it came at once, as it does
/// after a fall, and twice if much was served before. One that came when the pace rose speaks for it. So
/// many, and the pace has nothing to do with it.
const FUTILE: u32 = 6;
/// Even with nothing coming through, one request in half a minute is tried.
const SLOWEST: f64 = 1.0 / 30.0;

/// A learned pace.
#[derive(Debug, Clone)]
pub(super) struct Even {
    per_second: f64,
    measured: Option<f64>,
    /// The last pace that was measured.
    kept: Option<f64>,
    grown_at: Duration,
    /// For how long the next pace is kept, and the times that grows.
    holds: (f64, f64),
    hold_until: Duration,
    bucket: Bucket,
    emptied_at: Duration,
    sent: u64,
    /// The time of an earlier refusal, and what was let through since, up to the last one.
    base: Option<(Duration, u64)>,
    dry: u32,
    /// What speaks against a limit on the pace.
    contradicted: u32,
}

/// What a refusal says about an even pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The pace was too high, and is lower now.
    Slower,
    /// Nothing comes through any more.
    Dry,
    /// A lower pace is refused as often: there is no limit on the pace.
    Futile,
}

impl Even {
    /// From what was let through since the last refusal.
    pub(super) fn new(sent: u64, over: Duration, emptied_at: Duration, now: Duration) -> Even {
        let per_second = (sent as f64 / over.as_secs_f64().max(0.01)).max(SLOWEST);
        let sure = sent >= MEASURED;
        Even {
            per_second: if sure { per_second * BELOW } else { per_second },
            measured: sure.then_some(per_second),
            grown_at: now,
            holds: HOLD,
            kept: None,
            hold_until: if sure { now.saturating_add(Duration::from_secs(5)) } else { now },
            bucket: Bucket::new(0.0, now),
            emptied_at,
            sent: 1,
            base: None,
            dry: 0,
            contradicted: 0,
        }
    }

    pub(super) fn per_second(&self) -> f64 {
        self.measured.unwrap_or(self.per_second)
    }

    /// Whether the pace is more than a guess.
    pub(super) fn is_measured(&self) -> bool {
        self.measured.is_some()
    }

    pub(super) fn admits(&mut self, now: Duration, cap: Option<f64>) -> Result<(), Option<Duration>> {
        let from = self.grown_at.max(self.hold_until);
        if now > from {
            let growth = if self.measured.is_some() { GROWTH } else { GUESS_GROWTH };
            self.per_second *= (growth * (now - from).as_secs_f64().min(10.0)).exp();
        }
        self.grown_at = now;
        if let Some(cap) = cap {
            self.per_second = self.per_second.min(cap);
        }
        self.bucket.take(now, 1.0, self.per_second, (self.per_second / 20.0).max(1.0)).map_err(Some)?;
        self.sent += 1;
        Ok(())
    }

    pub(super) fn served(&mut self) {
        self.dry = 0;
    }

    /// A request was refused or never left.
    pub(super) fn taken_back(&mut self, started: Duration) {
        if started > self.emptied_at {
            self.sent = self.sent.saturating_sub(1);
        }
    }

    /// A request was refused that was sent at the pace of now; `later` were sent after it.
    pub(super) fn refused(&mut self, now: Duration, started: Duration, later: u64, heard_after: Duration) -> Refused {
        self.taken_back(started);
        self.sent = self.sent.saturating_sub(later);
        self.dry += 1;
        if self.dry >= DRY {
            return Refused::Dry;
        }
        let kept = now < self.hold_until;
        self.contradicted = match self.sent >= MEASURED {
            true if kept => self.contradicted + 2,
            false if kept => self.contradicted + 1,
            true | false => self.contradicted.saturating_sub(2),
        };
        if self.contradicted >= FUTILE {
            return Refused::Futile;
        }
        match self.measure(started) {
            Some(seen) => {
                let against = self.kept.map_or(1.0, |before| seen / before);
                if !(0.8..=1.2).contains(&against) {
                    self.holds = if against < 1.0 { HOLD_AFTER_FALL } else { HOLD };
                }
                let enough = ((1.0 + seen * heard_after.as_secs_f64()) / (REFUSED_SHARE * seen.max(1e-3))).min(LONGEST_HOLD);
                let hold = self.holds.0.min(enough);
                self.holds.0 *= self.holds.1;
                self.kept = Some(seen);
                self.measured = Some(seen);
                let unsure = 0.5 / self.base.map_or(1, |(_, sent)| sent.max(1)) as f64;
                self.per_second = (self.per_second.min(seen) * (BELOW - unsure)).max(SLOWEST);
                self.hold_until = now.saturating_add(Duration::try_from_secs_f64(hold).unwrap_or_default());
            }
            None => {
                self.measured = None;
                self.per_second = (self.per_second * CUT).max(SLOWEST);
                self.hold_until = now.saturating_add(Duration::from_secs(1));
            }
        }
        (self.emptied_at, self.sent) = (started, later);
        Refused::Slower
    }

    /// What is let through a second, between refusals.
    fn measure(&mut self, started: Duration) -> Option<f64> {
        let rate = |since: Duration, sent: u64| sent as f64 / started.saturating_sub(since).as_secs_f64().max(0.01);
        let latest = rate(self.emptied_at, self.sent);
        let together = self.base.map(|(since, sent)| (since, sent + self.sent));
        let agrees = |(since, sent): &(Duration, u64)| {
            let recent = started.saturating_sub(*since) < TOGETHER;
            // the fewer there were, the less they tell; a few after many are no more of the same
            let close = (latest / rate(*since, *sent) - 1.0).abs() < 0.1 + 2.0 / self.sent.max(1) as f64;
            recent && close && (self.sent >= MEASURED || *sent <= FEW * self.sent)
        };
        let (since, sent) = together.filter(agrees).unwrap_or((self.emptied_at, self.sent));
        self.base = (self.sent > 0).then_some((since, sent));
        (sent >= MEASURED).then(|| rate(since, sent))
    }
}
