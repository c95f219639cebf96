//! When the first model fails, the next one answers: over models, keys and addresses, as the ledger and the report say.

use crate::shell::Shell;
use crate::simulated::Simulated;

const QUERY: &str = "SELECT id, semantic_classify(text, ['a', 'b']) AS kind FROM 'texts.csv' ORDER BY id";

fn with_texts(shell: &Shell, count: usize) {
    let rows: String = (0..count).map(|row| format!("{row},text number {row}\n")).collect();
    shell.file("texts.csv", format!("id,text\n{rows}"));
}

#[test]
fn every_row_is_answered_by_the_next_model() {
    for fault in ["no_endpoints_404", "upstream_rate_limited", "http_502", "http_503", "cut", "error_in_200"] {
        let server = Simulated::start(&format!("[[down]]\nmodel = \"openai/gpt-4o-mini\"\nfault = \"{fault}\"\n"));
        let shell = Shell::at(server.url());
        with_texts(&shell, 12);
        let ran =
            shell.sql(QUERY, &["--fallback", "anthropic/claude-3-haiku"]).ends_with(0).says(&["anthropic/claude-3-haiku", "0 failed"]);
        assert_eq!(ran.stdout.lines().count(), 13, "{fault}: {}", ran.stdout);
    }
}

#[test]
fn a_model_that_hangs_is_left_for_the_next_and_the_time_it_cost_is_told() {
    let server = Simulated::start("[[down]]\nmodel = \"openai/gpt-4o-mini\"\nfault = \"hang\"\n");
    let shell = Shell::at(server.url());
    with_texts(&shell, 12);
    let ran = shell.sql(QUERY, &["--fallback", "anthropic/claude-3-haiku", "--timeout", "1"]).ends_with(0).says(&["0 failed", "failover"]);
    assert_eq!(ran.stdout.lines().count(), 13);
}

/// The call of the first document, taken literally.
#[test]
fn a_model_list_is_an_ordered_failover_list_with_keys_and_addresses_of_its_own() {
    let dead = Simulated::start("[keys]\naccepted = [\"sk-or-v1-somebody-else\"]\n");
    let alive = Simulated::start("[keys]\naccepted = [\"sk-or-v1-the-second-key-5678\"]\n");
    let shell = Shell::new();
    with_texts(&shell, 5);
    shell.file(
        "corsac.toml",
        format!(
            "[headers]\n\"HTTP-Referer\" = \"https://8bitoracle.ai\"\n\"X-Title\" = \"8-Bit Oracle\"\n\n\
             [[model_list]]\nmodel_name = \"openrouter/gpt-4o-mini\"\n[model_list.litellm_params]\n\
             model = \"openrouter/gpt-4o-mini\"\napi_key = \"sk-or-v1-the-first-key-1234\"\napi_base = \"{}\"\n\n\
             [[model_list]]\nmodel_name = \"openrouter/claude-3-haiku\"\n[model_list.litellm_params]\n\
             model = \"openrouter/claude-3-haiku\"\napi_key = \"sk-or-v1-the-second-key-5678\"\napi_base = \"{}\"\n",
            dead.url(),
            alive.url()
        ),
    );
    let ran = shell.sql(QUERY, &[]).ends_with(0).says(&["anthropic/claude-3-haiku", "0 failed"]);
    assert_eq!(ran.stdout.lines().count(), 6);
    assert!(alive.asked() >= 5);
    assert!(alive.headers("http-referer").iter().all(|value| value == "https://8bitoracle.ai"));
    assert!(alive.headers("x-title").iter().all(|value| value == "8-Bit Oracle"));
    let shown = shell.run(&["runs", "show", &ran.run_id(), "--row", "0"]).ends_with(0);
    assert!(shown.stdout.contains("unauthorized") && shown.stdout.contains("anthropic/claude-3-haiku"), "{}", shown.stdout);
    assert!(!shown.stdout.contains("sk-or-v1"), "{}", shown.stdout);
}
