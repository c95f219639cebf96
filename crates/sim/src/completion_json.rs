//! A chat answer as one JSON body. Written by hand into a buffer: this is what every answer of a
//! bench goes through.

use serde_json::Value;

use crate::answer::Answer;
use crate::money::PicoDollars;

/// Who served an answer, under which id, for how much.
#[derive(Debug)]
pub(crate) struct Served<'a> {
    pub(crate) id: String,
    pub(crate) created: u64,
    pub(crate) model: &'a str,
    pub(crate) provider: &'a str,
    pub(crate) fingerprint: Option<String>,
    pub(crate) usage: Usage,
    /// Only when asked for.
    pub(crate) metadata: Option<Value>,
}

/// Tokens and what they cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    pub(crate) reasoning_tokens: u64,
    pub(crate) prompt_cost: PicoDollars,
    pub(crate) completion_cost: PicoDollars,
}

impl Usage {
    pub(crate) fn cost(&self) -> PicoDollars {
        self.prompt_cost.plus(self.completion_cost)
    }
}

/// The body of a JSON reply.
pub(crate) fn render(served: &Served<'_>, answer: &Answer) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024);
    head(&mut out, served, "chat.completion");
    out.extend_from_slice(b",\"choices\":[{\"index\":0,\"logprobs\":null,\"finish_reason\":");
    text(&mut out, answer.finish);
    out.extend_from_slice(b",\"native_finish_reason\":");
    text(&mut out, answer.native_finish);
    out.extend_from_slice(b",\"message\":{\"role\":\"assistant\",\"content\":");
    optional(&mut out, answer.content.as_deref());
    out.extend_from_slice(b",\"refusal\":");
    optional(&mut out, answer.refusal.as_deref());
    out.extend_from_slice(b",\"reasoning\":");
    optional(&mut out, answer.reasoning.as_deref());
    if let Some(reasoning) = &answer.reasoning {
        out.extend_from_slice(b",\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":");
        text(&mut out, reasoning);
        out.extend_from_slice(b",\"format\":\"unknown\",\"index\":0}]");
    }
    if let Some(call) = &answer.tool_call {
        out.extend_from_slice(b",\"tool_calls\":[{\"id\":");
        text(&mut out, &call.id);
        out.extend_from_slice(b",\"index\":0,\"type\":\"function\",\"function\":{\"name\":");
        text(&mut out, &call.name);
        out.extend_from_slice(b",\"arguments\":");
        text(&mut out, &call.arguments);
        out.extend_from_slice(b"}}]");
    }
    out.push(b'}');
    if let Some(error) = &answer.error {
        out.extend_from_slice(b",\"error\":");
        out.extend_from_slice(error.to_string().as_bytes());
    }
    out.extend_from_slice(b"}],\"usage\":");
    usage(&mut out, &served.usage);
    if let Some(metadata) = &served.metadata {
        out.extend_from_slice(b",\"openrouter_metadata\":");
        out.extend_from_slice(metadata.to_string().as_bytes());
    }
    out.push(b'}');
    out
}

/// `{"id":…` up to the fingerprint, without the closing brace.
pub(crate) fn head(out: &mut Vec<u8>, served: &Served<'_>, object: &str) {
    out.extend_from_slice(b"{\"id\":");
    text(out, &served.id);
    out.extend_from_slice(b",\"object\":");
    text(out, object);
    out.extend_from_slice(b",\"created\":");
    number(out, served.created);
    out.extend_from_slice(b",\"model\":");
    text(out, served.model);
    out.extend_from_slice(b",\"provider\":");
    text(out, served.provider);
    out.extend_from_slice(b",\"system_fingerprint\":");
    optional(out, served.fingerprint.as_deref());
}

/// The usage object.
pub(crate) fn usage(out: &mut Vec<u8>, usage: &Usage) {
    out.extend_from_slice(b"{\"prompt_tokens\":");
    number(out, usage.prompt_tokens);
    out.extend_from_slice(b",\"completion_tokens\":");
    number(out, usage.completion_tokens);
    out.extend_from_slice(b",\"total_tokens\":");
    number(out, usage.prompt_tokens + usage.completion_tokens);
    out.extend_from_slice(b",\"cost\":");
    let cost = usage.cost().to_string();
    out.extend_from_slice(cost.as_bytes());
    out.extend_from_slice(b",\"is_byok\":false,\"prompt_tokens_details\":{\"cached_tokens\":0,\"cache_write_tokens\":0,\"audio_tokens\":0,\"video_tokens\":0},\"cost_details\":{\"upstream_inference_cost\":");
    out.extend_from_slice(cost.as_bytes());
    out.extend_from_slice(b",\"upstream_inference_prompt_cost\":");
    out.extend_from_slice(usage.prompt_cost.to_string().as_bytes());
    out.extend_from_slice(b",\"upstream_inference_completions_cost\":");
    out.extend_from_slice(usage.completion_cost.to_string().as_bytes());
    out.extend_from_slice(b"},\"completion_tokens_details\":{\"reasoning_tokens\":");
    number(out, usage.reasoning_tokens);
    out.extend_from_slice(b",\"image_tokens\":0,\"audio_tokens\":0}}");
}

/// A JSON string.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    // writing text into a Vec cannot fail; if it ever did, `null` keeps the body JSON
    if serde_json::to_writer(&mut *out, text).is_err() {
        out.extend_from_slice(b"null");
    }
}

/// A JSON string or `null`.
pub(crate) fn optional(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        Some(value) => text(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn number(out: &mut Vec<u8>, value: u64) {
    if serde_json::to_writer(&mut *out, &value).is_err() {
        out.push(b'0');
    }
}
