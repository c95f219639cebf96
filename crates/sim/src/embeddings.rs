//! `POST /embeddings`: vectors in which texts with common words lie near each other.

use serde::Deserialize;
use serde_json::Value;

use crate::chat_request::ProviderPreferences;
use crate::plain::{Input, PlainCall, read_body};
use crate::reply::SimReply;
use crate::seed::{Draw, hash};
use crate::wire_error;

const DIMENSIONS: usize = 1_536;
const MOST_DIMENSIONS: usize = 8_192;

#[derive(Deserialize)]
struct Body {
    model: String,
    input: Texts,
    #[serde(default)]
    dimensions: Option<usize>,
    #[serde(default)]
    encoding_format: Option<String>,
    #[serde(default)]
    provider: Option<ProviderPreferences>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
    // some clients write whole numbers with a point
    Tokens(Vec<f64>),
    ManyTokens(Vec<Vec<f64>>),
    Parts(Vec<Value>),
}

impl Texts {
    /// Each text, and how many tokens it has.
    fn texts(self) -> Vec<(String, u64)> {
        let counted = |text: String| {
            let tokens = (text.chars().count() as u64).div_ceil(4).max(1);
            (text, tokens)
        };
        let of_tokens = |tokens: Vec<f64>| {
            let words: Vec<String> = tokens.iter().map(|token| format!("token{token}")).collect();
            (words.join(" "), tokens.len() as u64)
        };
        match self {
            Texts::One(text) => vec![counted(text)],
            Texts::Many(texts) => texts.into_iter().map(counted).collect(),
            Texts::Tokens(tokens) => vec![of_tokens(tokens)],
            Texts::ManyTokens(lists) => lists.into_iter().map(of_tokens).collect(),
            Texts::Parts(parts) => parts.iter().map(|part| counted(part.to_string())).collect(),
        }
    }
}

/// Answers a request for embeddings.
pub(crate) fn embed(call: PlainCall<'_>) -> SimReply {
    answer(call).unwrap_or_else(|reply| *reply)
}

fn answer(call: PlainCall<'_>) -> Result<SimReply, Box<SimReply>> {
    let refuse = |message: &str| Err(Box::new(wire_error::plain(400, message)));
    call.world.account.take_request(call.caller, call.asked.now)?;
    let body: Body = read_body(&call.asked.http.body)?;
    let dimensions = body.dimensions.unwrap_or(DIMENSIONS);
    if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
        return refuse(&format!("dimensions: expected a number from 1 to {MOST_DIMENSIONS}"));
    }
    let base64 = match body.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return refuse("encoding_format: Invalid option: expected one of \"float\"|\"base64\""),
    };
    let texts = body.input.texts();
    if texts.is_empty() {
        return refuse("input: Too small: expected at least one text");
    }
    let longest = texts.iter().map(|(_, tokens)| *tokens).max().unwrap_or(0);
    let tokens: u64 = texts.iter().map(|(_, tokens)| tokens).sum();
    let preferences = body.provider.unwrap_or_default();
    let chosen = call.choose(&Input { model: &body.model, preferences: &preferences, longest, tokens })?;

    let cost = chosen.usage.cost();
    let mut out = format!("{{\"id\":\"{}\",\"object\":\"list\",\"model\":\"{}\",\"data\":[", chosen.id, chosen.found.model.id).into_bytes();
    for (index, (text, _)) in texts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(format!("{{\"object\":\"embedding\",\"index\":{index},\"embedding\":").as_bytes());
        write_vector(&mut out, &vector(text, dimensions, call.world.config.seed), base64);
        out.push(b'}');
    }
    out.extend_from_slice(
        format!("],\"usage\":{{\"prompt_tokens\":{tokens},\"total_tokens\":{tokens},\"cost\":{cost},\"is_byok\":false}}}}").as_bytes(),
    );
    Ok(call.finish(chosen, out, "embeddings"))
}

/// A unit vector: every word adds to some places that its hash chooses.
pub(crate) fn vector(text: &str, dimensions: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0f32; dimensions];
    let words = text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    for word in words.map(str::to_lowercase).chain(std::iter::once(String::new())) {
        let mut draw = Draw::new(hash(seed, word.as_bytes()));
        // the empty word keeps a text without words off the origin, and weighs little
        let weight = if word.is_empty() { 0.05 } else { 1.0 };
        for _ in 0..16 {
            if let Some(value) = values.get_mut(draw.index(dimensions)) {
                *value += if draw.next() & 1 == 0 { weight } else { -weight };
            }
        }
    }
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        values.iter_mut().for_each(|value| *value /= length);
    }
    values
}

fn write_vector(out: &mut Vec<u8>, values: &[f32], as_base64: bool) {
    if as_base64 {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        out.push(b'"');
        out.extend_from_slice(base64(&bytes).as_bytes());
        out.push(b'"');
    } else if serde_json::to_writer(&mut *out, values).is_err() {
        out.extend_from_slice(b"[]");
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = (group >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { char::from(LETTERS[letter as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{base64, vector};

    #[test]
    fn base64_pads() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn texts_with_common_words_are_near() {
        let near = |one: &str, other: &str| -> f32 { vector(one, 256, 1).iter().zip(vector(other, 256, 1)).map(|(a, b)| a * b).sum() };
        assert!((near("red shoes", "red shoes") - 1.0).abs() < 1e-5);
        assert!(near("red running shoes", "blue running shoes") > near("red running shoes", "quarterly tax report"));
    }
}
