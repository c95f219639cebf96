//! `POST /rerank`: documents in the order in which they fit a query, by how near their vectors are.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::chat_request::ProviderPreferences;
use crate::embeddings::vector;
use crate::plain::{Input, PlainCall, read_body};
use crate::reply::SimReply;
use crate::wire_error;

const DIMENSIONS: usize = 512;

#[derive(Deserialize)]
struct Body {
    model: String,
    query: String,
    documents: Vec<Document>,
    #[serde(default)]
    top_n: Option<usize>,
    #[serde(default)]
    provider: Option<ProviderPreferences>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Text(String),
    Parts {
        #[serde(default)]
        text: Option<String>,
        #[serde(default)]
        image: Option<Value>,
    },
}

impl Document {
    fn text(&self) -> &str {
        match self {
            Document::Text(text) => text,
            Document::Parts { text, .. } => text.as_deref().unwrap_or_default(),
        }
    }

    fn shown(&self) -> Value {
        match self {
            Document::Text(text) => json!({ "text": text }),
            Document::Parts { text, image: None } => json!({ "text": text }),
            Document::Parts { text, image } => json!({ "text": text, "image": image }),
        }
    }
}

/// Answers a request to rank documents.
pub(crate) fn rerank(call: PlainCall<'_>) -> SimReply {
    answer(call).unwrap_or_else(|reply| *reply)
}

fn answer(call: PlainCall<'_>) -> Result<SimReply, Box<SimReply>> {
    call.world.account.take_request(call.caller, call.asked.now)?;
    let body: Body = read_body(&call.asked.http.body)?;
    if body.documents.is_empty() {
        return Err(Box::new(wire_error::plain(400, "documents: Too small: expected array to have >=1 items")));
    }
    let tokens_of = |text: &str| (text.chars().count() as u64).div_ceil(4).max(1);
    let query_tokens = tokens_of(&body.query);
    let each = body.documents.iter().map(|document| tokens_of(document.text()) + query_tokens);
    let (longest, tokens) = (each.clone().max().unwrap_or(0), each.sum());
    let preferences = body.provider.unwrap_or_default();
    let chosen = call.choose(&Input { model: &body.model, preferences: &preferences, longest, tokens })?;

    let query = vector(&body.query, DIMENSIONS, call.world.config.seed);
    let mut scored: Vec<(usize, f32)> = body
        .documents
        .iter()
        .map(|document| vector(document.text(), DIMENSIONS, call.world.config.seed))
        .map(|vector| vector.iter().zip(&query).map(|(a, b)| a * b).sum::<f32>().clamp(0.0, 1.0))
        .enumerate()
        .collect();
    scored.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let results: Vec<Value> = scored
        .into_iter()
        .take(body.top_n.unwrap_or(usize::MAX))
        .map(|(index, score)| {
            json!({ "index": index, "relevance_score": f64::from(score), "document": body.documents.get(index).map(Document::shown) })
        })
        .collect();
    let reply = json!({
        "id": chosen.id,
        "model": chosen.found.model.id,
        "provider": chosen.endpoint.provider,
        "results": results,
        "usage": { "total_tokens": tokens, "search_units": 1, "cost": chosen.usage.cost().json() },
    });
    Ok(call.finish(chosen, reply.to_string().into_bytes(), "rerank"))
}
