//! No network, a ledger that cannot be read, a result that cannot be written: code 1, and a message that says what to do.

use std::net::{Ipv4Addr, TcpListener};

use crate::shell::Shell;
use crate::simulated::Simulated;

const QUERY: &str = "SELECT semantic_classify(text, ['a', 'b']) AS kind FROM 'reviews.csv'";

#[test]
fn a_closed_port_is_named() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let shell = Shell::at(&format!("http://{address}/api/v1"));
    shell.file("reviews.csv", "text\ngood\n");
    shell.sql(QUERY, &[]).ends_with(1).says(&["no connection", &address]);
}

#[test]
fn a_host_that_is_not_there_is_named() {
    let shell = Shell::at("http://nobody.invalid/api/v1");
    shell.file("reviews.csv", "text\ngood\n");
    shell.sql(QUERY, &[]).ends_with(1).says(&["nobody.invalid"]);
}

#[test]
fn a_run_that_failed_as_a_whole_prints_nothing() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let shell = Shell::at(&format!("http://{}/api/v1", listener.local_addr().unwrap()));
    drop(listener);
    shell.file("reviews.csv", "text\ngood\n");
    shell.sql(QUERY, &[]).ends_with(1).prints("");
}

#[test]
fn a_broken_ledger_is_told_and_left_alone() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "text\ngood\n");
    let ledger = shell.corsac_home().join("ledger.sqlite");
    let broken = b"this is not a ledger at all, but somebody's letter\n".repeat(100);
    std::fs::write(&ledger, &broken).unwrap();
    shell.sql(QUERY, &[]).ends_with(1).prints("").says(&["ledger.sqlite"]);
    shell.run(&["runs", "list"]).ends_with(1).prints("").says(&["ledger.sqlite"]);
    assert_eq!(std::fs::read(&ledger).unwrap(), broken);
    assert_eq!(server.asked(), 0);
}

#[test]
fn a_ledger_damaged_in_the_middle_is_told_and_never_deleted() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "text\ngood\n");
    shell.sql(QUERY, &["--quiet"]).ends_with(0);
    let ledger = shell.corsac_home().join("ledger.sqlite");
    let mut bytes = std::fs::read(&ledger).unwrap();
    // the file's own header stays, so that it is opened as a database
    bytes[100..].fill(0xA5);
    std::fs::write(&ledger, &bytes).unwrap();
    shell.sql(QUERY, &["--quiet"]).ends_with(1).says(&["ledger.sqlite"]);
    assert_eq!(std::fs::read(&ledger).unwrap()[100..], bytes[100..]);
}

#[test]
fn a_home_that_is_a_file_is_named() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "text\ngood\n");
    let home = shell.file("not-a-folder", "");
    let shell = shell.set("CORSAC_HOME", home);
    shell.sql(QUERY, &[]).ends_with(1).prints("").says(&["not-a-folder"]);
    assert_eq!(server.asked(), 0);
}

#[test]
fn a_missing_folder_for_the_result_is_told_before_anything_is_asked() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "text\ngood\n");
    shell.sql(QUERY, &["--out", "none/said.csv"]).ends_with(1).prints("").says(&["none/said.csv", "create it first"]);
    assert_eq!(server.asked(), 0);
}

#[test]
fn a_web_page_in_place_of_an_answer_is_a_failed_row() {
    let server = Simulated::start("[[rule]]\ncontains = 'good'\nreply = { status = 200, body = '<html>a portal</html>' }");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "text\ngood\nbad\n");
    let ran = shell.sql(QUERY, &["--format", "jsonl"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("{\"kind\":null}\n{\"kind\":\""), "{}", ran.stdout);
}

#[test]
fn a_text_too_long_for_every_model_fails_alone_and_unsent() {
    let shell = Shell::new();
    // some 300,000 tokens, where the simulated model takes 128,000
    let long = "word ".repeat(300_000);
    shell.file("texts.csv", format!("id,text\n1,short\n2,\"{long}\"\n3,short too\n"));
    let sql = "SELECT id, outcome(semantic_predicate('Is {{ text }} short?', text))['error_kind'] AS kind FROM 'texts.csv' ORDER BY id";
    let ran = shell.sql(sql, &["--engine", "sim"]).ends_with(3).prints("id,kind\n1,\n2,bad_input\n3,\n");
    ran.says(&["2 answers", "1 failed", "the largest context of openai/gpt-4o-mini is 128000 tokens", "2 requests"]);
}
