//! What the operators of one query share: who answers, what has been answered, and whether asking has ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use corsac_dispatch::{Ask, CallSettings, Failure};
use corsac_ledger::RunId;

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
        Arc::new(CallSettings {
            model: own.model.clone().or_else(|| shared.model.clone()),
            profile: own.profile.clone().or_else(|| shared.profile.clone()),
            temperature: own.temperature.or(shared.temperature),
            max_tokens: own.max_tokens.or(shared.max_tokens),
            timeout: own.timeout.or(shared.timeout),
            sample: shared.sample,
            fresh: own.fresh || shared.fresh,
            said: own.said.clone().or_else(|| shared.said.clone()),
        })
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
