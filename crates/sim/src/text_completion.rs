//! The older text completions: a prompt in, a text out.

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::completion_json::{Served, head, logprob, metadata, tokens, usage};
use crate::fault::FaultKind;
use crate::skin::rename;
use crate::stream::{disconnected, ends_early, pieces_of};

/// The body as a chat request.
pub(crate) fn to_chat(mut fields: Map<String, Value>) -> Result<Value, String> {
    let prompt = match fields.shift_remove("prompt") {
        Some(Value::String(text)) => text,
        Some(Value::Array(texts)) if texts.len() == 1 => match texts.into_iter().next() {
            Some(Value::String(text)) => text,
            _ => return Err("prompt: Invalid input: expected string".to_owned()),
        },
        Some(_) => return Err("prompt: Invalid input: expected string".to_owned()),
        None => return Err("prompt: Required".to_owned()),
    };
    // here a number of alternatives, in chat a switch and a number
    if let Some(count) = fields.shift_remove("logprobs").and_then(|count| count.as_u64()) {
        fields.insert("logprobs".to_owned(), json!(true));
        fields.insert("top_logprobs".to_owned(), json!(count));
    }
    rename(&mut fields, "max_output_tokens", "max_tokens");
    for unheard in ["echo", "suffix", "best_of"] {
        fields.shift_remove(unheard);
    }
    fields.insert("messages".to_owned(), json!([{ "role": "user", "content": prompt }]));
    Ok(Value::Object(fields))
}

/// The whole body.
pub(crate) fn render(served: &Served<'_>, answers: &[Answer]) -> Vec<u8> {
    let choices = answers.iter().enumerate().map(|(index, answer)| {
        let text = answer.content.as_deref().unwrap_or_default();
        let mut choice = choice(index, text, Some(answer));
        if let Some(fields) = choice.as_object_mut() {
            if let Some(top) = answer.logprobs {
                fields.insert("logprobs".to_owned(), logprobs(text, top));
            }
            if let Some(reasoning) = &answer.reasoning {
                fields.insert("reasoning".to_owned(), json!(reasoning.text));
            }
            if let Some(error) = &answer.error {
                fields.insert("error".to_owned(), error.clone());
            }
        }
        choice
    });
    body(served, &choices.collect::<Vec<_>>(), true, None)
}

/// The events of a stream.
pub(crate) fn events(served: &Served<'_>, answers: &[Answer], fault: Option<FaultKind>) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for (index, answer) in answers.iter().enumerate() {
        let pieces = answer.content.as_deref().map(pieces_of).unwrap_or_default();
        let sent = if ends_early(fault) { pieces.len().div_ceil(2) } else { pieces.len() };
        bodies.extend(pieces.iter().take(sent).map(|piece| body(served, &[choice(index, piece, None)], false, None)));
        if !ends_early(fault) && answer.error.is_none() {
            bodies.push(body(served, &[choice(index, "", Some(answer))], false, None));
        }
    }
    let broken = answers.iter().any(|answer| answer.error.is_some());
    match fault {
        Some(FaultKind::TruncatedStream | FaultKind::Cut) => {}
        _ if broken || ends_early(fault) => bodies.push(body(served, &[], false, Some(&disconnected()))),
        _ => {
            bodies.push(body(served, &[], true, None));
            bodies.push(b"[DONE]".to_vec());
        }
    }
    bodies.into_iter().map(|body| [b"data: ".as_slice(), &body, b"\n\n"].concat()).collect()
}

fn choice(index: usize, text: &str, finished: Option<&Answer>) -> Value {
    json!({
        "index": index,
        "text": text,
        "logprobs": null,
        "finish_reason": finished.map(|answer| answer.finish),
        "native_finish_reason": finished.map(|answer| answer.native_finish),
    })
}

fn body(served: &Served<'_>, choices: &[Value], with_usage: bool, error: Option<&Value>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    head(&mut out, served, "text_completion");
    if let Some(error) = error {
        out.extend_from_slice(format!(",\"error\":{error}").as_bytes());
    }
    out.extend_from_slice(b",\"choices\":");
    out.extend_from_slice(json!(choices).to_string().as_bytes());
    if with_usage {
        out.extend_from_slice(b",\"usage\":");
        usage(&mut out, served);
        metadata(&mut out, served);
    }
    out.push(b'}');
    out
}

/// Tokens, their probabilities and where each begins, as text completions tell them.
fn logprobs(content: &str, top: u32) -> Value {
    let tokens: Vec<&str> = tokens(content).collect();
    let offsets: Vec<usize> = tokens
        .iter()
        .scan(0, |start, token| {
            let offset = *start;
            *start += token.chars().count();
            Some(offset)
        })
        .collect();
    let alternatives: Vec<Value> = tokens
        .iter()
        .map(|token| {
            let ranks = (0..u64::from(top)).map(|rank| {
                let other = if rank == 0 { (*token).to_owned() } else { format!(" {rank}") };
                (other, json!(logprob(token, rank)))
            });
            Value::Object(ranks.collect())
        })
        .collect();
    json!({
        "tokens": tokens,
        "token_logprobs": tokens.iter().map(|token| logprob(token, 0)).collect::<Vec<_>>(),
        "text_offset": offsets,
        "top_logprobs": alternatives,
    })
}
