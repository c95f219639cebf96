//! What was found out about models and schemas, so that the next call need not find out again: in memory, and in the
//! ledger for the next process.

use std::collections::HashMap;
use std::sync::Arc;

use corsac_ledger::{Fingerprint, Ledger};
use corsac_policy::{Lesson, Lessons, Strategy};
use parking_lot::Mutex;

use crate::{Call, Contract};

/// Lessons by model and schema.
#[derive(Debug, Default)]
pub(crate) struct LessonBook {
    known: Mutex<HashMap<Subject, Arc<Lessons>>>,
}

/// What a lesson is about: one schema may be refused where another is taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Subject {
    model: Arc<str>,
    schema: Option<Fingerprint>,
}

impl Subject {
    fn of(call: &Call, model: &Arc<str>) -> Subject {
        let schema = match &call.contract {
            Contract::Json(schema) => Some(Fingerprint::of([schema.fingerprint_text().as_bytes()])),
            Contract::Text | Contract::Turn(_) | Contract::Embedding { .. } => None,
        };
        Subject { model: Arc::clone(model), schema }
    }
}

impl LessonBook {
    /// What the ledger remembers.
    pub(crate) fn open(_ledger: &Ledger, _now_ms: i64) -> LessonBook {
        LessonBook::default()
    }

    /// What is known for a call to a model.
    pub(crate) fn of(&self, call: &Call, model: &Arc<str>) -> Option<Arc<Lessons>> {
        self.known.lock().get(&Subject::of(call, model)).cloned()
    }

    pub(crate) fn learn(&self, _ledger: &Ledger, _now_ms: i64, call: &Call, model: &Arc<str>, lesson: &Lesson, _message: &str) {
        let mut known = self.known.lock();
        let lessons = known.entry(Subject::of(call, model)).or_default();
        Arc::make_mut(lessons).learn(lesson);
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
