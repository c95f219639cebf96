//! Every module finishes or says why, whatever the service does.

use std::sync::Arc;
use std::time::Duration;

use corsac_dispatch::FailureKind;
use corsac_ledger::Ledger;
use corsac_program::{
    Adapter, BestOfN, ChainOfThought, Context, Field, Module, MultiChainComparison, Predict, ReAct, Refine, Signature, Tool, ToolUse,
    Tools, record,
};
use corsac_sim::SimConfig;
use corsac_wire::Usd;
use serde_json::json;

use crate::world::World;

fn modules() -> Vec<Arc<dyn Module>> {
    let signature = || Signature::parse("question -> answer, sure: bool").unwrap();
    let tool = Tool::new("look", "Looks", vec![Field::text("at")], |_| async { Ok(json!("nothing")) }).unwrap();
    let react = |tool_use| ReAct::new(signature(), Tools::new([tool.clone()])).unwrap().with_tool_use(tool_use).with_most_steps(3);
    vec![
        Arc::new(Predict::new(signature())),
        Arc::new(Predict::new(signature()).with_adapter(Adapter::Chat)),
        Arc::new(Predict::new(signature()).with_adapter(Adapter::Xml)),
        Arc::new(Predict::new(signature()).with_adapter(Adapter::TwoStep { extractor: None })),
        Arc::new(ChainOfThought::new(signature())),
        Arc::new(BestOfN::new(Arc::new(Predict::new(signature())), 2, 1.0, |_, _| 0.0)),
        Arc::new(Refine::new(Arc::new(Predict::new(signature())), 2, 1.0, |_, _| 0.0).unwrap()),
        Arc::new(MultiChainComparison::new(signature()).unwrap()),
        Arc::new(react(ToolUse::Prompted)),
        Arc::new(react(ToolUse::Native)),
    ]
}

async fn kinds(script: &str) -> Vec<Option<FailureKind>> {
    let mut kinds = Vec::new();
    for module in modules() {
        let world = World::new(script).with_catalog().await;
        let result = world.lm.run(&module, &record([("question", "Why?".into())])).await;
        kinds.push(result.err().map(|error| error.kind()));
    }
    kinds
}

async fn all_fail_with(fault: &str, kind: FailureKind) {
    let kinds = kinds(&format!("[[rule]]\npath = \"/chat/completions\"\nfault = \"{fault}\"\n")).await;
    assert!(kinds.iter().all(|one| *one == Some(kind)), "{fault}: {kinds:?}");
}

#[tokio::test(start_paused = true)]
async fn replies_that_are_no_answers_are_failures_with_a_class() {
    all_fail_with("length", FailureKind::Truncated).await;
    all_fail_with("moderation_403", FailureKind::Moderated).await;
    all_fail_with("content_filter", FailureKind::Moderated).await;
    all_fail_with("choice_error", FailureKind::ProviderError).await;
    all_fail_with("empty_stop", FailureKind::ProviderError).await;
    all_fail_with("context_length_400", FailureKind::BadInput).await;
    all_fail_with("unauthorized_401", FailureKind::Unauthorized).await;
}

#[tokio::test(start_paused = true)]
async fn passing_trouble_is_the_engines_affair() {
    for fault in ["choice_error", "empty_stop", "length", "error_in_200", "http_503", "cut"] {
        let world = World::new(&format!("[[rule]]\npath = \"/chat/completions\"\nfault = \"{fault}\"\ntimes = 1\n")).with_catalog().await;
        let predict = Predict::new(Signature::parse("question -> answer, sure: bool").unwrap());
        let prediction = world.lm.run(&predict, &record([("question", "Why?".into())])).await;
        assert!(prediction.is_ok_and(|prediction| prediction.attempts() > 1), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_trajectory_that_is_too_long_loses_its_oldest_steps() {
    let step = json!({"next_thought": "t", "next_tool_name": "look", "next_tool_args": {"at": "x"}}).to_string();
    // three steps fit; the fourth does not until the oldest is gone
    let script = json!({"rule": [
        {"path": "/chat/completions", "contains": "observation_2", "times": 1, "fault": "context_length_400"},
        {"path": "/chat/completions", "contains": "next_tool_name", "content": step},
        {"path": "/chat/completions", "content": json!({"reasoning": "r", "answer": "a", "sure": true}).to_string()},
    ]});
    let world = World::new(&script.to_string());
    let module = &modules()[8];
    let prediction = world.lm.run(module, &record([("question", "Why?".into())])).await.unwrap();
    assert_eq!(prediction.text("answer"), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_conclusion_that_is_too_long_loses_its_oldest_steps_too() {
    let step = json!({"next_thought": "t", "next_tool_name": "look", "next_tool_args": {"at": "x"}}).to_string();
    let script = json!({"rule": [
        {"path": "/chat/completions", "contains": "next_tool_name", "content": step},
        {"path": "/chat/completions", "contains": "observation_1", "fault": "context_length_400"},
        {"path": "/chat/completions", "content": json!({"reasoning": "r", "answer": "a", "sure": true}).to_string()},
    ]});
    let world = World::new(&script.to_string());
    let prediction = world.lm.run(&modules()[8], &record([("question", "Why?".into())])).await.unwrap();
    assert_eq!(prediction.text("answer"), Some("a"));
    assert!(!world.last_text().contains("observation_1") && world.last_text().contains("observation_0"), "{}", world.last_text());
}

/// Trouble drawn from seeds: every module ends, and what it says it cost is what the engine counted.
#[tokio::test(start_paused = true)]
async fn whatever_the_service_does() {
    let (mut answered, mut failed) = (0, 0);
    for seed in 0..24 {
        for (place, module) in modules().into_iter().enumerate() {
            let world = World::of(SimConfig::random(seed), Ledger::in_memory().unwrap()).with_catalog().await;
            let cx = Context::new(&world.lm);
            let inputs = record([("question", format!("Why {seed}?").into())]);
            let ended = tokio::time::timeout(Duration::from_secs(12 * 3_600), module.forward(&cx, &inputs)).await;
            let result = ended.unwrap_or_else(|_| panic!("seed {seed}, module {place} ({}) has not ended", module.kind()));
            let log = cx.log();
            let told: Usd = log.served.iter().map(|served| served.cost).sum::<Usd>() + log.lost;
            assert_eq!(told, world.dispatcher.tally().summary().cost, "seed {seed}, module {place}: {result:?}");
            match result {
                Ok(prediction) => {
                    answered += 1;
                    assert!(prediction.text("answer").is_some() && prediction.get("sure").is_some_and(serde_json::Value::is_boolean));
                }
                Err(error) => {
                    failed += 1;
                    assert!(!error.to_string().is_empty() && error.kind() != FailureKind::Internal, "seed {seed}, module {place}: {error}");
                }
            }
        }
    }
    assert!(answered > 40, "{answered} answered, {failed} failed");
}
