//! Nothing is asked twice: not by a second run, not by another format, not after a kill in the middle.

use crate::gate::Gate;
use crate::shell::Shell;
use crate::simulated::Simulated;

/// The second question of a row is asked only when the answer to its first is durable.
const TWO_STEPS: &str = "SELECT id, semantic_map('held back: {{ text }} is {{ kind }}', text, kind) AS said \
                         FROM (SELECT id, text, semantic_classify(text, ['good', 'bad']) AS kind FROM 'reviews.csv')";
const ROWS: usize = 6;

fn six_reviews(shell: &Shell) {
    let rows: String = (1..=ROWS).map(|id| format!("{id},review number {id}\n")).collect();
    shell.file("reviews.csv", format!("id,text\n{rows}"));
}

#[test]
fn a_second_run_asks_nothing() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    six_reviews(&shell);
    let first = shell.sql(TWO_STEPS, &[]).ends_with(0);
    let asked = server.asked();
    assert_eq!(asked, 2 * ROWS as u64);
    let second = shell.sql(TWO_STEPS, &[]).ends_with(0).says(&["0 answers, 12 from memory, 0 failed  $0.0000"]);
    assert_eq!(second.stdout, first.stdout);
    assert_eq!(server.asked(), asked);
}

#[test]
fn fresh_asks_anew() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    six_reviews(&shell);
    let query = "SELECT semantic_classify(text, ['good', 'bad']) FROM 'reviews.csv'";
    shell.sql(query, &["--quiet"]).ends_with(0);
    shell.sql(query, &["--quiet", "--fresh"]).ends_with(0);
    assert_eq!(server.asked(), 2 * ROWS as u64);
}

#[test]
fn another_model_is_another_question() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    six_reviews(&shell);
    let query = "SELECT semantic_classify(text, ['good', 'bad']) FROM 'reviews.csv'";
    shell.sql(query, &["--quiet"]).ends_with(0);
    shell.sql(query, &["--quiet", "--model", "openai/gpt-4o"]).ends_with(0);
    assert_eq!(server.asked(), 2 * ROWS as u64);
}

#[test]
fn a_limit_that_is_satisfied_stops_asking() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    six_reviews(&shell);
    shell
        .sql("SELECT id, semantic_classify(text, ['good']) AS k FROM 'reviews.csv' LIMIT 2", &["--quiet"])
        .ends_with(0)
        .prints("id,k\n1,good\n2,good\n");
    assert_eq!(server.asked(), 2);
}

#[test]
fn rows_that_a_cheap_filter_drops_are_not_asked() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    six_reviews(&shell);
    let query = "SELECT id FROM 'reviews.csv' WHERE semantic_classify(text, ['good']) = 'good' AND id > 4";
    shell.sql(query, &["--quiet"]).ends_with(0).prints("id\n5\n6\n");
    assert_eq!(server.asked(), 2);
}

#[test]
fn after_kill_9_only_what_was_in_flight_is_asked_again() {
    let gate = Gate::start("held back");
    let shell = Shell::at(gate.url());
    six_reviews(&shell);
    let started = shell.start(&["sql", TWO_STEPS], b"");
    gate.wait_for(ROWS);
    started.signal("KILL");
    assert_eq!(started.finish().code, None);
    assert_eq!((gate.bodies().len(), gate.count("held back")), (2 * ROWS, ROWS));

    gate.open();
    shell.sql(TWO_STEPS, &[]).ends_with(0).says(&["6 answers, 6 from memory, 0 failed"]);
    assert_eq!((gate.bodies().len(), gate.count("held back")), (3 * ROWS, 2 * ROWS));
    let listed = shell.run(&["runs", "list"]).ends_with(0).stdout;
    assert!(listed.contains("completed") && listed.contains("crashed"), "{listed}");

    shell.sql(TWO_STEPS, &["--quiet"]).ends_with(0);
    assert_eq!(gate.bodies().len(), 3 * ROWS);
}
