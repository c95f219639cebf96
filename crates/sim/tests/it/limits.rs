//! Limits under virtual time: requests a minute, free quotas, credits and money in flight.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{chat, get, json_of, question, simulator};

/// Statuses of `count` requests, `gap` apart.
fn statuses(script: &str, model: &str, count: u64, gap: Duration) -> Vec<u16> {
    let simulator = simulator(script);
    (0..count).map(|number| chat(&simulator, &question(model), gap * u32::try_from(number).unwrap()).status).collect()
}

fn served(statuses: &[u16]) -> usize {
    statuses.iter().filter(|status| **status == 200).count()
}

#[test]
fn a_fixed_window_fills_and_empties_with_the_minute() {
    let script = "started_at_epoch_s = 1800000000\n[limits]\nrequests_per_minute = 10";
    let all = statuses(script, "openai/gpt-4o-mini", 40, Duration::from_secs(3));
    assert_eq!(served(&all), 20, "{all:?}");
    assert_eq!(all[9..12], [200, 429, 429]);
    assert_eq!(all[20], 200);
}

#[test]
fn a_sliding_window_lets_one_in_when_one_leaves() {
    let script = "[limits]\nrequests_per_minute = 10\nwindow = 'sliding'";
    let all = statuses(script, "openai/gpt-4o-mini", 100, Duration::from_secs(1));
    assert_eq!((all[9], all[10], all[59], all[60], all[70]), (200, 429, 429, 200, 429));
}

#[test]
fn a_limit_changes_by_schedule() {
    let script = "started_at_epoch_s = 1800000000\n[limits]\nrequests_per_minute = 60\n\
        schedule = [{ at_s = 60, requests_per_minute = 30 }, { at_s = 120, requests_per_minute = 60 }]";
    let all = statuses(script, "openai/gpt-4o-mini", 180, Duration::from_secs(1));
    assert_eq!([served(&all[..60]), served(&all[60..120]), served(&all[120..])], [60, 30, 60]);
}

#[test]
fn hints_are_told_as_configured() {
    for (hint, reset, retry) in [
        ("none", None, None),
        ("reset", Some("1800000060000"), None),
        ("retry_after", None, Some("50")),
        ("both", Some("1800000060000"), Some("50")),
        ("date", None, Some("Fri, 15 Jan 2027 08:01:00 GMT")),
    ] {
        let simulator = simulator(&format!("started_at_epoch_s = 1800000000\n[limits]\nrequests_per_minute = 1\nhint = '{hint}'"));
        let now = Duration::from_secs(10);
        assert_eq!(chat(&simulator, &question("openai/gpt-4o"), now).status, 200);
        let reply = chat(&simulator, &question("openai/gpt-4o"), now);
        assert_eq!(reply.status, 429);
        assert_eq!((reply.header("X-RateLimit-Reset"), reply.header("Retry-After")), (reset, retry), "{hint}");
    }
}

#[test]
fn keys_have_limits_of_their_own() {
    let simulator = simulator("[limits]\nrequests_per_minute = 1");
    let ask = |key: &str| {
        let body = question("openai/gpt-4o").to_string();
        simulator.handle(&corsac_sim::SimRequest::post("/chat/completions", key, body), Duration::ZERO).status
    };
    assert_eq!([ask("sk-or-a"), ask("sk-or-a"), ask("sk-or-b")], [200, 429, 200]);
}

#[test]
fn a_model_s_shared_pool_is_left_for_the_next_model() {
    let simulator = simulator("[limits.model_requests_per_minute]\n'openai/gpt-4o' = 1");
    let mut body = question("openai/gpt-4o");
    assert_eq!(chat(&simulator, &body, Duration::ZERO).status, 200);
    let reply = chat(&simulator, &body, Duration::ZERO);
    assert_eq!(reply.status, 429);
    assert_eq!(json_of(&reply)["error"]["metadata"]["limit_source"], "upstream_provider_shared_pool");
    assert!(reply.header("retry-after").is_some());
    body["models"] = json!(["anthropic/claude-3-haiku"]);
    let reply = chat(&simulator, &body, Duration::ZERO);
    assert_eq!(json_of(&reply)["model"], "anthropic/claude-3-haiku");
}

#[test]
fn free_models_have_a_minute_and_a_day() {
    let free = "meta-llama/llama-3.3-70b-instruct:free";
    let all = statuses("", free, 25, Duration::from_millis(1));
    assert_eq!(served(&all), 20);
    let simulator = simulator("[limits]\nfree_per_day = 3");
    let ask = |seconds| chat(&simulator, &question(free), Duration::from_secs(seconds));
    for seconds in [0, 70, 140] {
        assert_eq!(ask(seconds).status, 200);
    }
    let reply = ask(210);
    let body = json_of(&reply);
    assert_eq!(body["error"]["metadata"]["limit_source"], "openrouter_free_tier_daily");
    // 2026-11-23T00:00:00Z: the start is midnight of the day before
    assert_eq!(reply.header("x-ratelimit-reset"), Some("1795392000000"));
    assert_eq!(body["error"]["metadata"]["headers"]["X-RateLimit-Reset"], "1795392000000");
    assert_eq!(ask(86_400).status, 200);
    let key = json_of(&get(&simulator, "/key"));
    assert_eq!(key["data"]["free_model_daily_requests"]["limit"], 3);
}

#[test]
fn credits_run_out_and_max_tokens_must_be_affordable() {
    let poor = simulator("[keys]\ncredits_dollars = '0.0001'");
    let mut body = question("openai/gpt-4o-mini");
    body.as_object_mut().unwrap().remove("max_tokens");
    let error = json_of(&chat(&poor, &body, Duration::ZERO));
    let message = error["error"]["message"].as_str().unwrap();
    assert_eq!(error["error"]["code"], 402);
    assert!(message.contains("You requested up to 16384 tokens, but can only afford 16"), "{message}");
    body["max_tokens"] = json!(100);
    assert_eq!(chat(&poor, &body, Duration::ZERO).status, 200);

    let broke = simulator("[keys]\ncredits_dollars = 0");
    let error = json_of(&chat(&broke, &body, Duration::ZERO));
    assert_eq!(error["error"]["metadata"]["limit_source"], "openrouter_credits");
    body["model"] = json!("meta-llama/llama-3.3-70b-instruct:free");
    assert_eq!(chat(&broke, &body, Duration::ZERO).status, 200);
}

#[test]
fn a_key_s_own_limit_is_a_403() {
    let day = |count: u64| Duration::from_secs(count * 86_400);
    let simulator = simulator("[keys]\nkey_limit_dollars = '0.00205'\nkey_limit_reset = 'daily'");
    let mut body = question("openai/gpt-4o");
    // what it may cost at most is more than what the key has left
    body["max_tokens"] = json!(300);
    let error = json_of(&chat(&simulator, &body, Duration::ZERO));
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("can only afford 202.") && message.contains("settings/keys"), "{message}");
    assert_eq!(error["error"]["metadata"]["limit_source"], "openrouter_key_limit");
    body["messages"][0]["content"] = json!("please: ".to_owned() + &"long answer ".repeat(40));
    let script = "[keys]\nkey_limit_dollars = '0.0012'\nkey_limit_reset = 'daily'\n[[rule]]\ncontent = '{}'";
    let simulator = crate::simulator(&script.replace("{}", &"word ".repeat(60)));
    body["max_tokens"] = json!(80);
    assert_eq!(chat(&simulator, &body, day(0)).status, 200);
    let error = json_of(&chat(&simulator, &body, day(0)));
    assert_eq!(error["error"]["code"], 402, "{error}");
    let used_up = crate::simulator("[keys]\nkey_limit_dollars = 0\nkey_limit_reset = 'weekly'");
    let error = json_of(&chat(&used_up, &body, day(0)));
    assert_eq!((&error["error"]["code"], error["error"]["message"].as_str().unwrap().contains("(weekly limit)")), (&json!(403), true));
    // the next day it may again
    assert_eq!(chat(&simulator, &body, day(1)).status, 200);
}

#[test]
fn a_debt_stops_free_models_too() {
    let free = "meta-llama/llama-3.3-70b-instruct:free";
    let even = simulator("[keys]\ncredits_dollars = 5\nspent_dollars = 5");
    assert_eq!(
        [chat(&even, &question(free), Duration::ZERO).status, chat(&even, &question("openai/gpt-4o"), Duration::ZERO).status],
        [200, 402]
    );
    let owing = simulator("[keys]\ncredits_dollars = 5\nspent_dollars = '5.01'");
    assert_eq!(chat(&owing, &question(free), Duration::ZERO).status, 402);
}

#[test]
fn a_budget_of_the_account_is_a_403_until_it_starts_anew() {
    let script = "[keys]\n[[keys.budget]]\nscope = 'workspace'\nlimit_dollars = '0.000001'\nreset = 'monthly'";
    let simulator = simulator(script);
    assert_eq!(chat(&simulator, &question("openai/gpt-4o"), Duration::ZERO).status, 200);
    let error = json_of(&chat(&simulator, &question("openai/gpt-4o"), Duration::ZERO));
    let metadata = &error["error"]["metadata"];
    assert_eq!((&error["error"]["code"], &metadata["limit_source"]), (&json!(403), &json!("openrouter_workspace_budget")));
    assert_eq!(metadata["resets_at"], "2026-12-01T00:00:00.000Z");
    let key = json_of(&get(&simulator, "/key"));
    assert_eq!((&key["data"]["effective_budget"]["scope"], &key["data"]["budgets"][0]["remaining_usd"]), (&json!("workspace"), &json!(0)));
    assert_eq!(chat(&simulator, &question("openai/gpt-4o"), Duration::from_secs(9 * 86_400)).status, 200);
}

#[test]
fn a_prompt_that_is_too_dear_alone_says_so() {
    let simulator = simulator("[keys]\ncredits_dollars = '0.0001'");
    let body = json!({ "model": "openai/gpt-4o", "max_tokens": 5, "messages": [{ "role": "user", "content": "word ".repeat(200) }] });
    let error = json_of(&chat(&simulator, &body, Duration::ZERO));
    assert_eq!(error["error"]["code"], 402);
    assert!(error["error"]["message"].as_str().unwrap().starts_with("Prompt tokens limit exceeded: 253 > 40."), "{error}");
}

#[test]
fn what_was_in_flight_is_settled_after_a_while() {
    // a share of the balance; after the answer its cost counts for ten seconds more
    let script = "latency_ms = 5000\n[limits]\nin_flight_percent = 1\nsettlement_ms = 10000\n[keys]\ncredits_dollars = '1.2'";
    let simulator = simulator(script);
    let mut body = question("openai/gpt-4o");
    body["max_tokens"] = json!(1000);
    let ask = |seconds| chat(&simulator, &body, Duration::from_secs(seconds));
    assert_eq!([ask(0).status, ask(1).status, ask(6).status], [200, 402, 200]);
}

#[test]
fn money_in_flight_is_held_until_the_answer_came() {
    // 1000 tokens of gpt-4o hold a little more than a cent each
    let simulator = simulator("latency_ms = 5000\n[limits]\nin_flight_dollars = '0.025'");
    let mut body = question("openai/gpt-4o");
    body["max_tokens"] = json!(1000);
    let ask = |seconds| chat(&simulator, &body, Duration::from_secs(seconds));
    assert_eq!([ask(0).status, ask(1).status], [200, 200]);
    let reply = ask(2);
    assert_eq!((reply.status, reply.header("retry-after")), (402, Some("3")));
    assert_eq!(json_of(&reply)["error"]["metadata"]["limit_source"], "openrouter_in_flight_budget");
    assert_eq!(ask(5).status, 200);
    body["max_tokens"] = json!(10_000);
    let reply: Value = json_of(&chat(&simulator, &body, Duration::from_secs(60)));
    assert_eq!(reply["error"]["metadata"]["reason"], "weight_exceeds_budget");
}

#[test]
fn what_is_in_flight_is_counted_under_virtual_time() {
    let simulator = simulator("latency_ms = 1000");
    for milliseconds in [0, 400, 800, 1200, 5000] {
        chat(&simulator, &question("openai/gpt-4o"), Duration::from_millis(milliseconds));
    }
    assert_eq!(simulator.seen().concurrent_peak, 3);
}
