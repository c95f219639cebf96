//! Answers obey what was asked: schemas judged by an independent validator, tools, lengths, prices.

use std::time::Duration;

use corsac_sim::PicoDollars;
use serde_json::{Value, json};

use crate::{chat, content, json_of, question, simulator, structured};

const REVIEW: &str = "I love these shoes, great quality, but the 2nd pair came on 2024-05-01 for 49 dollars. Ships from Łódź.";

fn schemas() -> Vec<Value> {
    vec![
        json!({ "type": "object", "properties": { "sentiment": { "enum": ["positive", "negative", "neutral"] } },
                "required": ["sentiment"], "additionalProperties": false }),
        json!({ "type": "object", "properties": { "product": { "type": "string" }, "stars": { "type": "integer", "minimum": 1, "maximum": 5 },
                "defects": { "type": "array", "items": { "type": "string" } } }, "required": ["product", "stars", "defects"] }),
        json!({ "type": "object", "properties": { "a": { "type": ["string", "null"] }, "b": { "type": ["integer", "null"], "minimum": 3 } },
                "required": ["a", "b"], "additionalProperties": false }),
        json!({ "type": "object", "properties": { "x": { "anyOf": [{ "type": "number", "minimum": 0, "maximum": 1 }, { "type": "null" }] } }, "required": ["x"] }),
        json!({ "type": "object", "properties": { "items": { "type": "array", "minItems": 3, "maxItems": 4, "uniqueItems": true,
                "items": { "type": "integer", "minimum": 0, "maximum": 9 } } }, "required": ["items"] }),
        json!({ "type": "object", "properties": { "code": { "type": "string", "pattern": "^[A-Z]{2}-\\d{3}$" }, "short": { "type": "string", "maxLength": 3 },
                "long": { "type": "string", "minLength": 80 } }, "required": ["code", "short", "long"] }),
        json!({ "$ref": "#/$defs/node", "$defs": { "node": { "type": "object", "properties": { "name": { "type": "string" },
                "children": { "type": "array", "items": { "$ref": "#/$defs/node" } } }, "required": ["name", "children"], "additionalProperties": false } } }),
        json!({ "type": "object", "properties": { "next": { "anyOf": [{ "$ref": "#" }, { "type": "null" }] } }, "required": ["next"], "additionalProperties": false }),
        json!({ "type": "object", "properties": { "kind": { "const": "review" }, "ok": { "type": "boolean" } }, "required": ["kind", "ok"] }),
        json!({ "type": "array", "items": { "type": "object", "properties": { "w": { "type": "string", "minLength": 1 } }, "required": ["w"] }, "minItems": 1 }),
        json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 }),
        json!({ "type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6 }),
        json!({ "type": "integer", "multipleOf": 7, "minimum": 20, "maximum": 30 }),
        json!({ "type": "boolean" }),
        json!({ "enum": [1, "two", null, { "three": 3 }] }),
        json!({ "oneOf": [{ "const": "a", "title": "first" }, { "const": "b", "title": "second" }] }),
        json!({ "type": "object", "additionalProperties": { "type": "integer", "maximum": 3 }, "minProperties": 2 }),
        json!({ "allOf": [{ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] },
                          { "properties": { "b": { "type": "integer", "minimum": -5, "maximum": -2 } }, "required": ["b"] }] }),
        json!({ "type": "array", "prefixItems": [{ "type": "string" }, { "type": "integer" }], "items": false, "minItems": 2 }),
        json!({ "type": "object", "properties": { "on": { "type": "string", "format": "date" }, "at": { "type": "string", "format": "date-time" },
                "mail": { "type": "string", "format": "email" }, "id": { "type": "string", "format": "uuid" } }, "required": ["on", "at", "mail", "id"] }),
        json!({ "properties": { "untyped": { "minimum": 10, "maximum": 11 } }, "required": ["untyped", "undeclared"] }),
        json!({ "type": "object", "properties": { "price": { "type": "number", "multipleOf": 0.5, "minimum": 1 }, "rating": { "type": "number", "minimum": 0, "maximum": 10 } },
                "required": ["price", "rating"] }),
        json!({ "type": "object", "properties": { "shape": { "oneOf": [
                { "type": "object", "properties": { "kind": { "const": "circle" }, "r": { "type": "number" } }, "required": ["kind", "r"], "additionalProperties": false },
                { "type": "object", "properties": { "kind": { "const": "box" }, "w": { "type": "number" } }, "required": ["kind", "w"], "additionalProperties": false }] } },
                "required": ["shape"] }),
    ]
}

#[test]
fn every_schema_is_obeyed_for_many_texts_and_seeds() {
    for seed in 0..8 {
        let simulator = simulator(&format!("seed = {seed}\nstrict_schemas = false"));
        for schema in schemas() {
            let judge = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
            for text in [REVIEW, "", "no", "Worst purchase. It broke after 3 days! Refund, please.", "多言語のテキスト、素晴らしい品質"]
            {
                let reply = chat(&simulator, &structured("openai/gpt-4o-mini", text, &schema), Duration::ZERO);
                let answer: Value = serde_json::from_str(&content(&reply)).unwrap();
                if let Err(error) = judge.validate(&answer) {
                    panic!("seed {seed}: {answer} does not fit {schema}: {error}");
                }
            }
        }
    }
}

#[test]
fn the_mood_of_the_text_decides_between_moods() {
    let simulator = simulator("");
    let schema = json!({ "type": "object", "properties": {
        "label": { "enum": ["positive", "negative", "neutral"] }, "stars": { "type": "integer", "minimum": 1, "maximum": 5 } },
        "required": ["label", "stars"] });
    for (text, label, stars) in [
        ("Classify as positive or negative: I love it, wonderful, perfect!", "positive", 5),
        ("Classify as positive or negative: terrible, broken, useless junk", "negative", 1),
        ("Classify as positive or negative: it is a chair", "neutral", 3),
    ] {
        let reply = chat(&simulator, &structured("openai/gpt-4o-mini", text, &schema), Duration::ZERO);
        let answer: Value = serde_json::from_str(&content(&reply)).unwrap();
        assert_eq!(answer, json!({ "label": label, "stars": stars }), "{text}");
    }
}

#[test]
fn strings_take_words_from_the_text() {
    let schema = json!({ "type": "object", "properties": { "about": { "type": "string" } }, "required": ["about"] });
    let reply = chat(&simulator(""), &structured("openai/gpt-4o-mini", "Zanzibar Quixotic", &schema), Duration::ZERO);
    let answer = content(&reply);
    assert!(answer.contains("Zanzibar") || answer.contains("Quixotic"), "{answer}");
    let plain = content(&chat(&simulator(""), &question("openai/gpt-4o-mini"), Duration::ZERO));
    assert!(plain.contains("foxes"), "{plain}");
}

#[test]
fn a_schema_in_the_prompt_is_understood() {
    let text = r#"Answer in JSON that fits {"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]} only."#;
    let body = json!({ "model": "openai/gpt-4o", "messages": [{ "role": "user", "content": text }] });
    let answer: Value = serde_json::from_str(&content(&chat(&simulator(""), &body, Duration::ZERO))).unwrap();
    assert!(answer["n"].is_i64(), "{answer}");
}

#[test]
fn endpoints_that_know_no_schema_sometimes_fence() {
    let simulator = simulator("");
    let schema = json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] });
    let fenced = (0..20).filter(|number| {
        let body = structured("anthropic/claude-3-haiku", &format!("text {number}"), &schema);
        content(&chat(&simulator, &body, Duration::ZERO)).contains("```json")
    });
    let fenced = fenced.count();
    assert!((1..20).contains(&fenced), "{fenced} of 20");
}

fn tool_question(choice: &Value) -> Value {
    json!({
        "model": "anthropic/claude-3-haiku",
        "messages": [{ "role": "user", "content": "What is the weather in Oslo?" }],
        "tools": [
            { "type": "function", "function": { "name": "get_weather", "parameters": { "type": "object",
                "properties": { "city": { "type": "string" }, "unit": { "enum": ["C", "F"] } }, "required": ["city", "unit"] } } },
            { "type": "function", "function": { "name": "no_arguments" } },
        ],
        "tool_choice": choice,
    })
}

#[test]
fn a_forced_tool_gets_arguments_that_fit() {
    let choice = json!({ "type": "function", "function": { "name": "get_weather" } });
    let body = json_of(&chat(&simulator(""), &tool_question(&choice), Duration::ZERO));
    let call = &body["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(call["function"]["name"], "get_weather");
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["city"].is_string() && (arguments["unit"] == "C" || arguments["unit"] == "F"), "{arguments}");
}

#[test]
fn tools_can_be_refused_and_come_to_an_end() {
    let simulator = simulator("");
    assert!(!content(&chat(&simulator, &tool_question(&json!("none")), Duration::ZERO)).is_empty());
    let mut body = tool_question(&json!("auto"));
    body["messages"].as_array_mut().unwrap().extend([
        json!({ "role": "assistant", "content": null, "tool_calls": [{ "id": "c", "type": "function", "function": { "name": "get_weather", "arguments": "{}" } }] }),
        json!({ "role": "tool", "tool_call_id": "c", "content": "12 degrees" }),
    ]);
    assert!(!content(&chat(&simulator, &body, Duration::ZERO)).is_empty());
}

#[test]
fn a_small_max_tokens_cuts_the_answer() {
    let mut body = question("openai/gpt-4o-mini");
    body["max_tokens"] = json!(3);
    let reply = json_of(&chat(&simulator(""), &body, Duration::ZERO));
    assert_eq!(reply["choices"][0]["finish_reason"], "length");
    assert_eq!(reply["usage"]["completion_tokens"], 3);
    assert_eq!(reply["choices"][0]["message"]["content"].as_str().unwrap().chars().count(), 12);
}

#[test]
fn cost_is_tokens_times_the_price_of_the_endpoint() {
    let simulator = simulator("");
    let mut charged = PicoDollars::default();
    for number in 0..20 {
        let mut body = question("meta-llama/llama-3.3-70b-instruct");
        body["messages"][0]["content"] = json!(format!("Tell me about {number} foxes"));
        let reply = chat(&simulator, &body, Duration::ZERO);
        let text = String::from_utf8(reply.body_bytes()).unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        let listed = json_of(&crate::get(&simulator, "/models/meta-llama/llama-3.3-70b-instruct/endpoints"));
        let endpoints = listed["data"]["endpoints"].as_array().unwrap().clone();
        let endpoint = endpoints.iter().find(|endpoint| endpoint["provider_name"] == answer["provider"]).unwrap();
        let price = |name: &str| PicoDollars::parse(endpoint["pricing"][name].as_str().unwrap()).unwrap();
        let tokens = |name: &str| answer["usage"][name].as_u64().unwrap();
        let cost = price("prompt").times(tokens("prompt_tokens")).plus(price("completion").times(tokens("completion_tokens")));
        // the digits on the wire, not a float made of them
        assert!(text.contains(&format!("\"cost\":{cost},")), "{cost} in {text}");
        charged = charged.plus(cost);
    }
    assert_eq!(simulator.seen().cost_dollars, charged);
}

#[test]
fn reasoning_is_shown_counted_and_cannot_always_be_switched_off() {
    let simulator = simulator("");
    let mut body = question("deepseek/deepseek-r1-0528");
    let answer = json_of(&chat(&simulator, &body, Duration::ZERO));
    let tokens = answer["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
    assert!(tokens > 0 && answer["usage"]["completion_tokens"].as_u64().unwrap() > tokens);
    assert!(answer["choices"][0]["message"]["reasoning"].is_string());
    body["reasoning"] = json!({ "effort": "none" });
    assert_eq!(chat(&simulator, &body, Duration::ZERO).status, 400);
}
