//! `corsac doctor`: what is well, what is not, and what to do.

use crate::shell::{KEY, Shell};
use crate::simulated::Simulated;

#[test]
fn all_three_scenarios_are_shown() {
    let server = Simulated::start("latency_ms = 5\n");
    let shell = Shell::at(server.url());
    let ran = shell.run(&["doctor", "--app-name", "8-Bit Oracle", "--app-url", "https://8bitoracle.ai"]).ends_with(0);
    for words in [
        "ok    key        found in OPENROUTER_API_KEY in the environment (…7b61)",
        "ok    service",
        "ok    limits",
        "ok    clock",
        "ok    catalog",
        "ok    model      openai/gpt-4o-mini",
        "ok    call       openai/gpt-4o-mini",
        "http-referer: https://8bitoracle.ai",
        "x-title: 8-Bit Oracle",
        "x-openrouter-title: 8-Bit Oracle",
        "ok    failover   with the first address dead",
        "ok    module     question -> reasoning, answer",
        "all is well",
    ] {
        assert!(ran.stdout.contains(words), "{words:?} is not in\n{}\n{}", ran.stdout, ran.stderr);
    }
    assert!(!ran.stdout.contains(KEY) && !ran.stderr.contains(KEY));
    assert_eq!(server.seen().without_attribution, 0);
}

#[test]
fn each_thing_that_is_wrong_says_what_to_do() {
    let server = Simulated::start("[keys]\naccepted = [\"sk-or-v1-another-key\"]\n");
    let ran = Shell::at(server.url()).run(&["doctor"]).ends_with(1);
    assert!(ran.stdout.contains("WRONG limits") && ran.stdout.contains("https://openrouter.ai/settings/keys"), "{}", ran.stdout);
    let ran = Shell::at("http://127.0.0.1:9/api/v1").run(&["doctor"]).ends_with(1);
    assert!(ran.stdout.contains("WRONG service"), "{}", ran.stdout);
    let server = Simulated::start("");
    let ran = Shell::at(server.url()).run(&["doctor", "--model", "openai/gpt-4o-minni"]).ends_with(4);
    assert!(ran.stdout.contains("did you mean"), "{}", ran.stdout);
    let shell = Shell::new();
    let ran = shell.run(&["doctor", "--engine", "openrouter"]).ends_with(4);
    assert!(ran.stdout.contains("WRONG key"), "{}", ran.stdout);
}

#[test]
fn nothing_is_asked_when_told_so() {
    let server = Simulated::start("");
    Shell::at(server.url()).run(&["doctor", "--no-call"]).ends_with(0);
    assert_eq!(server.asked(), 0);
}
