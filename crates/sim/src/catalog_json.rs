//! The catalog on the wire: `/models`, `/model/…`, `/models/…/endpoints` and `/providers`.

use serde_json::{Value, json};

use crate::catalog::{Catalog, Endpoint, Model, Reasoning};
use crate::catalog_data::PROVIDERS;
use crate::money::PicoDollars;
use crate::query::Query;
use crate::reply::SimReply;
use crate::wire_error;

const DEFAULT_PAGE: usize = 500;

/// `GET /models` and `GET /models/user`.
pub(crate) fn models(catalog: &Catalog, query: &Query<'_>) -> SimReply {
    let mut found: Vec<&Model> = catalog.models.iter().filter(|model| wanted(model, query)).collect();
    match query.get("sort").as_deref() {
        Some("newest") => found.sort_by_key(|model| std::cmp::Reverse(model.created)),
        Some("pricing-low-to-high") => found.sort_by_key(|model| cheapest_prompt(model)),
        Some("pricing-high-to-low") => found.sort_by_key(|model| std::cmp::Reverse(cheapest_prompt(model))),
        Some("context-high-to-low") => found.sort_by_key(|model| std::cmp::Reverse(model.context_length)),
        _ => {}
    }
    let total = found.len();
    let (offset, limit) = (query.number("offset"), query.number("limit"));
    if limit.is_some_and(|limit| !(1..=1000).contains(&limit)) {
        return wire_error::plain(400, "limit: Invalid input: expected a number from 1 to 1000");
    }
    let paged = offset.is_some() || limit.is_some();
    let offset = offset.unwrap_or(0);
    let limit = if paged { limit.unwrap_or(DEFAULT_PAGE) } else { total.max(1) };
    let data: Vec<Value> = found.iter().skip(offset).take(limit).map(|model| model_json(model)).collect();
    let next = offset.saturating_add(limit);
    let next = (next < total).then(|| format!("/api/v1/models?offset={next}&limit={limit}"));
    let body = json!({ "data": data, "total_count": total, "links": { "next": next } });
    SimReply::json(200, &body).with_header("cache-control", "public, max-age=300")
}

/// `GET /embeddings/models`.
pub(crate) fn embedding_models(catalog: &Catalog) -> SimReply {
    let data: Vec<Value> = catalog.models.iter().filter(|model| model.embeds).map(model_json).collect();
    SimReply::json(200, &json!({ "data": data }))
}

/// `GET /models/count`.
pub(crate) fn count(catalog: &Catalog, query: &Query<'_>) -> SimReply {
    let count = catalog.models.iter().filter(|model| wanted(model, query)).count();
    SimReply::json(200, &json!({ "data": { "count": count } }))
}

/// `GET /model/{author}/{slug}`.
pub(crate) fn model(catalog: &Catalog, id: &str) -> SimReply {
    match catalog.find(id) {
        Some(found) => SimReply::json(200, &json!({ "data": model_json(found.model) })),
        None => wire_error::plain(404, "Model not found"),
    }
}

/// `GET /models/{author}/{slug}/endpoints`; latency and throughput are told to known keys only.
pub(crate) fn endpoints(catalog: &Catalog, id: &str, with_key: bool) -> SimReply {
    let Some(found) = catalog.find(id) else {
        return wire_error::plain(404, "Model not found");
    };
    let model = found.model;
    let endpoints: Vec<Value> = model.endpoints.iter().map(|endpoint| endpoint_json(model, endpoint, with_key)).collect();
    let data = json!({
        "id": model.id,
        "name": model.name,
        "created": model.created,
        "description": description(model),
        "architecture": architecture(model),
        "endpoints": endpoints,
    });
    SimReply::json(200, &json!({ "data": data }))
}

/// `GET /endpoints/zdr`.
pub(crate) fn zero_retention_endpoints(catalog: &Catalog) -> SimReply {
    let listed = catalog.models.iter().flat_map(|model| model.endpoints.iter().map(move |endpoint| (model, endpoint)));
    let data: Vec<Value> = listed
        .filter(|(_, endpoint)| endpoint.zero_data_retention)
        .map(|(model, endpoint)| endpoint_json(model, endpoint, false))
        .collect();
    SimReply::json(200, &json!({ "data": data }))
}

/// `GET /providers`.
pub(crate) fn providers() -> SimReply {
    let data: Vec<Value> = PROVIDERS
        .iter()
        .map(|row| {
            json!({
                "name": row.name,
                "slug": row.slug,
                "privacy_policy_url": format!("https://provider.invalid/{}/privacy", row.slug),
                "terms_of_service_url": format!("https://provider.invalid/{}/terms", row.slug),
                "status_page_url": null,
                "headquarters": row.country,
                "datacenters": [row.country],
            })
        })
        .collect();
    SimReply::json(200, &json!({ "data": data }))
}

fn wanted(model: &Model, query: &Query<'_>) -> bool {
    let output = query.get("output_modalities").unwrap_or_else(|| "text".to_owned());
    let kind = if model.embeds { "embeddings" } else { "text" };
    if output != "all" && !output.split(',').any(|name| name == kind) {
        return false;
    }
    if let Some(names) = query.get("supported_parameters")
        && !names.split(',').all(|name| model.parameters().contains(&name))
    {
        return false;
    }
    if let Some(names) = query.get("input_modalities")
        && !names.split(',').all(|name| name == "text" || (name == "image" && model.takes_images))
    {
        return false;
    }
    if let Some(words) = query.get("q") {
        let words = words.to_lowercase();
        if !model.id.to_lowercase().contains(&words) && !model.name.to_lowercase().contains(&words) {
            return false;
        }
    }
    if let Some(authors) = query.get("model_authors")
        && !authors.split(',').any(|author| model.id.split('/').next() == Some(author))
    {
        return false;
    }
    if let Some(providers) = query.get("providers")
        && !providers.split(',').any(|slug| model.endpoints.iter().any(|endpoint| endpoint.slug == slug))
    {
        return false;
    }
    if query.get("zdr").as_deref() == Some("true") && !model.endpoints.iter().any(|endpoint| endpoint.zero_data_retention) {
        return false;
    }
    if query.number("context").is_some_and(|least| (model.context_length as usize) < least) {
        return false;
    }
    let within = |name: &str, price: PicoDollars, most: bool| {
        let bound = query.get(name).and_then(|text| PicoDollars::parse(&text));
        bound.is_none_or(|bound| {
            let million = price.times(1_000_000);
            if most { million <= bound } else { million >= bound }
        })
    };
    let completion = model.endpoints.iter().map(|endpoint| endpoint.completion_price).min().unwrap_or_default();
    within("max_price", cheapest_prompt(model), true)
        && within("min_price", cheapest_prompt(model), false)
        && within("max_output_price", completion, true)
        && within("min_output_price", completion, false)
}

fn cheapest_prompt(model: &Model) -> PicoDollars {
    model.endpoints.iter().map(|endpoint| endpoint.prompt_price).min().unwrap_or_default()
}

fn description(model: &Model) -> String {
    format!("{}, as the simulator knows it.", model.name)
}

fn architecture(model: &Model) -> Value {
    let inputs: &[&str] = if model.takes_images { &["text", "image"] } else { &["text"] };
    let output = if model.embeds { "embeddings" } else { "text" };
    json!({
        "modality": format!("{}->{output}", inputs.join("+")),
        "input_modalities": inputs,
        "output_modalities": [output],
        "tokenizer": model.tokenizer,
        "instruct_type": model.instruct,
    })
}

fn model_json(model: &Model) -> Value {
    // the listing shows the first endpoint's terms, as OpenRouter does with its top provider
    let top = model.endpoints.first();
    let mut listed = json!({
        "id": model.id,
        "canonical_slug": model.permaslug,
        "hugging_face_id": null,
        "name": model.name,
        "created": model.created,
        "description": description(model),
        "context_length": model.context_length,
        "architecture": architecture(model),
        "pricing": {
            "prompt": top.map_or_else(PicoDollars::default, |endpoint| endpoint.prompt_price),
            "completion": top.map_or_else(PicoDollars::default, |endpoint| endpoint.completion_price),
            "request": "0",
            "image": "0",
        },
        "top_provider": {
            "context_length": top.map(|endpoint| endpoint.context_length),
            "max_completion_tokens": top.and_then(|endpoint| endpoint.max_completion_tokens),
            "is_moderated": model.moderated,
        },
        "per_request_limits": null,
        "supported_parameters": model.parameters(),
        "supported_voices": null,
        "default_parameters": null,
        "knowledge_cutoff": model.knowledge_cutoff,
        "expiration_date": null,
        "links": { "details": format!("/api/v1/models/{}/endpoints", model.id) },
    });
    if let (Reasoning::Optional | Reasoning::Mandatory, Some(fields)) = (model.reasoning, listed.as_object_mut()) {
        let mandatory = model.reasoning == Reasoning::Mandatory;
        fields.insert(
            "reasoning".to_owned(),
            json!({
                "mandatory": mandatory,
                "default_enabled": mandatory,
                "default_effort": "medium",
                "supported_efforts": if mandatory { json!(["high", "medium", "low"]) } else { Value::Null },
                "supports_max_tokens": !mandatory,
            }),
        );
    }
    listed
}

fn endpoint_json(model: &Model, endpoint: &Endpoint, with_key: bool) -> Value {
    let (latency, speed) = (endpoint.latency_ms, endpoint.tokens_per_second);
    let latency = with_key.then(|| json!({ "p50": latency, "p75": latency * 3 / 2, "p90": latency * 2, "p99": latency * 5 }));
    let speed = with_key.then(|| json!({ "p50": speed, "p75": speed * 4 / 5, "p90": speed * 3 / 5, "p99": speed / 4 }));
    let tools = endpoint.supports("tools");
    json!({
        "name": format!("{} | {}", endpoint.provider, model.permaslug),
        "model_id": model.id,
        "model_name": model.name,
        "provider_name": endpoint.provider,
        "tag": endpoint.tag,
        "context_length": endpoint.context_length,
        "max_completion_tokens": endpoint.max_completion_tokens,
        "max_prompt_tokens": null,
        "pricing": {
            "prompt": endpoint.prompt_price,
            "completion": endpoint.completion_price,
            "request": "0",
            "image": "0",
            "discount": 0,
        },
        "quantization": endpoint.quantization,
        "status": 0,
        "supported_parameters": endpoint.parameters,
        "supports_implicit_caching": false,
        "uptime_last_5m": 99.8,
        "uptime_last_30m": 99.6,
        "uptime_last_1d": 99.4,
        "latency_last_30m": latency,
        "throughput_last_30m": speed,
        "service_tier": null,
        "supports_tool_choice": { "none": tools, "auto": tools, "required": tools, "function": tools },
        "native_tools": {},
        "supports_voice_cloning": false,
        "supports_diarization": false,
        "supports_image_reference": false,
        "supports_multiple_audio_references": false,
    })
}
