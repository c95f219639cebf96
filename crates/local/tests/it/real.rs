//! What the real weights must be able to do. Not run where they are not found.

use std::path::PathBuf;

use corsac_local::{Finish, LoadOptions, LocalMessage, LocalModel, LocalRequest, Role, weights};
use serde_json::{Value, json};

fn load() -> Option<LocalModel> {
    let named = std::env::var_os("CORSAC_LOCAL_MODEL").map(PathBuf::from);
    let path = weights::locate(named.as_deref(), &weights::default_cache_dir().unwrap_or_default());
    let Some(path) = path.filter(|path| path.file_name().is_some_and(|name| name == weights::FILE_NAME)) else {
        println!("not run: {} was not found; set CORSAC_LOCAL_MODEL or run `corsac models pull`", weights::FILE_NAME);
        return None;
    };
    Some(LocalModel::load(&path, LoadOptions { threads: 2, ..LoadOptions::default() }).unwrap())
}

fn ask(system: Option<&str>, user: &str, schema: Option<Value>) -> LocalRequest {
    let system = system.map(|content| LocalMessage { role: Role::System, content: content.into() });
    let messages = system.into_iter().chain([LocalMessage { role: Role::User, content: user.into() }]).collect();
    LocalRequest { messages, schema, max_tokens: 80, temperature: 0.0, seed: 0 }
}

#[tokio::test]
async fn it_knows_a_capital() {
    let Some(model) = load() else { return };
    assert_eq!(model.name(), "SmolLM2-135M-Instruct");
    let answer = model.answer(ask(None, "What is the capital of France?", None)).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.finish, answer.prompt_tokens), ("The capital of France is Paris.", Finish::Stop, 37));
}

#[tokio::test]
async fn it_labels_plain_reviews() {
    let Some(model) = load() else { return };
    let system = "Classify the text the user sends. Answer with exactly one of these labels: positive, neutral, negative.";
    let schema = json!({"type": "object", "properties": {"label": {"enum": ["positive", "neutral", "negative"]}}, "required": ["label"]});
    for (text, label) in [
        ("i love this camera, the pictures are beautiful and the battery lasts forever.", "positive"),
        ("terrible. it broke after one day and the company refused a refund.", "negative"),
        ("excellent sound and very easy to set up.", "positive"),
        ("a complete waste of money, do not buy it.", "negative"),
    ] {
        let answer = model.answer(ask(Some(system), text, Some(schema.clone()))).await.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&answer.text).unwrap(), json!({"label": label}), "{text}");
    }
}

#[tokio::test]
async fn what_it_extracts_is_valid() {
    let Some(model) = load() else { return };
    let schema = json!({"type": "object", "properties": {"product": {"type": "string"}, "stars": {"type": "integer", "minimum": 1, "maximum": 5}, "defects": {"type": "array", "items": {"type": "string"}}}, "required": ["product", "stars", "defects"]});
    let validator = jsonschema::validator_for(&schema).unwrap();
    for seed in 0..8 {
        let request = LocalRequest {
            temperature: 1.0,
            seed,
            max_tokens: 300,
            ..ask(
                Some("Extract the fields from the text the user sends. Answer as JSON."),
                "this phone has a weak battery and a cracked screen. two stars.",
                Some(schema.clone()),
            )
        };
        let answer = model.answer(request).await.unwrap();
        assert_eq!(answer.finish, Finish::Stop, "{}", answer.text);
        assert!(validator.is_valid(&serde_json::from_str(&answer.text).unwrap()), "{}", answer.text);
    }
}
