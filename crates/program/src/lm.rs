//! The model as programs see it: a door to ask through, in whose name, with which settings, under which allowance.

use std::fmt;
use std::sync::Arc;

use corsac_dispatch::{Ask, Call, CallSettings, Contract, Dispatcher, Opened, Origin, Outcome, StreamItem};
use corsac_ledger::RunId;
use futures::stream::{BoxStream, StreamExt};

use crate::{Adapter, Allowance};

/// A door to models. Cloning is cheap; each change gives a new one.
#[derive(Clone)]
pub struct Lm {
    ask: Arc<dyn Ask>,
    /// The same door where it is the dispatcher itself: answers can be heard as they come.
    dispatcher: Option<Arc<Dispatcher>>,
    run: RunId,
    pub(crate) settings: CallSettings,
    pub(crate) adapter: Adapter,
    allowance: Option<Arc<Allowance>>,
}

impl fmt::Debug for Lm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lm").field("settings", &self.settings).field("adapter", &self.adapter).finish_non_exhaustive()
    }
}

/// The engine that [`corsac_dispatch::Builder::build`] opened.
impl From<&Opened> for Lm {
    fn from(engine: &Opened) -> Lm {
        Lm::new(Arc::clone(&engine.dispatcher), engine.run.clone())
    }
}

impl Lm {
    /// Asks through a dispatcher, in the name of a run.
    pub fn new(dispatcher: Arc<Dispatcher>, run: RunId) -> Lm {
        Lm { dispatcher: Some(Arc::clone(&dispatcher)), ..Lm::asking(dispatcher, run) }
    }

    /// Asks through any door. Answers come whole.
    pub fn asking(ask: Arc<dyn Ask>, run: RunId) -> Lm {
        Lm { ask, dispatcher: None, run, settings: CallSettings::default(), adapter: Adapter::default(), allowance: None }
    }

    /// With other settings where a predictor has none of its own.
    #[must_use]
    pub fn with_settings(&self, settings: CallSettings) -> Lm {
        Lm { settings, ..self.clone() }
    }

    /// Asks another model, by id or alias.
    #[must_use]
    pub fn with_model(&self, model: &str) -> Lm {
        self.with_settings(CallSettings { model: Some(model.to_owned()), ..self.settings.clone() })
    }

    /// With another adapter where a predictor has none of its own.
    #[must_use]
    pub fn with_adapter(&self, adapter: Adapter) -> Lm {
        Lm { adapter, ..self.clone() }
    }

    /// Under an allowance, which all clones share.
    #[must_use]
    pub fn with_allowance(&self, allowance: Arc<Allowance>) -> Lm {
        Lm { allowance: Some(allowance), ..self.clone() }
    }

    /// The most calls worth having under way at once.
    pub fn window(&self) -> usize {
        self.ask.window().max(1)
    }

    /// The run that calls belong to.
    pub fn run_id(&self) -> &RunId {
        &self.run
    }

    /// Whether the model that calls with these settings ask first takes functions, as far as the catalog knows.
    pub(crate) async fn takes_tools(&self, settings: &CallSettings) -> bool {
        self.ask.takes_tools(settings).await
    }

    /// A call of a predictor.
    pub(crate) fn call(&self, operator: &str, row: u64, system: &str, contract: Contract, user: String, settings: CallSettings) -> Call {
        Call {
            origin: Origin { run: self.run.clone(), operator: operator_name(operator).into(), row },
            system: system.into(),
            user,
            contract,
            settings: Arc::new(settings),
        }
    }

    /// Asks, and waits for the whole answer.
    pub(crate) async fn ask(&self, call: Call) -> Outcome {
        let ticket = match &self.allowance {
            Some(allowance) => Some(allowance.admit().await?),
            None => None,
        };
        let outcome = match &self.dispatcher {
            Some(dispatcher) => Arc::clone(dispatcher).ask_to_the_end(call).await,
            None => self.ask.ask(call).await,
        };
        if let Some(ticket) = ticket {
            ticket.settle(&outcome);
        }
        outcome
    }

    /// Asks, and gives the answer as it comes.
    pub(crate) async fn listen(&self, call: Call) -> BoxStream<'static, StreamItem> {
        let Some(dispatcher) = &self.dispatcher else {
            let outcome = self.ask(call).await;
            let text = outcome.as_ref().ok().map(|answer| StreamItem::Text(crate::module::reply_text(&answer.value)));
            return futures::stream::iter(text.into_iter().chain([StreamItem::End(outcome)])).boxed();
        };
        let mut ticket = match &self.allowance {
            Some(allowance) => match allowance.admit().await {
                Ok(ticket) => Some(ticket),
                Err(failure) => return futures::stream::iter([StreamItem::End(Err(failure))]).boxed(),
            },
            None => None,
        };
        let settle = move |item: StreamItem| {
            if let (StreamItem::End(outcome), Some(ticket)) = (&item, ticket.take()) {
                ticket.settle(outcome);
            }
            item
        };
        dispatcher.stream(call).map(settle).boxed()
    }
}

/// A name that can stand in a request: letters, digits, `_` and `-`, at most 64.
fn operator_name(path: &str) -> String {
    let name: String = path.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(64).collect();
    if name.is_empty() { "program".to_owned() } else { name }
}
