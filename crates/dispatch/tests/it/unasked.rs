//! What cannot work is told before anything is sent: a model that is not there while no catalog is at hand, and one that
//! takes neither schemas nor tools where that is not allowed.

use std::path::Path;
use std::sync::Arc;

use corsac_dispatch::{Ask, Builder, Call, CallSettings, Contract, Failure, FailureKind, Opened, Origin};
use corsac_ledger::Ledger;
use corsac_sim::{SimConfig, Simulator, listen, serve};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::world::{PRIMARY, classification};

fn serving(script: &str) -> (Simulator, String) {
    let simulator = Simulator::new(SimConfig::from_script(script).unwrap()).unwrap();
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let base_url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    tokio::spawn(serve(simulator.clone(), listener));
    (simulator, base_url)
}

async fn open(base_url: &str, home: &Path, settings: &Value) -> Opened {
    let builder = Builder::new().key("sk-or-v1-0123456789abcdef").base_url(base_url).settings(settings);
    builder.build_over(Ledger::in_memory().unwrap(), Some(home)).await.unwrap()
}

fn words(engine: &Opened, row: u64, model: Option<&str>) -> Call {
    Call {
        origin: Origin { run: engine.run.clone(), operator: "semantic_map".into(), row },
        system: "Say it in other words.".into(),
        user: format!("text {row}"),
        contract: Contract::Text,
        settings: Arc::new(CallSettings { model: model.map(str::to_owned), ..CallSettings::default() }),
    }
}

fn requests(simulator: &Simulator, route: &str) -> u64 {
    simulator.seen().by_route.iter().filter(|(known, _)| known.contains(route)).map(|(_, count)| count).sum()
}

fn refused(outcomes: Vec<Result<impl Sized, Failure>>, said: &[&str]) {
    for outcome in outcomes {
        let failure = outcome.err().unwrap();
        assert_eq!((failure.kind, failure.attempts), (FailureKind::NoSuchModel, 0));
        said.iter().for_each(|said| assert!(failure.message.contains(said), "{}", failure.message));
    }
}

#[tokio::test]
async fn a_model_that_is_not_there_is_told_before_anything_is_sent() {
    let (simulator, base_url) = serving("");
    let home = tempfile::tempdir().unwrap();
    // no catalog was kept: all calls wait for one
    let engine = open(&base_url, home.path(), &json!({"model": "openai/gpt-4o-minni"})).await;
    let outcomes = join_all((0..50).map(|row| engine.dispatcher.ask(words(&engine, row, None)))).await;
    refused(outcomes, &["\"openai/gpt-4o-minni\"", "did you mean", "openai/gpt-4o-mini"]);
    assert_eq!(
        (requests(&simulator, "/chat/completions"), requests(&simulator, "/models/user")),
        (0, 1),
        "{:?}",
        simulator.seen().by_route
    );
    // the same for a model that a call names, while those that are there are asked
    let engine = open(&base_url, home.path(), &json!({"model": PRIMARY})).await;
    refused(vec![engine.dispatcher.ask(words(&engine, 0, Some("openai/gpt-9"))).await], &["\"openai/gpt-9\""]);
    assert_eq!(requests(&simulator, "/chat/completions"), 0);
    engine.dispatcher.ask(words(&engine, 1, None)).await.unwrap();
    assert_eq!(requests(&simulator, "/chat/completions"), 1);
}

#[tokio::test]
async fn a_fallback_that_is_not_there_is_left_out() {
    let (simulator, base_url) = serving("");
    let home = tempfile::tempdir().unwrap();
    let engine = open(&base_url, home.path(), &json!({"model": PRIMARY, "fallbacks": ["maker/gone"]})).await;
    engine.dispatcher.ask(words(&engine, 0, None)).await.unwrap();
    let seen = simulator.seen();
    let sent: Vec<Value> =
        seen.recent.iter().filter(|request| request.route.contains("chat")).map(|r| serde_json::from_str(&r.body).unwrap()).collect();
    assert_eq!(sent.iter().map(|body| body.get("models").cloned()).collect::<Vec<_>>(), [None]);
}

#[tokio::test]
async fn a_model_younger_than_the_catalog_is_asked() {
    let (_, base_url) = serving("");
    let home = tempfile::tempdir().unwrap();
    let before = open(&base_url, home.path(), &json!({"model": PRIMARY})).await;
    before.dispatcher.ask(words(&before, 0, None)).await.unwrap();
    // the same address, with one model more
    let file = std::fs::read_dir(home.path().join("catalog")).unwrap().map(|entry| entry.unwrap().path());
    let (simulator, younger) = serving("[[model]]\nid = \"maker/young\"\n");
    for file in file.filter(|file| file.to_string_lossy().contains("127.0.0.1")) {
        let kept = std::fs::read_to_string(&file).unwrap().replace(&base_url, &younger);
        let name = |url: &str| url.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect::<String>();
        let renamed = file.to_string_lossy().replace(&name(&base_url), &name(&younger));
        std::fs::write(renamed, kept).unwrap();
    }
    let engine = open(&younger, home.path(), &json!({"model": "maker/young"})).await;
    engine.dispatcher.ask(words(&engine, 0, None)).await.unwrap();
    assert_eq!(simulator.seen().asked_by_model["maker/young"], 1);
    let engine = open(&younger, home.path(), &json!({"model": PRIMARY})).await;
    engine.dispatcher.ask(words(&engine, 1, Some("maker/young"))).await.unwrap();
    assert_eq!(simulator.seen().asked_by_model["maker/young"], 2);
}

const WORDS_ONLY: &str = "[[model]]\nid = \"maker/words-only\"\nsupported_parameters = [\"max_tokens\", \"temperature\"]\n\
                          [[rule]]\ncontent = '{\"label\": \"good\"}'\n";

#[tokio::test]
async fn a_model_that_takes_neither_schemas_nor_tools_is_asked_in_words_unless_that_is_ruled_out() {
    let (simulator, base_url) = serving(WORDS_ONLY);
    let required = json!({"structured_output_support": "required"});
    let preferred = json!({"structured_output_support": "preferred"});
    let model = |said: &Value| json!({"model": "m", "models": {"m": {"id": "maker/words-only", "structured_output_support": said["structured_output_support"]}}});
    // of the model, of a profile, of a profile of the model's own, which has the last word
    let own = json!({"model": "m", "models": {"m": {
        "id": "maker/words-only", "structured_output_support": "preferred", "profiles": {"p": required}, "default_profile": "p",
    }}});
    let shared = json!({"model": "maker/words-only", "profiles": {"p": required}, "default_profile": "p"});
    for settings in [model(&required), own, shared] {
        let home = tempfile::tempdir().unwrap();
        let engine = open(&base_url, home.path(), &settings).await;
        let outcomes =
            join_all((0..9).map(|row| engine.dispatcher.ask(classification(&engine.run, row, &format!("{settings} {row}"))))).await;
        refused(
            outcomes,
            &["maker/words-only", "structured_outputs or tools", "max_tokens, temperature", "structured_output_support = \"preferred\""],
        );
        assert_eq!(requests(&simulator, "/chat/completions"), 0, "{settings}");
    }
    for (asked, settings) in [model(&preferred), json!({"model": "maker/words-only"})].into_iter().enumerate() {
        let home = tempfile::tempdir().unwrap();
        let engine = open(&base_url, home.path(), &settings).await;
        engine.dispatcher.ask(classification(&engine.run, 0, &settings.to_string())).await.unwrap();
        assert_eq!(requests(&simulator, "/chat/completions"), asked as u64 + 1);
    }
    let home = tempfile::tempdir().unwrap();
    let engine = open(&base_url, home.path(), &model(&required)).await;
    engine.dispatcher.ask(words(&engine, 0, None)).await.unwrap();
}
