//! Requests for embeddings in the shape that OpenAI's interface has, and replies as a provider gives them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corsac_dispatch::RawReply;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Embedded, EmbeddingModel};

/// What was asked for, checked.
#[derive(Debug, PartialEq)]
pub(crate) struct Asked {
    model: String,
    pub(crate) texts: Vec<String>,
    dimensions: Option<u64>,
    packed: bool,
}

/// Why a request cannot be answered: a status as a provider would give it, and words for a person.
#[derive(Debug, PartialEq)]
pub(crate) struct Refused {
    status: u16,
    why: String,
}

impl Refused {
    fn invalid(why: impl Into<String>) -> Self {
        Self { status: 400, why: why.into() }
    }

    pub(crate) fn reply(self) -> RawReply {
        let body = json!({"error": {"code": self.status, "message": self.why}});
        RawReply { status: self.status, body: body.to_string().into(), ..RawReply::default() }
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    encoding_format: Option<String>,
    #[serde(default)]
    dimensions: Option<u64>,
}

impl Asked {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Refused> {
        let body: Body = serde_json::from_slice(body)
            .map_err(|error| Refused::invalid(format!("the request for embeddings cannot be read: {error}")))?;
        let text = |value: Value| match value {
            Value::String(text) => Ok(text),
            _ => Err(Refused::invalid("the embedded model takes texts: `input` must be a text or a list of texts")),
        };
        let texts: Vec<String> = match body.input {
            Value::Array(values) => values.into_iter().map(text).collect::<Result<_, _>>()?,
            value => vec![text(value)?],
        };
        if texts.is_empty() {
            return Err(Refused::invalid("`input` holds no text"));
        }
        let packed = match body.encoding_format.as_deref() {
            None | Some("float") => false,
            Some("base64") => true,
            Some(other) => return Err(Refused::invalid(format!("`encoding_format` is {other:?}, but must be float or base64"))),
        };
        Ok(Self { model: body.model.unwrap_or_default(), texts, dimensions: body.dimensions, packed })
    }

    /// Whether this model is the one that was asked, and gives vectors of the size that was asked for.
    pub(crate) fn fits(&self, model: &EmbeddingModel) -> Result<(), Refused> {
        let (name, dimensions) = (model.name(), model.dimensions());
        let asked = self.model.rsplit('/').next().unwrap_or_default();
        if !asked.is_empty() && asked != "local" && !asked.eq_ignore_ascii_case(name) {
            let why = format!("the embedded engine has no embedding model {:?}; it has {name}", self.model);
            return Err(Refused { status: 404, why });
        }
        match self.dimensions {
            Some(asked) if asked != dimensions as u64 => {
                Err(Refused::invalid(format!("`dimensions` is {asked}, but {name} gives vectors of {dimensions} numbers and no other")))
            }
            _ => Ok(()),
        }
    }

    /// Writes the reply. Takes some milliseconds for a thousand vectors.
    pub(crate) fn reply(&self, name: &str, embedded: &Embedded) -> Result<RawReply, serde_json::Error> {
        let entry = |(index, vector): (usize, &Vec<f32>)| Entry {
            object: "embedding",
            index,
            embedding: match self.packed {
                true => Written::Packed(STANDARD.encode(vector.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())),
                false => Written::Numbers(vector.clone()),
            },
        };
        let tokens = embedded.tokens;
        let reply = Reply {
            object: "list",
            model: name,
            data: embedded.vectors.iter().enumerate().map(entry).collect(),
            usage: Usage { prompt_tokens: tokens, total_tokens: tokens, cost: 0 },
        };
        Ok(RawReply { status: 200, body: serde_json::to_vec(&reply)?.into(), ..RawReply::default() })
    }
}

#[derive(Serialize)]
struct Reply<'a> {
    object: &'static str,
    model: &'a str,
    data: Vec<Entry>,
    usage: Usage,
}

#[derive(Serialize)]
struct Entry {
    object: &'static str,
    index: usize,
    embedding: Written,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Written {
    Numbers(Vec<f32>),
    Packed(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
    cost: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<Asked, Refused> {
        Asked::read(body.to_string().as_bytes())
    }

    #[test]
    fn one_text_or_many() {
        let asked = read(json!({"model": "m", "input": "a", "user": "u", "provider": {}})).unwrap();
        assert_eq!(asked, Asked { model: "m".into(), texts: vec!["a".into()], dimensions: None, packed: false });
        let asked = read(json!({"input": ["a", ""], "encoding_format": "base64", "dimensions": 384, "model": null})).unwrap();
        assert_eq!(asked, Asked { model: String::new(), texts: vec!["a".into(), String::new()], dimensions: Some(384), packed: true });
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (body, told) in [
            (json!({}), "takes texts"),
            (json!({"input": [1, 2]}), "takes texts"),
            (json!({"input": [["a"]]}), "takes texts"),
            (json!({"input": []}), "no text"),
            (json!({"input": "a", "encoding_format": "hex"}), "float or base64"),
            (json!({"input": "a", "dimensions": -1}), "cannot be read"),
            (json!("a"), "cannot be read"),
        ] {
            let refused = read(body.clone()).unwrap_err();
            assert!(refused.status == 400 && refused.why.contains(told), "{body}: {}", refused.why);
        }
        assert!(Asked::read(b"\xff{").is_err());
    }

    #[test]
    fn a_reply_is_written_as_numbers_or_packed() {
        let embedded = Embedded { vectors: vec![vec![0.1, -2.5]], tokens: 3 };
        let body = |format: &str| {
            let reply = read(json!({"input": "a", "encoding_format": format})).unwrap().reply("m", &embedded).unwrap();
            String::from_utf8(reply.body.to_vec()).unwrap()
        };
        assert_eq!(
            body("float"),
            r#"{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[0.1,-2.5]}],"usage":{"prompt_tokens":3,"total_tokens":3,"cost":0}}"#
        );
        assert!(body("base64").contains(r#""embedding":"zczMPQAAIMA=""#), "{}", body("base64"));
    }
}
