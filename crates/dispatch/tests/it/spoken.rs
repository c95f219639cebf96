//! What a call says for itself: fields of its own request, and that a known answer will not do.

use std::sync::Arc;

use corsac_dispatch::config::Profile;
use corsac_dispatch::{Ask, Call, CallSettings, Engine, Settings, Source, first_body};
use serde_json::{Value, json};

use crate::world::{PRIMARY, World};

fn said(profile: &Value) -> CallSettings {
    CallSettings { said: Some(Arc::new(Profile::from_json(profile).unwrap())), ..CallSettings::default() }
}

fn with(world: &World, settings: CallSettings) -> Call {
    Call { settings: Arc::new(settings), ..world.call(0, "the parcel came late") }
}

#[tokio::test(start_paused = true)]
async fn a_call_says_more_than_its_route() {
    let mut settings = Settings::of_models([PRIMARY]);
    settings.request.top_p = Some(0.5);
    settings.request.seed = Some(1);
    let world = World::new("", settings.clone());
    let call = with(&world, said(&json!({"top_p": 0.9, "stop": ["END"], "provider": {"sort": "price"}, "extra_body": {"x": 1}})));
    let body: Value = serde_json::from_slice(&first_body(&call, &settings, Engine::OpenRouter)).unwrap();
    assert_eq!((&body["top_p"], &body["seed"], &body["stop"], &body["x"]), (&json!(0.9), &json!(1), &json!(["END"]), &json!(1)));
    assert_eq!(body["provider"]["sort"], json!("price"));
    let plain: Value = serde_json::from_slice(&first_body(&with(&world, CallSettings::default()), &settings, Engine::OpenRouter)).unwrap();
    assert_eq!((&plain["top_p"], &plain["stop"]), (&json!(0.5), &Value::Null));
    // what bears on the answer is remembered apart, what does not is not
    let asked = |profile: Value| world.dispatcher.ask(with(&world, said(&profile)));
    let first = asked(json!({"top_p": 0.9})).await.unwrap();
    assert_eq!(first.source, Source::Asked);
    assert!(first.usage.prompt_tokens > 0 && first.usage.completion_tokens > 0, "{first:?}");
    let again = asked(json!({"top_p": 0.9, "user": "u-1"})).await.unwrap();
    assert_eq!((again.source, again.usage.prompt_tokens), (Source::Memory, 0));
    assert_eq!(asked(json!({"top_p": 0.8})).await.unwrap().source, Source::Asked);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_call_asks_although_the_answer_is_known_or_on_its_way() {
    let world = World::new("", Settings::of_models([PRIMARY]));
    let fresh = || CallSettings { fresh: true, ..CallSettings::default() };
    let known = world.dispatcher.ask(with(&world, CallSettings::default())).await.unwrap();
    let (one, other) = tokio::join!(world.dispatcher.ask(with(&world, fresh())), world.dispatcher.ask(with(&world, fresh())));
    for answer in [&known, &one.unwrap(), &other.unwrap()] {
        assert_eq!((answer.source, answer.attempts), (Source::Asked, 1));
    }
    let remembered = world.dispatcher.ask(with(&world, CallSettings::default())).await.unwrap();
    assert_eq!(remembered.source, Source::Memory);
    assert_eq!(world.seen().by_model[PRIMARY], 3);
}

#[tokio::test(start_paused = true)]
async fn a_failure_has_the_status_of_the_last_reply() {
    let world = World::new("[[rule]]\nfault = \"no_credits_402\"", Settings::of_models([PRIMARY]));
    assert_eq!(world.ask("text").await.unwrap_err().status, Some(402));
}

#[test]
fn a_profile_of_a_call_is_held_to_the_table() {
    assert_eq!(Profile::from_json(&Value::Null).unwrap(), Profile::default());
    assert!(Profile::from_json(&json!({"top_p": 7})).unwrap_err().contains("top_p"));
    assert!(Profile::from_json(&json!({"topp": 0.7})).unwrap_err().contains("top_p"));
}
