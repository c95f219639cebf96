//! What was found out about models and schemas, so that the next call need not find out again: in memory, and in the
//! ledger for the next process.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use corsac_ledger::{Fingerprint, Ledger, LessonKind};
use corsac_policy::{Lesson, Lessons, Strategy};
use parking_lot::Mutex;
use serde_json::Value;

use crate::Call;

/// Doubts beyond these say nothing more.
const MOST_DOUBTS: u32 = 64;
const DAY_MS: i64 = 86_400_000;

/// Providers mend what refuses a schema within weeks, what spoils answers within hours.
fn believed_ms(lesson: &Lesson) -> i64 {
    match lesson {
        Lesson::Doubt { .. } => DAY_MS / 4,
        Lesson::AllProviders => DAY_MS,
        _ => 7 * DAY_MS,
    }
}

/// Lessons by model and schema.
#[derive(Debug, Default)]
pub(crate) struct LessonBook {
    known: Mutex<HashMap<Subject, Arc<Lessons>>>,
    /// Counts what was learned.
    version: AtomicU64,
}

/// What a lesson is about: one schema may be refused where another is taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Subject {
    model: Arc<str>,
    schema: Option<Fingerprint>,
}

impl Subject {
    fn of(call: &Call, model: &Arc<str>) -> Subject {
        Subject { model: Arc::clone(model), schema: call.contract.schema_fingerprint() }
    }
}

impl LessonBook {
    /// What the ledger remembers.
    pub(crate) fn open(ledger: &Ledger, now_ms: i64) -> LessonBook {
        let mut known: HashMap<Subject, Arc<Lessons>> = HashMap::new();
        // what cannot be read is found out again
        for kept in ledger.lessons(now_ms).unwrap_or_default() {
            let LessonKind::Other { kind, subject, .. } = &kept.what else { continue };
            let Some(lesson) = Lesson::read(format!("{kind} {subject}").trim_end()) else { continue };
            let lessons = known.entry(Subject { model: kept.model, schema: kept.schema }).or_default();
            let times = if matches!(lesson, Lesson::Doubt { .. }) { kept.times } else { 1 };
            (0..times.min(MOST_DOUBTS)).for_each(|_| Arc::make_mut(lessons).learn(&lesson));
        }
        LessonBook { known: Mutex::new(known), version: AtomicU64::new(0) }
    }

    /// What is known for a call to a model.
    pub(crate) fn of(&self, call: &Call, model: &Arc<str>) -> Option<Arc<Lessons>> {
        self.known.lock().get(&Subject::of(call, model)).cloned()
    }

    /// Keeps a lesson, here and in the ledger.
    pub(crate) fn learn(&self, ledger: &Ledger, now_ms: i64, call: &Call, model: &Arc<str>, lesson: &Lesson, message: &str) {
        let text = lesson.to_string();
        let (kind, subject) = text.split_once(' ').unwrap_or((&text, ""));
        let (provider, strategy) = match lesson {
            Lesson::Refuses { provider, strategy } | Lesson::Doubt { provider, strategy } => (Some(provider.as_str()), strategy.name()),
            Lesson::NotBy(strategy) => (None, strategy.name()),
            _ => (None, ""),
        };
        ledger.learn(corsac_ledger::Lesson {
            model: Arc::clone(model),
            provider: provider.map(Arc::from),
            dialect: strategy.into(),
            schema: call.contract.schema_fingerprint(),
            what: LessonKind::Other { kind: kind.into(), subject: subject.into(), detail: Value::Null },
            learned_ms: now_ms,
            expires_ms: now_ms.saturating_add(believed_ms(lesson)),
            times: 1,
            message: Some(message.chars().take(300).collect()),
        });
        let mut known = self.known.lock();
        let lessons = known.entry(Subject::of(call, model)).or_default();
        Arc::make_mut(lessons).learn(lesson);
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    /// Changes when something is learned.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// Notes an answer that was used.
    pub(crate) fn served(&self, call: &Call, model: &Arc<str>, provider: Option<&str>, strategy: Strategy) {
        let Some(provider) = provider else { return };
        let mut known = self.known.lock();
        if known.is_empty() {
            return;
        }
        if let Some(lessons) = known.get_mut(&Subject::of(call, model)) {
            Arc::make_mut(lessons).served(provider, strategy);
        }
    }
}
