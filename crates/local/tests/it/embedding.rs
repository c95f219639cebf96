//! What the real embedding model must be able to do: the same as the library it was published with. Not run where the
//! weights are not found.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corsac_local::{EmbeddingModel, EmbeddingOptions, weights};
use serde_json::Value;

pub(crate) fn load(threads: usize) -> Option<EmbeddingModel> {
    let named = std::env::var_os("CORSAC_LOCAL_EMBEDDING_MODEL").map(PathBuf::from);
    let Some(folder) = weights::locate_embedding(named.as_deref(), &weights::default_cache_dir().unwrap_or_default()) else {
        println!("not run: {} was not found; set CORSAC_LOCAL_EMBEDDING_MODEL or run `corsac models pull`", weights::EMBEDDING_NAME);
        return None;
    };
    Some(EmbeddingModel::load(&folder, EmbeddingOptions { threads }).unwrap())
}

fn cosine(left: &[f32], right: &[f32]) -> f64 {
    let dot = |left: &[f32], right: &[f32]| left.iter().zip(right).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()
}

/// Text, tokens and vector of each entry; made by `tests/golden/make_embeddings.py`.
fn golden() -> Vec<(String, usize, Vec<f32>)> {
    let file: Value = serde_json::from_str(include_str!("../golden/minilm_vectors.json")).unwrap();
    let read = |entry: &Value| {
        let bytes = STANDARD.decode(entry["vector"].as_str().unwrap()).unwrap();
        let vector: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        for (number, begins) in vector.iter().zip(entry["begins"].as_array().unwrap()) {
            assert!((f64::from(*number) - begins.as_f64().unwrap()).abs() < 1e-6);
        }
        (entry["text"].as_str().unwrap().to_owned(), entry["tokens"].as_u64().unwrap() as usize, vector)
    };
    let entries = file["vectors"].as_object().unwrap();
    assert!(entries.len() >= 20);
    entries.values().map(read).collect()
}

#[test]
fn vectors_are_those_of_the_reference() {
    let Some(model) = load(2) else { return };
    assert_eq!((model.name(), model.dimensions(), model.most_tokens()), ("all-MiniLM-L6-v2", 384, 256));
    let golden = golden();
    let texts: Vec<&str> = golden.iter().map(|(text, _, _)| text.as_str()).collect();
    let vectors = model.embed(&texts).unwrap();
    for ((text, tokens, expected), vector) in golden.iter().zip(&vectors) {
        assert_eq!(model.token_count(text), *tokens, "{text:?}");
        let cosine = cosine(vector, expected);
        let furthest = vector.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{cosine:.9} {furthest:.1e} {tokens:>3} {:?}", text.chars().take(40).collect::<String>());
        assert!(cosine >= 0.999_999 && furthest < 1e-4, "{text:?}: cosine {cosine}, furthest {furthest}");
        let length: f32 = vector.iter().map(|value| value * value).sum();
        assert!((length - 1.0).abs() < 1e-5, "{text:?} has length {length}");
    }
}

#[test]
fn meaning_is_near() {
    let Some(model) = load(1) else { return };
    let vectors = model.embed(&["The parcel came late.", "Shipping took far too long.", "The soup tastes of basil."]).unwrap();
    let (same, other) = (cosine(&vectors[0], &vectors[1]), cosine(&vectors[0], &vectors[2]));
    assert!(same > 0.5 && other < 0.2, "{same} {other}");
}
