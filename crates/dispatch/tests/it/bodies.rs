//! For every setting that reaches a request: the body it makes, or the headers.

use std::fmt::Write;
use std::time::Duration;

use corsac_dispatch::config::settings;
use corsac_dispatch::{Contract, Engine, Exchange, HttpExchange, Request};
use corsac_sim::{SimConfig, Simulator, listen, serve};
use serde_json::{Map, Value, json};

use crate::configured::{body, body_for, file_with, resolve, yes_or_no};

/// The fields of a body that differ from another one's.
fn changed(body: &Value, base: &Value) -> Value {
    let fields = body.as_object().unwrap().iter().filter(|(name, value)| base.get(name.as_str()) != Some(value));
    Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}

#[test]
fn every_setting_makes_its_field() {
    let mut golden = String::new();
    for setting in settings() {
        let Some(sends) = setting.sends.filter(|sends| !sends.starts_with("header ")) else { continue };
        for example in setting.examples {
            let contract = || match setting.name {
                "structured_output_strategy" => yes_or_no(),
                "embedding_model" => Contract::Embedding { dimensions: None },
                _ => Contract::Text,
            };
            let made = body(&resolve(&file_with(&setting, example)), contract());
            let base = body(&resolve("model = \"none/such\"\n"), contract());
            let difference = changed(&made, &base);
            let first = sends.split(", or ").last().unwrap_or_default().split(" with ").next().unwrap_or_default();
            let path = format!("/{}", first.replace('.', "/"));
            if !sends.is_empty() {
                assert!(difference.pointer(&path).is_some(), "{} {example}: no {sends} in {difference}", setting.table);
            }
            let shown = changed(&made, &json!({ "model": "openai/gpt-4o-mini", "messages": made["messages"] }));
            let shown = if setting.sends == Some("model") { difference } else { changed(&shown, &base) };
            writeln!(golden, "{} {}\n    {shown}", setting.table, example.replace('\n', "; ")).unwrap();
        }
    }
    insta::assert_snapshot!(golden);
}

#[test]
fn an_entry_of_a_list_takes_what_a_profile_takes() {
    let base = body(&resolve("model = 'openai/gpt-4o-mini'\n"), Contract::Text);
    for setting in
        settings().into_iter().filter(|setting| setting.table == "[profiles.NAME]" && !["model", "models"].contains(&setting.name))
    {
        for example in setting.examples {
            let profile = format!("default_profile = 'p'\nmodel = 'openai/gpt-4o-mini'\n[profiles.p]\n{example}\n");
            let entry = format!("[[model_list]]\n[model_list.litellm_params]\nmodel = 'openai/gpt-4o-mini'\n{example}\n");
            let (profile, entry) = (resolve(&profile), resolve(&entry));
            assert_eq!(body(&entry, Contract::Text), body(&profile, Contract::Text), "{example}");
            assert_eq!(entry.settings.request, profile.settings.request, "{example}");
            assert_eq!(entry.settings.deadlines, profile.settings.deadlines, "{example}");
            let unsent = ["timeout", "structured_output_strategy", "structured_output_support"].contains(&setting.name);
            assert_eq!(body(&entry, Contract::Text) == base, unsent, "{example}");
        }
    }
}

#[test]
fn a_whole_body_has_its_fields_in_one_order() {
    let resolved = resolve(
        "model = 'openai/gpt-4o'\nfallbacks = ['anthropic/claude-3-haiku']\ndefault_profile = 'p'\n\
         [profiles.p]\nseed = 7\ntop_p = 0.9\nreasoning_effort = 'low'\nmax_tokens = 50\nplugins = ['response-healing']\nuser = 'u'\n\
         [profiles.p.provider]\norder = ['openai']\nzdr = true\n",
    );
    insta::assert_snapshot!(body(&resolved, yes_or_no()));
}

#[test]
fn a_server_with_openais_api_is_sent_what_it_knows() {
    let resolved = resolve(
        "model = 'own'\nfallbacks = ['openai/gpt-4o']\ndefault_profile = 'p'\n\
         [models.own]\nid = 'qwen3-32b'\nbase_url = 'http://127.0.0.1:8000/v1'\n\
         [profiles.p]\nreasoning_effort = 'low'\nplugins = ['web']\nsession_id = 's'\ntop_k = 5\nmax_tokens = 9\nprovider = { zdr = true }\n",
    );
    assert_eq!(resolved.doors[0].engine, Engine::OpenAi);
    let made = body(&resolved, Contract::Text);
    let names: Vec<&str> = made.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["model", "messages", "max_tokens", "temperature", "top_k", "reasoning_effort"], "{made}");
    assert_eq!(made["reasoning_effort"], "low");
    let embedded = body_for(&resolved, Engine::Local);
    let names: Vec<&str> = embedded.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["model", "messages", "max_tokens", "temperature"], "{embedded}");
}

#[test]
fn models_on_the_wire_are_those_that_one_request_can_reach() {
    let models = |file: &str| body(&resolve(file), Contract::Text)["models"].clone();
    assert_eq!(models("model = 'a/b'\nfallbacks = ['c/d', 'e/f']\n"), json!(["c/d", "e/f"]));
    // another door, and settings of its own: the engine goes there by itself
    let own = "[models.own]\nid = 'x/y'\napi_key = 'k'\n";
    assert_eq!(models(&format!("model = 'a/b'\nfallbacks = ['c/d', 'own', 'e/f']\n{own}")), json!(["c/d"]));
    let tools = "[models.tools]\nid = 'x/y'\nstructured_output_strategy = 'prefer_tools'\n";
    assert_eq!(models(&format!("model = 'a/b'\nfallbacks = ['tools', 'e/f']\n{tools}")), Value::Null);
}

/// The headers that a configuration's first door sends.
async fn headers_sent(file: &str) -> Vec<(String, String)> {
    let simulator = Simulator::new(SimConfig::default()).unwrap();
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(simulator.clone(), listener));
    let resolved = resolve(&format!("base_url = 'http://{address}/api/v1'\n{file}"));
    let exchange = HttpExchange::new(&resolved.doors[0].http(8)).unwrap();
    for path in ["models", "key"] {
        exchange.exchange(Request::get(path, Duration::from_secs(10))).await.unwrap();
    }
    let requests = simulator.seen().recent;
    assert_eq!(requests.len(), 2);
    let told = |index: usize| {
        let mut headers = requests[index].headers.clone();
        headers.retain(|(name, _)| name.to_ascii_lowercase().starts_with("x-") || name.eq_ignore_ascii_case("http-referer"));
        headers.sort();
        headers
    };
    assert_eq!(told(0), told(1), "the same on every request");
    told(0)
}

fn check_headers(sent: &[(String, String)], expected: &[(&str, &str)]) {
    let sent: Vec<(&str, &str)> = sent.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn the_app_is_on_every_request() {
    let app = "[app]\nname = '8-Bit Oracle'\nurl = 'https://8bitoracle.ai'\ncategories = ['cli-agent', 'writing-assistant', 'game']\n";
    check_headers(
        &headers_sent(app).await,
        &[
            ("http-referer", "https://8bitoracle.ai"),
            // a third category would be one too many
            ("x-openrouter-categories", "cli-agent,writing-assistant"),
            ("x-openrouter-title", "8-Bit Oracle"),
            ("x-title", "8-Bit Oracle"),
        ],
    );
}

#[tokio::test]
async fn headers_of_the_user_win_and_bring_their_app() {
    let literal = "extra_headers = { \"HTTP-Referer\" = 'https://8bitoracle.ai', \"X-Title\" = '8-Bit Oracle', \"X-Team\" = 'data' }\n";
    check_headers(
        &headers_sent(literal).await,
        &[
            ("http-referer", "https://8bitoracle.ai"),
            // who sends X-Title alone is not counted as Corsac in the other header
            ("x-openrouter-title", "8-Bit Oracle"),
            ("x-team", "data"),
            ("x-title", "8-Bit Oracle"),
        ],
    );
    let both = "[app]\nname = 'One'\nurl = 'https://one.example'\n[headers]\nX-Title = 'Other'\n";
    let sent = headers_sent(both).await;
    assert!(sent.contains(&("x-title".into(), "Other".into())) && sent.contains(&("http-referer".into(), "https://one.example".into())));
}
