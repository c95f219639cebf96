//! What was learned about a model by asking it: which way of asking it does not take, from whom, and until when that
//! is believed.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::words::kept;
use crate::{Fingerprint, Millis};

/// One thing that was found out. It is about one model, provider, way of asking, schema, kind and (where a model has
/// several of a kind) subject: learned again it is the same lesson, learned one time more.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    /// The model that was asked.
    pub model: Arc<str>,
    /// The provider it was found at; `None` where it holds for all of the model's providers.
    pub provider: Option<Arc<str>>,
    /// How structure was asked for: `response_format`, `forced_tool`, `prompted`, `text`.
    pub dialect: Arc<str>,
    /// The schema it was found with; `None` where it holds for any.
    pub schema: Option<Fingerprint>,
    /// What was found.
    pub what: LessonKind,
    /// When it was last found.
    pub learned_ms: Millis,
    /// From when on it is not believed any more.
    pub expires_ms: Millis,
    /// How often it was found, across all runs. What is handed in counts as so many times, and as one at least.
    pub times: u32,
    /// What the service said, last.
    pub message: Option<String>,
}

/// Kinds of lessons.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum LessonKind {
    /// The schema was refused.
    SchemaRefused,
    /// Answers came that did not satisfy the schema.
    InvalidAnswers,
    /// No endpoint of the model takes requests like this.
    NoEndpoints,
    /// The way of asking is not supported.
    Unsupported,
    /// A parameter was refused.
    ParameterRefused {
        /// Its name, as sent.
        name: Arc<str>,
    },
    /// Answers were cut short below this limit. Of two such lessons that are believed, the larger stays.
    NeedsTokens {
        /// The limit that was enough, or the next to try.
        tokens: u64,
    },
    /// A reasoning effort was refused.
    EffortUnsupported {
        /// The effort that was asked for.
        effort: Arc<str>,
        /// The nearest that the model takes, where known.
        nearest: Option<Arc<str>>,
    },
    /// A kind that this build has no name for: of a newer Corsac that wrote the same file, or of a caller's own.
    Other {
        /// The kind's name, which should be none of [`LessonKind::name`].
        kind: Arc<str>,
        /// What of it, where a model has several; may be empty.
        subject: Arc<str>,
        /// Whatever belongs to it. Kept whole up to four thousand characters of JSON, and dropped beyond.
        detail: Value,
    },
}

impl LessonKind {
    /// The name under which the kind is stored.
    pub fn name(&self) -> &str {
        match self {
            LessonKind::SchemaRefused => "schema_refused",
            LessonKind::InvalidAnswers => "invalid_answers",
            LessonKind::NoEndpoints => "no_endpoints",
            LessonKind::Unsupported => "unsupported",
            LessonKind::ParameterRefused { .. } => "parameter_refused",
            LessonKind::NeedsTokens { .. } => "needs_tokens",
            LessonKind::EffortUnsupported { .. } => "effort_unsupported",
            LessonKind::Other { kind, .. } => kept(kind),
        }
    }

    /// What of it, where a model has several: the parameter, the effort.
    pub fn subject(&self) -> &str {
        match self {
            LessonKind::ParameterRefused { name } => kept(name),
            LessonKind::EffortUnsupported { effort, .. } => kept(effort),
            LessonKind::Other { subject, .. } => kept(subject),
            _ => "",
        }
    }

    /// What else belongs to it, as it is stored.
    pub(crate) fn detail(&self) -> Option<Value> {
        match self {
            LessonKind::NeedsTokens { tokens } => Some(json!({ "tokens": tokens })),
            LessonKind::EffortUnsupported { nearest: Some(nearest), .. } => Some(json!({ "nearest": kept(nearest) })),
            LessonKind::Other { detail, .. } if !detail.is_null() => Some(detail.clone()),
            _ => None,
        }
    }

    /// The kind that was stored so. A detail that is not understood makes it one of [`LessonKind::Other`], so that it
    /// is neither lost nor taken for something it is not.
    pub(crate) fn of_file(kind: &str, subject: &str, detail: Option<&str>) -> LessonKind {
        let detail: Value = detail.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
        let known = match kind {
            "schema_refused" => Some(LessonKind::SchemaRefused),
            "invalid_answers" => Some(LessonKind::InvalidAnswers),
            "no_endpoints" => Some(LessonKind::NoEndpoints),
            "unsupported" => Some(LessonKind::Unsupported),
            "parameter_refused" => Some(LessonKind::ParameterRefused { name: subject.into() }),
            "needs_tokens" => detail.get("tokens").and_then(Value::as_u64).map(|tokens| LessonKind::NeedsTokens { tokens }),
            "effort_unsupported" => {
                let nearest = detail.get("nearest").and_then(Value::as_str).map(Arc::from);
                Some(LessonKind::EffortUnsupported { effort: subject.into(), nearest })
            }
            _ => None,
        };
        known.unwrap_or_else(|| LessonKind::Other { kind: kind.into(), subject: subject.into(), detail })
    }

    /// What is believed after an earlier lesson that still holds and this one.
    pub(crate) fn after(&self, earlier: LessonKind) -> LessonKind {
        match (earlier, self) {
            (LessonKind::NeedsTokens { tokens: before }, LessonKind::NeedsTokens { tokens }) => {
                LessonKind::NeedsTokens { tokens: before.max(*tokens) }
            }
            (_, this) => this.clone(),
        }
    }
}

/// Which lessons to forget: those that agree with everything that is set, and all if nothing is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LessonFilter {
    /// About this model.
    pub model: Option<Arc<str>>,
    /// Found at this provider.
    pub provider: Option<Arc<str>>,
    /// With this way of asking.
    pub dialect: Option<Arc<str>>,
    /// With this schema.
    pub schema: Option<Fingerprint>,
    /// Of this kind, by [name](LessonKind::name).
    pub kind: Option<Arc<str>>,
    /// About this [subject](LessonKind::subject).
    pub subject: Option<Arc<str>>,
    /// Not believed any more at this moment.
    pub expired_at_ms: Option<Millis>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> Vec<LessonKind> {
        vec![
            LessonKind::SchemaRefused,
            LessonKind::InvalidAnswers,
            LessonKind::NoEndpoints,
            LessonKind::Unsupported,
            LessonKind::ParameterRefused { name: "temperature".into() },
            LessonKind::NeedsTokens { tokens: u64::MAX },
            LessonKind::EffortUnsupported { effort: "none".into(), nearest: Some("minimal".into()) },
            LessonKind::EffortUnsupported { effort: "xhigh".into(), nearest: None },
            LessonKind::Other { kind: "likes_poems".into(), subject: "rhymed".into(), detail: json!({"lines": [4, 8]}) },
        ]
    }

    #[test]
    fn every_kind_is_read_back_as_it_was_written() {
        for kind in every_kind() {
            let detail = kind.detail().map(|detail| detail.to_string());
            assert_eq!(LessonKind::of_file(kind.name(), kind.subject(), detail.as_deref()), kind);
        }
    }

    #[test]
    fn a_detail_that_is_not_understood_is_kept_apart() {
        for detail in [None, Some("{"), Some("{\"tokens\":\"many\"}"), Some("[]")] {
            let read = LessonKind::of_file("needs_tokens", "", detail);
            assert!(matches!(&read, LessonKind::Other { kind, .. } if &**kind == "needs_tokens"), "{read:?}");
        }
    }
}
