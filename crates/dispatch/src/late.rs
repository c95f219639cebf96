//! A door that is opened later: a query can be planned and priced before a model is loaded, a key found or a run begun.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use corsac_ledger::{Fingerprint, RunId};

use crate::{Ask, Call, CallSettings, Dispatcher, Failure, FailureKind, Origin, Outcome};

/// Answers nothing until it is opened; then calls go to a dispatcher, in the name of a run.
#[derive(Debug, Default)]
pub struct LateAsk {
    opened: OnceLock<(Arc<Dispatcher>, RunId)>,
}

impl LateAsk {
    /// Opens the door. A second time changes nothing.
    pub fn open(&self, dispatcher: Arc<Dispatcher>, run: RunId) {
        let _ = self.opened.set((dispatcher, run));
    }
}

#[async_trait]
impl Ask for LateAsk {
    async fn ask(&self, mut call: Call) -> Outcome {
        match self.opened.get() {
            Some((dispatcher, run)) => {
                call.origin.run = run.clone();
                Arc::clone(dispatcher).ask_to_the_end(call).await
            }
            None => Err(Failure::new(FailureKind::Internal, "asked before the engine was opened")),
        }
    }

    fn prompt_room(&self, settings: &CallSettings) -> Option<u64> {
        self.opened.get().and_then(|(dispatcher, _)| dispatcher.prompt_room(settings))
    }

    fn window(&self) -> usize {
        self.opened.get().map_or(1, |(dispatcher, _)| dispatcher.window())
    }

    fn entry_of(&self, call: &Call) -> Option<Fingerprint> {
        self.opened.get().and_then(|(dispatcher, _)| dispatcher.entry_of(call))
    }

    fn note_rows(&self, _run: &RunId, entry: Fingerprint, rows: &[u64]) {
        if let Some((dispatcher, run)) = self.opened.get() {
            dispatcher.note_rows(run, entry, rows);
        }
    }

    fn note_failed(&self, origin: &Origin, input: &str, failure: &Failure) -> Option<Fingerprint> {
        let (dispatcher, run) = self.opened.get()?;
        dispatcher.note_failed(&Origin { run: run.clone(), ..origin.clone() }, input, failure)
    }
}
