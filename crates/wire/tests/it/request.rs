//! The JSON that every field of a request makes, letter by letter.

use std::collections::BTreeMap;

use corsac_wire::{
    CacheControl, CacheLife, ChatRequest, Content, EmbeddingsRequest, EncodingFormat, ImageUrl, InputAudio, InputFile, JsonSchemaFormat,
    MaxPrice, Message, Part, Partition, PdfEngine, Percentiles, Plugin, ProviderPreferences, Reasoning, ResponseFormat, Role, Sort, SortBy,
    Threshold, Tool, ToolChoice, ToolFunction, Usd, VideoUrl, raw,
};
use serde_json::{Value, json};

use crate::samples::sample;

/// A request with these fields besides model and messages is this JSON after them.
macro_rules! golden {
    ($name:ident: {$($field:ident: $value:expr),+ $(,)?} => $json:expr) => {
        #[test]
        fn $name() {
            let request = ChatRequest {
                model: "a/m",
                messages: vec![Message::user("Hi")],
                $($field: $value,)+
                ..ChatRequest::default()
            };
            assert_eq!(sent(&request), format!(r#"{{"model":"a/m","messages":[{{"role":"user","content":"Hi"}}],{}}}"#, $json));
        }
    };
}

/// A request with these routing preferences has this `provider`.
macro_rules! routing {
    ($name:ident: {$($field:ident: $value:expr),+ $(,)?} => $json:expr) => {
        #[test]
        fn $name() {
            let preferences = ProviderPreferences { $($field: $value,)+ ..ProviderPreferences::default() };
            assert!(!preferences.is_default());
            let request = ChatRequest { model: "a/m", provider: Some(&preferences), ..ChatRequest::default() };
            assert_eq!(sent(&request), format!(r#"{{"model":"a/m","messages":[],"provider":{}}}"#, $json));
        }
    };
}

fn sent(request: &ChatRequest<'_>) -> String {
    String::from_utf8(request.to_json()).unwrap()
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn usd(text: &str) -> Option<Usd> {
    Some(Usd::parse(text).unwrap())
}

golden!(max_tokens: { max_tokens: Some(512) } => r#""max_tokens":512"#);
golden!(max_completion_tokens: { max_completion_tokens: Some(512) } => r#""max_completion_tokens":512"#);
golden!(temperature: { temperature: Some(0.0) } => r#""temperature":0.0"#);
golden!(top_p: { top_p: Some(0.9) } => r#""top_p":0.9"#);
golden!(top_k: { top_k: Some(40) } => r#""top_k":40"#);
golden!(min_p: { min_p: Some(0.05) } => r#""min_p":0.05"#);
golden!(top_a: { top_a: Some(0.1) } => r#""top_a":0.1"#);
golden!(frequency_penalty: { frequency_penalty: Some(-0.5) } => r#""frequency_penalty":-0.5"#);
golden!(presence_penalty: { presence_penalty: Some(0.5) } => r#""presence_penalty":0.5"#);
golden!(repetition_penalty: { repetition_penalty: Some(1.1) } => r#""repetition_penalty":1.1"#);
golden!(seed: { seed: Some(-7) } => r#""seed":-7"#);
golden!(stop: { stop: &names(&["END", "\n\n"]) } => r#""stop":["END","\n\n"]"#);
golden!(logit_bias: { logit_bias: Some(&BTreeMap::from([(50_256, -100.0), (9, 2.5)])) } => r#""logit_bias":{"9":2.5,"50256":-100.0}"#);
golden!(logprobs: { logprobs: Some(true), top_logprobs: Some(5) } => r#""logprobs":true,"top_logprobs":5"#);
golden!(verbosity: { verbosity: Some("low") } => r#""verbosity":"low""#);
golden!(service_tier: { service_tier: Some("flex") } => r#""service_tier":"flex""#);
golden!(session_id: { session_id: Some("run 7") } => r#""session_id":"run 7""#);
golden!(user: { user: Some("5f4d") } => r#""user":"5f4d""#);
golden!(metadata: { metadata: Some(&BTreeMap::from([("job".to_owned(), "42".to_owned())])) } => r#""metadata":{"job":"42"}"#);
golden!(parallel_tool_calls: { parallel_tool_calls: Some(false) } => r#""parallel_tool_calls":false"#);
golden!(stream: { stream: true } => r#""stream":true"#);
golden!(cache_control: { cache_control: Some(CacheControl::default()) } => r#""cache_control":{"type":"ephemeral"}"#);
golden!(cache_control_with_a_life: {
    cache_control: Some(CacheControl { ttl: Some(CacheLife::OneHour) }),
} => r#""cache_control":{"type":"ephemeral","ttl":"1h"}"#);

golden!(reasoning_effort: {
    reasoning: Some(Reasoning { effort: Some("high".into()), ..Reasoning::default() }),
} => r#""reasoning":{"effort":"high"}"#);
golden!(reasoning_tokens: {
    reasoning: Some(Reasoning { max_tokens: Some(2_000), exclude: Some(true), ..Reasoning::default() }),
} => r#""reasoning":{"max_tokens":2000,"exclude":true}"#);
golden!(reasoning_switch: {
    reasoning: Some(Reasoning { enabled: Some(true), summary: Some("concise".into()), ..Reasoning::default() }),
} => r#""reasoning":{"enabled":true,"summary":"concise"}"#);

golden!(text_format: { response_format: Some(ResponseFormat::Text) } => r#""response_format":{"type":"text"}"#);
golden!(json_object: { response_format: Some(ResponseFormat::JsonObject) } => r#""response_format":{"type":"json_object"}"#);
golden!(json_schema: {
    response_format: Some(ResponseFormat::JsonSchema {
        json_schema: JsonSchemaFormat { name: "invoice", strict: true, schema: &raw(&json!({"type": "object"})) },
    }),
} => r#""response_format":{"type":"json_schema","json_schema":{"name":"invoice","strict":true,"schema":{"type":"object"}}}"#);

golden!(tool_choice_none: { tool_choice: Some(ToolChoice::None) } => r#""tool_choice":"none""#);
golden!(tool_choice_auto: { tool_choice: Some(ToolChoice::Auto) } => r#""tool_choice":"auto""#);
golden!(tool_choice_required: { tool_choice: Some(ToolChoice::Required) } => r#""tool_choice":"required""#);
golden!(tool_choice_function: {
    tool_choice: Some(ToolChoice::Function("look_up")),
} => r#""tool_choice":{"type":"function","function":{"name":"look_up"}}"#);

golden!(plugins: {
    plugins: &[
        Plugin::response_healing(),
        Plugin::file_parser(PdfEngine::MistralOcr),
        Plugin::verbatim(json!({"id": "web", "max_results": 3, "engine": "exa"})).unwrap(),
    ],
} => r#""plugins":[{"id":"response-healing"},{"id":"file-parser","pdf":{"engine":"mistral-ocr"}},{"id":"web","max_results":3,"engine":"exa"}]"#);

routing!(order: { order: names(&["deepinfra/turbo", "groq"]) } => r#"{"order":["deepinfra/turbo","groq"]}"#);
routing!(only: { only: names(&["groq"]) } => r#"{"only":["groq"]}"#);
routing!(ignore: { ignore: names(&["novita"]) } => r#"{"ignore":["novita"]}"#);
routing!(allow_fallbacks: { allow_fallbacks: Some(false) } => r#"{"allow_fallbacks":false}"#);
routing!(require_parameters: { require_parameters: Some(true) } => r#"{"require_parameters":true}"#);
routing!(data_collection: { data_collection: Some("deny".into()) } => r#"{"data_collection":"deny"}"#);
routing!(zdr: { zdr: Some(true) } => r#"{"zdr":true}"#);
routing!(enforce_distillable_text: { enforce_distillable_text: Some(true) } => r#"{"enforce_distillable_text":true}"#);
routing!(quantizations: { quantizations: names(&["fp8", "mxfp4"]) } => r#"{"quantizations":["fp8","mxfp4"]}"#);
routing!(sort_by_name: { sort: Some(SortBy::Exacto.into()) } => r#"{"sort":"exacto"}"#);
routing!(sort_across_models: {
    sort: Some(Sort { by: Some(SortBy::Latency), partition: Some(Partition::None) }),
} => r#"{"sort":{"by":"latency","partition":"none"}}"#);
routing!(sort_partition_alone: { sort: Some(Sort { by: None, partition: Some(Partition::Model) }) } => r#"{"sort":{"partition":"model"}}"#);
routing!(max_price: {
    max_price: Some(MaxPrice { prompt: usd("1"), completion: usd("2.5"), request: usd("0"), image: usd("0.01") }),
} => r#"{"max_price":{"prompt":"1","completion":"2.5","request":"0","image":"0.01"}}"#);
routing!(preferred_min_throughput: { preferred_min_throughput: Some(Threshold::Median(30.0)) } => r#"{"preferred_min_throughput":30.0}"#);
routing!(preferred_max_latency: {
    preferred_max_latency: Some(Threshold::At(Percentiles { p50: Some(1.0), p99: Some(8.5), ..Percentiles::default() })),
} => r#"{"preferred_max_latency":{"p50":1.0,"p99":8.5}}"#);
routing!(options: {
    options: json!({"anthropic": {"speed": "fast"}}).as_object().cloned().unwrap(),
} => r#"{"options":{"anthropic":{"speed":"fast"}}}"#);

#[test]
fn tools() {
    let (schema, search) = (raw(&json!({"type": "object"})), raw(&json!({"type": "openrouter:web_search"})));
    let tools = vec![
        Tool::Function(ToolFunction::new("look_up", "Finds a city.", &schema)),
        Tool::Function(ToolFunction {
            strict: Some(true),
            cache_control: Some(CacheControl::default()),
            ..ToolFunction::new("now", "", &schema)
        }),
        Tool::Verbatim(&search),
    ];
    let request = ChatRequest { model: "a/m", tools, ..ChatRequest::default() };
    assert_eq!(
        sent(&request),
        concat!(
            r#"{"model":"a/m","messages":[],"tools":["#,
            r#"{"type":"function","function":{"name":"look_up","description":"Finds a city.","parameters":{"type":"object"}}},"#,
            r#"{"type":"function","function":{"name":"now","parameters":{"type":"object"},"strict":true},"cache_control":{"type":"ephemeral"}},"#,
            r#"{"type":"openrouter:web_search"}]}"#
        )
    );
}

#[test]
fn extra_fields_come_last_and_never_twice() {
    let extra = json!({"transforms": ["middle-out"], "seed": 1, "trace": {"trace_id": "t"}});
    let request = ChatRequest { model: "a/m", stream: true, extra: extra.as_object(), ..ChatRequest::default() };
    assert_eq!(sent(&request), r#"{"model":"a/m","messages":[],"stream":true,"transforms":["middle-out"],"trace":{"trace_id":"t"}}"#);
}

#[test]
fn models_stand_after_the_model() {
    let request = ChatRequest { model: "a/m", models: &names(&["b/n", "c/o"]), ..ChatRequest::default() };
    assert_eq!(sent(&request), r#"{"model":"a/m","models":["b/n","c/o"],"messages":[]}"#);
    assert_eq!(sent(&ChatRequest::default()), r#"{"messages":[]}"#, "what is not given is not sent");
}

#[test]
fn messages_of_every_role() {
    let messages = vec![
        Message::system("Be brief."),
        Message::developer("Use metres."),
        Message::Spoken { role: Role::User, content: "How high?".into(), tool_call_id: None, name: Some("ann") },
        Message::assistant("Let me look."),
        Message::tool("call_1", "4810"),
    ];
    assert_eq!(
        serde_json::to_string(&messages).unwrap(),
        concat!(
            r#"[{"role":"system","content":"Be brief."},{"role":"developer","content":"Use metres."},"#,
            r#"{"role":"user","content":"How high?","name":"ann"},{"role":"assistant","content":"Let me look."},"#,
            r#"{"role":"tool","content":"4810","tool_call_id":"call_1"}]"#
        )
    );
}

#[test]
fn a_verbatim_message_keeps_every_letter() {
    let text = r#"{"content" : null,"role":"assistant",  "reasoning_details":[{"z":1.50,"a":18446744073709551616}]}"#;
    let message: Box<serde_json::value::RawValue> = serde_json::from_str(text).unwrap();
    let request = ChatRequest { model: "a/m", messages: vec![Message::Verbatim(&message)], ..ChatRequest::default() };
    assert_eq!(sent(&request), format!(r#"{{"model":"a/m","messages":[{text}]}}"#));
}

#[test]
fn parts_of_a_message() {
    let parts = vec![
        Part::cached_text("The manual.", CacheControl { ttl: Some(CacheLife::FiveMinutes) }),
        Part::text("What is on page 2?"),
        Part::ImageUrl { image_url: ImageUrl { url: "https://example.com/a.png", detail: Some("low") } },
        Part::File { file: InputFile { filename: "a.pdf", file_data: "data:application/pdf;base64,AA==" } },
        Part::InputAudio { input_audio: InputAudio { data: "AA==", format: "wav" } },
        Part::VideoUrl { video_url: VideoUrl { url: "https://example.com/a.mp4" } },
    ];
    assert_eq!(
        serde_json::to_string(&Message::user(Content::Parts(parts))).unwrap(),
        concat!(
            r#"{"role":"user","content":[{"type":"text","text":"The manual.","cache_control":{"type":"ephemeral","ttl":"5m"}},"#,
            r#"{"type":"text","text":"What is on page 2?"},"#,
            r#"{"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"low"}},"#,
            r#"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AA=="}},"#,
            r#"{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}},"#,
            r#"{"type":"video_url","video_url":{"url":"https://example.com/a.mp4"}}]}"#
        )
    );
}

/// Everything at once stands in the order that [`ChatRequest::FIELDS`] tells, and each field stands there once.
#[test]
fn the_order_told_is_the_order_written() {
    let schema = raw(&json!({}));
    let (bias, pairs, stop, models) = (BTreeMap::from([(1, 1.0)]), BTreeMap::new(), names(&["."]), names(&["b/n"]));
    let preferences = ProviderPreferences { zdr: Some(true), ..ProviderPreferences::default() };
    let request = ChatRequest {
        model: "a/m",
        models: &models,
        messages: vec![Message::user("Hi")],
        max_tokens: Some(1),
        max_completion_tokens: Some(1),
        temperature: Some(1.0),
        top_p: Some(1.0),
        top_k: Some(1),
        min_p: Some(1.0),
        top_a: Some(1.0),
        frequency_penalty: Some(1.0),
        presence_penalty: Some(1.0),
        repetition_penalty: Some(1.0),
        seed: Some(1),
        stop: &stop,
        logit_bias: Some(&bias),
        logprobs: Some(true),
        top_logprobs: Some(1),
        reasoning: Some(Reasoning::default()),
        verbosity: Some("low"),
        response_format: Some(ResponseFormat::Text),
        tools: vec![Tool::Verbatim(&schema)],
        tool_choice: Some(ToolChoice::Auto),
        parallel_tool_calls: Some(true),
        provider: Some(&preferences),
        plugins: &[Plugin::response_healing()],
        service_tier: Some("auto"),
        session_id: Some("s"),
        user: Some("u"),
        metadata: Some(&pairs),
        cache_control: Some(CacheControl::default()),
        stream: true,
        extra: None,
    };
    let body: Value = serde_json::from_str(&sent(&request)).unwrap();
    let written: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(written, ChatRequest::FIELDS);
}

#[test]
fn a_body_is_the_same_every_time() {
    let request = ChatRequest {
        model: "a/m",
        logit_bias: Some(&BTreeMap::from([(3, 1.0), (1, 1.0), (2, 1.0)])),
        metadata: Some(&BTreeMap::from([("b".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())])),
        ..ChatRequest::default()
    };
    let first = sent(&request);
    assert_eq!(first, r#"{"model":"a/m","messages":[],"logit_bias":{"1":1.0,"2":1.0,"3":1.0},"metadata":{"a":"2","b":"1"}}"#);
    assert!((0..100).all(|_| sent(&request.clone()) == first));
}

#[test]
fn sorting_is_read_in_both_forms_and_names_what_it_knows() {
    let read = |text: &str| serde_json::from_str::<Sort>(text);
    assert_eq!(read(r#""throughput""#).unwrap(), SortBy::Throughput.into());
    let sort = Sort { by: Some(SortBy::Price), partition: Some(Partition::None) };
    assert_eq!(read(r#"{"by":"price","partition":"none"}"#).unwrap(), sort);
    for (wrong, said) in
        [(r#""cheap""#, "unknown variant `cheap`, expected one of `price`"), (r#"{"by":"price","part":1}"#, "unknown field `part`")]
    {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_plugin_has_an_id() {
    for wrong in [json!("web"), json!({}), json!({"id": ""}), json!({"id": 3}), json!([])] {
        assert!(Plugin::verbatim(wrong.clone()).is_err(), "{wrong}");
        assert!(serde_json::from_value::<Plugin>(wrong).is_err());
    }
    let plugin: Plugin = serde_json::from_str(r#"{"id":"web","x":1}"#).unwrap();
    assert_eq!((plugin.id(), serde_json::to_string(&plugin).unwrap()), ("web", r#"{"id":"web","x":1}"#.to_owned()));
    assert_eq!(serde_json::from_str::<PdfEngine>(r#""pdf-text""#).unwrap(), PdfEngine::CloudflareAi);
}

#[test]
fn embeddings() {
    let preferences = ProviderPreferences { zdr: Some(true), ..ProviderPreferences::default() };
    let request = EmbeddingsRequest {
        model: "openai/text-embedding-3-small",
        input: vec!["one", "two"],
        dimensions: Some(256),
        encoding_format: Some(EncodingFormat::Base64),
        input_type: Some("search_document"),
        user: Some("5f4d"),
        provider: Some(&preferences),
    };
    assert_eq!(
        String::from_utf8(request.to_json()).unwrap(),
        concat!(
            r#"{"model":"openai/text-embedding-3-small","input":["one","two"],"dimensions":256,"encoding_format":"base64","#,
            r#""input_type":"search_document","user":"5f4d","provider":{"zdr":true}}"#
        )
    );
    let least = EmbeddingsRequest { model: "a/m", input: vec![""], ..EmbeddingsRequest::default() };
    assert_eq!(String::from_utf8(least.to_json()).unwrap(), r#"{"model":"a/m","input":[""]}"#);
}

/// Requests as others have sent them can be made of these types, field by field.
#[test]
fn requests_of_the_samples() {
    let full = sample("request_full").request.unwrap();
    let schema = raw(&full["response_format"]["json_schema"]["schema"]);
    let (models, preferences) = (
        names(&["deepseek/deepseek-v3.2", "meta-llama/llama-3.3-70b-instruct"]),
        ProviderPreferences {
            order: names(&["deepinfra", "together"]),
            only: names(&["deepinfra", "together", "groq"]),
            ignore: names(&["novita"]),
            allow_fallbacks: Some(true),
            require_parameters: Some(true),
            data_collection: Some("deny".into()),
            zdr: Some(true),
            enforce_distillable_text: Some(false),
            quantizations: names(&["fp8", "bf16", "unknown"]),
            sort: Some(Sort { by: Some(SortBy::Price), partition: Some(Partition::Model) }),
            max_price: Some(MaxPrice { prompt: usd("1"), completion: usd("2.5"), request: usd("0"), image: usd("0") }),
            preferred_min_throughput: Some(Threshold::At(Percentiles { p50: Some(30.0), ..Percentiles::default() })),
            preferred_max_latency: Some(Threshold::Median(3.0)),
            ..ProviderPreferences::default()
        },
    );
    let trace = json!({"trace": {"trace_id": "t1", "generation_name": "extract"}});
    let cached = Part::cached_text("You extract invoices.", CacheControl { ttl: Some(CacheLife::OneHour) });
    let request = ChatRequest {
        model: "deepseek/deepseek-v3.2",
        models: &models,
        messages: vec![Message::system(vec![cached]), Message::user("Invoice 17, total 12.50 EUR")],
        max_tokens: Some(512),
        temperature: Some(0.0),
        seed: Some(7),
        response_format: Some(ResponseFormat::JsonSchema {
            json_schema: JsonSchemaFormat { name: "invoice", strict: true, schema: &schema },
        }),
        provider: Some(&preferences),
        reasoning: Some(Reasoning { effort: Some("none".into()), ..Reasoning::default() }),
        plugins: &[Plugin::response_healing(), Plugin::verbatim(json!({"id": "context-compression", "enabled": false})).unwrap()],
        user: Some("hashed-user-1"),
        session_id: Some("sess-1"),
        metadata: Some(&BTreeMap::from([("job".to_owned(), "42".to_owned())])),
        service_tier: Some("default"),
        verbosity: Some("low"),
        extra: trace.as_object(),
        ..ChatRequest::default()
    };
    assert_eq!(alike(serde_json::from_slice(&request.to_json()).unwrap()), alike(full));

    let tools = sample("request_tools").request.unwrap();
    let parameters = raw(&tools["tools"][0]["function"]["parameters"]);
    let function = ToolFunction { strict: Some(true), ..ToolFunction::new("get_weather", "Current weather", &parameters) };
    let request = ChatRequest {
        model: "anthropic/claude-haiku-4.5",
        messages: vec![Message::user("Weather in Oslo and Rome?")],
        tools: vec![Tool::Function(function)],
        tool_choice: Some(ToolChoice::Auto),
        parallel_tool_calls: Some(true),
        provider: Some(&ProviderPreferences { require_parameters: Some(true), ..ProviderPreferences::default() }),
        ..ChatRequest::default()
    };
    assert_eq!(alike(serde_json::from_slice(&request.to_json()).unwrap()), alike(tools));
}

/// Without what says the same in two ways: a number as number or text, and a stream that is not asked for.
fn alike(mut request: Value) -> Value {
    if let Some(request) = request.as_object_mut() {
        request.retain(|name, value| name != "stream" || *value != json!(false));
    }
    fn numbers(value: &mut Value) {
        match value {
            Value::Number(number) => *value = json!(number.as_f64()),
            Value::String(text) => *value = text.parse::<f64>().map_or_else(|_| Value::from(text.as_str()), Value::from),
            Value::Array(items) => items.iter_mut().for_each(numbers),
            Value::Object(fields) => fields.values_mut().for_each(numbers),
            Value::Null | Value::Bool(_) => {}
        }
    }
    numbers(&mut request);
    request
}
