//! What the operators of one query share: who answers, what has been answered, and whether asking has ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use corsac_dispatch::{Ask, CallSettings, Failure};
use corsac_ledger::RunId;
use corsac_program::Part;

use super::memory::Memory;
use crate::bind::BoundCall;
use crate::progress::Progress;
use crate::session::{OnError, RowLimits};

/// One query's shared state.
#[derive(Debug)]
pub(crate) struct QueryRuntime {
    pub(crate) ask: Arc<dyn Ask>,
    pub(crate) run: RunId,
    pub(crate) on_error: OnError,
    pub(crate) settings: Arc<CallSettings>,
    pub(crate) limits: RowLimits,
    pub(crate) progress: Arc<Progress>,
    ended: OnceLock<Failure>,
    memories: Mutex<HashMap<Arc<str>, Arc<Mutex<Memory>>>>,
}

impl QueryRuntime {
    pub(crate) fn new(
        ask: Arc<dyn Ask>,
        run: RunId,
        on_error: OnError,
        settings: Arc<CallSettings>,
        limits: RowLimits,
        progress: Arc<Progress>,
    ) -> QueryRuntime {
        QueryRuntime { ask, run, on_error, settings, limits, progress, ended: OnceLock::new(), memories: Mutex::default() }
    }

    /// How a call is asked: as it says itself, else as the session says.
    pub(crate) fn settings_of(&self, bound: &BoundCall) -> Arc<CallSettings> {
        let (own, shared) = (&bound.settings, &self.settings);
        if *own == CallSettings::default() {
            return Arc::clone(shared);
        }
        Arc::new(own.before(shared))
    }

    /// The kinds of calls that a function makes, each with how it is asked.
    pub(crate) fn parts_of(&self, bound: &BoundCall) -> Vec<(Part, Arc<CallSettings>)> {
        let parts = bound.program.parts().into_iter();
        match bound.program.composed() {
            None => parts.map(|part| (part, self.settings_of(bound))).collect(),
            Some(composed) => {
                let common = composed.settings(&self.settings);
                parts
                    .map(|part| {
                        let settings = Arc::new(part.settings.before(&common));
                        (part, settings)
                    })
                    .collect()
            }
        }
    }

    /// The outcomes of calls that ask the same of equal inputs, wherever in the query they stand.
    pub(crate) fn memory(&self, identity: &Arc<str>) -> Arc<Mutex<Memory>> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = &self.limits;
        let memory = memories
            .entry(Arc::clone(identity))
            .or_insert_with(|| Arc::new(Mutex::new(Memory::new(limits.remembered_answers, limits.remembered_bytes))));
        Arc::clone(memory)
    }

    /// Nothing more is asked in this query.
    pub(crate) fn end_asking(&self, failure: &Failure) {
        let _ = self.ended.set(failure.clone());
    }

    /// Why asking has ended, if it has.
    pub(crate) fn ended(&self) -> Option<&Failure> {
        self.ended.get()
    }
}
