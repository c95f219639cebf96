//! What the simulator counts for those who judge a client: answers by body, money by key, time.

use std::time::Duration;

use corsac_sim::{PicoDollars, SimConfig, SimRequest, Simulator};
use serde_json::json;

use crate::{KEY, chat, json_of, question, simulator};

#[test]
fn a_body_that_is_answered_twice_is_told() {
    let simulator = simulator("[[rule]]\nfault = 'malformed_json'\ntimes = 1");
    let body = question("openai/gpt-4o-mini");
    for second in 0..3 {
        assert_eq!(chat(&simulator, &body, Duration::from_secs(second * 50)).status, 200);
    }
    let seen = simulator.body(body.to_string().as_bytes()).unwrap();
    assert_eq!((seen.asked, seen.answered, seen.good, seen.billed, seen.delivered()), (3, 3, 2, 3, 2));
    let all = simulator.seen();
    assert_eq!((all.repeated_answers, all.billed_answers, all.billed_spoiled), (1, 3, 1));
    assert_eq!(seen.cost_dollars, all.cost_dollars);
    assert_eq!(simulator.bodies(), [seen]);
    assert_eq!(simulator.body(b"never sent"), None);
    let minutes: Vec<(u64, u64)> = all.by_minute.iter().map(|(minute, seen)| (*minute, seen.answered)).collect();
    assert_eq!(minutes, [(0, 2), (1, 1)]);
}

#[test]
fn an_answer_nobody_waited_for_is_not_counted_as_delivered() {
    let simulator = simulator("");
    let body = question("openai/gpt-4o-mini");
    let first = chat(&simulator, &body, Duration::ZERO);
    simulator.abandon(&first);
    chat(&simulator, &body, Duration::ZERO);
    let seen = simulator.body(body.to_string().as_bytes()).unwrap();
    assert_eq!((seen.good, seen.abandoned, seen.delivered(), seen.billed), (2, 1, 1, 2));
    assert_eq!((simulator.seen().repeated_answers, simulator.seen().abandoned), (0, 1));
}

#[test]
fn money_is_told_by_key_and_no_key_is_shown() {
    let simulator = simulator("");
    let ask = |key: &str| {
        let body = question("openai/gpt-4o").to_string();
        assert_eq!(simulator.handle(&SimRequest::post("/chat/completions", key, body), Duration::ZERO).status, 200);
    };
    ask(KEY);
    ask(KEY);
    ask("sk-or-v1-another-key-9876");
    let (mine, other) = (simulator.billed_to(KEY), simulator.billed_to("sk-or-v1-another-key-9876"));
    assert_eq!(mine, other.plus(other));
    assert_eq!(simulator.seen().cost_dollars, mine.plus(other));
    let by_key = simulator.seen().cost_by_key;
    assert_eq!(by_key.get("…cdef"), Some(&mine));
    assert_eq!(by_key.get("…9876"), Some(&other));
    assert_eq!(simulator.billed_to("sk-or-unknown"), PicoDollars::default());
}

#[test]
fn tries_headers_and_refusals_are_counted_where_they_happen() {
    let simulator = simulator("[[rule]]\nprovider = 'openai'\nfault = 'upstream_rate_limited'");
    let mut body = question("openai/gpt-4o");
    body["provider"] = json!({ "order": ["openai", "azure"] });
    assert_eq!(json_of(&chat(&simulator, &body, Duration::ZERO))["provider"], "Azure");
    body["provider"] = json!({ "only": ["openai"] });
    assert_eq!(chat(&simulator, &body, Duration::ZERO).status, 429);
    let seen = simulator.seen();
    assert_eq!(seen.tries_by_endpoint["openai/gpt-4o @ openai"], 2);
    assert_eq!(seen.tries_by_endpoint["openai/gpt-4o @ azure"], 1);
    assert_eq!(seen.asked_by_model["openai/gpt-4o"], 2);
    assert_eq!(seen.by_limit_source["upstream_provider_shared_pool"], 1);
    assert_eq!((seen.by_minute[&0].answered, seen.by_minute[&0].refused), (1, 1));
    let headers = &seen.headers_by_route["POST /chat/completions"];
    assert_eq!((headers["authorization"].requests, headers["authorization"].last.as_str()), (2, "Bearer …cdef"));
}

#[test]
fn a_refusal_does_not_wait_for_an_answer_s_time() {
    let script = "latency_ms = 5000\nrefusal_ms = 7\n[[rule]]\ncontains = 'slowly'\nlatency_ms = 900\nfault = 'rate_limited'\n\
                  [[rule]]\ncontains = 'broken'\nfault = 'http_502'\n[[rule]]\nfault = 'rate_limited'";
    let simulator = simulator(script);
    let delay = |text: &str| {
        let body = json!({ "model": "openai/gpt-4o", "messages": [{ "role": "user", "content": text }] });
        chat(&simulator, &body, Duration::ZERO).delay
    };
    assert_eq!(delay("at once"), Duration::from_millis(7));
    assert_eq!(delay("slowly"), Duration::from_millis(900));
    assert_eq!(delay("broken"), Duration::from_secs(5));
}

#[test]
fn a_model_goes_down_and_comes_back() {
    let script = "down = [{ model = 'openai/gpt-4o', fault = 'http_503', after_s = 10, until_s = 20 }]";
    let simulator = simulator(script);
    let at = |second| chat(&simulator, &question("openai/gpt-4o"), Duration::from_secs(second)).status;
    assert_eq!([at(9), at(10), at(19), at(20)], [200, 503, 503, 200]);
}

/// A hundred requests under a drawn configuration, as status, delay and body.
fn trace(seed: u64) -> Vec<(u16, Duration, Vec<u8>)> {
    let simulator = Simulator::new(SimConfig::random(seed)).unwrap();
    (0..100)
        .map(|number| {
            let mut body = question(["openai/gpt-4o-mini", "anthropic/claude-3-haiku"][number % 2]);
            body["messages"][0]["content"] = json!(format!("text {number}"));
            let reply = chat(&simulator, &body, Duration::from_millis(number as u64 * 900));
            (reply.status, reply.delay, reply.body_bytes())
        })
        .collect()
}

#[test]
fn random_trouble_is_the_same_again() {
    let mut statuses = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let first = trace(seed);
        assert!(first == trace(seed), "seed {seed}");
        statuses.extend(first.iter().map(|(status, ..)| *status));
    }
    assert!(statuses.len() > 6, "{statuses:?}");
}
