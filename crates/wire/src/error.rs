//! The error envelope, read leniently: the code may be a number, a text or missing, and the reason often hides as JSON
//! text inside `metadata.raw`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

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
            error_type: text(object.get("error_type")).or_else(|| text(metadata.get("error_type"))),
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
        let seconds = |value: &Value| match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let said = self.availability.as_ref().and_then(|a| a.get("retry_after")).and_then(seconds);
        let said = said.or_else(|| self.metadata.get("retry_after_seconds").and_then(seconds));
        let said = said.or_else(|| self.header("Retry-After").and_then(|text| text.trim().parse().ok()));
        said.filter(|s| s.is_finite() && *s >= 0.0).map(|s| Duration::from_secs_f64(s.min(86_400.0)))
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
