//! Programs as files: DSPy's own JSON state, read and written, with what DSPy leaves out (module, types, model) beside it
//! under `metadata.corsac`, where DSPy does not look.

use std::collections::BTreeMap;
use std::sync::Arc;

use corsac_dispatch::CallSettings;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::module::{ChainOfThought, Change, Module, MultiChainComparison, Named, Overlaid, Overlay, Predict};
use crate::{Adapter, Lm, Record, Signature, SignatureError};

/// A program that cannot be read, or does not fit the program it is laid over.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// It is no JSON object.
    #[error("the saved program cannot be read: {0}")]
    Json(String),
    /// A predictor has no signature.
    #[error("the saved program has no predictor: a state has `signature` and `demos`, by itself or under the predictor's path")]
    NoPredictor,
    /// None of its predictors is in the program.
    #[error("the saved program is of another program: it has the predictors {saved}, and this one has {here}")]
    OtherProgram {
        /// Paths in the file.
        saved: String,
        /// Paths in the program.
        here: String,
    },
    /// A predictor has other fields.
    #[error("{}the saved program has {saved} fields and this one has {here}; fields are matched by their place", before(path))]
    Fields {
        /// The predictor.
        path: String,
        /// Fields in the file.
        saved: usize,
        /// Fields in the program.
        here: usize,
    },
    /// It does not say what it is a program of.
    #[error("the saved program does not name its {0}, as DSPy's do not; give it")]
    Unnamed(&'static str),
    /// A module that is not built from a file.
    #[error("a {0} cannot be built from a file: build it in code and lay the saved program over it")]
    Module(String),
    /// Its signature cannot be built.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// A saved program.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedProgram {
    /// The states of predictors by path; one alone may have the empty path.
    predictors: BTreeMap<String, Record>,
    /// What Corsac keeps beside DSPy's state.
    pub about: About,
    /// Everything else at the top, `metadata` among it.
    others: Record,
}

/// What DSPy's state leaves out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// The module: `Predict`, `ChainOfThought`, `MultiChainComparison`, or one of the user's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// What the program is given, writes and should do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// The model it was made for, by id or alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The profile it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How its predictors are put to the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<Adapter>,
    /// Settings of predictors that name no model, by path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Sampling>,
    /// What else stands there.
    #[serde(flatten)]
    pub others: Record,
}

/// What a predictor samples with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Temperature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The most tokens of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// A model or alias that DSPy would not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// Keys of a predictor's state that are read here; what else it has is kept.
const READ: [&str; 3] = ["demos", "signature", "lm"];

impl SavedProgram {
    /// Reads a file's text.
    ///
    /// # Errors
    /// It is no JSON object, or holds no predictor.
    pub fn read(text: &str) -> Result<SavedProgram, SavedError> {
        let whole: Record =
            serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| SavedError::Json(error.to_string()))?;
        let mut others = Record::new();
        let mut predictors = BTreeMap::new();
        if is_state(&whole) {
            let (metadata, state): (Record, Record) = whole.into_iter().partition(|(key, _)| key == "metadata");
            predictors.insert(String::new(), state);
            others = metadata;
        } else {
            for (key, value) in whole {
                match value {
                    Value::Object(state) if is_state(&state) => drop(predictors.insert(key, state)),
                    other => drop(others.insert(key, other)),
                }
            }
        }
        if predictors.is_empty() {
            return Err(SavedError::NoPredictor);
        }
        let about = others.get_mut("metadata").and_then(|metadata| metadata.as_object_mut()?.remove("corsac"));
        let about = match about {
            None => About::default(),
            Some(about) => serde_json::from_value(about).map_err(|error| SavedError::Json(format!("metadata.corsac: {error}")))?,
        };
        Ok(SavedProgram { predictors, about, others })
    }

    /// The state of a program.
    pub fn of(program: &dyn Module) -> SavedProgram {
        let mut saved = SavedProgram { predictors: BTreeMap::new(), about: About::default(), others: Record::new() };
        saved.take(program);
        saved
    }

    /// This file with the state of a program in place of what it had; keys it does not know stay.
    #[must_use]
    pub fn updated(&self, program: &dyn Module) -> SavedProgram {
        let mut saved = self.clone();
        saved.predictors.clear();
        saved.take(program);
        saved
    }

    /// The model it was made for, where it names one; else the one that is given.
    pub fn model(&self, lm: &Lm) -> Lm {
        self.about.model.as_deref().map_or_else(|| lm.clone(), |model| lm.with_model(model))
    }

    /// With what DSPy leaves out: what is given here, and else what the program itself says.
    #[must_use]
    pub fn with_about(self, about: About) -> SavedProgram {
        let own = self.about;
        let about = About {
            module: about.module.or(own.module),
            signature: about.signature.or(own.signature),
            adapter: about.adapter.or(own.adapter),
            settings: own.settings,
            ..about
        };
        SavedProgram { about, ..self }
    }

    fn take(&mut self, program: &dyn Module) {
        self.about.settings.clear();
        for named in program.predictors() {
            let sampling = Sampling::beside(&named.state.settings);
            if sampling != Sampling::default() {
                self.about.settings.insert(named.path.clone(), sampling);
            }
            self.predictors.insert(named.path.clone(), state_of(&named));
        }
        self.about.module.get_or_insert_with(|| program.kind().to_owned());
        let adapter = program.predictors().into_iter().find_map(|named| named.state.adapter);
        self.about.adapter = adapter.or(self.about.adapter.take());
        if self.about.signature.is_none() {
            self.about.signature = whole_signature(program);
        }
    }

    /// The file's text: indented by two, with a line break at its end. Keys and other secrets are left out.
    pub fn to_text(&self) -> String {
        let mut whole = Record::new();
        for (path, state) in &self.predictors {
            let state = state.iter().map(|(key, value)| (key.clone(), if key == "demos" { value.clone() } else { without_secrets(value) }));
            match path.as_str() {
                "" => whole.extend(state),
                path => drop(whole.insert(path.to_owned(), Value::Object(state.collect()))),
            }
        }
        whole.extend(self.others.iter().map(|(key, value)| (key.clone(), without_secrets(value))));
        let metadata = whole.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.entry("dependency_versions").or_insert_with(|| json!({}));
            let about = serde_json::to_value(&self.about).unwrap_or_default();
            metadata.insert("corsac".to_owned(), without_secrets(&about));
        }
        serde_json::to_string_pretty(&whole).unwrap_or_default() + "\n"
    }

    /// What a predictor's state says to a model: its instructions and its demos.
    pub(crate) fn told(&self, path: &str) -> (Option<&str>, Vec<Record>) {
        let state = self.predictors.get(path);
        let instructions = state.and_then(|state| state.get("signature")?.get("instructions")?.as_str());
        let demos = state.and_then(|state| state.get("demos")?.as_array()).map(Vec::as_slice).unwrap_or_default();
        (instructions, demos.iter().filter_map(Value::as_object).cloned().collect())
    }

    /// Paths of the predictors it holds.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.predictors.keys().map(String::as_str)
    }

    /// Lays this over a program. A file of one predictor fits a program of one predictor whatever their paths.
    ///
    /// # Errors
    /// It is of another program.
    pub fn over(&self, program: Arc<dyn Module>) -> Result<Overlaid, SavedError> {
        let mut overlay = Overlay::default();
        let named = program.predictors();
        for one in &named {
            let only = (named.len() == 1 && self.predictors.len() == 1).then(|| self.predictors.values().next()).flatten();
            let Some(state) = self.predictors.get(&one.path).or(only) else { continue };
            let here = one.state.signature.fields().count();
            let saved = state["signature"].get("fields").and_then(Value::as_array).map_or(here, Vec::len);
            if saved != here {
                return Err(SavedError::Fields { path: one.path.clone(), saved, here });
            }
            let sampling = self.about.settings.get(&one.path);
            let change = Change { adapter: self.about.adapter.clone(), ..change_of(state, sampling) };
            overlay.changes.insert(one.path.clone(), change);
        }
        if overlay.changes.is_empty() {
            let here: Vec<String> = named.iter().map(|one| shown_path(&one.path)).collect();
            let saved: Vec<String> = self.paths().map(shown_path).collect();
            return Err(SavedError::OtherProgram { saved: saved.join(", "), here: here.join(", ") });
        }
        drop(named);
        Ok(Overlaid::new(program, overlay))
    }

    /// The program itself, as far as the file says what it is.
    ///
    /// # Errors
    /// It names no module or signature, or a module that only code can build.
    pub fn build(&self) -> Result<Overlaid, SavedError> {
        let module = self.about.module.as_deref().ok_or(SavedError::Unnamed("module"))?;
        let signature = self.about.signature.clone().ok_or(SavedError::Unnamed("signature"))?;
        self.build_as(module, signature)
    }

    /// The program as a module over a signature, for files that name neither.
    ///
    /// # Errors
    /// The module is one that only code can build, or the file is of another program.
    pub fn build_as(&self, module: &str, signature: Signature) -> Result<Overlaid, SavedError> {
        let program: Arc<dyn Module> = match module {
            "Predict" => Arc::new(Predict::new(signature)),
            "ChainOfThought" => Arc::new(ChainOfThought::new(signature)),
            "MultiChainComparison" => Arc::new(MultiChainComparison::new(signature)?),
            other => return Err(SavedError::Module(other.to_owned())),
        };
        self.over(program)
    }
}

/// A predictor's path before what is said of it.
fn before(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

fn shown_path(path: &str) -> String {
    if path.is_empty() { "(one without a path)".to_owned() } else { path.to_owned() }
}

fn is_state(map: &Record) -> bool {
    map.get("signature").is_some_and(Value::is_object) && map.contains_key("demos")
}

/// The signature that a module of one predictor was built with: what its predictor adds by itself taken off.
fn whole_signature(program: &dyn Module) -> Option<Signature> {
    let named = program.predictors();
    let first = named.first()?;
    match program.kind() {
        "Predict" => Some(first.state.signature.clone()),
        "ChainOfThought" => Some(first.state.signature.delete("reasoning").unwrap_or_else(|_| first.state.signature.clone())),
        "MultiChainComparison" => {
            let chain = named.iter().find(|one| one.path.starts_with("chain."))?;
            chain.state.signature.delete("reasoning").ok()
        }
        // an operator is the whole of its predictor
        _ if named.len() == 1 && first.path.is_empty() => program.interface(),
        _ => None,
    }
}

fn state_of(named: &Named<'_>) -> Record {
    let state = &named.state;
    let mut written = Record::new();
    for key in ["traces", "train"] {
        written.insert(key.to_owned(), state.kept.get(key).cloned().unwrap_or_else(|| json!([])));
    }
    written.insert("demos".to_owned(), state.demos.iter().cloned().map(Value::Object).collect());
    let mut signature = state.signature.state();
    if let (Some(kept), Some(map)) = (state.kept.get("signature").and_then(Value::as_object), signature.as_object_mut()) {
        for (key, value) in kept {
            map.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    written.insert("signature".to_owned(), signature);
    written.insert("lm".to_owned(), lm_of(&state.settings, state.kept.get("lm")));
    for (key, value) in state.kept.iter() {
        written.entry(key.clone()).or_insert_with(|| value.clone());
    }
    written
}

/// The model as DSPy names one: the file's own entry, brought up to date, or a new one where a model of the catalog is named.
fn lm_of(settings: &CallSettings, kept: Option<&Value>) -> Value {
    let model = settings.model.as_deref().filter(|model| model.contains('/'));
    let mut lm = match (kept.and_then(Value::as_object), model) {
        (Some(kept), _) => kept.clone(),
        (None, Some(model)) => {
            let new = json!({
                "_dspy_lm_class": "dspy.clients.lm.LM",
                "model": format!("openrouter/{model}"),
                "model_type": "chat",
                "cache": true,
                "num_retries": 3,
                "temperature": null,
                "max_tokens": null,
                "finetuning_model": null,
                "launch_kwargs": {},
                "train_kwargs": {},
            });
            new.as_object().cloned().unwrap_or_default()
        }
        (None, None) => return Value::Null,
    };
    let named = lm.get("model").and_then(Value::as_str).map(bare_model);
    if let Some(model) = model.filter(|model| named != Some(*model)) {
        lm.insert("model".to_owned(), format!("openrouter/{model}").into());
    }
    let told = lm.get("temperature").and_then(Value::as_f64);
    if settings.temperature.is_some() && told != settings.temperature {
        lm.insert("temperature".to_owned(), json!(settings.temperature));
    }
    let told = lm.get("max_tokens").and_then(Value::as_u64);
    if let Some(most) = settings.max_tokens.filter(|most| told != Some(u64::from(*most))) {
        lm.insert("max_tokens".to_owned(), most.into());
    }
    Value::Object(lm)
}

fn bare_model(model: &str) -> &str {
    model.strip_prefix("openrouter/").unwrap_or(model)
}

impl Sampling {
    /// What of a predictor's settings cannot stand in DSPy's entry for the model.
    fn beside(settings: &CallSettings) -> Sampling {
        match settings.model.as_deref() {
            Some(model) if model.contains('/') => Sampling::default(),
            model => Sampling { temperature: settings.temperature, max_tokens: settings.max_tokens, model: model.map(str::to_owned) },
        }
    }
}

fn change_of(state: &Record, sampling: Option<&Sampling>) -> Change {
    let demos = state.get("demos").and_then(Value::as_array);
    let demos = demos.map(|demos| demos.iter().filter_map(Value::as_object).cloned().collect());
    let lm = state.get("lm").and_then(Value::as_object);
    let text = |key: &str| lm.and_then(|lm| lm.get(key)?.as_str());
    let number = |key: &str| lm.and_then(|lm| lm.get(key)?.as_f64());
    let settings = CallSettings {
        model: text("model").map(|model| bare_model(model).to_owned()).or_else(|| sampling?.model.clone()),
        temperature: number("temperature").or_else(|| sampling?.temperature),
        max_tokens: number("max_tokens").map(|most| most as u32).or_else(|| sampling?.max_tokens),
        ..CallSettings::default()
    };
    let mut kept: Record =
        state.iter().filter(|(key, _)| !READ.contains(&key.as_str())).map(|(key, value)| (key.clone(), value.clone())).collect();
    if let Some(lm) = lm {
        kept.insert("lm".to_owned(), without_secrets(&Value::Object(lm.clone())));
    }
    if let Some(signature) = state.get("signature").and_then(Value::as_object) {
        let others: Record =
            signature.iter().filter(|(key, _)| *key != "instructions" && *key != "fields").map(|(k, v)| (k.clone(), v.clone())).collect();
        if !others.is_empty() {
            kept.insert("signature".to_owned(), Value::Object(others));
        }
    }
    Change { demos, signature: state.get("signature").cloned(), settings: Some(settings), kept: Some(Arc::new(kept)), ..Change::default() }
}

/// A value without keys, tokens and the like, wherever they stand in it.
fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let open = map.iter().filter(|(key, value)| !is_secret(key, value));
            Value::Object(open.map(|(key, value)| (key.clone(), without_secrets(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().filter(|item| !looks_secret(item)).map(without_secrets).collect()),
        other => other.clone(),
    }
}

fn is_secret(key: &str, value: &Value) -> bool {
    let name: String = key.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    let named = ["apikey", "authorization", "secret", "password", "credential", "accesstoken", "authtoken", "bearertoken"];
    named.iter().any(|part| name.contains(part)) && (value.is_string() || value.is_object() || value.is_array()) || looks_secret(value)
}

/// A text with the form that keys have.
fn looks_secret(value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    let text = text.strip_prefix("Bearer ").unwrap_or(text);
    ["sk-", "sk_", "hf_", "gsk_", "xai-"].iter().any(|prefix| text.starts_with(prefix))
        && text.len() >= 16
        && !text.contains(char::is_whitespace)
}
