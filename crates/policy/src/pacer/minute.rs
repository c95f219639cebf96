//! What was sent in the last minute: the count that nearly every provider's limit is about.

use std::time::Duration;

/// How finely a minute is remembered. A request stays counted for 60.50 to 60.75 seconds: a limit over sixty seconds is
/// kept although requests take different times to arrive (half a second of difference is forgiven), at a cost of about
/// one in a hundred of what the limit lets through.
const SLOT: Duration = Duration::from_millis(250);
const SLOTS: usize = 243;
/// What a limit counts over.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    requests: u64,
    /// Of them, those that a limit no longer counts, because it was seen to start anew.
    forgiven: u64,
    tokens: u64,
}

/// Requests and tokens of the last minute, without those that were refused.
#[derive(Debug, Clone)]
pub(super) struct Minute {
    slots: Box<[Slot]>,
    newest: u64,
    requests: u64,
    forgiven: u64,
    tokens: u64,
}

fn number(at: Duration) -> u64 {
    u64::try_from(at.as_millis() / SLOT.as_millis()).unwrap_or(u64::MAX)
}

fn start(number: u64) -> Duration {
    Duration::from_millis(number.saturating_mul(250))
}

impl Minute {
    pub(super) fn new() -> Minute {
        Minute { slots: vec![Slot::default(); SLOTS].into_boxed_slice(), newest: 0, requests: 0, forgiven: 0, tokens: 0 }
    }

    /// Forgets what is too old.
    pub(super) fn advance(&mut self, now: Duration) {
        let to = number(now);
        let steps = to.saturating_sub(self.newest).min(SLOTS as u64);
        for step in 0..steps {
            // the slots after the newest hold the oldest
            let slot = std::mem::take(&mut self.slots[((self.newest + 1 + step) % SLOTS as u64) as usize]);
            self.requests -= slot.requests;
            self.forgiven -= slot.forgiven;
            self.tokens -= slot.tokens;
        }
        self.newest = self.newest.max(to);
    }

    fn slot(&mut self, at: Duration) -> Option<&mut Slot> {
        let number = number(at);
        let remembered = number <= self.newest && self.newest - number < SLOTS as u64;
        remembered.then(|| &mut self.slots[(number % SLOTS as u64) as usize])
    }

    pub(super) fn sent(&mut self, now: Duration, tokens: u64) {
        self.advance(now);
        if let Some(slot) = self.slot(now) {
            slot.requests += 1;
            slot.tokens += tokens;
            self.requests += 1;
            self.tokens += tokens;
        }
    }

    /// A request was refused, or never left: it does not count.
    pub(super) fn taken_back(&mut self, started: Duration, tokens: u64) {
        let Some(slot) = self.slot(started) else { return };
        let (requests, forgiven) = (slot.requests.min(1), u64::from(slot.requests == slot.forgiven).min(slot.forgiven));
        let tokens = tokens.min(slot.tokens);
        slot.requests -= requests;
        slot.forgiven -= forgiven;
        slot.tokens -= tokens;
        self.requests -= requests;
        self.forgiven -= forgiven;
        self.tokens -= tokens;
    }

    /// The tokens of a request turned out to be others than estimated.
    pub(super) fn used(&mut self, started: Duration, estimated: u64, used: u64) {
        let Some(slot) = self.slot(started) else { return };
        let corrected = slot.tokens.saturating_sub(estimated).saturating_add(used);
        let before = std::mem::replace(&mut slot.tokens, corrected);
        self.tokens = self.tokens.saturating_sub(before).saturating_add(corrected);
    }

    /// Requests that a limit still counts.
    pub(super) fn counted(&self) -> u64 {
        self.requests - self.forgiven
    }

    /// All requests of the last minute.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// All tokens of the last minute.
    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Requests that a limit still counts and that were sent after a time, to the slot.
    pub(super) fn counted_since(&self, from: Duration) -> u64 {
        let first = number(from).max((self.newest + 1).saturating_sub(SLOTS as u64));
        (first..=self.newest).map(|number| self.slots[(number % SLOTS as u64) as usize]).map(|slot| slot.requests - slot.forgiven).sum()
    }

    /// The limit was seen to start anew: what was sent so far no longer counts, but for the one request that showed it.
    pub(super) fn starts_anew(&mut self, shown_by: Duration) {
        for slot in &mut self.slots {
            slot.forgiven = slot.requests;
        }
        self.forgiven = self.requests;
        if let Some(slot) = self.slot(shown_by).filter(|slot| slot.forgiven > 0) {
            slot.forgiven -= 1;
            self.forgiven -= 1;
        }
    }

    /// When fewer than `below` requests will be counted, if none is sent until then.
    pub(super) fn fewer_than(&self, below: u64) -> Duration {
        self.drops(self.counted(), below, |slot| slot.requests - slot.forgiven)
    }

    /// When at most `requests` in all will be remembered.
    pub(super) fn requests_at_most(&self, requests: u64) -> Duration {
        self.drops(self.requests, requests.saturating_add(1), |slot| slot.requests)
    }

    /// When at most so many tokens will be remembered.
    pub(super) fn tokens_at_most(&self, tokens: u64) -> Duration {
        self.drops(self.tokens, tokens.saturating_add(1), |slot| slot.tokens)
    }

    fn drops(&self, mut amount: u64, below: u64, part: impl Fn(&Slot) -> u64) -> Duration {
        let oldest = (self.newest + 1).saturating_sub(SLOTS as u64);
        let mut at = start(self.newest);
        for number in oldest..=self.newest {
            if amount < below.max(1) {
                break;
            }
            amount = amount.saturating_sub(part(&self.slots[(number % SLOTS as u64) as usize]));
            at = start(number + SLOTS as u64);
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_request_counts_for_a_minute_and_a_little_more() {
        let mut minute = Minute::new();
        minute.sent(SECOND, 7);
        minute.sent(SECOND * 2, 1);
        let frees = minute.fewer_than(2);
        assert!(frees > SECOND * 61 && frees <= SECOND * 62, "{frees:?}");
        minute.advance(frees - Duration::from_millis(1));
        assert_eq!((minute.counted(), minute.tokens()), (2, 8));
        minute.advance(frees);
        assert_eq!((minute.counted(), minute.tokens()), (1, 1));
        minute.advance(SECOND * 1_000_000);
        assert_eq!((minute.counted(), minute.tokens()), (0, 0));
    }

    #[test]
    fn what_is_forgiven_is_still_remembered() {
        let mut minute = Minute::new();
        (0..10).for_each(|_| minute.sent(SECOND, 0));
        minute.sent(SECOND * 2, 0);
        minute.starts_anew(SECOND * 2);
        assert_eq!((minute.counted(), minute.requests(), minute.counted_since(SECOND)), (1, 11, 1));
        minute.taken_back(SECOND, 0);
        minute.taken_back(SECOND * 2, 0);
        assert_eq!((minute.counted(), minute.requests()), (0, 9));
        minute.advance(SECOND * 62);
        assert_eq!((minute.counted(), minute.requests()), (0, 0));
    }

    proptest! {
        /// The running sums are those of the slots, and the times it names are right.
        #[test]
        fn sums_hold(steps in proptest::collection::vec((0u64..5_000, 0u64..100, 0u8..5), 0..300), below in 1u64..50) {
            let mut minute = Minute::new();
            let mut now = Duration::ZERO;
            let mut sent = Vec::new();
            for (ms, tokens, what) in steps {
                now += Duration::from_millis(ms);
                minute.advance(now);
                match (what, sent.pop()) {
                    (0, Some((at, tokens))) => minute.taken_back(at, tokens),
                    (1, Some((at, estimated))) => minute.used(at, estimated, tokens),
                    (2, _) => minute.starts_anew(now),
                    (_, last) => {
                        sent.extend(last);
                        minute.sent(now, tokens);
                        sent.push((now, tokens));
                    }
                }
                let sum = |part: fn(&Slot) -> u64| minute.slots.iter().map(part).sum::<u64>();
                prop_assert_eq!(minute.requests, sum(|slot| slot.requests));
                prop_assert_eq!(minute.forgiven, sum(|slot| slot.forgiven));
                prop_assert_eq!(minute.tokens, sum(|slot| slot.tokens));
                prop_assert_eq!(minute.counted_since(Duration::ZERO), minute.counted());
            }
            if minute.counted() >= below {
                let at = minute.fewer_than(below);
                prop_assert!(at > now);
                let mut later = minute.clone();
                later.advance(at);
                prop_assert!(later.counted() < below);
                minute.advance(at - Duration::from_millis(1));
                prop_assert!(minute.counted() >= below);
            }
        }
    }
}
