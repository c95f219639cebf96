//! A chat answer as one JSON body. Written by hand into a buffer: this is what every answer of a
//! bench goes through.

use serde_json::Value;

use crate::answer::{Answer, CHARACTERS_A_TOKEN};
use crate::money::PicoDollars;
use crate::seed::{hash, mix};

/// Who served an answer, under which id, for how much.
#[derive(Debug)]
pub(crate) struct Served<'a> {
    pub(crate) id: String,
    pub(crate) created: u64,
    pub(crate) model: &'a str,
    pub(crate) provider: &'a str,
    pub(crate) fingerprint: Option<String>,
    pub(crate) usage: Usage,
    /// Out of the response cache: nothing was used.
    pub(crate) from_cache: bool,
    /// Only when asked for.
    pub(crate) metadata: Option<Value>,
}

/// Tokens and what they cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    pub(crate) reasoning_tokens: u64,
    /// Of the prompt, read from the provider's cache.
    pub(crate) cached_tokens: u64,
    /// Of the prompt, put into it.
    pub(crate) cache_write_tokens: u64,
    /// What the provider takes for the prompt.
    pub(crate) prompt_cost: PicoDollars,
    /// What the provider takes for the answers.
    pub(crate) completion_cost: PicoDollars,
    /// What OpenRouter takes where the provider is paid with the caller's own key.
    pub(crate) byok_fee: Option<PicoDollars>,
}

impl Usage {
    /// What is charged.
    pub(crate) fn cost(&self) -> PicoDollars {
        self.byok_fee.unwrap_or(self.upstream_cost())
    }

    /// What the provider takes.
    pub(crate) fn upstream_cost(&self) -> PicoDollars {
        self.prompt_cost.plus(self.completion_cost)
    }
}

/// The body of a JSON reply.
pub(crate) fn render(served: &Served<'_>, answers: &[Answer]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024);
    head(&mut out, served, "chat.completion");
    out.extend_from_slice(b",\"system_fingerprint\":");
    optional(&mut out, served.fingerprint.as_deref());
    out.extend_from_slice(b",\"choices\":[");
    for (index, answer) in answers.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        choice(&mut out, index as u64, answer);
    }
    out.extend_from_slice(b"],\"usage\":");
    usage(&mut out, served);
    metadata(&mut out, served);
    out.push(b'}');
    out
}

fn choice(out: &mut Vec<u8>, index: u64, answer: &Answer) {
    out.extend_from_slice(b"{\"index\":");
    number(out, index);
    out.extend_from_slice(b",\"logprobs\":");
    logprobs(out, answer.logprobs.map(|top| (top, answer.content.as_deref().unwrap_or_default())));
    out.extend_from_slice(b",\"finish_reason\":");
    text(out, answer.finish);
    out.extend_from_slice(b",\"native_finish_reason\":");
    text(out, answer.native_finish);
    out.extend_from_slice(b",\"message\":{\"role\":\"assistant\",\"content\":");
    optional(out, answer.content.as_deref());
    out.extend_from_slice(b",\"refusal\":");
    optional(out, answer.refusal.as_deref());
    out.extend_from_slice(b",\"reasoning\":");
    optional(out, answer.reasoning.as_ref().map(|reasoning| reasoning.text.as_str()));
    if let Some(reasoning) = &answer.reasoning {
        out.extend_from_slice(b",\"reasoning_details\":");
        out.extend_from_slice(reasoning.details().to_string().as_bytes());
    }
    if !answer.tool_calls.is_empty() {
        out.extend_from_slice(b",\"tool_calls\":[");
        for (index, call) in answer.tool_calls.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"id\":");
            text(out, &call.id);
            out.extend_from_slice(b",\"index\":");
            number(out, index as u64);
            out.extend_from_slice(b",\"type\":\"function\",\"function\":{\"name\":");
            text(out, &call.name);
            out.extend_from_slice(b",\"arguments\":");
            text(out, &call.arguments);
            out.extend_from_slice(b"}}");
        }
        out.push(b']');
    }
    out.push(b'}');
    if let Some(error) = &answer.error {
        out.extend_from_slice(b",\"error\":");
        out.extend_from_slice(error.to_string().as_bytes());
    }
    out.push(b'}');
}

/// `{"id":…` up to the provider, without the closing brace.
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
}

/// `,"openrouter_metadata":…` where it was asked for.
pub(crate) fn metadata(out: &mut Vec<u8>, served: &Served<'_>) {
    if let Some(metadata) = &served.metadata {
        out.extend_from_slice(b",\"openrouter_metadata\":");
        out.extend_from_slice(metadata.to_string().as_bytes());
    }
}

/// The usage object; of an answer out of the cache it says nothing but zeros.
pub(crate) fn usage(out: &mut Vec<u8>, served: &Served<'_>) {
    if served.from_cache {
        out.extend_from_slice(b"{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}");
        return;
    }
    let usage = &served.usage;
    out.extend_from_slice(b"{\"prompt_tokens\":");
    number(out, usage.prompt_tokens);
    out.extend_from_slice(b",\"completion_tokens\":");
    number(out, usage.completion_tokens);
    out.extend_from_slice(b",\"total_tokens\":");
    number(out, usage.prompt_tokens + usage.completion_tokens);
    out.extend_from_slice(b",\"cost\":");
    out.extend_from_slice(usage.cost().to_string().as_bytes());
    out.extend_from_slice(b",\"is_byok\":");
    out.extend_from_slice(if usage.byok_fee.is_some() { b"true".as_slice() } else { b"false" });
    out.extend_from_slice(b",\"prompt_tokens_details\":{\"cached_tokens\":");
    number(out, usage.cached_tokens);
    out.extend_from_slice(b",\"cache_write_tokens\":");
    number(out, usage.cache_write_tokens);
    out.extend_from_slice(b",\"audio_tokens\":0,\"video_tokens\":0},\"cost_details\":{\"upstream_inference_cost\":");
    out.extend_from_slice(usage.upstream_cost().to_string().as_bytes());
    out.extend_from_slice(b",\"upstream_inference_prompt_cost\":");
    out.extend_from_slice(usage.prompt_cost.to_string().as_bytes());
    out.extend_from_slice(b",\"upstream_inference_completions_cost\":");
    out.extend_from_slice(usage.completion_cost.to_string().as_bytes());
    out.extend_from_slice(b"},\"completion_tokens_details\":{\"reasoning_tokens\":");
    number(out, usage.reasoning_tokens);
    out.extend_from_slice(b",\"image_tokens\":0,\"audio_tokens\":0}}");
}

/// The probabilities of the tokens of a text, or `null`.
pub(crate) fn logprobs(out: &mut Vec<u8>, wanted: Option<(u32, &str)>) {
    let Some((top, content)) = wanted else {
        out.extend_from_slice(b"null");
        return;
    };
    let tokens: Vec<Value> = tokens(content).map(|token| token_json(token, top)).collect();
    let told = serde_json::json!({ "content": tokens, "refusal": null });
    out.extend_from_slice(told.to_string().as_bytes());
}

fn token_json(token: &str, top: u32) -> Value {
    let alternatives: Vec<Value> = (0..u64::from(top))
        .map(|rank| {
            let other = if rank == 0 { token.to_owned() } else { format!(" {rank}") };
            serde_json::json!({ "token": other, "logprob": logprob(token, rank), "bytes": other.as_bytes() })
        })
        .collect();
    serde_json::json!({ "token": token, "logprob": logprob(token, 0), "bytes": token.as_bytes(), "top_logprobs": alternatives })
}

/// A logarithm of a probability, the lower the rank the smaller.
pub(crate) fn logprob(token: &str, rank: u64) -> f64 {
    let hundredths = u32::try_from(mix(hash(0, token.as_bytes())) % 90).unwrap_or(0);
    let steps = u32::try_from(rank).unwrap_or(u32::MAX).saturating_mul(100).saturating_add(hundredths);
    -(f64::from(steps) + 1.0) / 100.0
}

/// A text in tokens; nothing is lost between them.
pub(crate) fn tokens(content: &str) -> impl Iterator<Item = &str> {
    let mut rest = content;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.char_indices().nth(CHARACTERS_A_TOKEN).map_or(rest.len(), |(at, _)| at);
        let (token, after) = rest.split_at(end);
        rest = after;
        Some(token)
    })
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

pub(crate) fn number(out: &mut Vec<u8>, value: u64) {
    if serde_json::to_writer(&mut *out, &value).is_err() {
        out.push(b'0');
    }
}
