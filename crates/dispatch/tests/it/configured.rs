//! Configurations from text and variables alone, and what comes of them.

use std::sync::Arc;

use corsac_dispatch::config::{Config, ConfigError, Resolved, SettingInfo};
use corsac_dispatch::{Call, CallSettings, Contract, Engine, Origin, first_body};
use corsac_ledger::RunId;
use corsac_schema::Schema;
use serde_json::Value;

/// A configuration from a file and an environment.
pub(crate) fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("corsac.toml");
    std::fs::write(&path, file).unwrap();
    let get = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Config::load(Some(&path), folder.path(), None, &get)
}

/// What a file leads to when nothing is given by hand.
pub(crate) fn resolve(file: &str) -> Resolved {
    load(file, &[("OPENROUTER_API_KEY", "sk-or-v1-0123456789abcdef")]).and_then(|config| config.resolve(None, &[], None)).unwrap()
}

/// What is said about a file that is wrong, without its path.
pub(crate) fn refusal(file: &str) -> String {
    match load(file, &[]).and_then(|config| config.resolve(None, &[], None)) {
        Err(ConfigError::Invalid { why, .. }) => why,
        Err(other) => other.to_string(),
        Ok(_) => panic!("this was taken:\n{file}"),
    }
}

/// A question with an answer of some form.
pub(crate) fn question(contract: Contract) -> Call {
    Call {
        origin: Origin { run: RunId::unrecorded(), operator: "semantic_map".into(), row: 0 },
        system: "Answer in one word.".into(),
        user: "What is the capital of France?".to_owned(),
        contract,
        settings: Arc::new(CallSettings::default()),
    }
}

/// Yes or no.
pub(crate) fn yes_or_no() -> Contract {
    Contract::Json(Schema::labels(&["yes".into(), "no".into()]).unwrap())
}

/// The body of the first request.
pub(crate) fn body(resolved: &Resolved, contract: Contract) -> Value {
    let engine = resolved.doors[resolved.settings.routes[0].door].engine;
    serde_json::from_slice(&first_body(&question(contract), &resolved.settings, engine)).unwrap()
}

/// The same through an engine that is named.
pub(crate) fn body_for(resolved: &Resolved, engine: Engine) -> Value {
    serde_json::from_slice(&first_body(&question(Contract::Text), &resolved.settings, engine)).unwrap()
}

/// A whole file in which an example of a setting stands in its place and is used.
pub(crate) fn file_with(setting: &SettingInfo, example: &str) -> String {
    let named = |names: &[&str], line: &str| if names.contains(&setting.name) { String::new() } else { format!("{line}\n") };
    match setting.table {
        "" => format!("{example}\n"),
        "[profiles.NAME]" => format!("default_profile = \"p\"\n[profiles.p]\n{example}\n"),
        "[profiles.NAME.provider]" => format!("default_profile = \"p\"\n[profiles.p.provider]\n{example}\n"),
        "[models.ALIAS]" => {
            let id = named(&["id"], "id = \"openai/gpt-4o-mini\"");
            let base = if example == "engine = \"openai\"" { "base_url = \"http://127.0.0.1:1/v1\"\n" } else { "" };
            format!("model = \"m\"\n[profiles.careful]\n[models.m]\n{id}{base}{example}\n")
        }
        "[[model_list]]" => {
            let params = named(&["litellm_params"], "litellm_params = { model = \"openrouter/gpt-4o-mini\" }");
            format!("[[model_list]]\n{params}{example}\n")
        }
        "[model_list.litellm_params]" => {
            let model = named(&["model"], "model = \"openrouter/openai/gpt-4o-mini\"");
            format!("[[model_list]]\n[model_list.litellm_params]\n{model}{example}\n")
        }
        table => format!("{table}\n{example}\n"),
    }
}
