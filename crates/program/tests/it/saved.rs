//! Programs as files, in DSPy's form and back.

use std::sync::Arc;

use corsac_dispatch::CallSettings;
use corsac_program::{
    About, Adapter, ChainOfThought, Module, MultiChainComparison, Overlaid, Overlay, Predict, SavedProgram, Signature, record,
};
use serde_json::{Value, json};

use crate::world::{World, replies, values};

const KEY: &str = "sk-or-v1-0123456789abcdef";

/// A chain of thought as DSPy 3.4 writes it, with a key where DSPy leaves one.
fn from_dspy() -> Value {
    json!({
        "predict": {
            "traces": [],
            "train": [],
            "demos": [{"augmented": true, "question": "Two and two?", "reasoning": "Count.", "answer": "4"}],
            "signature": {
                "instructions": "Answer like an accountant.",
                "fields": [
                    {"prefix": "Question:", "description": "${question}"},
                    {"prefix": "Reasoning:", "description": "${reasoning}"},
                    {"prefix": "Answer:", "description": "a number"},
                ],
            },
            "lm": {
                "_dspy_lm_class": "dspy.clients.lm.LM",
                "model": "openrouter/anthropic/claude-3-haiku",
                "temperature": 0.25,
                "max_tokens": 77,
                "model_list": [{"litellm_params": {"model": "x", "api_key": KEY}}],
                "extra_headers": {"Authorization": format!("Bearer {KEY}"), "X-Title": "Mine"},
                "rollout": 3,
            },
            "unknown_to_us": {"a": [1]},
        },
        "metadata": {"dependency_versions": {"python": "3.11", "dspy": "3.4.1", "cloudpickle": "3.1"}, "owner": "me"},
        "more": 7,
    })
}

fn question() -> Signature {
    Signature::parse("question -> answer").unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_dspy_saved_behaves_here() {
    let saved = SavedProgram::read(&from_dspy().to_string()).unwrap();
    let program = saved.build_as("ChainOfThought", question()).unwrap();
    let world = World::new(&replies(&[r#"{"reasoning": "r", "answer": "5"}"#]));
    world.lm.run(&program, &record([("question", "Two and three?".into())])).await.unwrap();
    let body = &world.bodies()[0];
    assert_eq!((&body["model"], &body["temperature"], &body["max_tokens"]), (&json!("anthropic/claude-3-haiku"), &json!(0.25), &json!(77)));
    let text = body["messages"].to_string();
    for part in ["Answer like an accountant.", "a number", "Two and two?", "Count."] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_round_trip_keeps_everything_but_secrets() {
    let saved = SavedProgram::read(&from_dspy().to_string()).unwrap();
    let program = saved.build_as("ChainOfThought", question()).unwrap();
    let written = saved.updated(&program).to_text();
    assert!(!written.contains(KEY), "{written}");
    let mut wanted = from_dspy();
    wanted["predict"]["lm"]["model_list"][0]["litellm_params"].as_object_mut().unwrap().remove("api_key");
    wanted["predict"]["lm"]["extra_headers"].as_object_mut().unwrap().remove("Authorization");
    let mut read: Value = serde_json::from_str(&written).unwrap();
    let about = read["metadata"].as_object_mut().unwrap().remove("corsac").unwrap();
    assert_eq!(read, wanted);
    assert_eq!(about["module"], "ChainOfThought");
    // without the file it came from, what belongs to the predictor is still there
    let alone: Value = serde_json::from_str(&SavedProgram::of(&program).to_text()).unwrap();
    assert_eq!(alone["predict"], wanted["predict"]);
}

#[test]
fn a_program_of_ones_own_comes_back_whole() {
    let signature = Signature::parse("body, lang: Optional[str] -> team: Literal['sales', 'support'], urgent: bool").unwrap();
    let demo = values(json!({"body": "Help!", "reasoning": "Clear.", "team": "support", "urgent": true}));
    let settings = CallSettings { model: Some("fast".into()), temperature: Some(0.5), ..CallSettings::default() };
    let chain =
        ChainOfThought::new(signature.clone()).with_predict(|predict| predict.with_settings(settings.clone()).with_adapter(Adapter::Xml));
    let program = Overlaid::new(Arc::new(chain), Overlay::default().with_demos("predict", vec![demo.clone()]));
    let about = About { profile: Some("careful".into()), model: Some("fast".into()), ..About::default() };
    let text = SavedProgram::of(&program).with_about(about).to_text();
    let read = SavedProgram::read(&text).unwrap();
    assert_eq!(read.about.profile.as_deref(), Some("careful"));
    assert_eq!(read.about.signature.as_ref(), Some(&signature));
    let built = read.build().unwrap();
    let named = built.predictors();
    assert_eq!(named[0].state.adapter, Some(Adapter::Xml));
    assert_eq!(named[0].state.signature, program.predictors()[0].state.signature);
    assert_eq!((&named[0].state.demos[0], &named[0].state.settings), (&demo, &settings));
    assert_eq!(read.updated(&built).to_text(), text);
}

#[test]
fn the_signature_is_found_without_being_told() {
    for program in [
        Box::new(Predict::new(question())) as Box<dyn Module>,
        Box::new(ChainOfThought::new(question())),
        Box::new(MultiChainComparison::new(question()).unwrap()),
    ] {
        let read = SavedProgram::read(&SavedProgram::of(program.as_ref()).to_text()).unwrap();
        assert_eq!(read.about.signature.as_ref().unwrap(), &question(), "{}", program.kind());
        assert_eq!(read.build().unwrap().predictors().len(), program.predictors().len());
    }
}

#[test]
fn a_bare_predictor_is_flat() {
    let text = SavedProgram::of(&Predict::new(question())).to_text();
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["signature"]["fields"][1], json!({"prefix": "Answer:", "description": "${answer}"}));
    assert_eq!((&read["demos"], &read["lm"], &read["traces"]), (&json!([]), &Value::Null, &json!([])));
    insta::assert_snapshot!(text);
}

#[test]
fn what_does_not_fit_says_why() {
    let read = |text: &str| SavedProgram::read(text).map_err(|error| error.to_string());
    assert!(read("[1]").unwrap_err().contains("cannot be read"));
    assert!(read("{}").unwrap_err().contains("no predictor"));
    let saved = read(&from_dspy().to_string()).unwrap();
    let says = |result: Result<Overlaid, corsac_program::SavedError>| result.err().unwrap().to_string();
    assert!(says(saved.build()).contains("does not name its module"));
    assert!(says(saved.build_as("Predict", question())).contains("3 fields and this one has 2"));
    assert!(says(saved.build_as("RLM", question())).contains("build it in code"));
    let other = json!({"a": from_dspy()["predict"], "b": from_dspy()["predict"]});
    let wrong = read(&other.to_string()).unwrap().build_as("ChainOfThought", question());
    assert!(says(wrong).contains("it has the predictors a, b, and this one has predict"));
}
