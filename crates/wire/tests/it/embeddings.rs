//! Embeddings: both encodings, any order, and everything that makes vectors unusable.

use corsac_wire::{EmbeddingsFault, EmbeddingsReply, Reply, Usd};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::samples::sample;

fn decode(body: &Value) -> EmbeddingsReply {
    EmbeddingsReply::decode(200, body.to_string().as_bytes()).unwrap()
}

fn vectors(data: Value, texts: usize) -> Result<Vec<Vec<f32>>, EmbeddingsFault> {
    decode(&json!({"data": data})).vectors(texts)
}

#[test]
fn a_reply() {
    let reply = EmbeddingsReply::decode(200, &sample("embeddings_success").body).unwrap();
    assert_eq!((reply.model.as_deref(), reply.usage.unwrap().cost), (Some("openai/text-embedding-3-small"), Usd::parse("0.00000016").ok()));
    assert_eq!(reply.usage.unwrap().prompt_tokens, 8);
    assert_eq!(reply.vectors(1).unwrap(), [[0.01, -0.02, 0.03]]);
}

#[test]
fn numbers_and_base64_are_the_same() {
    // 1.0, -2.5 and 0.0 as little-endian bytes
    for text in ["AACAPwAAIMAAAAAA", "AACAPw=="] {
        let numbers = if text.ends_with('=') { vec![1.0] } else { vec![1.0, -2.5, 0.0] };
        assert_eq!(vectors(json!([{"embedding": text}]), 1).unwrap(), [numbers]);
    }
    assert_eq!(vectors(json!([{"embedding": "AACAPw"}]), 1).unwrap(), [[1.0]], "without padding");
    assert_eq!(vectors(json!([{"embedding": [1, -2.5, 1e-3]}]), 1).unwrap(), [[1.0, -2.5, 0.001]]);
}

#[test]
fn the_index_puts_them_in_order() {
    let data = json!([{"index": 2, "embedding": [2]}, {"index": 0, "embedding": [0]}, {"index": 1, "embedding": [1]}]);
    assert_eq!(vectors(data, 3).unwrap(), [[0.0], [1.0], [2.0]]);
    assert_eq!(
        vectors(json!([{"embedding": [5]}, {"index": 0, "embedding": [6]}]), 2).unwrap(),
        [[5.0], [6.0]],
        "not all numbered: as they came"
    );
}

#[test]
fn what_cannot_be_used_is_told() {
    let told = |data: Value, texts: usize| vectors(data, texts).unwrap_err();
    assert_eq!(told(json!([{"index": 0, "embedding": [1]}]), 2), EmbeddingsFault::Count { expected: 2, got: 1 });
    assert_eq!(told(json!([{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [2]}]), 2), EmbeddingsFault::Missing(1));
    assert_eq!(told(json!([{"index": 7, "embedding": [1]}]), 1), EmbeddingsFault::Missing(0));
    assert_eq!(told(json!([{"embedding": [1]}, {"embedding": [1, 2]}]), 2), EmbeddingsFault::Length { text: 1, expected: 1, got: 2 });
    assert_eq!(told(json!([{"embedding": []}]), 1), EmbeddingsFault::NotNumbers(0));
    assert_eq!(told(json!([{"embedding": [1e300]}]), 1), EmbeddingsFault::NotNumbers(0));
    assert_eq!(told(json!([{"embedding": "AADAfw=="}]), 1), EmbeddingsFault::NotNumbers(0), "NaN as bytes");
    for unreadable in [json!("AAA="), json!("?"), json!([null]), json!({}), json!(1)] {
        let data = json!([{"embedding": [1.0]}, {"embedding": unreadable}]);
        assert_eq!(told(data.clone(), 2), EmbeddingsFault::Count { expected: 2, got: 1 }, "{data}");
    }
    assert_eq!(EmbeddingsFault::Count { expected: 2, got: 1 }.to_string(), "1 vectors came for 2 texts");
}

#[test]
fn an_odd_entry_does_not_hide_what_was_paid() {
    let reply = decode(&json!({"data": [{"embedding": null}], "usage": {"prompt_tokens": "8", "cost": 0.5}}));
    assert_eq!((reply.data.len(), reply.usage.unwrap().cost), (0, Usd::parse("0.5").ok()));
}

#[test]
fn errors_are_errors() {
    let told = |status: u16, body: &str| *EmbeddingsReply::decode(status, body.as_bytes()).unwrap_err();
    assert!(matches!(told(200, r#"{"error":{"code":404,"message":"m"}}"#), Reply::Error { status: 404, .. }));
    assert!(matches!(told(429, r#"{"error":{"message":"m"}}"#), Reply::Error { status: 429, .. }));
    assert!(matches!(told(200, "{}"), Reply::Unreadable { .. }));
    assert!(matches!(told(502, r#"{"data":[{"embedding":[1]}]}"#), Reply::Unreadable { status: 502, .. }));
    assert!(matches!(told(200, "<html>"), Reply::Unreadable { html: true, .. }));
}

proptest! {
    /// Whatever the order and the encoding, each text gets its own vector.
    #[test]
    fn every_text_gets_its_vector(
        (rows, order) in (1_usize..5, 1_usize..20).prop_flat_map(|(width, count)| {
            let rows = proptest::collection::vec(proptest::collection::vec(-1e30_f32..1e30, width), count);
            (rows, Just((0..count).collect::<Vec<_>>()).prop_shuffle())
        }),
        base64 in any::<bool>(),
    ) {
        let written = |row: &[f32]| if base64 { json!(by_hand(row)) } else { json!(row) };
        let data: Vec<Value> = order.iter().map(|place| json!({"index": place, "embedding": written(&rows[*place])})).collect();
        prop_assert_eq!(vectors(json!(data), rows.len()).unwrap(), rows);
    }
}

/// Base64 of little-endian floats, written out bit by bit.
fn by_hand(row: &[f32]) -> String {
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: Vec<u8> =
        row.iter().flat_map(|number| number.to_le_bytes()).flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let digits = bits.chunks(6).map(|six| six.iter().chain([&0; 5]).take(6).fold(0_usize, |sum, bit| sum * 2 + usize::from(*bit)));
    let mut text: String = digits.map(|digit| alphabet[digit]).collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}
