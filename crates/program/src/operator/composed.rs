//! A module as a function over rows: what a row's values are as its inputs, what it will ask, and one outcome for all of it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use corsac_dispatch::{Answer, Ask, Call, CallSettings, Contract, Failure, Origin, Outcome, Source, Turn};
use corsac_ledger::{Fingerprint, Usage};
use corsac_wire::Usd;
use parking_lot::Mutex;
use serde_json::Value;

use super::{Part, Prompt};
use crate::context::run_in;
use crate::module::{Named, PredictorState};
use crate::{Adapter, Change, Context, FieldType, Lm, Module, ModuleError, Overlaid, Overlay, Prediction, ProgramError, Record, Signature};

/// A module, and what it takes and gives.
#[derive(Clone)]
pub struct Composed {
    module: Arc<dyn Module>,
    signature: Signature,
    /// Model and sampling where neither the module, nor its caller, nor the session names any.
    made_for: CallSettings,
}

impl fmt::Debug for Composed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Composed").field("module", &self.module.kind()).field("signature", &self.signature).finish_non_exhaustive()
    }
}

impl super::Program {
    /// With settings that come before those of the module's own predictors. A built-in operator takes its settings from the call.
    #[must_use]
    pub fn told(self, told: &CallSettings) -> super::Program {
        let super::Way::Composed(composed) = &self.way else { return self };
        if *told == CallSettings::default() {
            return self;
        }
        let way = super::Way::Composed(composed.told(told));
        super::Program { way, ..self }
    }

    /// With settings that are asked for where nobody else names any: those a saved program was made for.
    #[must_use]
    pub fn made_for(self, made_for: CallSettings) -> super::Program {
        let super::Way::Composed(composed) = self.way else { return self };
        super::Program { way: super::Way::Composed(Composed { made_for, ..composed }), ..self }
    }
}

impl Composed {
    pub(super) fn new(module: Arc<dyn Module>) -> Result<Composed, ProgramError> {
        let signature = module.interface().ok_or_else(|| ProgramError::Silent { module: module.kind() })?;
        Ok(Composed { module, signature, made_for: CallSettings::default() })
    }

    /// What it takes and gives.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The module.
    pub fn module(&self) -> &Arc<dyn Module> {
        &self.module
    }

    /// What the program is asked with where the session says this.
    pub fn settings(&self, session: &CallSettings) -> CallSettings {
        session.before(&self.made_for)
    }

    fn told(&self, told: &CallSettings) -> Composed {
        let mut overlay = Overlay::default();
        for named in self.module.predictors() {
            let settings = Some(told.before(&named.state.settings));
            overlay.changes.insert(named.path, Change { settings, ..Change::default() });
        }
        Composed { module: Arc::new(Overlaid::new(Arc::clone(&self.module), overlay)), ..self.clone() }
    }

    pub(super) fn parts(&self, name: &Arc<str>) -> Vec<Part> {
        let named = self.module.predictors();
        let times = self.module.most_calls();
        let alone = named.len() == 1;
        let of_one = |one: &Named<'_>| {
            let operator = if alone { Arc::clone(name) } else { name_of_part(name, &one.path).into() };
            let times = times.iter().find(|(path, _)| *path == one.path).map_or(1, |(_, times)| *times);
            let settings = one.state.settings.clone();
            let contracts = contracts(&one.state);
            let part = move |contract| Part { operator: Arc::clone(&operator), contract, settings: settings.clone(), times };
            contracts.into_iter().map(part).collect::<Vec<_>>()
        };
        named.iter().flat_map(of_one).collect()
    }

    pub(super) fn prompts(&self, inputs: &Record) -> Vec<Prompt> {
        let of_one = |one: Named<'_>| {
            let PredictorState { signature, demos, adapter, .. } = &one.state;
            let mut given = inputs.clone();
            for field in signature.inputs().iter().filter(|field| !matches!(field.ty, FieldType::History)) {
                given.entry(field.name.clone()).or_insert_with(|| "".into());
            }
            let adapter = adapter.clone().unwrap_or_default();
            let rendered = adapter.render(signature, demos, &given);
            let texts = rendered.messages.iter().map(crate::module::reply_text);
            let prompt = Prompt { system: rendered.system.into(), user: texts.collect::<Vec<_>>().join("\n") };
            // the second of two steps reads about what the first wrote
            vec![prompt; contracts(&one.state).len()]
        };
        self.module.predictors().into_iter().flat_map(of_one).collect()
    }

    /// Runs the module for the row of an origin, in the name of its operator. The outcome's value is an object of the outputs; what all calls cost is in it, and with it comes
    /// the name under which the last call is kept.
    pub async fn answer(
        &self,
        ask: Arc<dyn Ask>,
        origin: Origin,
        session: &CallSettings,
        inputs: &Record,
    ) -> (Option<Fingerprint>, Outcome) {
        let Origin { run, operator: name, row } = origin;
        let alone = self.module.predictors().len() == 1;
        let door = Arc::new(Door { ask, name, alone, last: Mutex::default(), usage: Mutex::default() });
        let lm = Lm::asking(Arc::clone(&door) as Arc<dyn Ask>, run).with_settings(self.settings(session));
        let cx = Context::new(&lm).fork(row);
        let result = run_in(&cx, self.module.as_ref(), inputs).await;
        let log = cx.log();
        let attempts = log.served.iter().map(|served| served.attempts).sum();
        let cost = log.served.iter().map(|served| served.cost).sum::<Usd>() + log.lost;
        let (entry, usage) = (*door.last.lock(), *door.usage.lock());
        (entry, result.map_or_else(|error| Err(failure(error, attempts, cost)), |prediction| Ok(answer(prediction, attempts, cost, usage))))
    }
}

/// What the answers of a predictor must look like, in the order of its calls.
fn contracts(state: &PredictorState) -> Vec<Contract> {
    let turn = Arc::new(Turn::new(&[]));
    let json = || Contract::JsonTurn { turn: Arc::clone(&turn), schema: state.signature.output_schema().clone() };
    match state.adapter.clone().unwrap_or_default() {
        Adapter::Auto | Adapter::Json | Adapter::Baml => vec![json()],
        Adapter::Chat | Adapter::Xml => vec![Contract::Turn(Arc::clone(&turn))],
        Adapter::TwoStep { .. } => vec![Contract::Turn(Arc::clone(&turn)), json()],
    }
}

fn answer(prediction: Prediction, attempts: u32, cost: Usd, usage: Usage) -> Answer {
    let last = prediction.served.last();
    let source = match last {
        _ if attempts > 0 => Source::Asked,
        Some(served) => served.source,
        None => Source::Memory,
    };
    Answer {
        model: last.map_or_else(|| "".into(), |served| Arc::clone(&served.model)),
        provider: last.and_then(|served| served.provider.clone()),
        value: Arc::new(Value::Object(prediction.outputs)),
        cost,
        attempts,
        source,
        usage,
    }
}

fn failure(error: ModuleError, attempts: u32, cost: Usd) -> Failure {
    let kind = error.kind();
    match error {
        ModuleError::Failed { failure, .. } => Failure { attempts: failure.attempts + attempts, cost, ..*failure },
        other => Failure { kind, message: other.to_string().into(), attempts, cost, model: None, provider: None, status: None },
    }
}

fn name_of_part(name: &str, path: &str) -> String {
    format!("{name}_{}", path.replace('.', "_"))
}

/// The way of a row's calls: they go on in the function's name, the last one is known, and their tokens are counted.
#[derive(Debug)]
struct Door {
    ask: Arc<dyn Ask>,
    name: Arc<str>,
    /// Whether the function has one predictor, which then needs no name of its own.
    alone: bool,
    last: Mutex<Option<Fingerprint>>,
    /// Tokens of all its answers.
    usage: Mutex<Usage>,
}

#[async_trait]
impl Ask for Door {
    async fn ask(&self, mut call: Call) -> Outcome {
        let part = std::mem::replace(&mut call.origin.operator, Arc::clone(&self.name));
        if !self.alone {
            call.origin.operator = name_of_part(&self.name, &part).into();
        }
        if let Some(entry) = self.ask.entry_of(&call) {
            *self.last.lock() = Some(entry);
        }
        let outcome = self.ask.ask(call).await;
        if let Ok(answer) = &outcome {
            self.usage.lock().add(answer.usage);
        }
        outcome
    }

    fn window(&self) -> usize {
        self.ask.window()
    }

    fn prompt_room(&self, settings: &CallSettings) -> Option<u64> {
        self.ask.prompt_room(settings)
    }

    async fn takes_tools(&self, settings: &CallSettings) -> bool {
        self.ask.takes_tools(settings).await
    }
}
