//! A chat request as far as the simulator looks into it. Reading borrows from the body, because this
//! is on the path of every answer.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::conversation::{Conversation, Message};

/// The body as it stands; what is not named here is read by nobody.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(default)]
    models: Option<Vec<String>>,
    #[serde(borrow, default)]
    messages: Option<Vec<Message<'a>>>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(borrow, default)]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(borrow, default)]
    tools: Option<Vec<ToolEntry<'a>>>,
    #[serde(default)]
    tool_choice: Option<Value>,
    #[serde(default)]
    provider: Option<ProviderPreferences>,
    #[serde(default)]
    reasoning: Option<ReasoningField>,
    #[serde(default)]
    reasoning_effort: Option<String>,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    top_p: Option<f64>,
    #[serde(default)]
    frequency_penalty: Option<f64>,
    #[serde(default)]
    presence_penalty: Option<f64>,
    #[serde(default)]
    n: Option<u32>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    stop: Option<Stops>,
    #[serde(default)]
    logprobs: Option<bool>,
    #[serde(default)]
    top_logprobs: Option<u32>,
    #[serde(default)]
    parallel_tool_calls: Option<bool>,
    #[serde(borrow, default)]
    session_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    prompt_cache_key: Option<Cow<'a, str>>,
    #[serde(default)]
    include_reasoning: Option<bool>,
    #[serde(default)]
    debug: Option<Debugging>,
    #[serde(borrow, default)]
    verbosity: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    service_tier: Option<Cow<'a, str>>,
    #[serde(default)]
    plugins: Option<Vec<Plugin>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Stops {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Debugging {
    #[serde(default)]
    echo_upstream_body: bool,
}

#[derive(Deserialize)]
struct Plugin {
    id: String,
    #[serde(default)]
    enabled: Option<bool>,
}

#[derive(Deserialize)]
struct ResponseFormat<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    json_schema: Option<JsonSchemaFormat<'a>>,
}

#[derive(Deserialize)]
struct JsonSchemaFormat<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
    #[serde(default)]
    strict: Option<bool>,
}

#[derive(Deserialize)]
struct ToolEntry<'a> {
    #[serde(borrow, default)]
    function: Option<ToolFunction<'a>>,
}

#[derive(Deserialize)]
struct ToolFunction<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ReasoningField {
    #[serde(default)]
    effort: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    exclude: Option<bool>,
    #[serde(default)]
    max_tokens: Option<u64>,
}

/// The routing wishes of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ProviderPreferences {
    pub(crate) order: Option<Vec<String>>,
    pub(crate) only: Option<Vec<String>>,
    pub(crate) ignore: Option<Vec<String>>,
    pub(crate) allow_fallbacks: Option<bool>,
    pub(crate) require_parameters: Option<bool>,
    pub(crate) data_collection: Option<String>,
    pub(crate) zdr: Option<bool>,
    pub(crate) quantizations: Option<Vec<String>>,
    pub(crate) sort: Option<Value>,
    pub(crate) max_price: Option<Map<String, Value>>,
    pub(crate) preferred_min_throughput: Option<Value>,
    pub(crate) preferred_max_latency: Option<Value>,
}

/// A function a model may call.
#[derive(Debug)]
pub(crate) struct Tool<'a> {
    pub(crate) name: Cow<'a, str>,
    /// The parameters' schema as it was written.
    pub(crate) parameters: Option<&'a str>,
}

/// What an answer must look like.
#[derive(Debug)]
pub(crate) enum Shape<'a> {
    Text,
    /// Any JSON object.
    Object,
    Schema {
        name: Cow<'a, str>,
        schema: &'a str,
        strict: bool,
    },
}

/// Which tool an answer calls.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ToolUse {
    Never,
    /// The model may.
    Free,
    /// One of them.
    Some,
    /// This one.
    Named(String),
}

/// How much the request asks the model to reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReasoningWish {
    Unsaid,
    Off,
    On { tokens: u64 },
}

/// A chat request, checked.
#[derive(Debug)]
pub(crate) struct ChatRequest<'a> {
    /// `model`, then `models`, without repetition; empty = the account's default.
    pub(crate) wanted: Vec<String>,
    pub(crate) stream: bool,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) shape: Shape<'a>,
    pub(crate) tools: Vec<Tool<'a>>,
    pub(crate) tool_use: ToolUse,
    pub(crate) preferences: ProviderPreferences,
    pub(crate) reasoning: ReasoningWish,
    pub(crate) hide_reasoning: bool,
    pub(crate) heals: bool,
    pub(crate) talk: Conversation<'a>,
    pub(crate) tool_characters: u64,
    /// Whether an answer may call several tools.
    pub(crate) parallel_tools: bool,
    /// How many answers.
    pub(crate) count: u32,
    pub(crate) seed: Option<i64>,
    pub(crate) stops: Vec<String>,
    /// How many alternatives of each token are told; none = nothing of the kind.
    pub(crate) logprobs: Option<u32>,
    pub(crate) has_verbosity: bool,
    /// Whether anything in the body asks a provider to keep the prompt.
    pub(crate) wants_cache: bool,
    /// Whether a stream begins with the body as it went to the provider.
    pub(crate) echoes: bool,
    pub(crate) service_tier: Option<Cow<'a, str>>,
    /// What keeps requests with one endpoint.
    pub(crate) session: Option<Cow<'a, str>>,
    /// Parameters an endpoint must list; filled only when `require_parameters` asks for it.
    pub(crate) parameters: Vec<String>,
}

/// The most answers to one request.
const MOST_ANSWERS: u32 = 8;
const MOST_STOPS: usize = 4;
const LONGEST_SESSION: usize = 256;

/// Body keys that are OpenRouter's own and need no support of an endpoint.
const NOT_PARAMETERS: &[&str] = &[
    "model",
    "models",
    "messages",
    "stream",
    "stream_options",
    "usage",
    "provider",
    "plugins",
    "route",
    "user",
    "session_id",
    "metadata",
    "trace",
    "transforms",
    "service_tier",
    "cache_control",
    "prompt_cache_key",
    "prompt_cache_options",
    "debug",
    "modalities",
    "stop_server_tools_when",
    "preset",
    "parallel_tool_calls",
    "n",
];

impl<'a> ChatRequest<'a> {
    /// Reads and checks a body; the error is the message of a 400.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let body: Body<'a> = serde_json::from_slice(bytes).map_err(|error| complaint(&error))?;
        let messages = body.messages.ok_or("messages: Invalid input: expected array, received undefined")?;
        if messages.is_empty() {
            return Err("messages: Too small: expected array to have >=1 items".to_owned());
        }
        let bounds = [
            ("temperature", body.temperature, 0.0, 2.0),
            ("top_p", body.top_p, 0.0, 1.0),
            ("frequency_penalty", body.frequency_penalty, -2.0, 2.0),
            ("presence_penalty", body.presence_penalty, -2.0, 2.0),
            ("top_logprobs", body.top_logprobs.map(f64::from), 0.0, 20.0),
            ("n", body.n.map(f64::from), 1.0, f64::from(MOST_ANSWERS)),
        ];
        for (name, value, low, high) in bounds {
            if value.is_some_and(|value| !(low..=high).contains(&value)) {
                return Err(format!("{name}: Invalid input: expected a number from {low} to {high}"));
            }
        }
        let stops = match body.stop {
            None => Vec::new(),
            Some(Stops::One(stop)) => vec![stop],
            Some(Stops::Many(stops)) => stops,
        };
        if stops.len() > MOST_STOPS {
            return Err(format!("stop: Too big: expected array to have <={MOST_STOPS} items"));
        }
        if body.session_id.as_ref().is_some_and(|session| session.chars().count() > LONGEST_SESSION) {
            return Err(format!("session_id: Too big: expected string to have <={LONGEST_SESSION} characters"));
        }
        let max_tokens = body.max_tokens.or(body.max_completion_tokens);
        if max_tokens == Some(0) {
            return Err("max_tokens: Too small: expected number to be >=1".to_owned());
        }
        let told = body.include_reasoning;
        let reasoning = reasoning_wish(body.reasoning.as_ref(), body.reasoning_effort.as_deref())?;
        let preferences = body.provider.unwrap_or_default();
        let parameters = if preferences.require_parameters == Some(true) { parameters_of(bytes) } else { Vec::new() };

        let mut wanted: Vec<String> = body.model.map(Cow::into_owned).into_iter().collect();
        for model in body.models.unwrap_or_default() {
            if !wanted.contains(&model) {
                wanted.push(model);
            }
        }
        let tools: Vec<Tool<'a>> = body
            .tools
            .unwrap_or_default()
            .into_iter()
            .filter_map(|entry| entry.function)
            .map(|function| Tool { name: function.name, parameters: function.parameters.map(RawValue::get) })
            .collect();
        let tool_characters = tools.iter().map(|tool| tool.name.len() + tool.parameters.map_or(0, str::len)).sum::<usize>() as u64;
        let tool_use = tool_use(body.tool_choice.as_ref(), &tools)?;
        let shape = shape_of(body.response_format)?;
        if let Some(name) = tools.iter().map(|tool| tool.name.as_ref()).find(|name| !is_tool_name(name)) {
            return Err(format!("tools: the function name `{name}` must have 1 to 64 letters, digits, underscores or dashes"));
        }
        let talk = Conversation::read(&messages)?;
        Ok(Self {
            wanted,
            stream: body.stream == Some(true),
            max_tokens,
            shape,
            tools,
            tool_use,
            preferences,
            reasoning,
            hide_reasoning: body.reasoning.as_ref().and_then(|field| field.exclude) == Some(true) || told == Some(false),
            heals: body.plugins.unwrap_or_default().iter().any(|plugin| plugin.id == "response-healing" && plugin.enabled != Some(false)),
            talk,
            tool_characters,
            parallel_tools: body.parallel_tool_calls != Some(false),
            count: body.n.unwrap_or(1),
            seed: body.seed,
            stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(),
            logprobs: (body.logprobs == Some(true)).then(|| body.top_logprobs.unwrap_or(0)),
            has_verbosity: body.verbosity.is_some(),
            wants_cache: asks_for_cache(bytes),
            echoes: body.debug.is_some_and(|debug| debug.echo_upstream_body),
            service_tier: body.service_tier,
            session: body.session_id.or(body.prompt_cache_key),
            parameters,
        })
    }

    /// The text of the last message of a user.
    pub(crate) fn last_user_text(&self) -> &str {
        self.talk.last_user_text()
    }
}

/// Prompts too short to be kept are not searched.
fn asks_for_cache(bytes: &[u8]) -> bool {
    const NAME: &[u8] = b"\"cache_control\"";
    bytes.len() > 4_096 && bytes.windows(NAME.len()).any(|window| window == NAME)
}

fn is_tool_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn complaint(error: &serde_json::Error) -> String {
    if error.is_data() { format!("Invalid input: {error}") } else { "Invalid JSON in request body".to_owned() }
}

fn reasoning_wish(field: Option<&ReasoningField>, shorthand: Option<&str>) -> Result<ReasoningWish, String> {
    let effort = field.and_then(|field| field.effort.as_deref());
    if let (Some(long), Some(short)) = (effort, shorthand)
        && long != short
    {
        return Err("reasoning_effort: differs from reasoning.effort".to_owned());
    }
    let budget = field.and_then(|field| field.max_tokens);
    if budget.is_some() && effort.is_some() {
        return Err("reasoning: Only one of \"reasoning.effort\" and \"reasoning.max_tokens\" can be specified".into());
    }
    if let Some(tokens) = budget {
        return Ok(ReasoningWish::On { tokens });
    }
    match effort.or(shorthand) {
        None => Ok(match field.and_then(|field| field.enabled) {
            Some(true) => ReasoningWish::On { tokens: 64 },
            Some(false) => ReasoningWish::Off,
            None => ReasoningWish::Unsaid,
        }),
        Some("none") => Ok(ReasoningWish::Off),
        Some("minimal") => Ok(ReasoningWish::On { tokens: 8 }),
        Some("low") => Ok(ReasoningWish::On { tokens: 24 }),
        Some("medium") => Ok(ReasoningWish::On { tokens: 64 }),
        Some("high") => Ok(ReasoningWish::On { tokens: 160 }),
        Some("xhigh" | "max") => Ok(ReasoningWish::On { tokens: 400 }),
        Some(_) => Err("reasoning.effort: Invalid option: expected one of \
             \"max\"|\"xhigh\"|\"high\"|\"medium\"|\"low\"|\"minimal\"|\"none\""
            .to_owned()),
    }
}

fn tool_use(choice: Option<&Value>, tools: &[Tool<'_>]) -> Result<ToolUse, String> {
    if tools.is_empty() {
        return Ok(ToolUse::Never);
    }
    match choice {
        None | Some(Value::Null) => Ok(ToolUse::Free),
        Some(Value::String(word)) => match word.as_str() {
            "none" => Ok(ToolUse::Never),
            "auto" => Ok(ToolUse::Free),
            "required" => Ok(ToolUse::Some),
            _ => Err("tool_choice: Invalid option: expected one of \"none\"|\"auto\"|\"required\"".to_owned()),
        },
        Some(object) => {
            let name = object.pointer("/function/name").and_then(Value::as_str);
            match name.filter(|name| tools.iter().any(|tool| tool.name == *name)) {
                Some(name) => Ok(ToolUse::Named(name.to_owned())),
                None => Err("tool_choice: the function it names is not among `tools`".to_owned()),
            }
        }
    }
}

fn shape_of(format: Option<ResponseFormat<'_>>) -> Result<Shape<'_>, String> {
    let Some(format) = format else {
        return Ok(Shape::Text);
    };
    match format.kind.as_ref() {
        "json_object" => Ok(Shape::Object),
        "json_schema" => {
            let described = format.json_schema.ok_or("response_format.json_schema: Required")?;
            let name = described.name.ok_or("response_format.json_schema.name: Required")?;
            let schema = described.schema.map_or("{}", RawValue::get);
            Ok(Shape::Schema { name, schema, strict: described.strict == Some(true) })
        }
        "text" | "grammar" | "python" => Ok(Shape::Text),
        other => Err(format!("response_format.type: Invalid option: `{other}`")),
    }
}

/// The names of the body's parameters, nulls left out.
fn parameters_of(bytes: &[u8]) -> Vec<String> {
    let Ok(body) = serde_json::from_slice::<std::collections::BTreeMap<String, Value>>(bytes) else {
        return Vec::new();
    };
    let format = body.get("response_format").and_then(|format| format.get("type")).and_then(Value::as_str);
    let mut names: Vec<String> = body
        .iter()
        .filter(|(name, value)| !value.is_null() && !NOT_PARAMETERS.contains(&name.as_str()))
        .filter(|(name, _)| name.as_str() != "response_format" || format != Some("text"))
        .map(|(name, _)| name.clone())
        .collect();
    if format == Some("json_schema") {
        names.push("structured_outputs".to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::{ChatRequest, ReasoningWish, Shape, ToolUse};

    #[test]
    fn reads_text_from_strings_and_parts() {
        let body = br#"{"model":"a/b","models":["a/b","c/d"],"messages":[
            {"role":"system","content":"be brief"},
            {"role":"user","content":[{"type":"text","text":"one"},{"type":"text","text":"t\u00ebo"},
                                      {"type":"image_url","image_url":{"url":"data:"}}]},
            {"role":"assistant","content":null}]}"#;
        let request = ChatRequest::read(body).unwrap();
        assert_eq!(request.wanted, ["a/b", "c/d"]);
        assert_eq!(request.last_user_text(), "one\ntëo");
        assert_eq!(request.talk.characters, 8 + 7);
        assert!(request.talk.has_images);
        assert!(matches!(request.shape, Shape::Text));
    }

    #[test]
    fn only_required_parameters_are_listed() {
        let body = br#"{"messages":[{"role":"user","content":"x"}],"temperature":0,"seed":null,"stream":true,
            "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}},
            "provider":{"require_parameters":true}}"#;
        let request = ChatRequest::read(body).unwrap();
        assert_eq!(request.parameters, ["response_format", "temperature", "structured_outputs"]);
    }

    #[test]
    fn wrong_bodies_get_a_message() {
        for (body, part) in [
            ("{", "Invalid JSON"),
            ("{}", "messages"),
            (r#"{"messages":[]}"#, "Too small"),
            (r#"{"messages":[{"role":"king","content":"x"}]}"#, "messages.0.role"),
            (r#"{"messages":[{"role":"user","content":5}]}"#, "messages.0.content"),
            (r#"{"messages":[{"role":"user","content":"x"}],"temperature":9}"#, "temperature"),
            (r#"{"messages":[{"role":"user","content":"x"}],"reasoning":{"effort":"some"}}"#, "reasoning.effort"),
            (r#"{"messages":[{"role":"user","content":"x"}],"top_p":1.5}"#, "top_p"),
            (r#"{"messages":[{"role":"user","content":"x"}],"n":9}"#, "n: Invalid"),
            (r#"{"messages":[{"role":"user","content":"x"}],"stop":["a","b","c","d","e"]}"#, "stop"),
            (r#"{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"a b"}}]}"#, "function name"),
        ] {
            let message = ChatRequest::read(body.as_bytes()).unwrap_err();
            assert!(message.contains(part), "{body} -> {message}");
        }
    }

    #[test]
    fn tools_and_reasoning() {
        let body = br#"{"messages":[{"role":"user","content":"x"}],"reasoning_effort":"low",
            "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],
            "tool_choice":{"type":"function","function":{"name":"f"}}}"#;
        let request = ChatRequest::read(body).unwrap();
        assert_eq!(request.tool_use, ToolUse::Named("f".to_owned()));
        assert_eq!(request.reasoning, ReasoningWish::On { tokens: 24 });
        assert_eq!(request.tools[0].parameters, Some(r#"{"type":"object"}"#));
    }
}
