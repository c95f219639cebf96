//! From a call and the course it is on to the bytes of a request.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use corsac_ledger::Fingerprint;
use corsac_policy::{Course, Effort, Hop, Limits, OutputSizes, Parameter, Parameters, Strategy, estimated_tokens, room, upper_tokens};
use corsac_schema::{Dialect, Schema};
use corsac_wire::catalog::Pricing;
use corsac_wire::{
    ChatRequest, EmbeddingsRequest, EncodingFormat, JsonSchemaFormat, Message, ProviderPreferences, Reasoning, ResponseFormat, Tool,
    ToolChoice, ToolFunction, Usd, raw,
};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::config::Engine;
use crate::{Call, Contract, Exchange, RequestSettings, Route, Settings};

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

/// What a request is made from, beside the call and the settings.
pub(crate) struct Draft<'a> {
    pub(crate) course: &'a Course,
    /// The route the course is at.
    pub(crate) route: &'a Route,
    /// The model's id: the route's, or its paid twin's.
    pub(crate) model: &'a str,
    /// Models that the service itself tries next.
    pub(crate) fallbacks: &'a [String],
    /// The answer that did not satisfy the schema.
    pub(crate) rejected: Option<&'a str>,
    /// Providers left out, as slugs.
    pub(crate) ignored: &'a [String],
    /// What the engine understands.
    pub(crate) speech: Speech,
    /// Whether the answer is wanted as it comes.
    pub(crate) streams: bool,
}

/// What an engine understands of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// All there is.
    OpenRouter,
    /// OpenAI's own fields: no routing, no other models, no plugins.
    OpenAi,
    /// The prompt, its form and the barest of sampling.
    Embedded,
}

impl Speech {
    /// What the engine behind an exchange understands.
    pub(crate) fn of(exchange: &dyn Exchange) -> Speech {
        match Engine::of_name(exchange.engine()) {
            Some(Engine::OpenAi) => Self::OpenAi,
            _ if exchange.routes() => Self::OpenRouter,
            _ => Self::Embedded,
        }
    }

    pub(crate) fn of_engine(engine: Engine) -> Speech {
        match engine {
            Engine::OpenRouter | Engine::Sim => Self::OpenRouter,
            Engine::OpenAi => Self::OpenAi,
            Engine::Local => Self::Embedded,
        }
    }
}

/// Short enough that a small budget reserves for many rows; a model that reasons first is cut once, and remembered.
const SMALLEST_LIMIT: u32 = 64;
/// The embedded model does not reason, and room that is set aside for long answers is room for fewer rows at once.
const SMALLEST_LOCAL_LIMIT: u32 = 24;
const TEXT_LIMIT: u32 = 512;
const LOCAL_TEXT_LIMIT: u32 = 128;
/// A turn may be long, and what a tool call takes is not known.
const TURN_LIMIT: u32 = 4_096;
const LARGEST_LIMIT: u32 = 16_384;

/// The room for an answer as long as none was measured, in tokens.
pub(crate) fn natural_room(contract: &Contract, speech: Speech) -> u32 {
    let local = speech == Speech::Embedded;
    match contract {
        Contract::Text if local => LOCAL_TEXT_LIMIT,
        Contract::Text => TEXT_LIMIT,
        Contract::Turn(_) => TURN_LIMIT,
        Contract::Embedding { .. } => 0,
        Contract::Json(schema) | Contract::JsonTurn { schema, .. } => {
            let (smallest, margin) = if local { (SMALLEST_LOCAL_LIMIT, 16) } else { (SMALLEST_LIMIT, 64) };
            schema.estimated_tokens().saturating_mul(2).saturating_add(margin).clamp(smallest, LARGEST_LIMIT)
        }
    }
}

/// The bounds of a call, from what requests say at its first route, from its contract, and from how long such answers were.
pub(crate) fn limits(call: &Call, request: &RequestSettings, routes: Vec<Hop>, speech: Speech, measured: Option<OutputSizes>) -> Limits {
    let given = call.settings.max_tokens.or(request.max_tokens);
    let local = speech == Speech::Embedded;
    let natural = natural_room(&call.contract, speech);
    // what a conversation needs next is not what it needed before, and the embedded model's room is its context
    let fits = !local && matches!(call.contract, Contract::Text | Contract::Json(_) | Contract::JsonTurn { .. });
    let natural = room(natural, measured.filter(|_| fits));
    let strategy = match &call.contract {
        Contract::Json(_) | Contract::JsonTurn { .. } => request.strategy.unwrap_or(Strategy::ResponseFormat),
        Contract::Text | Contract::Turn(_) | Contract::Embedding { .. } => Strategy::Text,
    };
    Limits {
        routes,
        strategy,
        max_tokens: given.unwrap_or(natural),
        // a limit that a person set is not raised behind their back
        max_tokens_cap: given.unwrap_or(if local { natural } else { LARGEST_LIMIT }),
        sent: sent(call, request),
        effort: request.reasoning.as_ref().and_then(|reasoning| Effort::named(reasoning.effort.as_deref()?)),
        ..Limits::default()
    }
}

/// The parameters that are sent and could be left out.
pub(crate) fn sent(call: &Call, request: &RequestSettings) -> Parameters {
    if call.contract.is_embedding() {
        return Parameters::NONE;
    }
    let sent = [
        (Parameter::TopLogprobs, request.top_logprobs.is_some()),
        (Parameter::Logprobs, request.logprobs.is_some()),
        (Parameter::Seed, request.seed.is_some()),
        (Parameter::LogitBias, !request.logit_bias.is_empty()),
        (Parameter::FrequencyPenalty, request.frequency_penalty.is_some()),
        (Parameter::PresencePenalty, request.presence_penalty.is_some()),
        (Parameter::RepetitionPenalty, request.repetition_penalty.is_some()),
        (Parameter::TopK, request.top_k.is_some()),
        (Parameter::MinP, request.min_p.is_some()),
        (Parameter::TopA, request.top_a.is_some()),
        (Parameter::TopP, request.top_p.is_some()),
        (Parameter::Verbosity, request.verbosity.is_some()),
        (Parameter::Temperature, call.settings.temperature.or(request.temperature).is_some()),
        (Parameter::Stop, !request.stop.is_empty()),
        (Parameter::Reasoning, request.reasoning.is_some()),
        (Parameter::MaxTokens, true),
    ];
    sent.into_iter().filter_map(|(parameter, is)| is.then_some(parameter)).collect()
}

/// Tokens of a call's prompt, as a guess.
pub(crate) fn prompt_tokens(call: &Call) -> u64 {
    estimated_tokens(&call.system) + estimated_tokens(call.input())
}

/// What two calls must share to have the same answer: the engine (and the address of a server of one's own, where the same
/// name may mean another model), the model asked first, the prompt, the contract, everything that bears on what the model
/// writes, and the namespace.
///
/// Left out is what bears on who is asked, when and at what price: keys, headers, fallbacks, deadlines, budgets, the order
/// and price of providers, privacy, service tier, session, user, and how structure is asked for. Of the routing fields,
/// `quantizations` and `enforce_distillable_text` count, because they say which answers will do. `only` and `ignore` do not:
/// an answer knows its provider, and [`RequestSettings::lets_answer`] decides without asking anew for all the others.
pub(crate) fn fingerprint(call: &Call, settings: &Settings, route: &Route, engine: &str, address: &str) -> Fingerprint {
    let said = settings.request_for(&call.settings, route);
    let request = &*said;
    // of what is said of sampling nothing is sent for a vector
    let unsampled;
    let request = if call.contract.is_embedding() {
        unsampled = RequestSettings { temperature: None, provider: request.provider.clone(), ..RequestSettings::default() };
        &unsampled
    } else {
        request
    };
    let contract = match &call.contract {
        Contract::Text => "",
        Contract::Turn(_) => "turn",
        Contract::Embedding { dimensions: None } => "embedding",
        Contract::Embedding { dimensions: Some(dimensions) } => &format!("embedding {dimensions}"),
        Contract::Json(schema) => schema.fingerprint_text(),
        Contract::JsonTurn { schema, .. } => &format!("turn {}", schema.fingerprint_text()),
    };
    let mut sampling = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        call.settings.temperature.or(request.temperature),
        request.top_p,
        request.seed,
        call.settings.max_tokens.or(request.max_tokens),
        request.reasoning.as_ref().map(|reasoning| (&reasoning.effort, reasoning.max_tokens)),
    );
    // calls that say none of these keep the fingerprint they had before these could be said
    let mut more = bearing(request, engine != Engine::OpenAi.name() && engine != Engine::Local.name());
    if call.settings.sample > 0 {
        more.insert("sample".to_owned(), call.settings.sample.into());
    }
    if !settings.memory.namespace.is_empty() {
        more.insert("namespace".to_owned(), settings.memory.namespace.as_str().into());
    }
    if !more.is_empty() {
        sampling = format!("{sampling} {}", Value::Object(more));
    }
    let engine = if engine == Engine::OpenAi.name() { Cow::Owned(format!("{engine} {address}")) } else { Cow::Borrowed(engine) };
    Fingerprint::of(["answer/1", &engine, &route.model, &sampling, contract, &call.system, call.input()].map(str::as_bytes))
}

/// What bears on the answer beside the oldest settings, as far as it is set.
fn bearing(request: &RequestSettings, routed: bool) -> Map<String, Value> {
    let mut more = Map::new();
    let mut put = |name: &str, set: bool, value: &dyn Fn() -> Value| {
        if set {
            more.insert(name.to_owned(), value());
        }
    };
    put("top_k", request.top_k.is_some(), &|| json!(request.top_k));
    put("min_p", request.min_p.is_some(), &|| json!(request.min_p));
    put("top_a", request.top_a.is_some(), &|| json!(request.top_a));
    put("frequency_penalty", request.frequency_penalty.is_some(), &|| json!(request.frequency_penalty));
    put("presence_penalty", request.presence_penalty.is_some(), &|| json!(request.presence_penalty));
    put("repetition_penalty", request.repetition_penalty.is_some(), &|| json!(request.repetition_penalty));
    put("stop", !request.stop.is_empty(), &|| json!(request.stop));
    put("logit_bias", !request.logit_bias.is_empty(), &|| json!(request.logit_bias));
    put("verbosity", request.verbosity.is_some(), &|| json!(request.verbosity));
    put("extra", !request.extra.is_empty(), &|| Value::Object(request.extra.clone()));
    if routed {
        let provider = &request.provider;
        put("plugins", !request.plugins.is_empty(), &|| json!(request.plugins));
        put("quantizations", !provider.quantizations.is_empty(), &|| json!(provider.quantizations));
        put("distillable", provider.enforce_distillable_text == Some(true), &|| json!(true));
    }
    more
}

/// The models that the service itself can try next: those right behind a route that go through the same door and are asked
/// with the same settings, as far as the engine takes several.
pub(crate) fn fallbacks(settings: &Settings, routes: &[Route], place: usize, speech: Speech) -> Vec<String> {
    let Some((first, others)) = routes.get(place..).and_then(<[Route]>::split_first) else { return Vec::new() };
    if speech != Speech::OpenRouter {
        return Vec::new();
    }
    let alike = |route: &&Route| route.door == first.door && settings.request_of(route) == settings.request_of(first);
    others.iter().take_while(alike).filter(|route| route.model != first.model).map(|route| route.model.to_string()).collect()
}

/// The body of the first request that a call would make, without making it: what `corsac doctor` and a curious user see.
/// A model that the call names and that cannot be asked gives the body for the settings' own model.
pub fn first_body(call: &Call, settings: &Settings, engine: Engine) -> Bytes {
    let (model, profile) = (call.settings.model.as_deref(), call.settings.profile.as_deref());
    let (routes, listed);
    let call = if call.contract.is_embedding() {
        routes = settings.embedding_routes_for(model, profile).unwrap_or_else(|_| settings.embeddings.clone());
        // texts go in lists
        listed = Call { user: json!([call.user]).to_string(), ..call.clone() };
        &listed
    } else {
        routes = settings.routes_for(model, profile).unwrap_or_else(|_| settings.routes.clone());
        call
    };
    let speech = Speech::of_engine(engine);
    let Some(route) = routes.first() else { return Bytes::new() };
    let hops = vec![Hop::default(); routes.len()];
    let course = Course::new(&limits(call, &settings.request_for(&call.settings, route), hops, speech, None));
    let fallbacks = fallbacks(settings, &routes, 0, speech);
    let draft =
        Draft { course: &course, route, model: &route.model, fallbacks: &fallbacks, rejected: None, ignored: &[], speech, streams: false };
    Composer::default().body(call, settings, &draft)
}

/// What a request costs at most.
pub(crate) fn at_most(call: &Call, max_tokens: u32, pricing: Option<&Pricing>) -> Option<Usd> {
    let schema = call.contract.schema().map_or(0, |schema| schema.fingerprint_text().len() as u64);
    pricing?.cost(upper_tokens(&call.system) + upper_tokens(call.input()) + schema, u64::from(max_tokens))
}

impl Composer {
    /// The body of the next request.
    pub(crate) fn body(&self, call: &Call, settings: &Settings, draft: &Draft<'_>) -> Bytes {
        let course = draft.course;
        let said = &*settings.request_for(&call.settings, draft.route);
        let provider = provider(said, course, draft.ignored);
        if let Contract::Embedding { dimensions } = call.contract {
            return embeddings(call, draft, dimensions, &provider);
        }
        let schema = call.contract.schema();
        let written = schema.map(|schema| self.written(schema));
        let system = match schema {
            Some(schema) if course.strategy.describes_schema() => prompted(&call.system, schema),
            _ => call.system.to_string(),
        };
        let correction = course.correction.as_deref().map(corrected);
        let mut messages = Vec::with_capacity(4);
        if !system.is_empty() && !matches!(call.contract, Contract::Turn(_)) {
            messages.push(Message::system(&system));
        }
        match &call.contract {
            Contract::Turn(turn) | Contract::JsonTurn { turn, .. } => {
                messages.extend(turn.messages.iter().map(|message| Message::Verbatim(message)));
            }
            _ => messages.push(Message::user(&call.user)),
        }
        if let Some(correction) = &correction {
            messages.extend(draft.rejected.filter(|text| !text.is_empty()).map(Message::assistant));
            messages.push(Message::user(correction));
        }
        let name = call.origin.operator.as_ref();
        let sends = |parameter| !course.dropped.contains(parameter);
        let extra = extra(said, course, draft.speech);
        let mut request = ChatRequest {
            model: draft.model,
            models: draft.fallbacks,
            messages,
            max_tokens: sends(Parameter::MaxTokens).then_some(course.max_tokens),
            max_completion_tokens: (!sends(Parameter::MaxTokens)).then_some(course.max_tokens),
            temperature: call.settings.temperature.or(said.temperature).filter(|_| sends(Parameter::Temperature)),
            top_p: said.top_p.filter(|_| sends(Parameter::TopP)),
            seed: said.seed.filter(|_| sends(Parameter::Seed)),
            stream: draft.streams,
            ..ChatRequest::default()
        };
        if draft.speech != Speech::Embedded {
            request = ChatRequest {
                top_k: said.top_k.filter(|_| sends(Parameter::TopK)),
                min_p: said.min_p.filter(|_| sends(Parameter::MinP)),
                top_a: said.top_a.filter(|_| sends(Parameter::TopA)),
                frequency_penalty: said.frequency_penalty.filter(|_| sends(Parameter::FrequencyPenalty)),
                presence_penalty: said.presence_penalty.filter(|_| sends(Parameter::PresencePenalty)),
                repetition_penalty: said.repetition_penalty.filter(|_| sends(Parameter::RepetitionPenalty)),
                stop: if sends(Parameter::Stop) { &said.stop } else { &[] },
                logit_bias: Some(&said.logit_bias).filter(|bias| !bias.is_empty() && sends(Parameter::LogitBias)),
                logprobs: said.logprobs.filter(|_| sends(Parameter::Logprobs)),
                top_logprobs: said.top_logprobs.filter(|_| sends(Parameter::TopLogprobs)),
                verbosity: said.verbosity.as_deref().filter(|_| sends(Parameter::Verbosity)),
                service_tier: said.service_tier.as_deref(),
                user: said.user.as_deref(),
                extra: Some(&*extra).filter(|extra| !extra.is_empty()),
                ..request
            };
        }
        if draft.speech == Speech::OpenRouter {
            let reasoning = match course.effort {
                Some(effort) => Some(Reasoning { effort: Some(effort.name().to_owned()), ..Reasoning::default() }),
                None => said.reasoning.clone(),
            };
            request = ChatRequest {
                reasoning: reasoning.filter(|_| sends(Parameter::Reasoning)),
                provider: Some(&provider).filter(|preferences| !preferences.is_default()),
                plugins: &said.plugins,
                session_id: said.session_id.as_deref(),
                ..request
            };
        }
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
        if let Contract::Turn(turn) = &call.contract {
            request.tools = turn.tools.iter().map(|tool| Tool::Verbatim(tool)).collect();
            request.tool_choice = turn.tool_choice.as_ref().and_then(tool_choice);
        }
        request.to_json().into()
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

fn embeddings(call: &Call, draft: &Draft<'_>, dimensions: Option<u32>, provider: &ProviderPreferences) -> Bytes {
    let inputs: Vec<String> = serde_json::from_str(&call.user).unwrap_or_default();
    let inputs = inputs.iter().map(String::as_str).collect();
    let request = EmbeddingsRequest {
        model: draft.model,
        input: inputs,
        dimensions,
        encoding_format: Some(EncodingFormat::Float),
        provider: Some(provider).filter(|preferences| draft.speech == Speech::OpenRouter && !preferences.is_default()),
        ..EmbeddingsRequest::default()
    };
    request.to_json().into()
}

/// A choice as the API words it.
fn tool_choice(said: &Value) -> Option<ToolChoice<'_>> {
    match said.as_str() {
        Some("none") => Some(ToolChoice::None),
        Some("auto") => Some(ToolChoice::Auto),
        Some("required") => Some(ToolChoice::Required),
        Some(_) => None,
        None => said.pointer("/function/name").and_then(Value::as_str).map(ToolChoice::Function),
    }
}

/// Fields beyond those of a chat request. A server with OpenAI's API takes the effort of reasoning under a name of its own
/// and knows no budget for it.
fn extra<'a>(said: &'a RequestSettings, course: &Course, speech: Speech) -> Cow<'a, Map<String, Value>> {
    let effort = course.effort.map(Effort::name).or_else(|| said.reasoning.as_ref()?.effort.as_deref());
    match (speech, effort.filter(|_| !course.dropped.contains(Parameter::Reasoning))) {
        (Speech::OpenAi, Some(effort)) => {
            let mut extra = said.extra.clone();
            extra.entry("reasoning_effort").or_insert_with(|| effort.into());
            Cow::Owned(extra)
        }
        _ => Cow::Borrowed(&said.extra),
    }
}

fn provider(said: &RequestSettings, course: &Course, ignored: &[String]) -> ProviderPreferences {
    let mut preferences = said.provider.clone();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CallSettings, Origin};
    use corsac_ledger::RunId;

    fn call() -> Call {
        Call {
            origin: Origin { run: RunId::unrecorded(), operator: "semantic_map".into(), row: 0 },
            system: "s".into(),
            user: "u".to_owned(),
            contract: Contract::Text,
            settings: Arc::new(CallSettings::default()),
        }
    }

    fn print(change: impl FnOnce(&mut Settings)) -> Fingerprint {
        let mut settings = Settings::default();
        change(&mut settings);
        let route = settings.routes[0].clone();
        fingerprint(&call(), &settings, &route, "openrouter", "https://openrouter.ai/api/v1")
    }

    #[test]
    fn answers_of_earlier_versions_are_found_again() {
        let parts = ["answer/1", "openrouter", "openai/gpt-4o-mini", "Some(0.0) None None None None", "", "s", "u"];
        assert_eq!(print(|_| {}), Fingerprint::of(parts.map(str::as_bytes)));
    }

    #[test]
    fn what_bears_on_the_answer_is_told_apart() {
        let changes: [fn(&mut Settings); 21] = [
            |s| s.routes[0] = Route::to("a/b"),
            |s| s.request.temperature = Some(0.5),
            |s| s.request.top_p = Some(0.5),
            |s| s.request.top_k = Some(5),
            |s| s.request.min_p = Some(0.5),
            |s| s.request.top_a = Some(0.5),
            |s| s.request.frequency_penalty = Some(0.5),
            |s| s.request.presence_penalty = Some(0.5),
            |s| s.request.repetition_penalty = Some(0.5),
            |s| s.request.seed = Some(5),
            |s| s.request.max_tokens = Some(5),
            |s| s.request.stop = vec!["x".into()],
            |s| s.request.logit_bias = [(1, 2.0)].into(),
            |s| s.request.verbosity = Some("low".into()),
            |s| s.request.reasoning = Some(corsac_wire::Reasoning { max_tokens: Some(5), ..Default::default() }),
            |s| s.request.plugins = vec![corsac_wire::Plugin::response_healing()],
            |s| s.request.provider.quantizations = vec!["fp8".into()],
            |s| s.request.provider.enforce_distillable_text = Some(true),
            |s| drop(s.request.extra.insert("x".into(), json!(1))),
            |s| s.memory.namespace = "n".into(),
            |s| s.routes[0].request = Some(RequestSettings { seed: Some(6), ..RequestSettings::default() }.into()),
        ];
        let mut prints: Vec<Fingerprint> = changes.into_iter().map(print).chain([print(|_| {})]).collect();
        let all = prints.len();
        prints.sort_by_key(ToString::to_string);
        prints.dedup();
        assert_eq!(prints.len(), all);
    }

    #[test]
    fn several_answers_to_one_question_are_told_apart() {
        let settings = Settings::default();
        let of = |sample| {
            let call = Call { settings: Arc::new(CallSettings { sample, ..CallSettings::default() }), ..call() };
            fingerprint(&call, &settings, &settings.routes[0], "openrouter", "")
        };
        assert_ne!(of(1), of(2));
        assert_ne!(of(0), of(1));
    }

    #[test]
    fn a_conversation_can_end_in_json() {
        let messages = [
            json!({"role": "user", "content": "one"}),
            json!({"role": "assistant", "content": "{}"}),
            json!({"role": "user", "content": "two"}),
        ];
        let turn = Arc::new(crate::Turn::new(&messages));
        let call = Call { contract: Contract::JsonTurn { turn, schema: Schema::boolean("answer") }, ..call() };
        let body: Value = serde_json::from_slice(&first_body(&call, &Settings::default(), Engine::OpenRouter)).unwrap();
        assert_eq!(body["messages"][0], json!({"role": "system", "content": "s"}));
        assert_eq!(body["messages"].as_array().unwrap()[1..], messages);
        assert_eq!(body["response_format"]["json_schema"]["schema"]["required"], json!(["answer"]));
    }

    #[test]
    fn who_is_asked_when_and_at_what_price_is_not() {
        let changes: [fn(&mut Settings); 17] = [
            |s| s.routes.push(Route::to("a/b")),
            |s| s.routes[0].door = 3,
            |s| s.routes[0].timeout = Some(std::time::Duration::from_secs(5)),
            |s| s.request.provider.only = vec!["openai".into()],
            |s| s.request.provider.ignore = vec!["azure".into()],
            |s| s.request.provider.order = vec!["azure".into()],
            |s| s.request.provider.zdr = Some(true),
            |s| s.request.provider.sort = Some(corsac_wire::SortBy::Price.into()),
            |s| s.request.service_tier = Some("flex".into()),
            |s| s.request.session_id = Some("s".into()),
            |s| s.request.user = Some("u".into()),
            |s| s.request.logprobs = Some(true),
            |s| s.request.strategy = Some(Strategy::ForcedTool),
            |s| s.request.must_support = true,
            |s| s.memory.max_age = Some(std::time::Duration::from_secs(5)),
            |s| s.ceilings.run = Some(Usd::ZERO),
            |s| s.deadlines.call = std::time::Duration::from_secs(5),
        ];
        for (place, change) in changes.into_iter().enumerate() {
            assert_eq!(print(change), print(|_| {}), "change {place}");
        }
    }

    #[test]
    fn one_name_at_two_servers_is_two_models() {
        let settings = Settings {
            request: RequestSettings { plugins: vec![corsac_wire::Plugin::response_healing()], ..Default::default() },
            ..Settings::default()
        };
        let at = |engine: &str, address: &str| fingerprint(&call(), &settings, &settings.routes[0], engine, address);
        assert_ne!(at("openai", "http://one/v1"), at("openai", "http://two/v1"));
        assert_eq!(at("openrouter", "https://eu.openrouter.ai/api/v1"), at("openrouter", "https://openrouter.ai/api/v1"));
        // what is not sent there does not count there
        let plain = Settings::default();
        let bare = fingerprint(&call(), &plain, &plain.routes[0], "openai", "http://one/v1");
        assert_eq!(at("openai", "http://one/v1"), bare);
    }
}
