//! What was generated, for `GET /generation`: the newest records, each readable only some time after
//! its answer.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::catalog::Catalog;
use crate::completion_json::Usage;
use crate::reply::SimReply;
use crate::wire_error;

/// How many records are kept.
const KEPT: usize = 16_384;

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
    pub(crate) referer: Option<String>,
}

/// The newest records.
#[derive(Debug, Default)]
pub(crate) struct Generations(Mutex<VecDeque<Record>>);

impl Generations {
    pub(crate) fn add(&self, record: Record) {
        let mut kept = self.0.lock();
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(record);
    }

    pub(crate) fn reset(&self) {
        self.0.lock().clear();
    }

    pub(crate) fn find(&self, id: &str, catalog: &Catalog, now: Duration) -> SimReply {
        let kept = self.0.lock();
        let found = kept.iter().rev().find(|record| record.id == id && record.ready_at <= now);
        match found {
            Some(record) => SimReply::json(200, &json!({ "data": data(record, catalog) })),
            None => wire_error::plain(404, &format!("Generation {id} not found")),
        }
    }
}

fn data(record: &Record, catalog: &Catalog) -> Value {
    let usage = record.usage;
    let cost: Value = usage.cost().to_string().parse::<serde_json::Number>().map_or(Value::Null, Value::Number);
    let model = catalog.models.get(record.model);
    let latency_ms = u64::try_from(record.latency.as_millis()).unwrap_or(u64::MAX);
    json!({
        "id": record.id,
        "upstream_id": format!("chatcmpl-{}", record.id),
        "request_id": null,
        "total_cost": cost,
        "usage": cost,
        "cache_discount": null,
        "upstream_inference_cost": 0,
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
        "native_tokens_cached": 0,
        "num_media_prompt": null,
        "num_input_audio_prompt": null,
        "num_media_completion": null,
        "num_search_results": null,
        "num_fetches": null,
        "web_search_engine": null,
        "origin": record.referer.clone().unwrap_or_default(),
        "http_referer": record.referer,
        "user_agent": null,
        "is_byok": false,
        "external_user": null,
        "api_type": "completions",
        "router": null,
        "preset_id": null,
        "service_tier": null,
        "session_id": null,
        "data_region": "global",
        "workspace_id": null,
        "response_cache_source_id": null,
        "provider_responses": [{
            "provider_name": record.provider,
            "model_permaslug": model.map(|model| model.permaslug.clone()),
            "status": 200,
            "latency": latency_ms,
            "is_byok": false,
            "endpoint_id": null,
        }],
    })
}

/// Milliseconds since 1970 as `2026-11-22T00:00:00.000Z`.
fn timestamp(epoch_ms: u64) -> String {
    let (days, ms_of_day) = (epoch_ms / 86_400_000, epoch_ms % 86_400_000);
    // civil date from a day count: years that begin in March make leap days the last of a year
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (ms_of_day / 3_600_000, ms_of_day / 60_000 % 60);
    let (second, ms) = (ms_of_day / 1_000 % 60, ms_of_day % 1_000);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::timestamp;

    #[test]
    fn timestamps() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(1_709_210_096_789), "2024-02-29T12:34:56.789Z");
        assert_eq!(timestamp(1_795_305_600_000), "2026-11-22T00:00:00.000Z");
    }
}
