//! Keys that a management key makes, changes and takes away, and the activity of days that are over.

use std::time::Duration;

use corsac_sim::{SimReply, SimRequest, Simulator};
use serde_json::{Value, json};

use crate::{KEY, get, json_of, question, simulator};

const MANAGER: &str = "sk-or-v1-manager-key";
const SCRIPT: &str = "[keys]\nmanagement = ['sk-or-v1-manager-key']";

fn send(simulator: &Simulator, method: &str, path: &str, body: &Value, seconds: u64) -> SimReply {
    let mut request = SimRequest::post(path, MANAGER, body.to_string());
    request.method = method.to_owned();
    simulator.handle(&request, Duration::from_secs(seconds))
}

fn ask(simulator: &Simulator, key: &str, seconds: u64) -> u16 {
    let body = question("openai/gpt-4o").to_string();
    simulator.handle(&SimRequest::post("/chat/completions", key, body), Duration::from_secs(seconds)).status
}

#[test]
fn a_key_from_its_making_to_its_end() {
    let simulator = simulator(SCRIPT);
    let made = send(&simulator, "POST", "/keys", &json!({ "name": "team", "limit": 1.5, "limit_reset": "monthly" }), 0);
    assert_eq!(made.status, 201);
    let made = json_of(&made);
    let (key, hash) = (made["key"].as_str().unwrap().to_owned(), made["data"]["hash"].as_str().unwrap().to_owned());
    assert!(key.starts_with("sk-or-v1-") && hash.len() == 64 && !made["data"].to_string().contains(&key));
    assert_eq!(ask(&simulator, &key, 0), 200);
    let path = format!("/keys/{hash}");
    let shown = json_of(&send(&simulator, "GET", &path, &Value::Null, 0));
    assert!(shown["data"]["usage"].as_f64().unwrap() > 0.0 && shown["data"]["limit_remaining"].as_f64().unwrap() < 1.5);
    let changed = json_of(&send(&simulator, "PATCH", &path, &json!({ "limit": 0, "name": "none" }), 1));
    assert_eq!((&changed["data"]["name"], &changed["data"]["updated_at"]), (&json!("none"), &json!("2026-11-22T00:00:01.000Z")));
    assert_eq!(ask(&simulator, &key, 2), 403);
    send(&simulator, "PATCH", &path, &json!({ "limit": null, "disabled": true }), 3);
    assert_eq!(ask(&simulator, &key, 4), 401);
    let listed = |path: &str| json_of(&send(&simulator, "GET", path, &Value::Null, 5))["data"].as_array().unwrap().len();
    assert_eq!((listed("/keys"), listed("/keys?include_disabled=true")), (0, 1));
    assert_eq!(json_of(&send(&simulator, "DELETE", &path, &Value::Null, 6)), json!({ "deleted": true }));
    assert_eq!((send(&simulator, "GET", &path, &Value::Null, 7).status, ask(&simulator, &key, 7)), (404, 401));
}

#[test]
fn a_key_expires() {
    let simulator = simulator(SCRIPT);
    let made = json_of(&send(&simulator, "POST", "/keys", &json!({ "name": "short", "expires_at": "2026-11-22T00:01:00Z" }), 0));
    let key = made["key"].as_str().unwrap();
    assert_eq!([ask(&simulator, key, 59), ask(&simulator, key, 60)], [200, 401]);
}

#[test]
fn wrong_terms_and_wrong_callers_are_refused() {
    let simulator = simulator(SCRIPT);
    for body in [json!({}), json!({ "name": 3 }), json!({ "name": "x", "limit": "much" }), json!({ "name": "x", "limit_reset": "hourly" })]
    {
        assert_eq!(send(&simulator, "POST", "/keys", &body, 0).status, 400, "{body}");
    }
    for path in ["/keys", "/credits", "/activity", "/keys/abc"] {
        let reply = get(&simulator, path);
        assert_eq!(json_of(&reply)["error"]["message"], "Only management keys can perform this operation", "{path}");
    }
    assert_eq!(send(&simulator, "PUT", "/keys", &json!({}), 0).status, 405);
}

#[test]
fn configured_keys_have_names_and_terms_too() {
    let simulator = simulator("[keys]\naccepted = ['one-key', 'other-key']\nmanagement = ['sk-or-v1-manager-key']\nkey_limit_dollars = 3");
    let listed = json_of(&send(&simulator, "GET", "/keys", &Value::Null, 0));
    let names: Vec<&str> = listed["data"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["key 1", "key 2"]);
    assert_eq!(listed["data"][0]["limit"], 3);
}

#[test]
fn spending_is_told_by_day_week_and_month() {
    let simulator = simulator("");
    let day = 86_400;
    // Sunday, Monday, and Tuesday of the week after
    for seconds in [0, day, 9 * day] {
        assert_eq!(ask(&simulator, KEY, seconds), 200);
    }
    let at = |seconds| json_of(&simulator.handle(&SimRequest::get("/key", KEY), Duration::from_secs(seconds)))["data"].clone();
    let one = at(0)["usage"].as_f64().unwrap() / 3.0;
    let parts =
        |data: Value| ["usage_daily", "usage_weekly", "usage_monthly", "usage"].map(|name| (data[name].as_f64().unwrap() / one).round());
    // 2026-12-01 is the ninth day
    assert_eq!(parts(at(9 * day)), [1.0, 1.0, 1.0, 3.0]);
    assert_eq!(parts(at(10 * day))[0], 0.0);
}

#[test]
fn activity_is_told_when_the_day_is_over() {
    let simulator = simulator(SCRIPT);
    ask(&simulator, KEY, 0);
    ask(&simulator, "sk-or-v1-another-key-9876", 10);
    let at = |path: &str, seconds| json_of(&send(&simulator, "GET", path, &Value::Null, seconds))["data"].as_array().unwrap().clone();
    assert!(at("/activity", 20).is_empty());
    let rows = at("/activity", 86_400);
    let requests: u64 = rows.iter().map(|row| row["requests"].as_u64().unwrap()).sum();
    assert_eq!((requests, &rows[0]["date"], &rows[0]["model"]), (2, &json!("2026-11-22"), &json!("openai/gpt-4o")));
    assert!(at("/activity?date=2026-11-21", 86_400).is_empty());
    assert!(at("/activity", 40 * 86_400).is_empty());
}
