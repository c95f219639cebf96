//! What the operators of one query share: who answers, what has been answered, and whether asking has ended.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use corsac_dispatch::{Ask, CallSettings, Failure};
use corsac_ledger::RunId;
use corsac_program::Part;
use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::LogicalPlan;

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
    /// Mean tokens of rows' own parts, by call.
    sizes: Mutex<HashMap<CallKey, f64>>,
    wishes: Mutex<Vec<Wish>>,
}

/// A call by what it asks of what.
type CallKey = (Arc<str>, String);

fn key_of(call: &BoundCall) -> CallKey {
    let inputs = call.arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    (Arc::clone(&call.identity), inputs)
}

/// Rows whose size somebody wants to know who plans: the calls are made over the rows of the plan.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) plan: LogicalPlan,
    pub(crate) calls: Vec<BoundCall>,
}

/// How rules of the query engine get at the query that is planned.
#[derive(Debug, Clone)]
pub(crate) struct Planning {
    pub(crate) runtime: Arc<QueryRuntime>,
}

impl ConfigExtension for Planning {
    const PREFIX: &'static str = "corsac_planning";
}

impl ExtensionOptions for Planning {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> Result<()> {
        plan_err!("there is no setting {key}")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
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
        QueryRuntime {
            ask,
            run,
            on_error,
            settings,
            limits,
            progress,
            ended: OnceLock::new(),
            memories: Mutex::default(),
            sizes: Mutex::default(),
            wishes: Mutex::default(),
        }
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

    /// Asks for the size of rows. It is known when the query is planned again.
    pub(crate) fn wish(&self, wish: Wish) {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner).push(wish);
    }

    /// The sizes that were asked for since this was called last.
    pub(crate) fn take_wishes(&self) -> Vec<Wish> {
        std::mem::take(&mut self.wishes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps the mean tokens of the rows' own part of a call.
    pub(crate) fn keep_input_tokens(&self, call: &BoundCall, mean: f64) {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner).insert(key_of(call), mean);
    }

    /// The mean tokens of the rows' own part of a call, where rows were looked at.
    pub(crate) fn mean_input_tokens(&self, call: &BoundCall) -> Option<f64> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner).get(&key_of(call)).copied()
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
