//! After a limit was reached: nothing starts, but for single requests that find out, at growing distances, whether it is
//! over. When that was said, at that time.

use std::time::Duration;

use super::minute::{MINUTE, Minute};

/// Without a word of when to come back: soon, because some limits trickle. A bucket that holds up to a minute's worth, as much as
/// was just served, has one more after a minute divided by that; half as long again is waited, within these bounds.
const SOON: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// Where it is known not to trickle: when what was sent before the last pause no longer counts, which is about then.
const AGED: Duration = Duration::from_secs(7);
/// Then, if it is still refused, at this distance, doubled each time.
const LATE: Duration = Duration::from_secs(8);
const LONGEST: Duration = Duration::from_secs(60);
/// Clocks differ by a little, and a time that was said is not passed on the dot.
const SLACK: Duration = Duration::from_millis(50);
/// A time that was said and the end of the own count that lie no further apart than this are the same.
const CAREFUL: Duration = Duration::from_secs(2);
/// A wait that is said to be longer is not believed: one request an hour finds out, and costs nothing.
const LONGEST_TOLD: Duration = Duration::from_secs(3_600);

/// The time after a limit was reached.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    /// What the limit lets through, and whether that was named.
    pub(super) quota: u64,
    named: bool,
    /// When the last refused request was sent.
    pub(super) emptied_at: Duration,
    /// When the rest began.
    pub(super) since: Duration,
    /// What was let through since the refusal before, and over how long.
    pub(super) run: (u64, Duration),
    /// When the next one may go.
    pub(super) next: Duration,
    /// The single request under way, and whether it goes although the minute is used up.
    pub(super) probe: Option<Probe>,
    refused: u32,
    /// Whether it fell from a higher one, that is known to count over a minute and not to trickle.
    pub(super) fell: bool,
}

/// A single request that finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) started: Duration,
    /// It goes although, by what is known, the minute is used up.
    pub(super) early: bool,
}

/// The time that was named in a refusal, if it can be believed.
pub(super) fn told(now: Duration, come_back: Option<Duration>) -> Option<Duration> {
    come_back.map(|wait| now.saturating_add(wait.min(LONGEST_TOLD)))
}

impl Rest {
    /// From now on, after a limit let through `quota`, which a refusal may have `named`.
    pub(super) fn new(now: Duration, quota: u64, named: bool, emptied_at: Duration, run: (u64, Duration)) -> Rest {
        Rest { quota, named, emptied_at, since: now, run, next: now, probe: None, refused: 0, fell: false }
    }

    /// Sets the time of the next single request.
    pub(super) fn plan(&mut self, now: Duration, told: Option<Duration>, minute: &Minute) {
        let doubled = |first: Duration, times: u32| first.saturating_mul(1 << times.min(16)).min(LONGEST);
        let tries = self.refused;
        self.next = match told {
            // a wait of nothing, said again and again, grows too
            Some(at) => {
                let at = at.saturating_add(SLACK).max(now.saturating_add(doubled(SLACK, tries)));
                let frees = minute.fewer_than(self.quota);
                // the same time, only that the own count is a little more careful
                if frees > at && frees <= at.saturating_add(CAREFUL) { frees } else { at }
            }
            None if self.quota == 0 => now.saturating_add(doubled(SOON.0, tries)),
            None if tries == 0 && !self.fell => now.saturating_add((MINUTE * 3 / 2 / self.quota.min(90) as u32).clamp(SOON.0, SOON.1)),
            None if tries == 0 => now.saturating_add(AGED),
            None => minute.fewer_than(self.quota).max(now.saturating_add(doubled(LATE, tries - 1))),
        };
    }

    pub(super) fn admits(&mut self, now: Duration, minute: &Minute, patience: Duration) -> Result<(), Option<Duration>> {
        if let Some(probe) = self.probe {
            return Err(Some(probe.started.saturating_add(patience)));
        }
        if now < self.next {
            return Err(Some(self.next));
        }
        self.probe = Some(Probe { started: now, early: minute.counted() >= self.quota });
        Ok(())
    }

    /// Another request of the same burst was refused, so it was not let through; and maybe it named a time.
    pub(super) fn refused_too(&mut self, told: Option<Duration>) {
        if !self.named {
            self.quota = self.quota.saturating_sub(1);
        }
        if let (Some(at), None) = (told, self.probe) {
            self.next = self.next.max(at.saturating_add(SLACK));
        }
    }

    pub(super) fn is_probe(&self, started: Duration) -> bool {
        self.probe.is_some_and(|probe| started >= probe.started)
    }

    /// The single request was refused too.
    pub(super) fn refused(&mut self, now: Duration, started: Duration, told: Option<Duration>, minute: &Minute) {
        self.probe = None;
        self.refused += 1;
        self.emptied_at = started;
        // the limit is no more than what is counted now
        if !self.named {
            self.quota = self.quota.min(minute.counted());
        }
        self.plan(now, told, minute);
    }
}
