//! `corsac.toml`, profiles and models: what is wrong with them is told before anything is asked, with code 4.

use crate::shell::Shell;
use crate::simulated::Simulated;

const QUERY: &str = "SELECT semantic_classify(text, ['a', 'b']) AS kind FROM 'reviews.csv'";

fn reviews() -> (Simulated, Shell) {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "text\ngood\n");
    (server, shell)
}

/// The query must be refused for this configuration, with these words, and reach no model.
#[track_caller]
fn refused(configuration: &str, arguments: &[&str], words: &[&str]) {
    let (server, shell) = reviews();
    shell.file("corsac.toml", configuration);
    shell.sql(QUERY, arguments).ends_with(4).prints("").says(words);
    assert_eq!(server.asked(), 0);
}

#[test]
fn a_broken_file_is_told_with_its_line() {
    refused("model = 'a/b'\nbudget = = 3\n", &[], &["corsac.toml", "line 2"]);
}

#[test]
fn an_unknown_setting_names_the_nearest() {
    refused("modle = 'a/b'\n", &[], &["corsac.toml", "line 1", "\"modle\"", "did you mean model?"]);
}

#[test]
fn an_unknown_profile_names_the_nearest() {
    refused("[profiles.fast]\nmodel = 'openai/gpt-4o'\n", &["--profile", "fats"], &["\"fats\"", "did you mean fast?"]);
}

#[test]
fn a_profile_without_a_file_says_so() {
    let (server, shell) = reviews();
    shell.sql(QUERY, &["--profile", "fast"]).ends_with(4).prints("").says(&["\"fast\"", "corsac.toml"]);
    assert_eq!(server.asked(), 0);
}

#[test]
fn a_missing_configuration_file_is_named() {
    let (_server, shell) = reviews();
    shell.sql(QUERY, &["--config", "none.toml"]).ends_with(4).prints("").says(&["none.toml"]);
}

#[test]
fn an_unknown_engine_names_those_there_are() {
    refused("engine = 'cloud'\n", &[], &["\"cloud\"", "\"openrouter\"", "\"sim\""]);
}

#[test]
fn a_base_url_must_be_one() {
    let (_server, shell) = reviews();
    let shell = shell.set("OPENROUTER_BASE_URL", "openrouter.ai");
    shell.sql(QUERY, &[]).ends_with(4).prints("").says(&["\"openrouter.ai\"", "http://"]);
}

#[test]
fn an_unknown_model_names_the_nearest() {
    let (server, shell) = reviews();
    let ran = shell.sql(QUERY, &["--model", "openai/gpt-4o-mimi", "--explain"]).ends_with(4).prints("");
    ran.says(&["\"openai/gpt-4o-mimi\"", "did you mean", "openai/gpt-4o-mini"]);
    assert_eq!(server.asked(), 0);
}

#[test]
fn an_unknown_model_is_told_on_the_first_run_of_all() {
    let (_server, shell) = reviews();
    let ran = shell.sql(QUERY, &["--model", "openai/gpt-4o-mimi"]).ends_with(4);
    ran.says(&["openai/gpt-4o-mimi", "did you mean", "openai/gpt-4o-mini"]);
}

#[test]
fn a_profile_chooses_model_and_fallbacks() {
    let (server, shell) = reviews();
    shell.file("corsac.toml", "[profiles.fast]\nmodel = 'openai/gpt-4o'\nfallbacks = ['anthropic/claude-3-haiku']\n");
    shell.sql(QUERY, &["--profile", "fast"]).ends_with(0).says(&["served   openai/gpt-4o by "]);
    assert_eq!(server.seen().by_model.keys().collect::<Vec<_>>(), ["openai/gpt-4o"]);
}

#[test]
fn a_flag_wins_over_the_profile() {
    let (server, shell) = reviews();
    shell.file("corsac.toml", "default_profile = 'fast'\n[profiles.fast]\nmodel = 'openai/gpt-4o'\n");
    shell.sql(QUERY, &["--model", "google/gemini-2.5-flash"]).ends_with(0);
    assert_eq!(server.seen().by_model.keys().collect::<Vec<_>>(), ["google/gemini-2.5-flash"]);
}

#[test]
fn one_openrouter_prefix_is_taken_off() {
    let (server, shell) = reviews();
    shell.sql(QUERY, &["--model", "openrouter/openai/gpt-4o"]).ends_with(0);
    assert_eq!(server.seen().by_model.keys().collect::<Vec<_>>(), ["openai/gpt-4o"]);
}
