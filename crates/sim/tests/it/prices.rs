//! What an answer costs when the provider knew the prompt's beginning, or is paid with the caller's own key.

use std::time::Duration;

use corsac_sim::{SimReply, Simulator};
use serde_json::{Value, json};

use crate::{KEY, chat, get, json_of, question, simulator};

fn ask(simulator: &Simulator, model: &str, text: &str, provider: &str, seconds: u64) -> SimReply {
    let body = json!({ "model": model, "max_tokens": 50, "provider": { "only": [provider] },
        "messages": [{ "role": "system", "content": [{ "type": "text", "text": "Answer briefly. ".repeat(400), "cache_control": { "type": "ephemeral" } }] },
                     { "role": "user", "content": text }] });
    chat(simulator, &body, Duration::from_secs(seconds))
}

fn cached(reply: &SimReply) -> (u64, u64) {
    let usage = json_of(reply)["usage"].clone();
    let tokens = |name: &str| usage["prompt_tokens_details"][name].as_u64().unwrap();
    (tokens("cached_tokens"), tokens("cache_write_tokens"))
}

/// The prompt's cost in dollars, in units of a price.
fn prompt_cost(reply: &SimReply, price: f64) -> f64 {
    (json_of(reply)["usage"]["cost_details"]["upstream_inference_prompt_cost"].as_f64().unwrap() / price).round()
}

#[test]
fn the_beginning_of_a_prompt_is_cheaper_the_second_time() {
    let simulator = simulator("");
    let first = ask(&simulator, "openai/gpt-4o", "one", "openai", 0);
    let second = ask(&simulator, "openai/gpt-4o", "two", "openai", 100);
    assert_eq!((cached(&first), cached(&second)), ((0, 0), (1_536, 0)));
    assert_eq!(prompt_cost(&first, 2.5e-6) - prompt_cost(&second, 2.5e-6), 768.0);
    // another provider knows nothing of it, and after five quiet minutes nor does this one
    assert_eq!(cached(&ask(&simulator, "openai/gpt-4o", "two", "azure", 100)), (0, 0));
    assert_eq!(cached(&ask(&simulator, "openai/gpt-4o", "two", "openai", 401)), (0, 0));
    let short = chat(&simulator, &question("openai/gpt-4o"), Duration::from_secs(500));
    assert_eq!(cached(&short), (0, 0));
}

#[test]
fn some_providers_take_more_for_keeping_a_prompt() {
    let simulator = simulator("");
    let first = ask(&simulator, "anthropic/claude-sonnet-4", "one", "anthropic", 0);
    let second = ask(&simulator, "anthropic/claude-sonnet-4", "two", "anthropic", 1);
    assert_eq!((cached(&first), cached(&second)), ((0, 1_536), (1_536, 0)));
    assert!(prompt_cost(&first, 3e-6) > json_of(&first)["usage"]["prompt_tokens"].as_f64().unwrap());
    assert!(prompt_cost(&second, 3e-6) < 300.0);
    let endpoints = json_of(&get(&simulator, "/models/anthropic/claude-sonnet-4/endpoints"));
    let endpoint = &endpoints["data"]["endpoints"][0];
    assert_eq!(
        (&endpoint["pricing"]["input_cache_read"], &endpoint["pricing"]["input_cache_write"]),
        (&json!("0.0000003"), &json!("0.00000375"))
    );
    assert_eq!(endpoint["supports_implicit_caching"], false);
}

#[test]
fn a_key_of_one_s_own_opens_its_provider_first_and_costs_a_fee() {
    let simulator = simulator("[keys]\nbyok = ['azure']");
    for number in 0..10 {
        let mut body = question("openai/gpt-4o");
        body["user"] = json!(number.to_string());
        body["provider"] = json!({ "order": ["openai"] });
        let reply = json_of(&chat(&simulator, &body, Duration::ZERO));
        let usage = &reply["usage"];
        assert_eq!((&reply["provider"], &usage["is_byok"]), (&json!("Azure"), &json!(true)));
        let upstream = usage["cost_details"]["upstream_inference_cost"].as_f64().unwrap();
        assert!((usage["cost"].as_f64().unwrap() - upstream / 20.0).abs() < 1e-11, "{usage}");
    }
    let key = json_of(&get(&simulator, "/key"))["data"].clone();
    assert!((key["usage"].as_f64().unwrap() - key["byok_usage"].as_f64().unwrap() / 20.0).abs() < 1e-10, "{key}");
    assert_eq!(simulator.billed_to(KEY), simulator.seen().cost_dollars);
    let value: Value = key["byok_usage_daily"].clone();
    assert_eq!(value, key["byok_usage"]);
}
