//! Changes laid over a program that itself stays as it is: what a saved state holds, and what an optimizer tries.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use corsac_dispatch::CallSettings;

use super::{Module, Named};
use crate::context::{Slot, Slots};
use crate::{Adapter, Context, ModuleError, Prediction, Record, Signature};

/// Changes by predictor path.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overlay {
    /// What changes where.
    pub changes: BTreeMap<String, Change>,
}

/// What changes of a predictor; `None` leaves what is there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// What it should do.
    pub instructions: Option<String>,
    /// What it is shown.
    pub demos: Option<Arc<[Record]>>,
    /// Instructions, prefixes and descriptions as DSPy saves them.
    pub signature: Option<serde_json::Value>,
    /// Model, temperature and limits.
    pub settings: Option<CallSettings>,
    /// How it is put to a model.
    pub adapter: Option<Adapter>,
    /// What a saved state held beside all this.
    pub kept: Option<Arc<Record>>,
}

impl Overlay {
    /// Other demos for one predictor.
    #[must_use]
    pub fn with_demos(mut self, path: &str, demos: impl Into<Arc<[Record]>>) -> Overlay {
        self.changes.entry(path.to_owned()).or_default().demos = Some(demos.into());
        self
    }

    /// Other instructions for one predictor.
    #[must_use]
    pub fn with_instructions(mut self, path: &str, instructions: &str) -> Overlay {
        self.changes.entry(path.to_owned()).or_default().instructions = Some(instructions.to_owned());
        self
    }

    /// A predictor with its change.
    fn applied<'a>(&self, mut named: Named<'a>) -> Named<'a> {
        let Some(change) = self.changes.get(&named.path) else { return named };
        let state = &mut named.state;
        if let Some(saved) = &change.signature {
            state.signature = state.signature.with_state(saved);
        }
        if let Some(instructions) = &change.instructions {
            state.signature = state.signature.with_instructions(instructions);
        }
        if let Some(demos) = &change.demos {
            state.demos = Arc::clone(demos);
        }
        if let Some(settings) = &change.settings {
            state.settings = settings.clone();
        }
        if let Some(adapter) = &change.adapter {
            state.adapter = Some(adapter.clone());
        }
        if let Some(kept) = &change.kept {
            state.kept = Arc::clone(kept);
        }
        named
    }
}

/// A program with an overlay: a program again.
#[derive(Clone)]
pub struct Overlaid {
    program: Arc<dyn Module>,
    overlay: Arc<Overlay>,
    prepared: Arc<Slots>,
}

impl Overlaid {
    /// Lays changes over a program. Paths that the program does not have change nothing.
    pub fn new(program: Arc<dyn Module>, overlay: Overlay) -> Overlaid {
        let slot = |named: Named<'_>| {
            let named = overlay.applied(named);
            let state = overlay.changes.contains_key(&named.path).then_some(named.state);
            (named.predict.id(), Slot { path: named.path.as_str().into(), state })
        };
        let prepared: Slots = program.predictors().into_iter().map(slot).collect();
        Overlaid { program, overlay: Arc::new(overlay), prepared: Arc::new(prepared) }
    }

    /// The changes.
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The program underneath.
    pub fn program(&self) -> &Arc<dyn Module> {
        &self.program
    }
}

#[async_trait]
impl Module for Overlaid {
    async fn forward(&self, cx: &Context, inputs: &Record) -> Result<Prediction, ModuleError> {
        self.program.forward(&cx.with_slots(&self.prepared), inputs).await
    }

    fn predictors(&self) -> Vec<Named<'_>> {
        self.program.predictors().into_iter().map(|named| self.overlay.applied(named)).collect()
    }

    fn kind(&self) -> &'static str {
        self.program.kind()
    }

    fn interface(&self) -> Option<Signature> {
        self.program.interface()
    }

    fn most_calls(&self) -> Vec<(String, u32)> {
        self.program.most_calls()
    }
}
