//! The error envelope, read leniently: the code may be a number, a text or missing, and the reason often hides as JSON
//! text inside `metadata.raw`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::lenient;

/// An error as OpenRouter words it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ErrorBody {
    /// The code, normally the HTTP status.
    pub code: Option<ErrorCode>,
    /// The outer message; for `Provider returned error` see [`ErrorBody::reason`].
    pub message: String,
    /// Everything else that was said.
    pub metadata: Map<String, Value>,
    /// `error.error_type`, `error.http_status` and `error.availability`, where present.
    pub availability: Option<Value>,
    /// The class in OpenRouter's vocabulary, such as `rate_limit_exceeded`.
    pub error_type: Option<String>,
}

/// An error code: a number on most paths, a text in some streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorCode {
    /// Such as 429.
    Number(i64),
    /// Such as `server_error`.
    Text(String),
}

/// An endpoint's failure before the one that is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PreviousError {
    /// The provider: the older shape has the display name, the newer one the slug.
    pub provider: Option<String>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// What was said: by the provider where that was kept, else by OpenRouter.
    pub message: Option<String>,
}

impl<'de> Deserialize<'de> for ErrorBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ErrorBody, D::Error> {
        Ok(ErrorBody::from_value(&Value::deserialize(deserializer)?))
    }
}

impl ErrorBody {
    /// Reads whatever stands under `error`: an object, or a bare text.
    pub fn from_value(value: &Value) -> ErrorBody {
        let Value::Object(object) = value else {
            return ErrorBody { message: value.as_str().map_or_else(|| value.to_string(), str::to_owned), ..ErrorBody::default() };
        };
        let metadata = object.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
        let code = object.get("code").filter(|code| !code.is_null()).or_else(|| object.get("http_status"));
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        ErrorBody {
            code: code.and_then(ErrorCode::from_value),
            message: text(object.get("message")).unwrap_or_default(),
            // `type` is where Anthropic's envelope has it
            error_type: text(object.get("error_type")).or_else(|| text(metadata.get("error_type"))).or_else(|| text(object.get("type"))),
            availability: object.get("availability").filter(|value| value.is_object()).cloned(),
            metadata,
        }
    }

    /// The code as an HTTP status.
    pub fn status(&self) -> Option<u16> {
        match self.code.as_ref()? {
            ErrorCode::Number(number) => u16::try_from(*number).ok().filter(|status| (100..600).contains(status)),
            ErrorCode::Text(text) => text.parse().ok(),
        }
    }

    /// The HTTP status that belongs to the class of the error: for errors inside a success, whose code may be a text.
    pub fn status_of_type(&self) -> Option<u16> {
        let of_code = || match self.code.as_ref()? {
            ErrorCode::Text(text) => status_of_type(text),
            ErrorCode::Number(_) => None,
        };
        self.error_type.as_deref().and_then(status_of_type).or_else(of_code)
    }

    /// What was tried before, in order, where OpenRouter went through several endpoints.
    pub fn previous_errors(&self) -> Vec<PreviousError> {
        let listed = self.metadata.get("previous_errors").and_then(Value::as_array);
        listed.into_iter().flatten().map(PreviousError::from_value).collect()
    }

    /// The provider the error came from, by display name.
    pub fn provider(&self) -> Option<&str> {
        self.text("provider_name")
    }

    /// A text of the metadata.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).and_then(Value::as_str)
    }

    /// What really went wrong: the first message found in `metadata.raw`, which may be JSON text within JSON text,
    /// else the outer message.
    pub fn reason(&self) -> String {
        let inner = self.metadata.get("raw").and_then(|raw| inner_message(raw, 0));
        inner.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| self.message.clone())
    }

    /// How long to wait, by what the body says (headers are looked at elsewhere).
    pub fn retry_after(&self) -> Option<Duration> {
        let said = self.availability.as_ref().and_then(|a| a.get("retry_after")).and_then(lenient::number);
        let said = said.or_else(|| self.metadata.get("retry_after_seconds").and_then(lenient::number));
        let said = said.or_else(|| self.header("Retry-After").and_then(|text| text.trim().parse().ok()));
        said.filter(|s: &f64| s.is_finite() && *s >= 0.0).map(|s| Duration::from_secs_f64(s.min(86_400.0)))
    }

    /// A header repeated in `metadata.headers`.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.metadata.get("headers")?.as_object()?;
        headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
    }
}

impl ErrorCode {
    fn from_value(value: &Value) -> Option<ErrorCode> {
        match value {
            Value::Number(number) => number.as_i64().map(ErrorCode::Number),
            Value::String(text) => Some(text.parse().map_or_else(|_| ErrorCode::Text(text.clone()), ErrorCode::Number)),
            _ => None,
        }
    }
}

impl PreviousError {
    /// Two shapes: `{provider, code, status}` and the older `{provider_name, code, message, raw}`.
    fn from_value(value: &Value) -> PreviousError {
        let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let number = |key: &str| value.get(key).and_then(lenient::number).filter(|n| (100.0..600.0).contains(n)).map(|n| n as u16);
        let inner = value.get("raw").and_then(|raw| inner_message(raw, 0)).filter(|text| !text.trim().is_empty());
        PreviousError {
            provider: text("provider").or_else(|| text("provider_name")),
            status: number("status").or_else(|| number("code")),
            message: inner.or_else(|| text("message")).or_else(|| text("code")),
        }
    }
}

/// OpenRouter's vocabulary of errors, and Anthropic's where its envelope is used.
fn status_of_type(name: &str) -> Option<u16> {
    Some(match name {
        "context_length_exceeded" | "max_tokens_exceeded" | "token_limit_exceeded" | "string_too_long" => 400,
        "invalid_request" | "invalid_prompt" | "content_policy_violation" | "refusal" | "invalid_request_error" => 400,
        "invalid_image" | "image_too_large" | "image_too_small" | "unsupported_image_format" | "image_download_failed" => 400,
        "authentication" | "authentication_error" => 401,
        "payment_required" | "billing_error" => 402,
        "permission_denied" | "permission_error" => 403,
        "not_found" | "image_not_found" | "not_found_error" => 404,
        "precondition_failed" => 412,
        "payload_too_large" => 413,
        "unprocessable" => 422,
        "rate_limit_exceeded" | "rate_limit_error" => 429,
        "server" | "unmapped" | "api_error" => 500,
        "provider_unavailable" => 502,
        "provider_overloaded" => 503,
        "timeout" | "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}

/// Looks for the first text under the names providers use for their messages.
fn inner_message(value: &Value, depth: usize) -> Option<String> {
    if depth > 4 {
        return None;
    }
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text.trim()) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => inner_message(&inner, depth + 1).or_else(|| Some(text.clone())),
            _ => Some(text.clone()),
        },
        Value::Object(object) => ["message", "error", "detail", "details", "msg"]
            .iter()
            .find_map(|key| object.get(*key).filter(|v| !v.is_null()).and_then(|inner| inner_message(inner, depth + 1))),
        Value::Array(list) => list.iter().find_map(|inner| inner_message(inner, depth + 1)),
        _ => None,
    }
}
