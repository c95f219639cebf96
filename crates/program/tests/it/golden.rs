//! The first body that each module sends, by each adapter.

use std::fmt::Write;
use std::sync::Arc;

use corsac_program::{
    Adapter, BestOfN, ChainOfThought, Field, Module, MultiChainComparison, Overlaid, Overlay, Predict, ReAct, Refine, Signature, Tool,
    ToolUse, Tools,
};
use serde_json::{Value, json};

use crate::world::{World, replies_to, values};

fn modules() -> Vec<(&'static str, Arc<dyn Module>)> {
    let signature = || {
        let signature =
            Signature::parse("ticket, picture: Optional[dspy.Image] -> team: Literal['sales', 'support'], urgency: int").unwrap();
        signature.named("triage").with_instructions("Decide who must look at a ticket.")
    };
    let tool =
        Tool::new("customer", "Looks a customer up", vec![Field::text("name").described("First and last")], |_| async { Ok(json!("new")) });
    let react = |tool_use| ReAct::new(signature(), Tools::new([tool.clone().unwrap()])).unwrap().with_tool_use(tool_use);
    let demo = values(json!({"ticket": "It burns.", "team": "support", "urgency": 9}));
    vec![
        ("Predict", Arc::new(Overlaid::new(Arc::new(Predict::new(signature())), Overlay::default().with_demos("", vec![demo])))),
        ("ChainOfThought", Arc::new(ChainOfThought::new(signature()))),
        ("BestOfN", Arc::new(BestOfN::new(Arc::new(Predict::new(signature())), 1, 1.0, |_, _| 1.0))),
        ("MultiChainComparison", Arc::new(MultiChainComparison::with_attempts(signature(), 1, 0.7).unwrap())),
        ("ReAct, prompted", Arc::new(react(ToolUse::Prompted).with_most_steps(1))),
        ("ReAct, native", Arc::new(react(ToolUse::Native).with_most_steps(1))),
    ]
}

#[tokio::test(start_paused = true)]
async fn bodies() {
    let inputs = values(json!({"ticket": "Where is my parcel?", "picture": "https://example.com/parcel.png"}));
    for adapter in [Adapter::Auto, Adapter::Chat, Adapter::Xml, Adapter::Baml, Adapter::TwoStep { extractor: None }] {
        let mut golden = String::new();
        for (name, module) in modules() {
            let world = World::new("").with_catalog().await;
            // what the simulator makes up may not be readable; what was asked is what counts
            let _ = world.lm.with_adapter(adapter.clone()).run(&module, &inputs).await;
            let mut body = world.bodies().remove(0);
            // the engine's own affair, which its own goldens show
            let sent = body.as_object_mut().unwrap();
            sent.retain(|key, _| ["messages", "response_format", "tools", "tool_choice", "temperature"].contains(&key.as_str()));
            writeln!(golden, "## {name}\n{}\n", shown(&body)).unwrap();
        }
        insta::assert_snapshot!(format!("bodies_{adapter}"), golden);
    }
}

/// What a module asks after its first call: by a model that keeps to the form, so that each one comes to its end.
#[tokio::test(start_paused = true)]
async fn later_bodies() {
    let inputs = values(json!({"ticket": "Where is my parcel?"}));
    let all = "x -> reasoning, rationale, next_thought, next_tool_name, next_tool_args: dict[str, Any], team, urgency: int";
    let outputs = values(json!({
        "reasoning": "A parcel is missing.", "rationale": "Both agree.", "next_thought": "I know enough.", "next_tool_name": "finish",
        "next_tool_args": {}, "team": "support", "urgency": 3,
    }));
    let advice = json!({"analysis": "Too slow.", "advice": {"module": "Look for the word parcel."}}).to_string();
    let taken = json!({"team": "support", "urgency": 3}).to_string();
    for adapter in [Adapter::Auto, Adapter::Chat, Adapter::Xml, Adapter::Baml, Adapter::TwoStep { extractor: None }] {
        let reply = match adapter {
            Adapter::TwoStep { .. } => "Support should look, it is not urgent.".to_owned(),
            _ => adapter.write(&Signature::parse(all).unwrap(), &outputs),
        };
        let script = replies_to(&[("Advise on how to work", &advice), ("an answer that was written freely", &taken), ("", &reply)]);
        let mut golden = String::new();
        for (name, module) in modules().into_iter().chain([refining()]) {
            // answering freely, a chain has no reasoning of its own and tools are named nowhere
            let free = matches!(adapter, Adapter::TwoStep { .. });
            if name.contains("native") || free && !matches!(name, "Predict" | "Refine") {
                continue;
            }
            let world = World::new(&script).with_catalog().await;
            world.lm.with_adapter(adapter.clone()).run(&module, &inputs).await.unwrap();
            for mut body in world.bodies().into_iter().skip(1) {
                let sent = body.as_object_mut().unwrap();
                sent.retain(|key, _| ["messages", "response_format", "temperature"].contains(&key.as_str()));
                writeln!(golden, "## {name}\n{}\n", shown(&body)).unwrap();
            }
        }
        insta::assert_snapshot!(format!("later_bodies_{adapter}"), golden);
    }
}

fn refining() -> (&'static str, Arc<dyn Module>) {
    let signature = Signature::parse("ticket -> team: Literal['sales', 'support'], urgency: int").unwrap();
    let predict = Predict::new(signature.named("triage").with_instructions("Decide who must look at a ticket."));
    ("Refine", Arc::new(Refine::new(Arc::new(predict), 2, 1.0, |_, _| 0.0).unwrap()))
}

/// Messages as text that can be read, the rest as JSON.
fn shown(body: &Value) -> String {
    let mut text = String::new();
    for message in body["messages"].as_array().unwrap() {
        let content = match &message["content"] {
            Value::String(content) => content.clone(),
            other => serde_json::to_string_pretty(other).unwrap(),
        };
        writeln!(text, "--- {}\n{content}", message["role"].as_str().unwrap()).unwrap();
    }
    for (key, value) in body.as_object().unwrap().iter().filter(|(key, _)| *key != "messages") {
        writeln!(text, "--- {key}: {value}").unwrap();
    }
    text
}
