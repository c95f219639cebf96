//! What was generated, for `GET /generation`: the newest records, each readable only some time after
//! its answer.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::calendar::timestamp;
use crate::catalog::Catalog;
use crate::completion_json::Usage;
use crate::reply::SimReply;
use crate::wire_error;

/// How many records are kept.
const KEPT: usize = 16_384;
/// How many of them with what was asked and answered.
const KEPT_CONTENTS: usize = 256;

/// One answer that was given.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) ready_at: Duration,
    pub(crate) created_ms: u64,
    /// Where the model stands in the catalog.
    pub(crate) model: usize,
    pub(crate) provider: String,
    pub(crate) usage: Usage,
    pub(crate) streamed: bool,
    pub(crate) finish: &'static str,
    pub(crate) native_finish: &'static str,
    pub(crate) latency: Duration,
    /// `completions`, `embeddings` or `rerank`.
    pub(crate) kind: &'static str,
    pub(crate) referer: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) session: Option<String>,
    /// What was tried before, as `openrouter_metadata` has it.
    pub(crate) attempts: Vec<Value>,
}

/// What was asked and answered.
#[derive(Debug)]
pub(crate) struct Content {
    /// The request's body.
    pub(crate) input: Vec<u8>,
    pub(crate) completion: Option<String>,
    pub(crate) reasoning: Option<String>,
}

/// The newest records.
#[derive(Debug, Default)]
pub(crate) struct Generations(Mutex<Stored>);

#[derive(Debug, Default)]
struct Stored {
    records: VecDeque<Record>,
    contents: VecDeque<(String, Content)>,
}

impl Generations {
    pub(crate) fn add(&self, record: Record, content: Option<Content>) {
        let mut kept = self.0.lock();
        if let Some(content) = content {
            if kept.contents.len() >= KEPT_CONTENTS {
                kept.contents.pop_front();
            }
            kept.contents.push_back((record.id.clone(), content));
        }
        if kept.records.len() >= KEPT {
            kept.records.pop_front();
        }
        kept.records.push_back(record);
    }

    pub(crate) fn reset(&self) {
        *self.0.lock() = Stored::default();
    }

    pub(crate) fn find(&self, id: &str, catalog: &Catalog, now: Duration) -> SimReply {
        let kept = self.0.lock();
        let found = kept.records.iter().rev().find(|record| record.id == id && record.ready_at <= now);
        match found {
            Some(record) => SimReply::json(200, &json!({ "data": data(record, catalog) })),
            None => not_found(id),
        }
    }

    /// `GET /generation/content`.
    pub(crate) fn content(&self, id: &str, now: Duration) -> SimReply {
        let kept = self.0.lock();
        let is_ready = kept.records.iter().rev().any(|record| record.id == id && record.ready_at <= now);
        let Some((_, content)) = kept.contents.iter().rev().find(|(known, _)| is_ready && known == id) else {
            return not_found(id);
        };
        let body: Value = serde_json::from_slice(&content.input).unwrap_or_default();
        let field = |name: &str| body.get(name).cloned();
        let input = match (field("messages"), field("prompt").or_else(|| field("input"))) {
            (Some(messages), _) => json!({ "messages": messages }),
            (None, prompt) => json!({ "prompt": prompt }),
        };
        let output = json!({ "completion": content.completion, "reasoning": content.reasoning });
        SimReply::json(200, &json!({ "data": { "input": input, "output": output, "error": null } }))
    }
}

fn not_found(id: &str) -> SimReply {
    wire_error::plain(404, &format!("Generation {id} not found"))
}

fn data(record: &Record, catalog: &Catalog) -> Value {
    let usage = record.usage;
    let cost = usage.cost().json();
    let model = catalog.models.get(record.model);
    let latency_ms = u64::try_from(record.latency.as_millis()).unwrap_or(u64::MAX);
    json!({
        "id": record.id,
        "upstream_id": format!("chatcmpl-{}", record.id),
        "request_id": record.id.replacen("gen-", "req-", 1),
        "total_cost": cost,
        "usage": cost,
        "cache_discount": null,
        "upstream_inference_cost": if usage.byok_fee.is_some() { usage.upstream_cost().json() } else { json!(0) },
        "created_at": timestamp(record.created_ms),
        "model": model.map(crate::catalog::Model::served_name),
        "app_id": null,
        "streamed": record.streamed,
        "cancelled": false,
        "provider_name": record.provider,
        "latency": latency_ms,
        "moderation_latency": null,
        "generation_time": latency_ms,
        "finish_reason": record.finish,
        "native_finish_reason": record.native_finish,
        "tokens_prompt": usage.prompt_tokens,
        "tokens_completion": usage.completion_tokens,
        "native_tokens_prompt": usage.prompt_tokens,
        "native_tokens_completion": usage.completion_tokens,
        "native_tokens_completion_images": 0,
        "native_tokens_reasoning": usage.reasoning_tokens,
        "native_tokens_cached": usage.cached_tokens,
        "num_media_prompt": null,
        "num_input_audio_prompt": null,
        "num_media_completion": null,
        "num_search_results": null,
        "num_fetches": null,
        "web_search_engine": null,
        "origin": record.referer.clone().unwrap_or_default(),
        "http_referer": record.referer,
        "user_agent": record.user_agent,
        "is_byok": usage.byok_fee.is_some(),
        "external_user": null,
        "api_type": record.kind,
        "router": null,
        "preset_id": null,
        "service_tier": null,
        "session_id": record.session,
        "data_region": "global",
        "workspace_id": null,
        "response_cache_source_id": null,
        "provider_responses": provider_responses(record, model, latency_ms),
    })
}

/// Every endpoint that was tried, the one that answered last.
fn provider_responses(record: &Record, model: Option<&crate::catalog::Model>, latency_ms: u64) -> Vec<Value> {
    let tried = record.attempts.iter().map(|attempt| {
        json!({
            "provider_name": attempt.get("provider"),
            "model_permaslug": attempt.get("model"),
            "status": attempt.get("status"),
            "latency": null,
            "is_byok": false,
            "endpoint_id": null,
        })
    });
    let answered = json!({
        "id": format!("chatcmpl-{}", record.id),
        "provider_name": record.provider,
        "model_permaslug": model.map(|model| model.permaslug.clone()),
        "status": 200,
        "latency": latency_ms,
        "is_byok": record.usage.byok_fee.is_some(),
        "endpoint_id": null,
    });
    tried.chain([answered]).collect()
}
