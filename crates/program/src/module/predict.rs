//! The predictor: one signature, put to a model by an adapter, with demos and settings of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use corsac_dispatch::{Answer, CallSettings, Contract, Turn};
use serde_json::{Value, json};

use super::{Module, Named};
use crate::adapter::{Rendered, correction};
use crate::context::Step;
use crate::{Adapter, Context, Field, FieldType, ModuleError, Prediction, Record, Served, Side, Signature};

/// Tells predictors apart within a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PredictorId(u64);

static NEXT: AtomicU64 = AtomicU64::new(0);

/// One question to a model, as often as it is called. A clone is a predictor of its own.
#[derive(Debug)]
pub struct Predict {
    id: PredictorId,
    state: PredictorState,
}

/// All that makes a predictor what it is. Cloning is cheap.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictorState {
    /// What it is given, writes and should do.
    pub signature: Signature,
    /// Examples that are shown before the question.
    pub demos: Arc<[Record]>,
    /// Model, temperature and limits of its own.
    pub settings: CallSettings,
    /// An adapter of its own.
    pub adapter: Option<Adapter>,
    /// What a saved state held beside this, written back unchanged.
    pub kept: Arc<Record>,
}

impl Clone for Predict {
    fn clone(&self) -> Predict {
        Predict::from_state(self.state.clone())
    }
}

/// What a predictor says at one call: everything that is needed to ask, owned.
pub(crate) struct Prepared {
    /// What it is called in reports: its path, or the signature's name.
    pub(crate) path: Arc<str>,
    /// Its path, which is empty where it is the whole program.
    pub(crate) place: Arc<str>,
    pub(crate) signature: Signature,
    pub(crate) inputs: Record,
    pub(crate) adapter: Adapter,
    pub(crate) settings: CallSettings,
    pub(crate) rendered: Rendered,
}

impl Predict {
    /// A predictor of a signature.
    pub fn new(signature: Signature) -> Predict {
        Predict::from_state(PredictorState {
            signature,
            demos: Arc::default(),
            settings: CallSettings::default(),
            adapter: None,
            kept: Arc::default(),
        })
    }

    fn from_state(state: PredictorState) -> Predict {
        Predict { id: PredictorId(NEXT.fetch_add(1, Ordering::Relaxed)), state }
    }

    /// With examples that are shown before the question.
    #[must_use]
    pub fn with_demos(self, demos: impl IntoIterator<Item = Record>) -> Predict {
        Predict { state: PredictorState { demos: demos.into_iter().collect(), ..self.state }, ..self }
    }

    /// With a model, a temperature or limits of its own.
    #[must_use]
    pub fn with_settings(self, settings: CallSettings) -> Predict {
        Predict { state: PredictorState { settings, ..self.state }, ..self }
    }

    /// With an adapter of its own.
    #[must_use]
    pub fn with_adapter(self, adapter: Adapter) -> Predict {
        Predict { state: PredictorState { adapter: Some(adapter), ..self.state }, ..self }
    }

    /// Its identity in this process.
    pub fn id(&self) -> PredictorId {
        self.id
    }

    /// What it was built as, overlays aside.
    pub fn state(&self) -> &PredictorState {
        &self.state
    }

    /// Its signature as it was built, overlays aside.
    pub fn signature(&self) -> &Signature {
        &self.state.signature
    }

    /// The prompt that would be sent, without sending it.
    ///
    /// # Errors
    /// An input is missing.
    pub fn prompt(&self, cx: &Context, inputs: &Record) -> Result<Rendered, ModuleError> {
        Ok(self.prepare(cx, inputs)?.rendered)
    }

    /// What it asks with here, overlays counted.
    pub(crate) fn settings_in(&self, cx: &Context) -> CallSettings {
        let state = cx.slot(self.id).and_then(|slot| slot.state.as_ref()).unwrap_or(&self.state);
        settings_in(cx, &state.settings)
    }

    pub(crate) fn prepare(&self, cx: &Context, inputs: &Record) -> Result<Prepared, ModuleError> {
        let slot = cx.slot(self.id);
        let state = slot.and_then(|slot| slot.state.as_ref()).unwrap_or(&self.state).clone();
        let place = slot.map_or_else(|| "".into(), |slot| Arc::clone(&slot.path));
        let path = cx.path_of(self);
        let PredictorState { mut signature, demos, .. } = state;
        let mut given = Record::new();
        for field in signature.inputs() {
            let value = inputs.get(&field.name).cloned().or_else(|| field.default.clone());
            let value = value.or_else(|| matches!(field.ty, FieldType::Optional(_)).then_some(Value::Null));
            let value = value.or_else(|| matches!(field.ty, FieldType::History).then(|| json!({"messages": []})));
            let Some(value) = value else {
                return Err(ModuleError::Input { predictor: path, field: field.name.clone(), given: inputs.keys().cloned().collect() });
            };
            given.insert(field.name.clone(), value);
        }
        let adapter = state.adapter.unwrap_or_else(|| cx.lm.adapter.clone());
        if let Some(hint) = cx.hint(&path) {
            let field = Field::text("hint_").described("Advice from an earlier try.");
            if let Ok(advised) = signature.append(Side::Input, field) {
                signature = advised;
                given.insert("hint_".to_owned(), hint.into());
            }
        }
        let rendered = adapter.render(&signature, &demos, &given);
        let settings = settings_in(cx, &state.settings);
        Ok(Prepared { path, place, signature, inputs: given, adapter, settings, rendered })
    }
}

#[async_trait]
impl Module for Predict {
    async fn forward(&self, cx: &Context, inputs: &Record) -> Result<Prediction, ModuleError> {
        self.prepare(cx, inputs)?.ask(cx).await
    }

    fn predictors(&self) -> Vec<Named<'_>> {
        vec![Named { path: String::new(), predict: self, state: self.state.clone() }]
    }

    fn kind(&self) -> &'static str {
        "Predict"
    }

    fn interface(&self) -> Option<Signature> {
        Some(self.state.signature.clone())
    }
}

/// What a predictor with settings of its own asks with in a place.
pub(crate) fn settings_in(cx: &Context, own: &CallSettings) -> CallSettings {
    let said = own.before(&cx.lm.settings);
    CallSettings { temperature: cx.temperature.or(said.temperature), sample: cx.sample, ..said }
}

impl Prepared {
    pub(crate) async fn ask(self, cx: &Context) -> Result<Prediction, ModuleError> {
        let mut served = Vec::new();
        let outputs = match &self.adapter {
            Adapter::TwoStep { extractor } => self.in_two_steps(cx, extractor.as_deref(), &mut served).await?,
            adapter if adapter.is_json() => {
                let answer = self.send(cx, self.json_contract(), &mut served).await?;
                self.outputs_of(&answer)
            }
            _ => {
                let answer = self.send(cx, self.turn(&[]), &mut served).await?;
                self.read_or_ask_again(cx, &answer, &mut served).await?
            }
        };
        Ok(self.done(cx, outputs, served))
    }

    /// Writes the step down.
    pub(crate) fn done(self, cx: &Context, outputs: Record, served: Vec<Served>) -> Prediction {
        cx.step(Step { path: self.place, inputs: self.inputs, outputs: outputs.clone() });
        Prediction { outputs, served }
    }

    pub(crate) fn json_contract(&self) -> Contract {
        Contract::JsonTurn { turn: Arc::new(Turn::new(&self.rendered.messages)), schema: self.signature.output_schema().clone() }
    }

    /// The prompt as a turn of a conversation, followed by more messages.
    pub(crate) fn turn(&self, more: &[Value]) -> Contract {
        let mut messages = vec![json!({"role": "system", "content": self.rendered.system})];
        messages.extend(self.rendered.messages.iter().chain(more).cloned());
        Contract::Turn(Arc::new(Turn::new(&messages)))
    }

    pub(crate) fn outputs_of(&self, answer: &Answer) -> Record {
        let mut outputs = answer.value.as_object().cloned().unwrap_or_default();
        self.signature.complete(&mut outputs);
        outputs
    }

    /// The outputs of a reply. One that cannot be read is asked for again once, in the same conversation, with what was
    /// wrong.
    pub(crate) async fn read_or_ask_again(&self, cx: &Context, answer: &Answer, served: &mut Vec<Served>) -> Result<Record, ModuleError> {
        let unreadable = match self.adapter.read(&self.signature, &reply_text(&answer.value)) {
            Ok(outputs) => return Ok(outputs),
            Err(unreadable) => unreadable,
        };
        let again = json!({"role": "user", "content": correction(&unreadable, self.adapter.form(), &self.signature)});
        let answer = self.send(cx, self.turn(&[Value::clone(&answer.value), again]), served).await?;
        let text = reply_text(&answer.value);
        self.adapter.read(&self.signature, &text).map_err(|unreadable| ModuleError::Unreadable {
            predictor: Arc::clone(&self.path),
            why: unreadable.why,
            reply: text.chars().take(300).collect(),
        })
    }

    /// The model answers as it likes; then the outputs are taken from what it wrote.
    async fn in_two_steps(&self, cx: &Context, extractor: Option<&str>, served: &mut Vec<Served>) -> Result<Record, ModuleError> {
        let answer = self.send(cx, self.turn(&[]), served).await?;
        let names = self.signature.outputs().iter().map(|field| format!("`{}`", field.name)).collect::<Vec<_>>().join(", ");
        let instructions = format!("Take {names} from `text`, an answer that was written freely. Add nothing that it does not say.");
        let extraction = Signature::new("extract", &instructions, vec![Field::text("text")], self.signature.outputs().to_vec());
        let extraction = extraction.map_err(|error| ModuleError::other(&self.path, error.to_string()))?;
        let inputs = crate::record([("text", reply_text(&answer.value).into())]);
        let settings = CallSettings {
            model: extractor.map(str::to_owned).or_else(|| self.settings.model.clone()),
            max_tokens: None,
            ..self.settings.clone()
        };
        let rendered = Adapter::Json.render(&extraction, &[], &inputs);
        let second = Prepared {
            path: Arc::clone(&self.path),
            place: Arc::clone(&self.place),
            signature: extraction,
            inputs,
            adapter: Adapter::Json,
            settings,
            rendered,
        };
        let answer = second.send(cx, second.json_contract(), served).await?;
        Ok(second.outputs_of(&answer))
    }

    async fn send(&self, cx: &Context, contract: Contract, served: &mut Vec<Served>) -> Result<Answer, ModuleError> {
        let outcome = cx.lm.ask(self.call(cx, contract)).await;
        self.book(cx, outcome, served)
    }

    pub(crate) fn call(&self, cx: &Context, contract: Contract) -> corsac_dispatch::Call {
        let system = if matches!(contract, Contract::Turn(_)) { "" } else { self.rendered.system.as_str() };
        cx.lm.call(&self.path, cx.row, system, contract, String::new(), self.settings.clone())
    }

    pub(crate) fn book(&self, cx: &Context, outcome: corsac_dispatch::Outcome, served: &mut Vec<Served>) -> Result<Answer, ModuleError> {
        book(cx, &self.path, outcome, served)
    }
}

/// Writes an outcome down: who served, or what was lost.
pub(crate) fn book(
    cx: &Context,
    path: &Arc<str>,
    outcome: corsac_dispatch::Outcome,
    served: &mut Vec<Served>,
) -> Result<Answer, ModuleError> {
    match outcome {
        Ok(answer) => {
            let one = Served {
                predictor: Arc::clone(path),
                model: Arc::clone(&answer.model),
                provider: answer.provider.clone(),
                cost: answer.cost,
                attempts: answer.attempts,
                source: answer.source,
            };
            cx.serve(one.clone());
            served.push(one);
            Ok(answer)
        }
        Err(failure) => {
            cx.lose(failure.cost);
            Err(ModuleError::Failed { predictor: Arc::clone(path), failure: Box::new(failure) })
        }
    }
}

/// The text of a message of a conversation, or of an answer that is text.
pub(crate) fn reply_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(message) => match message.get("content") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect(),
            Some(Value::Null) => String::new(),
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}
