//! A door that is opened later: a query can be planned and priced before a model is loaded, a key found or a run begun.

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use corsac_ledger::{Fingerprint, Ledger, ResultRow, RunId};
use corsac_wire::catalog::Pricing;

use crate::earlier::{Share, earlier_truths};
use crate::{Ask, Call, CallSettings, Dispatcher, Failure, FailureKind, Origin, Outcome, Settings};

type FindLedger = dyn Fn() -> Option<Ledger> + Send + Sync;

/// Answers nothing until it is opened; then calls go to a dispatcher, in the name of a run. Before that it knows at most
/// what earlier runs left in a ledger, and prices it was told.
#[derive(Default)]
pub struct LateAsk {
    opened: OnceLock<(Arc<Dispatcher>, RunId)>,
    ledger: Option<Box<FindLedger>>,
    priced: OnceLock<Settings>,
}

impl fmt::Debug for LateAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LateAsk").field("opened", &self.opened.get().is_some()).finish_non_exhaustive()
    }
}

impl LateAsk {
    /// A door that finds a ledger of earlier runs in this way, when it is first looked for.
    pub fn remembering(find: impl Fn() -> Option<Ledger> + Send + Sync + 'static) -> LateAsk {
        LateAsk { ledger: Some(Box::new(find)), ..LateAsk::default() }
    }

    /// Tells the door where calls will go and what that costs. A second time changes nothing.
    pub fn know(&self, settings: Settings) {
        let _ = self.priced.set(settings);
    }

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

    async fn takes_tools(&self, settings: &CallSettings) -> bool {
        match self.opened.get() {
            Some((dispatcher, _)) => dispatcher.takes_tools(settings).await,
            None => false,
        }
    }

    fn pricing(&self, settings: &CallSettings, vectors: bool) -> Option<Pricing> {
        match self.opened.get() {
            Some((dispatcher, _)) => dispatcher.pricing(settings, vectors),
            None => {
                let known = self.priced.get()?;
                known.prices.get(&known.first_route(settings, vectors)?.model).copied()
            }
        }
    }

    fn earlier_truths(&self, operator: &str, words: &[String]) -> Option<Share> {
        match self.opened.get() {
            Some((dispatcher, _)) => dispatcher.earlier_truths(operator, words),
            None => earlier_truths(&self.ledger.as_ref()?()?, operator, words),
        }
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

    fn note_results(&self, _run: &RunId, rows: &[ResultRow]) {
        if let Some((dispatcher, run)) = self.opened.get() {
            dispatcher.note_results(run, rows);
        }
    }

    fn note_failed(&self, origin: &Origin, input: &str, failure: &Failure) -> Option<Fingerprint> {
        let (dispatcher, run) = self.opened.get()?;
        dispatcher.note_failed(&Origin { run: run.clone(), ..origin.clone() }, input, failure)
    }
}
