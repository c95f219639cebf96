//! Rows that get no answer: NULL in their place, a reason in the report, and another chance.

use crate::shell::Shell;
use crate::simulated::Simulated;

const REVIEWS: &str = "id,text\n1,good\n2,poisoned\n3,bad\n";
const QUERY: &str = "SELECT id, semantic_map('Say yes about {{ text }}', text) AS said FROM 'reviews.csv'";
/// One request is refused for its content, once.
const REFUSED_ONCE: &str = "[[rule]]\ncontains = 'poisoned'\ntimes = 1\nfault = 'moderation_403'\n[[rule]]\ncontent = 'yes'";
const REFUSED: &str = "[[rule]]\ncontains = 'poisoned'\nfault = 'moderation_403'\n[[rule]]\ncontent = 'yes'";

fn reviews(script: &str) -> (Simulated, Shell) {
    let server = Simulated::start(script);
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", REVIEWS);
    (server, shell)
}

#[test]
fn one_refused_row_is_null_and_the_others_are_answered() {
    let (server, shell) = reviews(REFUSED);
    let ran = shell.sql(QUERY, &[]).ends_with(3).prints("id,said\n1,yes\n2,\n3,yes\n");
    let retry = format!("corsac runs retry {}", ran.run_id());
    ran.says(&[
        "2 answers, 0 from memory, 1 failed",
        "failed   1 moderated, first at row 1 (from 0) of semantic_map",
        "\"Say yes about poisoned\"",
        &retry,
    ]);
    assert_eq!(server.asked(), 3);
}

#[test]
fn a_retry_asks_only_the_row_that_failed() {
    let (server, shell) = reviews(REFUSED_ONCE);
    let id = shell.sql(QUERY, &[]).ends_with(3).run_id();
    assert_eq!(server.asked(), 3);
    let ran = shell.run(&["runs", "retry", &id]).ends_with(0).prints("id,said\n1,yes\n2,yes\n3,yes\n");
    ran.says(&["1 answers, 2 from memory, 0 failed"]);
    assert_eq!(server.asked(), 4);
}

#[test]
fn a_retry_finds_its_files_from_any_folder() {
    let (server, shell) = reviews(REFUSED_ONCE);
    let id = shell.sql(QUERY, &["--out", "said.csv"]).ends_with(3).run_id();
    assert_eq!(shell.read("said.csv"), "id,said\n1,yes\n2,\n3,yes\n");
    shell.run_in(&shell.corsac_home(), &["runs", "retry", &id, "--quiet"]).ends_with(0).prints("");
    assert_eq!(shell.read("said.csv"), "id,said\n1,yes\n2,yes\n3,yes\n");
    assert_eq!(server.asked(), 4);
}

#[test]
fn a_retry_of_what_came_from_stdin_says_what_to_do() {
    let (_server, shell) = reviews(REFUSED);
    let id = shell.run_with_input(&["sql", &QUERY.replace("reviews.csv", "-")], REVIEWS.as_bytes()).ends_with(3).run_id();
    shell.run(&["runs", "retry", &id]).ends_with(2).prints("").says(&["stdin", "run the command again"]);
}

#[test]
fn on_error_fail_ends_with_the_first_failure() {
    let (_server, shell) = reviews(REFUSED);
    let ran = shell.sql(QUERY, &["--on-error", "fail", "--out", "said.csv"]).ends_with(3).prints("");
    ran.says(&["semantic_map failed (moderated)"]);
    assert!(!shell.folder().join("said.csv").exists(), "half a result stands under the name of a whole one");
}

#[test]
fn a_failed_row_has_one_number_everywhere() {
    let (_server, shell) = reviews(REFUSED);
    let ran = shell.sql(QUERY, &["--on-error", "fail"]).ends_with(3);
    ran.says(&["first at row 1 (from 0) of semantic_map", "corsac: row 1 of semantic_map failed"]);
}

#[test]
fn an_outcome_tells_how_each_row_ended() {
    let (_server, shell) = reviews(REFUSED);
    let query = QUERY.replace("semantic_map(", "outcome(semantic_map(").replace(", text)", ", text))");
    let query = format!(
        "SELECT id, said['value'] AS v, said['error_kind'] AS kind, said['attempts'] AS attempts, said['cost'] > 0 AS paid, said['model'] AS model FROM ({query})"
    );
    shell.sql(&query, &["--quiet"]).ends_with(3).prints(
        "id,v,kind,attempts,paid,model\n1,yes,,1,true,openai/gpt-4o-mini\n2,,moderated,1,false,openai/gpt-4o-mini\n3,yes,,1,true,openai/gpt-4o-mini\n",
    );
}

#[test]
fn an_outcome_is_a_struct_of_seven_fields() {
    let (_server, shell) = reviews(REFUSED);
    let query = "SELECT outcome(semantic_map('Say yes about {{ text }}', text)) AS o FROM 'reviews.csv' WHERE id = 1";
    let ran = shell.sql(query, &["--format", "jsonl", "--quiet"]).ends_with(0);
    let row: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let fields: Vec<&str> = row["o"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["value", "error_kind", "error", "attempts", "cost", "model", "provider"]);
}

#[test]
fn a_fallback_model_serves_when_the_first_is_down() {
    let (_server, shell) = reviews("down = [{ model = 'openai/gpt-4o-mini' }]\n[[rule]]\ncontent = 'yes'");
    let ran = shell.sql(QUERY, &["--model", "openai/gpt-4o-mini", "--fallback", "anthropic/claude-3-haiku"]).ends_with(0);
    ran.prints("id,said\n1,yes\n2,yes\n3,yes\n").says(&["served   anthropic/claude-3-haiku by "]);
}

#[test]
fn a_short_outage_is_overcome() {
    let (_server, shell) = reviews("[[rule]]\ntimes = 1\nfault = 'http_502'\n[[rule]]\ncontent = 'yes'");
    let ran = shell.sql(QUERY, &[]).ends_with(0).prints("id,said\n1,yes\n2,yes\n3,yes\n");
    ran.says(&["3 answers, 0 from memory, 0 failed", "remedies"]);
}
