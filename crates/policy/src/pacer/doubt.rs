//! A first refusal says little: a limit was reached, or a shared pool turned away one in ten by chance. What tells them apart is
//! how the requests fared that were sent *after* the refused one. Until that is known nothing more starts.

use std::collections::VecDeque;
use std::time::Duration;

/// With fewer requests sent after the refused one, one more is sent to find out.
const ENOUGH: u64 = 3;
/// From this share on it is a limit.
const LIMIT_SHARE: f64 = 0.5;
/// Once so many of them were served, the rest need not be heard. Not less: requests overtake each other on their way, and some that
/// were sent after the refused one came in before it.
const SERVED_SHARE: f64 = 0.75;
/// Of at least so many no more than this share: it is chance for sure.
const SURE: (u64, f64) = (20, 0.25);
/// So many instants of sending are remembered, at least this far apart.
const MARKS: usize = 128;
const MARK_APART: Duration = Duration::from_millis(1);

/// A refusal that is not understood yet.
#[derive(Debug, Clone)]
pub(super) struct Doubt {
    /// When the refused request was sent.
    pub(super) first: Duration,
    /// Requests that were sent after it, and how they fared.
    later: u64,
    refused: u64,
    served: u64,
    may_probe: bool,
    probed_at: Option<Duration>,
    /// How long a refusal takes, twice, and a little more.
    pub(super) patience: Duration,
    until: Option<Duration>,
    /// When the limit starts anew, if that was said.
    pub(super) told: Option<Duration>,
}

/// How a doubt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// A limit was reached.
    Limit,
    /// A refusal here and there; or a limit that is nearly kept, if that is not sure.
    Chance {
        /// Enough is known to be sure.
        sure: bool,
    },
}

impl Doubt {
    pub(super) fn new(now: Duration, first: Duration, later: u64, heard_after: Duration, told: Option<Duration>) -> Doubt {
        let patience = heard_after.saturating_mul(2).saturating_add(Duration::from_millis(10));
        let few = later < ENOUGH;
        Doubt {
            first,
            later,
            refused: 0,
            served: 0,
            may_probe: few,
            probed_at: None,
            patience,
            until: (!few).then(|| now.saturating_add(patience)),
            told,
        }
    }

    /// Whether too few were sent after the refused one for their fate to tell anything.
    pub(super) fn knows_little(&self) -> bool {
        self.later < ENOUGH
    }

    /// Lets one request go if it is needed to find out; else says when to look again.
    pub(super) fn admits(&mut self, now: Duration) -> Result<(), Duration> {
        if std::mem::take(&mut self.may_probe) {
            self.later += 1;
            self.probed_at = Some(now);
            self.until = Some(now.saturating_add(self.patience));
            return Ok(());
        }
        Err(self.until.unwrap_or(now))
    }

    fn is_later(&self, started: Duration) -> bool {
        started > self.first || self.probed_at.is_some_and(|probed| started >= probed)
    }

    pub(super) fn heard(&mut self, started: Duration, refused: bool) {
        if self.is_later(started) {
            if refused { self.refused += 1 } else { self.served += 1 }
        }
    }

    /// A request that was to find out never left.
    pub(super) fn taken_back(&mut self, started: Duration) {
        if self.is_later(started) {
            self.later = self.later.saturating_sub(1);
            self.may_probe = self.later < ENOUGH;
        }
    }

    pub(super) fn finding(&self, now: Duration) -> Option<Finding> {
        if self.may_probe {
            return None;
        }
        let (later, refused, served) = (self.later as f64, self.refused as f64, self.served as f64);
        if refused > LIMIT_SHARE * later {
            return Some(Finding::Limit);
        }
        // who was not refused by now is being answered
        let over = self.until.is_some_and(|until| now >= until);
        let sure = self.later >= SURE.0 && refused <= SURE.1 * later;
        (over || served >= SERVED_SHARE * later).then_some(Finding::Chance { sure })
    }
}

/// How many requests had been sent at which time, for the last instants of sending.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    marks: VecDeque<(Duration, u64)>,
    sent: u64,
}

impl Marks {
    pub(super) fn sent(&mut self, now: Duration) {
        self.sent += 1;
        match self.marks.back_mut() {
            Some((at, sent)) if now < at.saturating_add(MARK_APART) => *sent = self.sent,
            _ => {
                if self.marks.len() >= MARKS {
                    self.marks.pop_front();
                }
                self.marks.push_back((now, self.sent));
            }
        }
    }

    /// Requests sent after a time; of those longer ago than is remembered, none.
    pub(super) fn since(&self, at: Duration) -> u64 {
        let before = self.marks.partition_point(|(mark, _)| *mark <= at);
        let sent_by_then = before.checked_sub(1).and_then(|index| self.marks.get(index)).or(self.marks.front());
        self.sent - sent_by_then.map_or(self.sent, |(_, sent)| *sent)
    }
}
