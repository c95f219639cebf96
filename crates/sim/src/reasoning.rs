//! What a model thought, in the form its family sends it, and the check that it comes back unchanged.

use serde_json::{Value, json};

use crate::catalog::{Endpoint, Model};
use crate::conversation::ToolTurn;
use crate::reply::SimReply;
use crate::seed::hash;
use crate::wire_error;

/// How a family sends what it thought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A text with a signature of its own.
    Signed,
    /// A text, and a signature in an encrypted detail.
    Sealed,
    /// A summary, and the rest encrypted.
    Summary(&'static str),
    /// A text.
    Plain,
}

impl Form {
    pub(crate) fn of(model: &Model, endpoint: &Endpoint) -> Self {
        match model.id.split('/').next() {
            Some("anthropic") => Form::Signed,
            Some("google") => Form::Sealed,
            Some("openai") if endpoint.slug == "azure" => Form::Summary("azure-openai-responses-v1"),
            Some("openai") if endpoint.slug == "openai" => Form::Summary("openai-responses-v1"),
            _ => Form::Plain,
        }
    }
}

/// What a model thought.
#[derive(Clone, Debug)]
pub(crate) struct Reasoned {
    pub(crate) text: String,
    pub(crate) form: Form,
    pub(crate) signature: String,
}

impl Reasoned {
    pub(crate) fn new(text: String, form: Form, seed: u64) -> Self {
        let signature = sign(&text, seed);
        Self { text, form, signature }
    }

    /// `reasoning_details` of a whole answer.
    pub(crate) fn details(&self) -> Value {
        match self.form {
            Form::Signed => json!([{
                "type": "reasoning.text", "text": self.text, "signature": self.signature,
                "format": "anthropic-claude-v1", "index": 0, "id": null,
            }]),
            Form::Plain => json!([self.piece(&self.text)]),
            Form::Sealed | Form::Summary(_) => {
                let mut details = vec![self.piece(&self.text)];
                details.extend(self.last());
                Value::Array(details)
            }
        }
    }

    /// The detail of a piece of the text, as a stream sends it.
    pub(crate) fn piece(&self, text: &str) -> Value {
        match self.form {
            Form::Signed => json!({ "type": "reasoning.text", "text": text, "format": "anthropic-claude-v1", "index": 0 }),
            Form::Sealed => json!({ "type": "reasoning.text", "text": text, "format": "google-gemini-v1", "index": 0 }),
            Form::Summary(format) => json!({ "type": "reasoning.summary", "summary": text, "format": format, "index": 0 }),
            Form::Plain => json!({ "type": "reasoning.text", "text": text, "format": "unknown", "index": 0 }),
        }
    }

    /// The detail that ends a stream of them.
    pub(crate) fn last(&self) -> Option<Value> {
        let encrypted =
            |format: &str| json!({ "type": "reasoning.encrypted", "data": self.signature, "format": format, "index": 1, "id": null });
        match self.form {
            Form::Signed => {
                Some(json!({ "type": "reasoning.text", "signature": self.signature, "format": "anthropic-claude-v1", "index": 0 }))
            }
            Form::Sealed => Some(encrypted("google-gemini-v1")),
            Form::Summary(format) => Some(encrypted(format)),
            Form::Plain => None,
        }
    }
}

/// What a provider of thoughts puts under them.
fn sign(text: &str, seed: u64) -> String {
    let first = hash(seed ^ 0x5160, text.as_bytes());
    format!("{first:016x}{:016x}==", hash(first, text.as_bytes()))
}

/// The provider's refusal of a tool loop whose thoughts got lost or were changed.
pub(crate) fn refusal(turns: &[ToolTurn<'_>], model: &Model, endpoint: &Endpoint, seed: u64) -> Option<SimReply> {
    let form = Form::of(model, endpoint);
    if !matches!(form, Form::Signed | Form::Sealed) {
        return None;
    }
    let (index, kept) = turns.iter().map(|turn| (turn.index, kept(turn.details, seed))).find(|(_, kept)| *kept != Kept::Whole)?;
    Some(lost(form, &endpoint.provider, index, kept == Kept::Changed))
}

/// The 400 of a provider that misses its thoughts in a message.
pub(crate) fn lost(form: Form, provider: &str, index: usize, changed: bool) -> SimReply {
    let raw = match (form, changed) {
        (Form::Signed, true) => upstream(&format!("messages.{index}.content.0: Invalid `signature` in `thinking` block")),
        (Form::Signed, false) => upstream(&format!(
            "messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a \
             final `assistant` message must start with a thinking block."
        )),
        _ => format!(
            "Gemini models require OpenRouter reasoning details to be preserved in each request. Please refer to our docs: \
             https://openrouter.ai/docs/guides/best-practices/reasoning-tokens#preserving-reasoning-blocks. Upstream error: {}",
            json!({ "error": { "code": 400, "message": "Function call is missing a thought_signature", "status": "INVALID_ARGUMENT" } })
        ),
    };
    wire_error::from_provider(400, provider, &raw, "invalid_request")
}

fn upstream(message: &str) -> String {
    json!({ "type": "error", "error": { "type": "invalid_request_error", "message": message } }).to_string()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Whole,
    Missing,
    Changed,
}

/// Whether the details that came back are those that were sent, in one piece or in the pieces of a stream.
fn kept(details: Option<&str>, seed: u64) -> Kept {
    let details: Vec<Value> = details.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let field = |name: &'static str| details.iter().filter_map(move |detail| detail.get(name)?.as_str());
    let text: String = field("text").chain(field("summary")).collect();
    match field("signature").chain(field("data")).last() {
        None => Kept::Missing,
        Some(signature) if signature == sign(&text, seed) => Kept::Whole,
        Some(_) => Kept::Changed,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Form, Kept, Reasoned, kept};

    #[test]
    fn details_come_back_whole_in_one_piece_or_in_many() {
        for form in [Form::Signed, Form::Sealed] {
            let thought = Reasoned::new("first this, then that".to_owned(), form, 7);
            assert_eq!(kept(Some(&thought.details().to_string()), 7), Kept::Whole);
            let pieces: Vec<Value> =
                [thought.piece("first this, "), thought.piece("then that")].into_iter().chain(thought.last()).collect();
            assert_eq!(kept(Some(&json!(pieces).to_string()), 7), Kept::Whole);
            let changed = thought.details().to_string().replace("then", "and");
            assert_eq!(kept(Some(&changed), 7), Kept::Changed);
        }
        for missing in [None, Some("null"), Some("[]"), Some(r#"[{"type":"reasoning.text","text":"x"}]"#)] {
            assert_eq!(kept(missing, 7), Kept::Missing);
        }
    }
}
