//! From a call and the course it is on to the bytes of a request.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use corsac_ledger::Fingerprint;
use corsac_policy::{Course, Effort, Hop, Limits, Parameter, Parameters, Strategy, upper_tokens};
use corsac_schema::{Dialect, Schema};
use corsac_wire::catalog::Pricing;
use corsac_wire::{
    ChatRequest, JsonSchemaFormat, Message, ProviderPreferences, Reasoning, ResponseFormat, Tool, ToolChoice, ToolFunction, Usd, raw,
};
use parking_lot::Mutex;
use serde_json::value::RawValue;

use crate::{Call, Contract, Settings};

/// Writes requests; keeps what many of them share written out.
#[derive(Debug, Default)]
pub(crate) struct Composer {
    schemas: Mutex<HashMap<Fingerprint, Arc<WrittenSchema>>>,
}

/// A schema in the forms in which it is sent.
#[derive(Debug)]
struct WrittenSchema {
    strict: bool,
    format: Arc<RawValue>,
    loose: Arc<RawValue>,
    tool: Arc<RawValue>,
}

/// The models asked, in order, and what of the last answer is shown to the model.
pub(crate) struct Turn<'a> {
    pub(crate) course: &'a Course,
    /// The answer that did not satisfy the schema.
    pub(crate) rejected: Option<&'a str>,
    /// Providers left out, as slugs.
    pub(crate) ignored: &'a [String],
    /// Whether routing fields mean anything to the engine.
    pub(crate) routes: bool,
}

/// Short enough that a small budget reserves for many rows; a model that reasons first is cut once, and remembered.
const SMALLEST_LIMIT: u32 = 64;
/// The embedded model does not reason, and room that is set aside for long answers is room for fewer rows at once.
const SMALLEST_LOCAL_LIMIT: u32 = 24;
const TEXT_LIMIT: u32 = 512;
const LOCAL_TEXT_LIMIT: u32 = 128;
const LARGEST_LIMIT: u32 = 16_384;

/// The bounds of a call, from the settings and its contract.
pub(crate) fn limits(call: &Call, settings: &Settings, models: &[String], routes: bool) -> Limits {
    let given = call.settings.max_tokens.or(settings.request.max_tokens);
    let natural = match &call.contract {
        Contract::Text if routes => TEXT_LIMIT,
        Contract::Text => LOCAL_TEXT_LIMIT,
        Contract::Json(schema) => {
            let smallest = if routes { SMALLEST_LIMIT } else { SMALLEST_LOCAL_LIMIT };
            schema.estimated_tokens().saturating_mul(2).saturating_add(if routes { 64 } else { 16 }).clamp(smallest, LARGEST_LIMIT)
        }
    };
    let hop = |(model, id): (usize, &String)| Hop { model: model as u16, free: id.ends_with(":free"), ..Hop::default() };
    Limits {
        routes: models.iter().enumerate().map(hop).collect(),
        sent: sent(call, settings),
        effort: settings.request.reasoning.as_ref().and_then(|reasoning| Effort::named(reasoning.effort.as_deref()?)),
        strategy: if matches!(call.contract, Contract::Text) {
            Strategy::Text
        } else {
            settings.request.strategy.unwrap_or(Strategy::ResponseFormat)
        },
        max_tokens: given.unwrap_or(natural),
        // a limit that a person set is not raised behind their back
        max_tokens_cap: given.unwrap_or(if routes { LARGEST_LIMIT } else { natural }),
        ..Limits::default()
    }
}

/// The parameters that are sent and could be left out.
fn sent(call: &Call, settings: &Settings) -> Parameters {
    let request = &settings.request;
    let sent = [
        (Parameter::MaxTokens, true),
        (Parameter::Temperature, call.settings.temperature.or(request.temperature).is_some()),
        (Parameter::TopP, request.top_p.is_some()),
        (Parameter::Seed, request.seed.is_some()),
        (Parameter::Reasoning, request.reasoning.is_some()),
    ];
    sent.into_iter().filter_map(|(parameter, is)| is.then_some(parameter)).collect()
}

/// What two calls must share to have the same answer.
pub(crate) fn fingerprint(call: &Call, settings: &Settings, engine: &str, model: &str) -> Fingerprint {
    let contract = match &call.contract {
        Contract::Text => "",
        Contract::Json(schema) => schema.fingerprint_text(),
    };
    let sampling = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        call.settings.temperature.or(settings.request.temperature),
        settings.request.top_p,
        settings.request.seed,
        call.settings.max_tokens.or(settings.request.max_tokens),
        settings.request.reasoning.as_ref().map(|reasoning| (&reasoning.effort, reasoning.max_tokens)),
    );
    Fingerprint::of(["answer/1", engine, model, &sampling, contract, &call.system, &call.user].map(str::as_bytes))
}

/// What a request costs at most.
pub(crate) fn at_most(call: &Call, max_tokens: u32, pricing: Option<&Pricing>) -> Option<Usd> {
    let schema = match &call.contract {
        Contract::Text => 0,
        Contract::Json(schema) => schema.fingerprint_text().len() as u64,
    };
    pricing?.cost(upper_tokens(&call.system) + upper_tokens(&call.user) + schema, u64::from(max_tokens))
}

impl Composer {
    /// The body of the next request.
    pub(crate) fn body(&self, call: &Call, settings: &Settings, models: &[String], turn: &Turn<'_>) -> Bytes {
        let course = turn.course;
        let schema = match &call.contract {
            Contract::Text => None,
            Contract::Json(schema) => Some(schema),
        };
        let written = schema.map(|schema| self.written(schema));
        let system = match (course.strategy, schema) {
            (strategy, Some(schema)) if strategy.describes_schema() => prompted(&call.system, schema),
            _ => call.system.to_string(),
        };
        let correction = course.correction.as_deref().map(corrected);
        let mut messages = Vec::with_capacity(4);
        if !system.is_empty() {
            messages.push(Message::system(&system));
        }
        messages.push(Message::user(&*call.user));
        if let Some(correction) = &correction {
            messages.extend(turn.rejected.filter(|text| !text.is_empty()).map(Message::assistant));
            messages.push(Message::user(correction));
        }
        let name = call.origin.operator.as_ref();
        let (model, fallbacks) = models.get(course.route..).and_then(|left| left.split_first()).unwrap_or((&models[0], &[]));
        let provider = turn.routes.then(|| provider(settings, course, turn.ignored));
        let sends = |parameter| !course.dropped.contains(parameter);
        let reasoning = match course.effort {
            Some(effort) => Some(Reasoning { effort: Some(effort.name().to_owned()), ..Reasoning::default() }),
            None => settings.request.reasoning.clone(),
        };
        let mut request = ChatRequest {
            model,
            models: if turn.routes { fallbacks } else { &[] },
            messages,
            max_tokens: sends(Parameter::MaxTokens).then_some(course.max_tokens),
            max_completion_tokens: (!sends(Parameter::MaxTokens)).then_some(course.max_tokens),
            temperature: call.settings.temperature.or(settings.request.temperature).filter(|_| sends(Parameter::Temperature)),
            top_p: settings.request.top_p.filter(|_| sends(Parameter::TopP)),
            seed: settings.request.seed.filter(|_| sends(Parameter::Seed)),
            reasoning: reasoning.filter(|_| sends(Parameter::Reasoning)),
            provider: provider.as_ref().filter(|preferences| !preferences.is_default()),
            ..ChatRequest::default()
        };
        if let Some(written) = &written {
            match course.strategy {
                Strategy::ResponseFormat => {
                    let json_schema = JsonSchemaFormat { name, strict: written.strict, schema: &written.format };
                    request.response_format = Some(ResponseFormat::JsonSchema { json_schema });
                }
                Strategy::LooseFormat => {
                    let json_schema = JsonSchemaFormat { name, strict: false, schema: &written.loose };
                    request.response_format = Some(ResponseFormat::JsonSchema { json_schema });
                }
                Strategy::JsonMode => request.response_format = Some(ResponseFormat::JsonObject),
                Strategy::ForcedTool => {
                    request.tools.push(Tool::Function(ToolFunction::new(name, "Takes the answer.", &written.tool)));
                    request.tool_choice = Some(ToolChoice::Function(name));
                }
                Strategy::Text | Strategy::Prompted => {}
            }
        }
        let mut body = Vec::with_capacity(call.user.len() + system.len() + 512);
        // serialising these types cannot fail; an empty body would be refused and recorded like any fault
        let _ = serde_json::to_writer(&mut body, &request);
        body.into()
    }

    fn written(&self, schema: &Schema) -> Arc<WrittenSchema> {
        let key = Fingerprint::of([schema.fingerprint_text().as_bytes()]);
        let mut schemas = self.schemas.lock();
        let written = schemas.entry(key).or_insert_with(|| {
            let strict = schema.strict_possible().is_ok();
            let dialect = if strict { Dialect::Strict } else { Dialect::Original };
            Arc::new(WrittenSchema {
                strict,
                format: raw(&schema.dialect(dialect)),
                loose: raw(&schema.dialect(Dialect::Original)),
                tool: raw(&schema.dialect(Dialect::Draft7Tool)),
            })
        });
        Arc::clone(written)
    }
}

fn provider(settings: &Settings, course: &Course, ignored: &[String]) -> ProviderPreferences {
    let mut preferences = settings.request.provider.clone();
    if course.strategy.needs_endpoint() {
        // without this, an endpoint that ignores the schema may serve; with it, every parameter must be supported
        preferences.require_parameters.get_or_insert(true);
    }
    for slug in ignored {
        if !preferences.ignore.contains(slug) {
            preferences.ignore.push(slug.clone());
        }
    }
    preferences
}

fn prompted(system: &str, schema: &Schema) -> String {
    format!(
        "{system}\n\nWrite your answer as one JSON document of this form and nothing besides it, without a code fence:\n{}",
        schema.outline()
    )
}

fn corrected(error: &str) -> String {
    format!("That answer cannot be used: {error}. Give the whole answer again with this put right, and nothing besides it.")
}
