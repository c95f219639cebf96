//! Each module against the simulator: what it asks, what it gives.

use std::sync::Arc;

use corsac_dispatch::{Ask, CallSettings, LateAsk, Origin, Source};
use corsac_program::{
    Adapter, Allowance, BestOfN, ChainOfThought, Context, Embedder, Example, Field, Knn, Module, ModuleError, MultiChainComparison,
    Overlaid, Overlay, Parallel, Predict, Program, ReAct, Refine, Signature, Tool, ToolFailure, ToolUse, Tools, record,
};
use corsac_wire::Usd;
use serde_json::json;

use crate::world::{World, replies, replies_to, values};

fn question() -> Signature {
    Signature::parse("question -> answer").unwrap()
}

fn ask(text: &str) -> corsac_program::Record {
    record([("question", text.into())])
}

#[tokio::test(start_paused = true)]
async fn a_prediction_says_who_served_it_at_what_cost() {
    let world = World::new(&replies(&["[[ ## answer ## ]]\nRome\n\n[[ ## completed ## ]]"])).with_catalog().await;
    let lm = world.lm.with_adapter(Adapter::Chat);
    let predict = Predict::new(question());
    let prediction = lm.run(&predict, &ask("Capital of Italy?")).await.unwrap();
    assert_eq!(prediction.text("answer"), Some("Rome"));
    assert_eq!((prediction.model(), prediction.attempts()), (Some("openai/gpt-4o-mini"), 1));
    assert!(prediction.provider().is_some() && prediction.cost() > Usd::ZERO);
    let again = lm.run(&predict, &ask("Capital of Italy?")).await.unwrap();
    assert_eq!((again.served[0].source, again.cost(), again.outputs), (Source::Memory, Usd::ZERO, prediction.outputs));
    assert_eq!(world.bodies().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn json_is_asked_for_as_the_endpoints_take_it() {
    let world = World::new(&replies(&[r#"{"reasoning": "It says so.", "label": "good"}"#])).with_catalog().await;
    let judge = ChainOfThought::new(Signature::parse("review -> label: Literal['good', 'bad']").unwrap());
    let prediction = world.lm.run(&judge, &record([("review", "Nice.".into())])).await.unwrap();
    assert_eq!((prediction.text("label"), prediction.text("reasoning")), (Some("good"), Some("It says so.")));
    let body = &world.bodies()[0];
    let format = &body["response_format"]["json_schema"];
    assert_eq!((format["name"].as_str(), format["strict"].as_bool()), (Some("predict"), Some(true)), "{body}");
    assert_eq!(format["schema"]["required"], json!(["reasoning", "label"]));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_asked_for_again_once_in_the_same_conversation() {
    let world = World::new(&replies(&["[[ ## count ## ]]\nmany", "[[ ## count ## ]]\n3"]));
    let count = Predict::new(Signature::parse("text -> count: int").unwrap()).with_adapter(Adapter::Chat);
    let prediction = world.lm.run(&count, &record([("text", "a b c".into())])).await.unwrap();
    assert_eq!((prediction.get("count"), prediction.attempts()), (Some(&json!(3)), 2));
    let bodies = world.bodies();
    let messages = bodies[1]["messages"].as_array().unwrap();
    assert_eq!(messages[..2], bodies[0]["messages"].as_array().unwrap()[..]);
    assert_eq!(messages[2]["content"], "[[ ## count ## ]]\nmany");
    let said = messages[3]["content"].as_str().unwrap();
    assert!(said.contains("`count`") && said.contains("many") && said.contains("[[ ## count ## ]]"), "{said}");

    let world = World::new(&replies(&["[[ ## count ## ]]\nmany"]));
    let error = world.lm.run(&count, &record([("text", "a b c".into())])).await.unwrap_err();
    assert!(matches!(&error, ModuleError::Unreadable { reply, .. } if reply.contains("many")), "{error}");
    assert_eq!(world.bodies().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn two_steps_answer_freely_and_then_extract_with_a_second_model() {
    let world = World::new(&replies(&["I would say four stars.", r#"{"stars": 4}"#]));
    let adapter = Adapter::TwoStep { extractor: Some("anthropic/claude-3-haiku".into()) };
    let predict = Predict::new(Signature::parse("review -> stars: int").unwrap()).with_adapter(adapter);
    let prediction = world.lm.run(&predict, &record([("review", "Nice.".into())])).await.unwrap();
    assert_eq!((prediction.get("stars"), prediction.served.len()), (Some(&json!(4)), 2));
    let bodies = world.bodies();
    assert_eq!(bodies[1]["model"], "anthropic/claude-3-haiku");
    assert!(!bodies[0].to_string().contains("JSON") && bodies[0]["response_format"].is_null());
    assert!(bodies[1].to_string().contains("I would say four stars."));
}

#[tokio::test(start_paused = true)]
async fn missing_inputs_are_named_and_others_ignored() {
    let world = World::new(&replies(&["Rome"]));
    let predict = Predict::new(question()).with_adapter(Adapter::Chat);
    let error = world.lm.run(&predict, &record([("text", "x".into())])).await.unwrap_err();
    assert_eq!(error.to_string(), "signature: the input `question` is missing; given were text");
    assert!(world.lm.run(&predict, &values(json!({"question": "x", "more": 1}))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_best_of_several_samples_wins() {
    let world = World::new(&replies(&[r#"{"answer": "a"}"#, r#"{"answer": "abc"}"#, r#"{"answer": "ab"}"#]));
    let length =
        |_: &corsac_program::Record, prediction: &corsac_program::Prediction| prediction.text("answer").unwrap_or_default().len() as f64;
    let best = BestOfN::new(Arc::new(Predict::new(question())), 3, 10.0, length);
    let prediction = world.lm.run(&best, &ask("x")).await.unwrap();
    assert_eq!((prediction.text("answer"), prediction.served.len()), (Some("abc"), 3));
    assert!(world.bodies().iter().all(|body| body["temperature"] == 1.0));
    let again = world.lm.run(&best, &ask("x")).await.unwrap();
    assert_eq!((again.outputs, world.bodies().len()), (prediction.outputs, 3), "samples are remembered each by itself");
    let soon = BestOfN::new(Arc::new(Predict::new(question())), 3, 1.0, length);
    let world = World::new(&replies(&[r#"{"answer": "abc"}"#]));
    world.lm.run(&soon, &ask("x")).await.unwrap();
    assert_eq!(world.bodies().len(), 1, "good enough is enough");
}

#[tokio::test(start_paused = true)]
async fn advice_reaches_the_next_try() {
    let advice = r#"{"analysis": "too short", "advice": {"module.predict": "Write more letters."}}"#;
    let world = World::new(&replies(&[r#"{"reasoning": "r", "answer": "a"}"#, advice, r#"{"reasoning": "r", "answer": "abc"}"#]));
    let refine = Refine::new(Arc::new(ChainOfThought::new(question())), 2, 3.0, |_, prediction| {
        prediction.text("answer").unwrap_or_default().len() as f64
    });
    let prediction = world.lm.run(&refine.unwrap(), &ask("x")).await.unwrap();
    assert_eq!(prediction.text("answer"), Some("abc"));
    assert!(world.last_text().contains("[[ ## hint_ ## ]]\nWrite more letters."), "{}", world.last_text());
}

#[tokio::test(start_paused = true)]
async fn chains_are_compared() {
    let compared = r#"{"rationale": "two of three", "answer": "4"}"#;
    let world = World::new(&format!(
        "{}{}",
        replies_to(&[("reasoning_attempt_1", compared)]),
        replies(&[r#"{"reasoning": "x", "answer": "4"}"#, r#"{"reasoning": "y", "answer": "5"}"#, r#"{"reasoning": "z", "answer": "4"}"#])
    ));
    let compare = MultiChainComparison::new(question()).unwrap();
    let prediction = world.lm.run(&compare, &ask("2 + 2?")).await.unwrap();
    assert_eq!((prediction.text("answer"), prediction.text("rationale"), prediction.served.len()), (Some("4"), Some("two of three"), 4));
    let text = world.last_text();
    assert!(text.contains("Thoughts: ") && text.contains("Conclusion: 5") && text.contains("[[ ## reasoning_attempt_3 ## ]]"), "{text}");
    let paths: Vec<String> = compare.predictors().into_iter().map(|one| one.path).collect();
    assert_eq!(paths, ["predict", "chain.predict"]);
}

#[tokio::test(start_paused = true)]
async fn many_run_at_once_and_stop_after_failures() {
    let world = World::new("latency_ms = 100\n");
    let predict: Arc<dyn Module> = Arc::new(Predict::new(question()));
    let tasks = |count: usize| (0..count).map(|n| (Arc::clone(&predict), ask(&format!("number {n}")))).collect::<Vec<_>>();
    let start = tokio::time::Instant::now();
    let results = Parallel::default().run(&Context::new(&world.lm), tasks(40)).await;
    assert!(results.iter().all(Result::is_ok) && start.elapsed().as_millis() < 2_000, "{:?}", start.elapsed());
    let world = World::new("[[rule]]\nfault = \"moderation_403\"\n");
    let results = Parallel::default().at_once(1).stop_after_failures(2).run(&Context::new(&world.lm), tasks(10)).await;
    assert!(results.iter().all(Result::is_err));
    assert!(results[2].as_ref().unwrap_err().to_string().contains("not run: 2 others"));
}

fn search() -> Tools {
    let tool = Tool::new("search", "Looks a word up", vec![Field::text("word")], |arguments| async move {
        match arguments["word"].as_str() {
            Some("corsac") => Ok(json!("A fox of the steppe.")),
            word => Err(ToolFailure::new(format!("nothing on {word:?}"))),
        }
    });
    Tools::new([tool.unwrap()])
}

#[tokio::test(start_paused = true)]
async fn tools_are_called_in_the_prompt() {
    let step = |thought: &str, tool: &str, arguments: serde_json::Value| {
        json!({"next_thought": thought, "next_tool_name": tool, "next_tool_args": arguments}).to_string()
    };
    let texts = [
        step("Look it up.", "search", json!({"word": "korsak"})),
        step("Spelled otherwise.", "search", json!({"word": "corsac"})),
        step("I know.", "finish", json!({})),
        json!({"reasoning": "The search says so.", "answer": "a fox"}).to_string(),
    ];
    let world = World::new(&replies(&texts.each_ref().map(String::as_str)));
    let react = ReAct::new(question(), search()).unwrap().with_tool_use(ToolUse::Prompted);
    let prediction = world.lm.run(&react, &ask("What is a corsac?")).await.unwrap();
    assert_eq!((prediction.text("answer"), prediction.served.len()), (Some("a fox"), 4));
    let steps = prediction.get("trajectory").unwrap();
    assert!(steps[0]["observation"].as_str().unwrap().contains("nothing on Some(\"korsak\")"));
    assert!(world.last_text().contains("[[ ## observation_1 ## ]]\nA fox of the steppe."));
    let paths: Vec<String> = react.predictors().into_iter().map(|one| one.path).collect();
    assert_eq!(paths, ["react", "extract.predict"]);
}

/// As SQL runs it: through a door that is no dispatcher.
#[tokio::test(start_paused = true)]
async fn an_agent_over_rows_has_the_apis_own_tools_too() {
    let world = World::new("").with_catalog().await;
    let react = ReAct::new(question(), search()).unwrap().with_most_steps(1);
    let agent = Program::of_module("agent", Arc::new(react)).unwrap();
    let origin = Origin { run: world.lm.run_id().clone(), operator: "agent".into(), row: 0 };
    let door: Arc<dyn Ask> = Arc::new(LateAsk::default());
    let opened = Arc::new(LateAsk::default());
    opened.open(Arc::clone(&world.dispatcher), world.lm.run_id().clone());
    let answer = |door: Arc<dyn Ask>| {
        let (agent, origin) = (agent.clone(), origin.clone());
        async move { agent.composed().unwrap().answer(door, origin, &CallSettings::default(), &ask("What is a corsac?")).await.1 }
    };
    assert!(answer(door).await.is_err() && world.bodies().is_empty());
    let answered = answer(opened).await.unwrap();
    assert!(answered.value["answer"].is_string() && answered.value["trajectory"][0]["tool"] == "search", "{}", answered.value);
    assert_eq!(world.bodies()[0]["tools"][0]["function"]["name"], "search");
}

#[tokio::test(start_paused = true)]
async fn tools_are_the_apis_own_where_the_model_takes_them() {
    let call = json!({"id": "gen-1", "model": "openai/gpt-4o-mini", "provider": "OpenAI", "object": "chat.completion", "created": 1,
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "search", "arguments": "{\"word\": \"corsac\"}"}}]}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": 0.000001}});
    let script = json!({"rule": [
        {"path": "/chat/completions", "times": 1, "reply": {"status": 200, "body": call}},
        {"path": "/chat/completions", "times": 1, "content": "I know enough."},
        {"path": "/chat/completions", "content": json!({"reasoning": "r", "answer": "a fox"}).to_string()},
    ]});
    let world = World::new(&script.to_string()).with_catalog().await;
    let react = ReAct::new(question(), search()).unwrap();
    let prediction = world.lm.run(&react, &ask("What is a corsac?")).await.unwrap();
    assert_eq!(prediction.text("answer"), Some("a fox"));
    let bodies = world.bodies();
    assert_eq!(bodies[0]["tools"][0]["function"]["name"], "search");
    let second = bodies[1]["messages"].as_array().unwrap();
    assert_eq!(second[2]["tool_calls"][0]["id"], "c1");
    assert_eq!(second[3], json!({"role": "tool", "tool_call_id": "c1", "content": "A fox of the steppe."}));
}

#[tokio::test(start_paused = true)]
async fn the_nearest_examples_are_found_by_their_vectors() {
    let world = World::new("").with_catalog().await;
    let texts = ["the cat sat on the mat", "stocks fell sharply today", "a cat and a mat"];
    let examples = texts.map(|text| Example::new(record([("question", text.into())]), ["question"]));
    let cx = Context::new(&world.lm);
    let embedder = Embedder::of_model("openai/text-embedding-3-small");
    let knn = Knn::new(&cx, 2, examples.to_vec(), embedder).await.unwrap();
    let near = knn.nearest(&cx, &ask("a cat on a mat")).await.unwrap();
    let found: Vec<&str> = near.iter().filter_map(|example| example.get("question")?.as_str()).collect();
    assert_eq!(found.len(), 2);
    assert!(!found.contains(&texts[1]), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn overlays_change_a_program_that_stays_as_it_is() {
    let world = World::new(&replies(&[r#"{"reasoning": "r", "answer": "x"}"#]));
    let program: Arc<dyn Module> = Arc::new(ChainOfThought::new(question()));
    let demo = values(json!({"question": "Old?", "reasoning": "Because.", "answer": "Yes."}));
    let overlay = Overlay::default().with_demos("predict", vec![demo]).with_instructions("predict", "Answer like a fox.");
    let overlaid = Overlaid::new(Arc::clone(&program), overlay);
    world.lm.run(&overlaid, &ask("x")).await.unwrap();
    world.lm.run(&program, &ask("x")).await.unwrap();
    let bodies = world.bodies();
    assert!(bodies[0].to_string().contains("Answer like a fox.") && bodies[0].to_string().contains("Old?"));
    assert!(!bodies[1].to_string().contains("Answer like a fox.") && !bodies[1].to_string().contains("Old?"));
    // what is laid over later decides
    let again = Overlaid::new(Arc::new(overlaid), Overlay::default().with_instructions("predict", "Answer like a hen."));
    assert_eq!(again.predictors()[0].state.signature.instructions(), "Answer like a hen.");
    assert_eq!(again.predictors()[0].state.demos.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_allowance_ends_the_asking_and_nothing_more() {
    let world = World::new("latency_ms = 50\n");
    let allowance = Arc::new(Allowance::new(None, Some(7)));
    let lm = world.lm.with_allowance(Arc::clone(&allowance));
    let predict: Arc<dyn Module> = Arc::new(Predict::new(question()));
    let tasks = (0..20).map(|n| (Arc::clone(&predict), ask(&format!("number {n}")))).collect();
    let results = Parallel::default().run(&Context::new(&lm), tasks).await;
    assert_eq!((results.iter().filter(|result| result.is_ok()).count(), world.bodies().len()), (7, 7));
    assert!(allowance.reached() && allowance.asked() == 7 && allowance.spent() > Usd::ZERO);
    let error = results.iter().find_map(|result| result.as_ref().err()).unwrap();
    assert!(error.ends_asking() && error.to_string().contains("7 calls of 7"), "{error}");
    // a ceiling in dollars: what one call costs was found out by one alone
    let dollars = allowance.spent();
    let tight = Arc::new(Allowance::new(Some(dollars), None));
    let lm = world.lm.with_allowance(Arc::clone(&tight));
    let tasks = (100..160).map(|n| (Arc::clone(&predict), ask(&format!("number {n}")))).collect();
    let results = Parallel::default().run(&Context::new(&lm), tasks).await;
    assert!(tight.spent() <= dollars && tight.reached(), "{} of {dollars}", tight.spent());
    assert!(results.iter().any(Result::is_ok) && results.iter().any(Result::is_err));
}

#[tokio::test(start_paused = true)]
async fn settings_of_a_predictor_come_before_the_models() {
    let world = World::new(&replies(&[r#"{"answer": "x"}"#]));
    let settings = CallSettings { model: Some("anthropic/claude-3-haiku".into()), temperature: Some(0.3), ..CallSettings::default() };
    let predict = Predict::new(question()).with_settings(settings);
    let lm = world.lm.with_settings(CallSettings { temperature: Some(0.9), max_tokens: Some(99), ..CallSettings::default() });
    lm.run(&predict, &ask("x")).await.unwrap();
    let body = &world.bodies()[0];
    assert_eq!((&body["model"], &body["temperature"], &body["max_tokens"]), (&json!("anthropic/claude-3-haiku"), &json!(0.3), &json!(99)));
}
