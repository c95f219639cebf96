//! What a program runs in: the model, the overlay that is tried, what is written down while it runs.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::module::{Named, PredictorId, PredictorState};
use crate::{Lm, Module, ModuleError, Prediction, Record, Served};

/// What a program runs in. Cloning is cheap, and clones write into the same trace.
#[derive(Debug, Clone)]
pub struct Context {
    pub(crate) lm: Lm,
    pub(crate) row: u64,
    pub(crate) sample: u32,
    pub(crate) temperature: Option<f64>,
    slots: Arc<Slots>,
    hints: Arc<HashMap<Arc<str>, String>>,
    log: Arc<Mutex<Log>>,
}

/// Predictors as they are to run, by their identity.
pub(crate) type Slots = HashMap<PredictorId, Slot>;

/// What a predictor says, where it differs from what it was built with, and what it is called.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) path: Arc<str>,
    /// What it is, where an overlay changes it.
    pub(crate) state: Option<PredictorState>,
}

/// What was written down while a program ran.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    /// What each predictor was given and gave, in order.
    pub steps: Vec<Step>,
    /// Answered calls, in order.
    pub served: Vec<Served>,
    /// What calls that failed cost all the same.
    pub lost: corsac_wire::Usd,
}

/// One predictor's part in a run of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The predictor's path in the program.
    pub path: Arc<str>,
    /// What it was given.
    pub inputs: Record,
    /// What it gave.
    pub outputs: Record,
}

impl Context {
    /// A place to run in.
    pub fn new(lm: &Lm) -> Context {
        Context { lm: lm.clone(), row: 0, sample: 0, temperature: None, slots: Arc::default(), hints: Arc::default(), log: Arc::default() }
    }

    /// The model.
    pub fn lm(&self) -> &Lm {
        &self.lm
    }

    /// The same place with an empty log, for one row of data.
    #[must_use]
    pub fn fork(&self, row: u64) -> Context {
        Context { row, log: Arc::default(), ..self.clone() }
    }

    /// The same place with an empty log, for one of several answers to the same question: each number is asked and
    /// remembered by itself.
    #[must_use]
    pub fn sampled(&self, sample: u32, temperature: f64) -> Context {
        // samples inside samples are samples of their own
        let sample = self.sample.wrapping_mul(1_009).wrapping_add(sample);
        Context { sample, temperature: Some(temperature), log: Arc::default(), ..self.clone() }
    }

    /// The same place, asking another model.
    #[must_use]
    pub fn through(&self, lm: &Lm) -> Context {
        Context { lm: lm.clone(), ..self.clone() }
    }

    /// With advice for predictors, by path.
    #[must_use]
    pub(crate) fn with_hints(&self, hints: HashMap<Arc<str>, String>) -> Context {
        Context { hints: Arc::new(hints), ..self.clone() }
    }

    /// With the names of predictors, where they have none yet.
    #[must_use]
    pub(crate) fn with_names(&self, named: &[Named<'_>]) -> Context {
        let slots = named.iter().map(|one| (one.predict.id(), Slot { path: one.path.as_str().into(), state: None }));
        self.with_slots(&Arc::new(slots.collect()))
    }

    /// With names and overlays, where there are none yet: what is outside decides.
    #[must_use]
    pub(crate) fn with_slots(&self, inner: &Arc<Slots>) -> Context {
        if self.slots.is_empty() {
            return Context { slots: Arc::clone(inner), ..self.clone() };
        }
        let mut slots = Slots::clone(&self.slots);
        for (id, slot) in inner.iter() {
            let known = slots.entry(*id).or_insert_with(|| slot.clone());
            if known.state.is_none() {
                known.state.clone_from(&slot.state);
            }
        }
        Context { slots: Arc::new(slots), ..self.clone() }
    }

    pub(crate) fn slot(&self, id: PredictorId) -> Option<&Slot> {
        self.slots.get(&id)
    }

    /// What a predictor is called here.
    pub(crate) fn path_of(&self, predict: &crate::Predict) -> Arc<str> {
        match self.slot(predict.id()) {
            Some(slot) if !slot.path.is_empty() => Arc::clone(&slot.path),
            _ => predict.signature().name().into(),
        }
    }

    pub(crate) fn hint(&self, path: &str) -> Option<&str> {
        self.hints.get(path).map(String::as_str)
    }

    pub(crate) fn serve(&self, served: Served) {
        self.log.lock().served.push(served);
    }

    pub(crate) fn lose(&self, cost: corsac_wire::Usd) {
        self.log.lock().lost += cost;
    }

    pub(crate) fn step(&self, step: Step) {
        self.log.lock().steps.push(step);
    }

    /// Runs a program once here. The prediction carries all calls that were made for it, in whatever part of the program.
    ///
    /// # Errors
    /// Where the program fails.
    pub async fn run(&self, program: &dyn Module, inputs: &Record) -> Result<Prediction, ModuleError> {
        run_in(self, program, inputs).await
    }

    /// What was written down so far.
    pub fn log(&self) -> Log {
        self.log.lock().clone()
    }

    /// Takes over what was written down elsewhere: the calls always, the steps where they led to the result.
    pub(crate) fn absorb(&self, other: Log, with_steps: bool) {
        let mut log = self.log.lock();
        log.served.extend(other.served);
        log.lost += other.lost;
        if with_steps {
            log.steps.extend(other.steps);
        }
    }
}

impl Lm {
    /// Runs a program once. The prediction carries all calls that were made for it, in whatever part of the program.
    ///
    /// # Errors
    /// Where the program fails.
    pub async fn run(&self, program: &dyn Module, inputs: &Record) -> Result<Prediction, ModuleError> {
        run_in(&Context::new(self), program, inputs).await
    }
}

/// Runs a program in a place of its own and collects the calls.
pub(crate) async fn run_in(cx: &Context, program: &dyn Module, inputs: &Record) -> Result<Prediction, ModuleError> {
    let cx = cx.with_names(&program.predictors());
    let prediction = program.forward(&cx, inputs).await?;
    Ok(Prediction { served: cx.log().served, ..prediction })
}
