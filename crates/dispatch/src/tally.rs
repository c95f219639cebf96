//! What a run has done so far, for the progress line and the report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use corsac_ledger::Usage;
use corsac_wire::Usd;
use parking_lot::Mutex;

use crate::{Answer, Failure, FailureKind, Source};

/// Counters of one dispatcher.
#[derive(Debug, Default)]
pub struct Tally {
    answered: AtomicU64,
    from_memory: AtomicU64,
    failed: AtomicU64,
    requests: AtomicU64,
    details: Mutex<Details>,
}

#[derive(Debug, Default)]
struct Details {
    cost: Usd,
    unpriced: u64,
    usage: Usage,
    served: BTreeMap<(Arc<str>, Option<Arc<str>>), u64>,
    failures: BTreeMap<FailureKind, (u64, Arc<str>)>,
    remedies: BTreeMap<String, u64>,
    repaired: u64,
    detours: BTreeMap<Arc<str>, (u64, Duration)>,
}

/// The counters at one moment.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Calls a model answered.
    pub answered: u64,
    /// Calls answered from memory or by another call in flight.
    pub from_memory: u64,
    /// Calls that ended without an answer.
    pub failed: u64,
    /// Requests sent.
    pub requests: u64,
    /// What they cost.
    pub cost: Usd,
    /// Answers whose cost nobody told and no catalog gives.
    pub unpriced: u64,
    /// Tokens.
    pub usage: Usage,
    /// Answers by model and provider.
    pub served: Vec<(Arc<str>, Option<Arc<str>>, u64)>,
    /// Failed calls by kind, with the first message of each.
    pub failures: Vec<(FailureKind, u64, Arc<str>)>,
    /// Remedies that were needed, by name.
    pub remedies: Vec<(String, u64)>,
    /// Answers whose syntax was repaired.
    pub repaired: u64,
    /// Calls that another route than the first answered: by which model, how many, and the time lost on the way, on average.
    pub detours: Vec<(Arc<str>, u64, Duration)>,
}

impl Tally {
    pub(crate) fn answer(&self, answer: &Answer) {
        match answer.source {
            Source::Asked => &self.answered,
            Source::Memory | Source::Shared => &self.from_memory,
        }
        .fetch_add(1, Ordering::Relaxed);
        if answer.source == Source::Asked {
            let mut details = self.details.lock();
            *details.served.entry((Arc::clone(&answer.model), answer.provider.clone())).or_default() += 1;
        }
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut details = self.details.lock();
        details.failures.entry(failure.kind).or_insert_with(|| (0, Arc::clone(&failure.message))).0 += 1;
    }

    pub(crate) fn request(&self, usage: Usage, cost: Option<Usd>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut details = self.details.lock();
        details.usage.prompt_tokens += usage.prompt_tokens;
        details.usage.completion_tokens += usage.completion_tokens;
        details.usage.cached_tokens += usage.cached_tokens;
        match cost {
            Some(cost) => details.cost += cost,
            None => details.unpriced += 1,
        }
    }

    pub(crate) fn remedy(&self, name: String) {
        *self.details.lock().remedies.entry(name).or_default() += 1;
    }

    pub(crate) fn repaired(&self) {
        self.details.lock().repaired += 1;
    }

    /// A call was answered by another route than its first, after so much time lost.
    pub(crate) fn detour(&self, model: &Arc<str>, lost: Duration) {
        let mut details = self.details.lock();
        let (count, sum) = details.detours.entry(Arc::clone(model)).or_default();
        *count += 1;
        *sum = sum.saturating_add(lost);
    }

    /// The counters now.
    pub fn summary(&self) -> Summary {
        let details = self.details.lock();
        Summary {
            answered: self.answered.load(Ordering::Relaxed),
            from_memory: self.from_memory.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            cost: details.cost,
            unpriced: details.unpriced,
            usage: details.usage,
            served: details.served.iter().map(|((model, provider), count)| (Arc::clone(model), provider.clone(), *count)).collect(),
            failures: details.failures.iter().map(|(kind, (count, first))| (*kind, *count, Arc::clone(first))).collect(),
            remedies: details.remedies.iter().map(|(name, count)| (name.clone(), *count)).collect(),
            repaired: details.repaired,
            detours: details.detours.iter().map(|(model, (count, sum))| (Arc::clone(model), *count, mean(*sum, *count))).collect(),
        }
    }

    /// Answers, failures and dollars so far, without the details.
    pub fn glance(&self) -> (u64, u64, Usd) {
        let done = self.answered.load(Ordering::Relaxed) + self.from_memory.load(Ordering::Relaxed);
        (done, self.failed.load(Ordering::Relaxed), self.details.lock().cost)
    }
}

fn mean(sum: Duration, count: u64) -> Duration {
    sum / u32::try_from(count).unwrap_or(u32::MAX).max(1)
}
