//! Ctrl-C: nothing more is asked, what is answered is kept, the code is 130.

use crate::gate::Gate;
use crate::shell::Shell;

const TWO_STEPS: &str = "SELECT id, semantic_map('held back: {{ text }} is {{ kind }}', text, kind) AS said \
                         FROM (SELECT id, text, semantic_classify(text, ['good', 'bad']) AS kind FROM 'reviews.csv')";

/// Stops the query by a signal while its last three requests are under way, then runs it again.
fn stopped_by(signal: &str) {
    let gate = Gate::start("held back");
    let shell = Shell::at(gate.url());
    shell.file("reviews.csv", "id,text\n1,one\n2,two\n3,three\n");
    let mut started = shell.start(&["sql", TWO_STEPS], b"");
    gate.wait_for(3);
    started.signal(signal);
    started.wait_for("waiting for 3 answers under way");
    started.signal(signal);
    let ran = started.finish().ends_with(130);
    ran.says(&["go on    run the same command again", "3 answers"]);
    assert_eq!(gate.bodies().len(), 6);
    let listed = shell.run(&["runs", "list"]).ends_with(0).stdout;
    assert!(listed.contains("interrupted"), "{listed}");

    gate.open();
    shell.sql(TWO_STEPS, &[]).ends_with(0).says(&["3 answers, 3 from memory, 0 failed"]);
    assert_eq!((gate.bodies().len(), gate.count("held back")), (9, 6));
}

#[test]
fn an_interrupt_keeps_what_is_done() {
    stopped_by("INT");
}

#[test]
fn a_termination_keeps_what_is_done() {
    stopped_by("TERM");
}

#[test]
fn an_interrupted_result_file_is_not_taken_for_a_whole_one() {
    let gate = Gate::start("held back");
    let shell = Shell::at(gate.url());
    shell.file("reviews.csv", "id,text\n1,one\n");
    let mut started = shell.start(&["sql", TWO_STEPS, "--out", "said.csv"], b"");
    gate.wait_for(1);
    started.signal("INT");
    started.wait_for("waiting for 1 answers under way");
    started.signal("INT");
    started.finish().ends_with(130).prints("");
    let left: Vec<String> =
        std::fs::read_dir(shell.folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left, ["reviews.csv"]);
}
