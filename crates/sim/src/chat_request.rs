//! A chat request as far as the simulator looks into it. Reading borrows from the body, because this
//! is on the path of every answer.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

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
    plugins: Option<Vec<Plugin>>,
}

#[derive(Deserialize)]
struct Plugin {
    id: String,
    #[serde(default)]
    enabled: Option<bool>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
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
    /// The text of every message.
    texts: Vec<Cow<'a, str>>,
    /// Which of them is the last of a user.
    last_user: Option<usize>,
    /// Whether the conversation ends with a tool's result.
    pub(crate) after_tool_result: bool,
    pub(crate) has_images: bool,
    pub(crate) text_characters: u64,
    pub(crate) tool_characters: u64,
    pub(crate) message_count: u64,
    /// Parameters an endpoint must list; filled only when `require_parameters` asks for it.
    pub(crate) parameters: Vec<String>,
}

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
];

impl<'a> ChatRequest<'a> {
    /// Reads and checks a body; the error is the message of a 400.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let body: Body<'a> = serde_json::from_slice(bytes).map_err(|error| complaint(&error))?;
        let messages = body.messages.ok_or("messages: Invalid input: expected array, received undefined")?;
        if messages.is_empty() {
            return Err("messages: Too small: expected array to have >=1 items".to_owned());
        }
        if body.temperature.is_some_and(|value| !(0.0..=2.0).contains(&value)) {
            return Err("temperature: Invalid input: expected a number from 0 to 2".to_owned());
        }
        let max_tokens = body.max_tokens.or(body.max_completion_tokens);
        if max_tokens == Some(0) {
            return Err("max_tokens: Too small: expected number to be >=1".to_owned());
        }
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
        let talk = Talk::read(&messages)?;
        Ok(Self {
            wanted,
            stream: body.stream == Some(true),
            max_tokens,
            shape,
            tools,
            tool_use,
            preferences,
            reasoning,
            hide_reasoning: body.reasoning.as_ref().and_then(|field| field.exclude) == Some(true),
            heals: body.plugins.unwrap_or_default().iter().any(|plugin| plugin.id == "response-healing" && plugin.enabled != Some(false)),
            after_tool_result: messages.last().is_some_and(|message| message.role == "tool"),
            has_images: talk.has_images,
            text_characters: talk.characters,
            texts: talk.texts,
            last_user: talk.last_user,
            tool_characters,
            message_count: messages.len() as u64,
            parameters,
        })
    }

    /// The text of the last message of a user.
    pub(crate) fn last_user_text(&self) -> &str {
        self.last_user.and_then(|index| self.texts.get(index)).map_or("", Cow::as_ref)
    }

    /// The text of every message.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(Cow::as_ref)
    }
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

/// What the messages say, all together.
struct Talk<'a> {
    texts: Vec<Cow<'a, str>>,
    last_user: Option<usize>,
    characters: u64,
    has_images: bool,
}

impl<'a> Talk<'a> {
    fn read(messages: &[Message<'a>]) -> Result<Self, String> {
        let mut talk = Self { texts: Vec::with_capacity(messages.len()), last_user: None, characters: 0, has_images: false };
        for (index, message) in messages.iter().enumerate() {
            if !matches!(message.role.as_ref(), "system" | "developer" | "user" | "assistant" | "tool") {
                return Err(format!("messages.{index}.role: Invalid input"));
            }
            let Some(content) = message.content else {
                continue;
            };
            let text = talk.content(content.get()).map_err(|()| format!("messages.{index}.content: Invalid input"))?;
            talk.characters += text.chars().count() as u64;
            if message.role == "user" {
                talk.last_user = Some(talk.texts.len());
            }
            talk.texts.push(text);
        }
        Ok(talk)
    }

    fn content(&mut self, raw: &'a str) -> Result<Cow<'a, str>, ()> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Text<'t>(#[serde(borrow)] Cow<'t, str>);
        #[derive(Deserialize)]
        struct Part<'t> {
            #[serde(default)]
            text: Option<String>,
            #[serde(borrow, default)]
            image_url: Option<&'t RawValue>,
        }
        match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<Text<'a>>(raw).map(|text| text.0).map_err(|_| ()),
            Some(b'[') => {
                let parts: Vec<Part<'a>> = serde_json::from_str(raw).map_err(|_| ())?;
                self.has_images |= parts.iter().any(|part| part.image_url.is_some());
                let texts: Vec<String> = parts.into_iter().filter_map(|part| part.text).collect();
                Ok(Cow::Owned(texts.join("\n")))
            }
            Some(b'n') => serde_json::from_str::<IgnoredAny>(raw).map(|_| Cow::Borrowed("")).map_err(|_| ()),
            _ => Err(()),
        }
    }
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
        assert_eq!(request.text_characters, 8 + 7);
        assert!(request.has_images);
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
