//! Models, endpoints and providers on the wire: `/model/…`, `/models/…/endpoints` and `/providers`. Lists of models
//! are in `model_list`.

use serde_json::{Value, json};

use crate::catalog::{Catalog, Endpoint, Model, Reasoning};
use crate::catalog_data::PROVIDERS;
use crate::reply::SimReply;
use crate::wire_error;

/// `GET /model/{author}/{slug}`.
pub(crate) fn model(catalog: &Catalog, id: &str) -> SimReply {
    match catalog.find(id) {
        Some(found) => {
            let mut listed = model_json(found.model);
            if let Some(fields) = listed.as_object_mut().filter(|_| id.starts_with('~')) {
                fields.insert("alias_target".to_owned(), json!({ "slug": found.model.id, "name": found.model.name }));
            }
            SimReply::json(200, &json!({ "data": listed }))
        }
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

fn description(model: &Model) -> String {
    format!("{}, as the simulator knows it.", model.name)
}

fn architecture(model: &Model) -> Value {
    let inputs: &[&str] = if model.takes_images { &["text", "image"] } else { &["text"] };
    let output = model.kind.output();
    json!({
        "modality": format!("{}->{output}", inputs.join("+")),
        "input_modalities": inputs,
        "output_modalities": [output],
        "tokenizer": model.tokenizer,
        "instruct_type": model.instruct,
    })
}

pub(crate) fn model_json(model: &Model) -> Value {
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
        "pricing": top.map(|endpoint| pricing(endpoint, false)),
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

/// What an endpoint takes, in dollars a unit; its own entry tells the discount too.
fn pricing(endpoint: &Endpoint, with_discount: bool) -> Value {
    let mut pricing = json!({
        "prompt": endpoint.prompt_price,
        "completion": endpoint.completion_price,
        "request": "0",
        "image": "0",
    });
    if let Some(fields) = pricing.as_object_mut() {
        let prices = endpoint.cache_prices();
        fields.extend(prices.map(|prices| ("input_cache_read".to_owned(), json!(prices.read))));
        fields.extend(prices.and_then(|prices| prices.write).map(|write| ("input_cache_write".to_owned(), json!(write))));
        fields.extend(with_discount.then(|| ("discount".to_owned(), json!(0))));
    }
    pricing
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
        "pricing": pricing(endpoint, true),
        "quantization": endpoint.quantization,
        "status": 0,
        "supported_parameters": endpoint.parameters,
        "supports_implicit_caching": endpoint.cache_prices().is_some_and(|prices| prices.implicit),
        "uptime_last_5m": 99.8,
        "uptime_last_30m": 99.6,
        "uptime_last_1d": 99.4,
        "latency_last_30m": latency,
        "throughput_last_30m": speed,
        "service_tier": endpoint.tier(),
        "supports_tool_choice": { "none": tools, "auto": tools, "required": tools, "function": tools },
        "native_tools": {},
        "supports_voice_cloning": false,
        "supports_diarization": false,
        "supports_image_reference": false,
        "supports_multiple_audio_references": false,
    })
}
