//! `corsac runs`, `corsac models`, `corsac sim` and `--engine sim`.

use crate::shell::Shell;
use crate::simulated::Simulated;

const QUERY: &str = "SELECT id, semantic_map('Say yes about {{ text }}', text) AS said FROM 'reviews.csv'";

/// A run of three rows, the second of which failed; with its id.
fn one_run() -> (Simulated, Shell, String) {
    let server = Simulated::start("[[rule]]\ncontains = 'poisoned'\nfault = 'moderation_403'\n[[rule]]\ncontent = 'yes, \"indeed\"'");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "id,text\n1,good\n2,poisoned\n3,bad\n");
    let id = shell.sql(QUERY, &[]).ends_with(3).run_id();
    (server, shell, id)
}

/// Fails unless the text holds every one of the words.
#[track_caller]
fn holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in\n{text}");
    }
}

#[test]
fn runs_are_listed() {
    let (_server, shell, id) = one_run();
    let ran = shell.run(&["runs", "list"]).ends_with(0);
    let line = ran.stdout.lines().nth(1).unwrap();
    assert!(line.starts_with(&id), "{line}");
    holds(line, &["completed", "SELECT id, semantic_map("]);
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(cells[3..7], ["3", "2", "0", "1"], "rows, answers, memory, failed");
}

#[test]
fn a_run_is_shown() {
    let (_server, shell, id) = one_run();
    let ran = shell.run(&["runs", "show", &id]).ends_with(0);
    holds(
        &ran.stdout,
        &[
            &id,
            "calls 3: 2 answered, 0 from memory, 1 failed",
            "3 requests",
            "served   openai/gpt-4o-mini by ",
            "failed   1 moderated, first at row 1 (from 0)",
        ],
    );
}

#[test]
fn the_beginning_of_an_id_is_enough() {
    let (_server, shell, id) = one_run();
    let ran = shell.run(&["runs", "show", &id[..4]]).ends_with(0);
    holds(&ran.stdout, &[&id]);
}

#[test]
fn a_row_is_shown_with_its_attempts() {
    let (_server, shell, id) = one_run();
    let ran = shell.run(&["runs", "show", &id, "--row", "0"]).ends_with(0);
    holds(&ran.stdout, &["row 0  semantic_map", "input    ", "good", "answer   yes, \"indeed\"", "attempt  ", "HTTP 200"]);
    shell.run(&["runs", "show", &id, "--row", "9"]).ends_with(0).prints("").says(&["row 9"]);
}

#[test]
fn failed_calls_are_shown_with_why() {
    let (_server, shell, id) = one_run();
    let ran = shell.run(&["runs", "show", &id, "--failed"]).ends_with(0);
    holds(&ran.stdout, &["row 1  semantic_map", "poisoned", "failed   moderated", "HTTP 403"]);
    assert!(!ran.stdout.contains("row 0"), "{}", ran.stdout);
}

#[test]
fn an_unknown_run_is_told() {
    let (_server, shell, _) = one_run();
    for command in ["show", "retry", "export"] {
        let ran = shell.run(&["runs", command, "zzzz"]);
        assert!(matches!(ran.code, Some(1 | 2)), "{command}: {:?}", ran.code);
        ran.prints("").says(&["zzzz"]);
    }
}

#[test]
fn a_run_is_exported_as_json_lines() {
    let (_server, shell, id) = one_run();
    let ran = shell.run(&["runs", "export", &id]).ends_with(0);
    let mut calls: Vec<serde_json::Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    calls.sort_by_key(|call| call["row"].as_u64());
    let told: Vec<_> =
        calls.iter().map(|call| (call["outcome"].as_str().unwrap(), call["answer"].as_str(), call["error_kind"].as_str())).collect();
    let yes = Some("yes, \"indeed\"");
    assert_eq!(told, [("answered", yes, None), ("failed", None, Some("moderated")), ("answered", yes, None)]);
}

#[test]
fn a_run_is_exported_as_csv_that_corsac_reads() {
    let (_server, shell, id) = one_run();
    shell.run(&["runs", "export", &id, "--format", "csv", "--out", "calls.csv"]).ends_with(0).prints("");
    let ran = shell.sql("SELECT \"row\", outcome, answer, error_kind FROM 'calls.csv' ORDER BY \"row\"", &[]).ends_with(0);
    ran.prints(
        "row,outcome,answer,error_kind\n0,answered,\"yes, \"\"indeed\"\"\",\n1,failed,,moderated\n2,answered,\"yes, \"\"indeed\"\"\",\n",
    );
}

#[test]
fn models_are_searched() {
    let server = Simulated::start("");
    let ran = Shell::at(server.url()).run(&["models", "list", "--search", "haiku"]).ends_with(0).says(&["2 of "]);
    let ids: Vec<&str> = ran.stdout.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(ids, ["anthropic/claude-3-haiku", "anthropic/claude-haiku-4.5"]);
}

#[test]
fn a_model_is_shown_with_its_providers() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    let ran = shell.run(&["models", "show", "anthropic/claude-3-haiku"]).ends_with(0);
    holds(&ran.stdout, &["context 200000", "$/M in 0.250", "forced_tool", "amazon-bedrock"]);
    shell.run(&["models", "show", "anthropic/claude-3-haiku-x"]).ends_with(4).prints("").says(&["did you mean"]);
}

#[test]
fn the_simulator_says_where_it_is_and_serves_there() {
    let mut simulator = Shell::new().start(&["sim", "--port", "0"], b"");
    let said = simulator.wait_for("/api/v1/sim/seen");
    let url = said.split("OPENROUTER_BASE_URL=").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap().to_owned();
    let shell = Shell::at(&url);
    shell.file("reviews.csv", "text\ngood\n");
    shell.sql("SELECT semantic_classify(text, ['a']) AS kind FROM 'reviews.csv'", &["--quiet"]).ends_with(0).prints("kind\na\n");
    simulator.signal("INT");
    simulator.finish().ends_with(0).prints(&format!("OpenRouter, simulated, at {url}\n"));
}

#[test]
fn a_bad_simulator_script_is_told_with_its_line() {
    let shell = Shell::new();
    shell.file("script.toml", "seed = 1\n[[rule]]\nfault = 'http_999'\n");
    shell.run(&["sim", "--port", "0", "--script", "script.toml"]).ends_with(2).prints("").says(&["script.toml", "line 3", "http_999"]);
}

#[test]
fn the_simulator_answers_inside_the_process() {
    let shell = Shell::new();
    shell.file("reviews.csv", "id,text\n1,good\n");
    shell.file("script.toml", "[[rule]]\ncontent = 'yes'\n");
    let ran = shell.sql(QUERY, &["--engine", "sim", "--sim-script", "script.toml"]).ends_with(0);
    ran.prints("id,said\n1,yes\n").says(&["answered by the simulator"]);
}
