//! Every sample exchange in one table: what this crate makes of it. A change in reading shows here, line by line.

use std::fmt::Display;

use corsac_wire::account::{Credits, Generation, KeyInfo};
use corsac_wire::catalog::{Endpoint, EndpointList, EndpointsReply, Model, ModelList, Pricing, ProviderList};
use corsac_wire::header::ComeBack;
use corsac_wire::{ChatReply, ChatRequest, EmbeddingsReply, ErrorBody, ErrorCode, Reply, StreamError, StreamEvent, StreamReader, Usage};
use serde_json::Value;

use crate::samples::{Sample, samples};

#[test]
fn every_sample() {
    let table: Vec<String> = samples("").iter().map(|sample| format!("{} {}\n{}", sample.name, sample.status, told(sample))).collect();
    insta::assert_snapshot!(table.join("\n"));
}

fn told(sample: &Sample) -> String {
    let (status, body) = (sample.status, sample.body.as_slice());
    let list = || serde_json::from_slice::<ModelList>(body).unwrap();
    let lines = match sample.name.as_str() {
        name if name.starts_with("stream_") => streamed(body),
        name if name.starts_with("chat_") => whole(&Reply::decode(status, body)),
        name if name.starts_with("error_") || matches!(name, "messages_error_401" | "responses_failed") => failed(sample),
        "models_list" | "models_list_page" | "embeddings_models" => {
            let list = list();
            let head = line([field("models", Some(list.data.len())), field("of", list.total_count), field("next", list.links.next)]);
            [head].into_iter().chain(list.data.iter().map(model)).collect()
        }
        "model_single" => vec![model(&Reply::data(status, body).unwrap())],
        "endpoints_zdr" => serde_json::from_slice::<EndpointList>(body).unwrap().data.iter().map(endpoint).collect(),
        name if name.starts_with("endpoints_") => {
            let reply: EndpointsReply = serde_json::from_slice(body).unwrap();
            [reply.data.id].into_iter().chain(reply.data.endpoints.iter().map(endpoint)).collect()
        }
        "providers" => {
            let list: ProviderList = serde_json::from_slice(body).unwrap();
            vec![list.data.iter().map(|one| format!("{}={}", one.slug, one.name)).collect::<Vec<_>>().join(" | ")]
        }
        "key" | "keys_created" => key(&Reply::data(status, body).unwrap()),
        "keys_list" => Reply::data::<Vec<KeyInfo>>(status, body).unwrap().iter().flat_map(key).collect(),
        "credits" => {
            let credits: Credits = Reply::data(status, body).unwrap();
            vec![line([field("bought", credits.total_credits), field("spent", credits.total_usage), field("left", credits.balance())])]
        }
        "generation" => generation(&Reply::data(status, body).unwrap()),
        "embeddings_success" => {
            let reply = EmbeddingsReply::decode(status, body).unwrap();
            let head = line([field("model", reply.model.clone()), reply.usage.map(|usage| spent(&usage))]);
            vec![head, format!("vectors {:?}", reply.vectors(1).unwrap())]
        }
        // no type reads these
        "models_count" | "activity" => vec![format!("json {}", Reply::data::<Value>(status, body).unwrap())],
        name if name.starts_with("request_") => asked(sample.request.as_ref().unwrap()),
        other => panic!("no row for {other}: say what kind of exchange it is"),
    };
    lines.iter().map(|line| format!("    {line}\n")).collect()
}

/// The fields of a request; those this crate has no type for pass as they are.
fn asked(request: &Value) -> Vec<String> {
    let names = request.as_object().unwrap().keys().map(String::as_str);
    let (typed, others): (Vec<_>, Vec<_>) = names.partition(|name| ChatRequest::FIELDS.contains(name));
    vec![line([Some(format!("fields {}", typed.join(" "))), Some(format!("others {}", others.join(" "))).filter(|_| !others.is_empty())])]
}

fn line<const N: usize>(fields: [Option<String>; N]) -> String {
    fields.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn field(name: &str, value: Option<impl Display>) -> Option<String> {
    value.map(|value| format!("{name} {value}"))
}

fn flag(name: &str, set: bool) -> Option<String> {
    set.then(|| name.to_owned())
}

fn whole(reply: &Reply) -> Vec<String> {
    match reply {
        Reply::Chat(chat) => answer(chat),
        Reply::Error { error, status, reply } => [error_line(error, *status)].into_iter().chain(answer(reply)).collect(),
        Reply::Unreadable { status, excerpt, html } => {
            vec![line([Some(format!("unreadable {status}")), flag("a page", *html), Some(format!("{excerpt:?}"))])]
        }
    }
}

fn answer(chat: &ChatReply) -> Vec<String> {
    let head = line([
        field("model", chat.model.as_ref()),
        field("provider", chat.provider.as_ref()),
        field("id", chat.id.as_ref()),
        chat.usage.map(|usage| spent(&usage)),
    ]);
    let mut lines: Vec<String> = [head].into_iter().filter(|head| !head.is_empty()).collect();
    for choice in &chat.choices {
        lines.push(line([
            field("finish", choice.finish_reason.as_ref()),
            field("native", choice.native_finish_reason.as_ref()),
            choice.message.content.as_ref().map(|text| format!("text {text:?}")),
            choice.message.reasoning.as_ref().map(|text| format!("reasoning {text:?}")),
            choice.error.as_ref().map(|error| format!("error {:?}", error.message)),
        ]));
        lines.push(format!("back {}", choice.message.verbatim().get()));
    }
    lines.extend(chat.openrouter_metadata.as_ref().map(|routed| {
        let tried = routed.attempts.iter().map(|one| format!("{}={}", one.provider.as_deref().unwrap(), one.status.unwrap()));
        line([
            field("routed", routed.strategy.as_ref()),
            field("asked", routed.requested.as_ref()),
            field("attempt", routed.attempt),
            field("endpoints", routed.endpoints.total),
            field("tried", Some(tried.collect::<Vec<_>>().join(" "))),
        ])
    }));
    lines
}

fn spent(usage: &Usage) -> String {
    let some = |count: u64| Some(count).filter(|count| *count > 0);
    line([
        Some(format!("tokens {}+{}", usage.prompt_tokens, usage.completion_tokens)),
        field("reasoning", some(usage.reasoning_tokens())),
        field("cached", some(usage.cached_tokens())),
        field("cost", usage.cost),
        field("upstream", usage.upstream_inference_cost()),
        flag("own key", usage.is_byok == Some(true)),
    ])
}

fn streamed(body: &[u8]) -> Vec<String> {
    let (mut reader, mut events) = (StreamReader::default(), Vec::new());
    let received = reader.push(body, &mut events).unwrap();
    let reply = reader.finish(&mut events);
    let names: Vec<&str> = events
        .iter()
        .map(|event| match event {
            StreamEvent::Text { .. } => "text",
            StreamEvent::Reasoning { .. } => "reasoning",
            StreamEvent::ToolCallFragment { .. } => "call",
            StreamEvent::Finished { .. } => "finished",
            StreamEvent::Usage(_) => "usage",
            StreamEvent::Error(_) => "error",
            _ => "other",
        })
        .collect();
    let head = line([field("data", Some(received.data_events)), field("comments", Some(received.comments)), Some(names.join(" "))]);
    let tail = match reply {
        Ok(reply) => whole(&reply),
        Err(StreamError::Truncated { reply }) => ["truncated".to_owned()].into_iter().chain(answer(&reply)).collect(),
        Err(error) => vec![error.to_string()],
    };
    [head].into_iter().chain(tail).collect()
}

fn failed(sample: &Sample) -> Vec<String> {
    let come_back = ComeBack::read(|name| sample.header(name), 1_763_773_021_000);
    let wait = |name: &str, wait: Option<std::time::Duration>| field(name, wait.map(|wait| format!("{wait:?}")));
    let mut lines = whole(&Reply::decode(sample.status, &sample.body));
    lines.extend(
        Some(line([wait("retry after", come_back.retry_after), wait("reset after", come_back.reset_after)]))
            .filter(|line| !line.is_empty()),
    );
    lines
}

fn error_line(error: &ErrorBody, status: u16) -> String {
    let code = error.code.as_ref().map(|code| match code {
        ErrorCode::Number(number) => number.to_string(),
        ErrorCode::Text(text) => format!("{text:?}"),
    });
    let previous = error.previous_errors();
    let previous = previous.iter().map(|one| format!("{}={}", one.provider.as_deref().unwrap(), one.status.unwrap())).collect::<Vec<_>>();
    line([
        Some(format!("error {status}")),
        field("code", code),
        field("type", error.error_type.as_ref()),
        field("from", error.provider()),
        field("source", error.text("limit_source")),
        field("step", error.text("failed_routing_step")),
        field("available", error.availability.as_ref().and_then(|one| one.get("code"))),
        field("wait", error.retry_after().map(|wait| format!("{wait:?}"))),
        field("before", Some(previous.join(" ")).filter(|text| !text.is_empty())),
        Some(format!("{:?}", error.reason())),
    ])
}

fn price(pricing: &Pricing) -> String {
    let per_million = |price: Option<corsac_wire::Usd>| price.map_or("varies".to_owned(), |price| price.times(1_000_000).to_string());
    line([
        Some(format!("price {} in {} out", per_million(pricing.prompt), per_million(pricing.completion))),
        field("cache read", pricing.input_cache_read.map(|price| price.times(1_000_000))),
        field("cache write", pricing.input_cache_write.map(|price| price.times(1_000_000))),
        field("image", pricing.image),
        field("search", pricing.web_search),
    ])
}

fn model(model: &Model) -> String {
    let reasoning = model.reasoning.as_ref().map(|support| {
        let must = if support.mandatory { "always " } else { "" };
        format!("{must}{}", support.supported_efforts.as_ref().map_or("any".to_owned(), |efforts| efforts.join("/")))
    });
    line([
        Some(model.id.clone()),
        field("context", model.context_length),
        field("out", model.top_provider.max_completion_tokens),
        Some(price(&model.pricing)),
        field("overrides", Some(model.price_overrides.len()).filter(|count| *count > 0)),
        field("takes", Some(model.supported_parameters.len())),
        flag("schema", model.supports("structured_outputs")),
        field("reasons", reasoning),
        field("ends", model.expiration_date.as_ref()),
        field("stands for", model.alias_target.as_ref().and_then(|target| target.slug.as_ref())),
        flag("moderated", model.is_moderated()),
        field("kind", model.architecture.modality.as_ref()),
    ])
}

fn endpoint(endpoint: &Endpoint) -> String {
    let tools = endpoint.supports_tool_choice.map(|tools| {
        let taken = [("none", tools.none), ("auto", tools.auto), ("required", tools.required), ("function", tools.function)];
        taken.iter().filter(|(_, taken)| *taken).map(|(name, _)| *name).collect::<Vec<_>>().join("/")
    });
    line([
        Some(format!("{} ({})", endpoint.tag.as_deref().unwrap_or("?"), endpoint.provider_name)),
        field("context", endpoint.context_length),
        field("out", endpoint.max_completion_tokens),
        field("in", endpoint.max_prompt_tokens),
        Some(price(&endpoint.pricing)),
        field("weights", endpoint.quantization.as_ref()),
        field("takes", Some(endpoint.supported_parameters.len())),
        flag("schema", endpoint.supports("structured_outputs")),
        field("tools", tools),
        field("status", endpoint.status),
        field("up", endpoint.uptime_last_30m),
        field("first token", endpoint.latency().map(|time| format!("{time:?}"))),
        field("rate", endpoint.throughput()),
        field("tier", endpoint.service_tier.as_ref()),
    ])
}

fn key(key: &KeyInfo) -> Vec<String> {
    vec![line([
        field("label", key.label.as_ref()),
        field("limit", key.limit),
        field("left", key.limit_remaining),
        field("reset", key.limit_reset.as_ref()),
        field("spent", key.usage),
        field("today", key.usage_daily),
        field("free requests left", key.free_model_daily_requests.and_then(|free| free.remaining)),
        field("budgets", Some(key.budgets.len()).filter(|count| *count > 0)),
        flag("manages keys", key.manages_keys()),
    ])]
}

fn generation(generation: &Generation) -> Vec<String> {
    let tried =
        generation.provider_responses.iter().map(|one| format!("{}={}", one.provider_name.as_deref().unwrap(), one.status.unwrap()));
    vec![line([
        field("id", generation.id.as_ref()),
        field("model", generation.model.as_ref()),
        field("provider", generation.provider_name.as_ref()),
        field("finish", generation.finish_reason.as_ref()),
        field("in", generation.native_tokens_prompt),
        field("out", generation.native_tokens_completion),
        field("cost", generation.cost()),
        field("first token ms", generation.latency),
        field("tried", Some(tried.collect::<Vec<_>>().join(" "))),
    ])]
}
