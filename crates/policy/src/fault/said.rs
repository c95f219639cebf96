//! What an error says, put together for a person: who said it, why, where routing stopped, what to try instead, and
//! until when a limit lasts.

use std::time::Duration;

use corsac_wire::{ErrorBody, ErrorCode};
use time::{Date, Month, OffsetDateTime, Time, Weekday, format_description::well_known::Rfc3339};

/// Providers named beside the one that spoke last, at most.
const EARLIER: usize = 3;

/// The reason with its source, what others said before, and the routing step that left nobody.
pub(super) fn message(error: &ErrorBody, provider: Option<&str>) -> String {
    let reason = error.reason();
    let bare = reason.trim().chars().all(|c| !c.is_alphanumeric());
    let reason = if bare { error.message.clone() } else { reason };
    let mut message = match provider {
        Some(provider) => format!("{provider}: {reason}"),
        None => reason,
    };
    let earlier = previous(error);
    if !earlier.is_empty() {
        message.push_str(&format!(" (before that {})", earlier.join(", ")));
    }
    if let Some(step) = error.text("failed_routing_step") {
        let funnel = error.metadata.get("routing_funnel").and_then(|funnel| funnel.as_array());
        let first = funnel.and_then(|steps| steps.first()?.get("endpoint_count")?.as_u64());
        message.push_str(&match first {
            Some(count) => format!(" (none of {count} endpoints passed {step:?})"),
            None => format!(" (no endpoint passed {step:?})"),
        });
    }
    message
}

/// Providers that failed before the one that is reported, with what they failed by.
fn previous(error: &ErrorBody) -> Vec<String> {
    let list = error.metadata.get("previous_errors").and_then(|list| list.as_array());
    let describe = |entry: &serde_json::Value| {
        let provider = entry.get("provider").or_else(|| entry.get("provider_name"))?.as_str()?;
        let inner = ErrorBody::from_value(entry);
        let said = inner.metadata.is_empty().then(|| entry.get("status")).flatten();
        let code = match (&inner.code, said) {
            (Some(ErrorCode::Number(number)), _) => number.to_string(),
            (Some(ErrorCode::Text(text)), _) => text.clone(),
            (None, status) => status?.to_string(),
        };
        Some(format!("{provider} {code}"))
    };
    list.into_iter().flatten().filter_map(describe).take(EARLIER).collect()
}

/// Models that would serve, or providers that do, by the reply's own account.
pub(super) fn instead(error: &ErrorBody) -> Vec<String> {
    let texts = |list: Option<&serde_json::Value>| -> Vec<String> {
        list.and_then(|list| list.as_array()).into_iter().flatten().filter_map(|item| item.as_str()).map(str::to_owned).collect()
    };
    let models = texts(error.availability.as_ref().and_then(|said| said.get("fallback_models")));
    if models.is_empty() { texts(error.metadata.get("available_providers")) } else { models }
}

/// How long until a spending limit is reset: by the time it names, else by the span it names, which are those of UTC, weeks
/// beginning on Monday.
pub(super) fn resets_at(error: &ErrorBody, now_ms: i64) -> Option<Duration> {
    let now = OffsetDateTime::from_unix_timestamp_nanos(i128::from(now_ms) * 1_000_000).ok()?;
    let named = error.text("resets_at").and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    let at = match named {
        Some(at) => at,
        None => next_span(&error.message.to_ascii_lowercase(), now.date())?.with_time(Time::MIDNIGHT).assume_utc(),
    };
    Some(Duration::try_from(at - now).unwrap_or(Duration::ZERO))
}

fn next_span(said: &str, today: Date) -> Option<Date> {
    if said.contains("daily limit") {
        today.next_day()
    } else if said.contains("weekly limit") {
        Some(today.next_occurrence(Weekday::Monday))
    } else if said.contains("monthly limit") {
        let (year, month) = (today.year(), today.month().next());
        Date::from_calendar_date(if month == Month::January { year + 1 } else { year }, month, 1).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn said(value: &Value) -> String {
        let error = ErrorBody::from_value(value);
        message(&error, error.provider())
    }

    #[test]
    fn the_reason_comes_with_its_source() {
        assert_eq!(said(&json!({"message": "Provider returned error", "metadata": {"provider_name": "Groq", "raw": "no"}})), "Groq: no");
        let raw_is_dots = json!({"message": "Provider returned error", "metadata": {"raw": "...", "provider_name": "Venice",
            "previous_errors": [{"code": 400, "message": "x", "provider_name": "SiliconFlow"}, {"provider": "deepinfra", "code": "full", "status": 429}]}});
        assert_eq!(said(&raw_is_dots), "Venice: Provider returned error (before that SiliconFlow 400, deepinfra full)");
        let routed = json!({"message": "No endpoints", "metadata": {"failed_routing_step": "Filter by Parameters",
            "routing_funnel": [{"step": "Initial Endpoints", "endpoint_count": 6}]}});
        assert_eq!(said(&routed), "No endpoints (none of 6 endpoints passed \"Filter by Parameters\")");
    }

    #[test]
    fn a_limit_ends_with_its_span() {
        // Wednesday 2025-12-31T22:00:00Z
        let now_ms = 1_767_218_400_000;
        let hours = |message: &str| {
            let error = ErrorBody::from_value(&json!({ "message": message }));
            resets_at(&error, now_ms).map(|wait| wait.as_secs() / 3_600)
        };
        assert_eq!(hours("Key limit exceeded (daily limit)."), Some(2));
        assert_eq!(hours("Key limit exceeded (monthly limit)."), Some(2));
        assert_eq!(hours("Key limit exceeded (weekly limit)."), Some(4 * 24 + 2));
        assert_eq!(hours("Key limit exceeded (total limit)."), None);
        let named = json!({"message": "Budget limit exceeded", "metadata": {"resets_at": "2025-12-31T23:00:00Z"}});
        assert_eq!(resets_at(&ErrorBody::from_value(&named), now_ms), Some(Duration::from_secs(3_600)));
        assert_eq!(resets_at(&ErrorBody::from_value(&named), now_ms + 7_200_000), Some(Duration::ZERO));
        assert_eq!(resets_at(&ErrorBody::from_value(&named), i64::MAX), None);
    }
}
