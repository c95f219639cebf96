//! A long query is killed in the middle, again and again, until it comes through: every row is there in the end, and nothing is
//! paid for twice but what was under way when it was killed.

use std::collections::HashSet;

use corsac_ledger::Ledger;

use crate::shell::{Shell, Started};
use crate::simulated::Simulated;

const ROWS: usize = 5_000;
/// Different texts: rows with equal ones are one question.
const TEXTS: usize = 4_600;
const QUERY: &str = "SELECT id, semantic_classify(text, ['small', 'large', 'neither']) AS size, semantic_map('Sum up: {{ text }}', text) AS gist \
                     FROM 'parcels.csv' WHERE semantic_predicate('Did this parcel come late? {{ text }}', text)";
/// Kills come after so many requests at least and at most, counted from the last.
const SOON: u64 = 300;
const LATE: u64 = 3_000;

/// Numbers that look like chance, the same in every run of the test (Knuth's generator for 64 bits).
fn moments(mut seed: u64) -> impl Iterator<Item = u64> {
    std::iter::repeat_with(move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        SOON + (seed >> 33) % (LATE - SOON)
    })
}

/// Whether the simulator sees so many requests before the command ends by itself.
fn sees(server: &Simulated, wanted: u64, started: &mut Started) -> bool {
    loop {
        if server.asked() >= wanted {
            return true;
        }
        if started.has_ended() {
            return false;
        }
        // looking takes longer than answering
        (0..500).for_each(|_| std::thread::yield_now());
    }
}

/// Lets the simulator read what a killed command had sent.
fn settle(server: &Simulated) {
    let (mut last, mut unchanged) = (server.asked(), 0);
    while unchanged < 20 {
        (0..500).for_each(|_| std::thread::yield_now());
        let now = server.asked();
        unchanged = if now == last { unchanged + 1 } else { 0 };
        last = now;
    }
}

#[test]
fn a_query_that_is_killed_again_and_again_comes_through_and_pays_once() {
    let server = Simulated::start("latency_ms = 5\n");
    let shell = Shell::at(server.url());
    let rows: String = (0..ROWS).map(|id| format!("{id},parcel number {} came on day {}\n", id % TEXTS, id % TEXTS % 31)).collect();
    shell.file("parcels.csv", format!("id,text\n{rows}"));
    let arguments = ["sql", QUERY, "--format", "csv", "--quiet", "--out", "found.csv"];
    let ledger_file = shell.corsac_home().join("ledger.sqlite");

    let (mut kills, mut lost) = (0, 0);
    for after in moments(7) {
        let before = server.asked();
        let mut started = shell.start(&arguments, b"");
        if !sees(&server, before + after, &mut started) {
            assert_eq!(started.finish().code, Some(0));
            break;
        }
        started.signal("KILL");
        match started.finish().code {
            None => kills += 1,
            // it was quicker
            ended => {
                assert_eq!(ended, Some(0));
                break;
            }
        }
        assert!(!shell.folder().join("found.csv").exists(), "a killed command leaves no result behind");
        settle(&server);
        // what was sent and is not on disk was under way
        let kept = Ledger::open(&ledger_file).unwrap().answers_summary().unwrap().count;
        lost = server.asked() - kept;
    }
    assert!(kills >= 3, "{kills} kills");

    let found = shell.read("found.csv");
    // the same over the answers that are kept: all rows, and nothing more is asked
    let asked = server.asked();
    let again = shell.sql(QUERY, &["--format", "csv", "--quiet"]).ends_with(0).stdout;
    assert_eq!((again.as_str(), server.asked()), (found.as_str(), asked));
    let complete = |line: &str| line.split(',').count() >= 3 && line.split(',').all(|cell| !cell.is_empty());
    assert!(found.lines().skip(1).all(complete), "{found}");
    let late: Vec<usize> = found.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    let texts: HashSet<usize> = late.iter().map(|id| id % TEXTS).collect();
    assert!(late.len() > ROWS / 10 && late.len() < ROWS && late.is_sorted(), "{} rows", late.len());
    let whole = (0..ROWS).filter(|id| texts.contains(&(id % TEXTS))).count();
    assert_eq!(late.len(), whole, "equal texts have equal answers");

    // one answer for each question: whether it came late, and two about those that did
    let answers = (TEXTS + 2 * texts.len()) as u64;
    assert_eq!(Ledger::open(&ledger_file).unwrap().answers_summary().unwrap().count, answers);
    assert!(asked <= answers + lost, "{asked} asked, {answers} questions, {lost} under way at {kills} kills");
    let late = late.len();
    eprintln!("{kills} kills, {lost} under way then; {asked} asked, {answers} kept, {late} rows");
}

/// Examples are measured side by side, so as many questions may be under way when a search is killed.
const UNDER_WAY: u64 = 64;

#[test]
fn a_search_that_is_killed_goes_on_and_pays_once() {
    let server = Simulated::start("latency_ms = 5\n");
    let rows: String = (0..60).map(|row| format!("review number {row},{}\n", ["good", "bad"][row % 2])).collect();
    let signature = "text -> label: Literal['good', 'bad']";
    let search = ["tune", "--signature", signature, "--data", "train.csv", "--metric", "classify", "--optimizer", "random-search"];
    let arguments = [search.as_slice(), &["--candidates", "4", "--seed", "3", "--out", "better.json"]].concat();
    let at_home = || {
        let shell = Shell::at(server.url());
        shell.file("train.csv", format!("text,label\n{rows}"));
        shell
    };
    let calm = at_home();
    calm.run(&arguments).ends_with(0);
    let needed = server.asked();
    let shell = at_home();
    for part in [needed / 3, needed / 3] {
        let mut started = shell.start(&arguments, b"");
        assert!(sees(&server, server.asked() + part, &mut started), "the search ended before it was killed");
        started.signal("KILL");
        assert_eq!(started.finish().code, None);
        assert!(!shell.folder().join("better.json").exists(), "a killed command leaves no result behind");
        settle(&server);
    }
    shell.run(&arguments).ends_with(0);
    assert_eq!(shell.read("better.json"), calm.read("better.json"));
    let asked = server.asked() - needed;
    assert!(asked <= needed + 2 * UNDER_WAY, "{asked} questions where {needed} are needed");
}
