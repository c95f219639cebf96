//! Embeddings through the public face with a tiny synthetic model: the handle, the line of callers, the exchange.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corsac_dispatch::{Exchange, ExchangeError, RawReply, Request};
use corsac_local::{EmbeddingModel, EmbeddingOptions, LoadOptions, LocalError, LocalExchange, LocalModel};
use serde_json::{Value, json};

use crate::{synthetic, synthetic_bert};

/// Writes the model's files into a folder.
fn write(folder: &Path) {
    std::fs::write(folder.join("model.safetensors"), synthetic_bert::safetensors()).unwrap();
    std::fs::write(folder.join("vocab.txt"), synthetic_bert::vocabulary()).unwrap();
}

fn model(threads: usize) -> EmbeddingModel {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    EmbeddingModel::load(folder.path(), EmbeddingOptions { threads }).unwrap()
}

fn chat_model() -> LocalModel {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    std::fs::write(&path, synthetic::gguf()).unwrap();
    LocalModel::load(&path, LoadOptions { threads: 1, ..LoadOptions::default() }).unwrap()
}

fn texts() -> Vec<String> {
    (0..150).map(|index| format!("the word {} {}", "abc ".repeat(index % 7), "z".repeat(index % 40))).collect()
}

#[test]
fn a_vector_for_each_text_whatever_the_threads() {
    let texts = texts();
    let one = model(1).embed(&texts).unwrap();
    assert_eq!(one.len(), 150);
    assert!(one.iter().all(|vector| vector.len() == 64));
    assert_eq!(model(3).embed(&texts).unwrap(), one);
    let model = model(2);
    assert_eq!(model.embed(&[texts[77].as_str()]).unwrap()[0], one[77]);
    assert!(model.embed::<&str>(&[]).unwrap().is_empty());
    assert_eq!(model.embed(&[""]).unwrap()[0].len(), 64);
    assert_eq!((model.token_count(""), model.token_count("the word."), model.token_count(&"word ".repeat(1_000_000))), (2, 5, 256));
    let (cut, longer) = ("word ".repeat(254), "word ".repeat(254) + "and more");
    let vectors = model.embed(&[&cut, &longer]).unwrap();
    assert_eq!(vectors[0], vectors[1]);
}

#[test]
fn files_that_are_no_model_are_refused_with_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let load = || EmbeddingModel::load(folder.path(), EmbeddingOptions::default()).unwrap_err().to_string();
    assert!(load().contains("vocab.txt") && load().contains("corsac models pull"), "{}", load());
    write(folder.path());
    std::fs::write(folder.path().join("model.safetensors"), b"not a model").unwrap();
    assert!(load().contains("model.safetensors"), "{}", load());
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    assert!(load().contains("model.safetensors"), "{}", load());
    std::fs::write(folder.path().join("vocab.txt"), b"\xff\xfe").unwrap();
    assert!(load().contains("vocab.txt"), "{}", load());
}

#[test]
fn a_model_is_named_after_its_folder_and_found_beside_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("my-own-encoder");
    std::fs::create_dir(&inner).unwrap();
    write(&inner);
    for path in [inner.clone(), inner.join("model.safetensors")] {
        assert_eq!(EmbeddingModel::load(&path, EmbeddingOptions::default()).unwrap().name(), "my-own-encoder");
    }
}

#[test]
fn weights_that_compute_no_number_are_told() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let path = folder.path().join("model.safetensors");
    let mut file = std::fs::read(&path).unwrap();
    let last = file.len() - 4;
    file[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, file).unwrap();
    let model = EmbeddingModel::load(folder.path(), EmbeddingOptions::default()).unwrap();
    assert!(matches!(model.embed(&["text"]), Err(LocalError::Decode(_))));
}

#[tokio::test]
async fn everybody_in_line_gets_their_own() {
    let model = model(2);
    let texts = texts();
    let expected = model.embed(&texts).unwrap();
    let mut tasks = Vec::new();
    // some with one text, some with many, some who give up
    for first in (0..150).step_by(10) {
        let size = [1, 10, 3][first / 10 % 3];
        let (model, part) = (model.clone(), texts[first..first + size].to_vec());
        let task = tokio::spawn(async move { model.embed_in_line(part).await.unwrap() });
        if first % 40 == 20 {
            task.abort();
        } else {
            tasks.push((first, size, task));
        }
    }
    let whole = model.embed_in_line(texts.clone()).await.unwrap();
    assert_eq!(whole.vectors, expected);
    assert_eq!(whole.tokens, texts.iter().map(|text| model.token_count(text)).sum::<usize>());
    for (first, size, task) in tasks {
        assert_eq!(task.await.unwrap().vectors, expected[first..first + size]);
    }
    assert_eq!(model.embed_in_line(Vec::new()).await.unwrap().vectors.len(), 0);
}

async fn post(exchange: &LocalExchange, path: &'static str, body: Value) -> Result<RawReply, ExchangeError> {
    exchange.exchange(Request::post(path, body.to_string().into(), Duration::from_secs(60))).await
}

fn json_of(reply: &RawReply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

#[tokio::test]
async fn embeddings_are_answered_as_a_provider_would() {
    let model = model(1);
    let expected = model.embed(&["the word", "a"]).unwrap();
    let handle = model.clone();
    let exchange = LocalExchange::embeddings_only(move || Ok(handle.clone()));
    let reply = post(&exchange, "embeddings", json!({"model": "local", "input": ["the word", "a"]})).await.unwrap();
    let body = json_of(&reply);
    assert_eq!((reply.status, &body["object"], &body["model"]), (200, &json!("list"), &json!(model.name())));
    assert_eq!(body["usage"], json!({"prompt_tokens": 7, "total_tokens": 7, "cost": 0}));
    assert_eq!(body["data"].as_array().unwrap().len(), 2);
    for (index, (entry, vector)) in body["data"].as_array().unwrap().iter().zip(&expected).enumerate() {
        assert_eq!((&entry["index"], &entry["object"]), (&json!(index), &json!("embedding")));
        assert_eq!(&serde_json::from_value::<Vec<f32>>(entry["embedding"].clone()).unwrap(), vector);
    }
    let packed = post(&exchange, "embeddings", json!({"input": "the word", "encoding_format": "base64", "dimensions": 64})).await.unwrap();
    let bytes = STANDARD.decode(json_of(&packed)["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let numbers: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    assert_eq!(numbers, expected[0]);
    let long = post(&exchange, "embeddings", json!({"input": "word ".repeat(100_000)})).await.unwrap();
    assert_eq!(json_of(&long)["usage"]["total_tokens"], 256);
}

#[tokio::test]
async fn what_cannot_be_answered_is_told() {
    let model = model(1);
    let handle = model.clone();
    let exchange = LocalExchange::embeddings_only(move || Ok(handle.clone()));
    for (body, status, told) in [
        (json!({"model": "openai/text-embedding-3-small", "input": "a"}), 404, "text-embedding-3-small"),
        (json!({"input": "a", "dimensions": 256}), 400, "64 numbers"),
        (json!({"input": []}), 400, "no text"),
        (json!({"input": [1, 2, 3]}), 400, "takes texts"),
    ] {
        let reply = post(&exchange, "embeddings", body.clone()).await.unwrap();
        let error = json_of(&reply)["error"].clone();
        assert_eq!((reply.status, &error["code"]), (status, &json!(status)), "{body}");
        assert!(error["message"].as_str().unwrap().contains(told), "{body}: {error}");
    }
    let chat = post(&exchange, "chat/completions", json!({"messages": [], "max_tokens": 1})).await.unwrap_err();
    assert!(chat.to_string().contains("without a chat model"), "{chat}");
    let nothing = post(&exchange, "images", json!({})).await.unwrap_err();
    assert!(nothing.to_string().contains("images"), "{nothing}");
    assert!(exchange.exchange(Request::get("embeddings", Duration::from_secs(1))).await.is_err());
    assert_eq!(exchange.name(), "all-MiniLM-L6-v2");
    let chat_only = LocalExchange::new(chat_model());
    let missing = post(&chat_only, "embeddings", json!({"input": "a"})).await.unwrap_err();
    assert!(missing.to_string().contains("corsac models pull"), "{missing}");
}

#[tokio::test]
async fn models_are_loaded_when_they_are_first_asked() {
    let loads = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let counts = || [loads[0].load(Ordering::SeqCst), loads[1].load(Ordering::SeqCst)];
    let (chats, embeds) = (loads.clone(), loads.clone());
    let exchange = LocalExchange::lazy("tiny", move || {
        chats[0].fetch_add(1, Ordering::SeqCst);
        Ok(chat_model())
    })
    .with_embeddings(move || match embeds[1].fetch_add(1, Ordering::SeqCst) {
        0 => Err(LocalError::BadRequest("not yet".into())),
        _ => Ok(model(1)),
    });
    assert_eq!((exchange.name(), counts()), ("tiny", [0, 0]));
    let failed = post(&exchange, "embeddings", json!({"input": "a"})).await.unwrap_err();
    assert!(failed.to_string().contains("not yet"));
    for _ in 0..2 {
        assert_eq!(post(&exchange, "embeddings", json!({"input": "a"})).await.unwrap().status, 200);
    }
    assert_eq!(counts(), [0, 2]);
    let chat = json!({"messages": [{"role": "developer", "content": null}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}], "max_completion_tokens": 2});
    let reply = post(&exchange, "chat/completions", chat).await.unwrap();
    assert_eq!((reply.status, counts()), (200, [1, 2]));
    assert!(json_of(&reply)["usage"]["completion_tokens"].as_u64().unwrap() <= 2);
    let image = json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]});
    assert!(post(&exchange, "chat/completions", image).await.unwrap_err().to_string().contains("text alone"));
}
