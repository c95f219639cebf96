//! From any row of a run to the calls that made its values.

use crate::shell::Shell;
use crate::simulated::Simulated;

/// Row 1 repeats row 0, row 3 is refused and row 5 repeats it, row 4 is blank, row 6 is asked twice.
const REVIEWS: &str = "id,text\n0,good\n1,good\n2,bad\n3,poisoned\n4,\n5,poisoned\n6,shaky\n";
const QUERY: &str = "SELECT id, semantic_map('Say yes about {{ text }}', text) AS said FROM 'reviews.csv'";
const SCRIPT: &str = "[[rule]]\ncontains = 'poisoned'\nfault = 'moderation_403'\n\
                      [[rule]]\ncontains = 'shaky'\ntimes = 1\nfault = 'http_500'\n[[rule]]\ncontent = 'yes'";

fn one_run() -> (Simulated, Shell, String) {
    let server = Simulated::start(SCRIPT);
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", REVIEWS);
    let id = shell.sql(QUERY, &[]).ends_with(3).run_id();
    (server, shell, id)
}

fn shown(shell: &Shell, id: &str, row: &str) -> String {
    shell.run(&["runs", "show", id, "--row", row]).ends_with(0).stdout
}

fn traced(shell: &Shell, id: &str, row: u64) -> serde_json::Value {
    let ran = shell.run(&["runs", "trace", id, &row.to_string(), "--format", "json"]).ends_with(0);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in:\n{text}");
    }
}

#[test]
fn every_row_shows_its_attempts_and_remedies() {
    let (server, shell, id) = one_run();
    let asked = server.asked();
    holds(&shown(&shell, &id, "0"), &["row 0  semantic_map", "(2 rows)", "good", "answer   yes", "HTTP 200"]);
    holds(&shown(&shell, &id, "1"), &["row 1  semantic_map", "took the answer of row 0", "good", "answer   yes", "HTTP 200"]);
    holds(&shown(&shell, &id, "3"), &["row 3  semantic_map", "failed   moderated", "HTTP 403", "→ "]);
    holds(&shown(&shell, &id, "5"), &["row 5  semantic_map", "took the answer of row 3", "failed   moderated", "HTTP 403", "→ "]);
    holds(&shown(&shell, &id, "6"), &["HTTP 500", "→ ", "HTTP 200", "answer   yes"]);
    shell.run(&["runs", "show", &id, "--row", "4"]).ends_with(0).prints("").says(&["row 4", "NULL or blank"]);
    assert_eq!(server.asked(), asked, "looking back asks nothing");
}

#[test]
fn a_row_from_memory_is_traced_to_the_run_that_asked() {
    let (server, shell, first) = one_run();
    let second = shell.sql(QUERY, &["--quiet"]).ends_with(3);
    drop(second);
    let list = shell.run(&["runs", "list"]).ends_with(0).stdout;
    let second = list.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert_ne!(first, second);
    let asked = server.asked();
    holds(
        &shown(&shell, &second, "1"),
        &["took the answer of row 0", "memory   yes", &format!("asked    in run {first} for row 0"), "HTTP 200"],
    );
    let trace = traced(&shell, &second, 6);
    let call = &trace["calls"][0];
    assert_eq!((&call["outcome"], &call["answer"], &call["cost"]), (&"from_memory".into(), &"yes".into(), &"0".into()), "{trace}");
    assert_eq!(call["asked_by"]["run"], first.as_str());
    let attempts = call["asked_by"]["attempts"].as_array().unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt["http_status"].as_u64().unwrap()).collect::<Vec<_>>(), [500, 200]);
    assert_eq!(server.asked(), asked);
}

#[test]
fn a_trace_tells_prompt_answer_attempts_provider_and_cost() {
    let (_server, shell, id) = one_run();
    let trace = traced(&shell, &id, 1);
    let calls = trace["calls"].as_array().unwrap();
    assert_eq!((trace["run"].as_str(), trace["row"].as_u64(), calls.len()), (Some(id.as_str()), Some(1), 1), "{trace}");
    let call = &calls[0];
    assert_eq!((call["row"].as_u64(), call["asked_for_row"].as_u64(), call["rows"].as_u64()), (Some(1), Some(0), Some(2)), "{trace}");
    assert_eq!((call["input"].as_str(), call["answer"].as_str()), (Some("Say yes about good"), Some("yes")), "{trace}");
    assert!(call["provider"].is_string() && call["cost"].as_str().unwrap().parse::<f64>().unwrap() > 0.0, "{trace}");
    let attempt = &call["attempts"][0];
    assert_eq!((attempt["http_status"].as_u64(), attempt["cost_source"].as_str()), (Some(200), Some("reported")), "{trace}");
    assert_eq!(traced(&shell, &id, 4)["calls"].as_array().unwrap().len(), 0);
    let other = shell.run(&["runs", "trace", &id, "1", "--operator", "semantic_classify"]).ends_with(0);
    assert_eq!(other.stdout, "");
}

#[test]
fn rows_that_were_never_asked_tell_why() {
    let (_server, shell, _) = one_run();
    let query =
        "SELECT semantic_map('{{ long }}', long) FROM (SELECT repeat(text, 2000000) AS long FROM 'reviews.csv' WHERE text = 'good')";
    let id = shell.sql(query, &[]).ends_with(3).run_id();
    holds(&shown(&shell, &id, "1"), &["failed   bad_input", "MB"]);
    holds(&shell.run(&["runs", "show", &id]).ends_with(0).stdout, &["failed   1 bad_input (2 rows), first at row 0"]);
}

/// Whose reviews; the reader of a join.
const PEOPLE: &str = "who,town\nann,Rome\nbob,Oslo\n";
const BY_PEOPLE: &str = "id,who,text\n0,bob,dull\n1,ann,fine\n2,ann,dull\n3,bob,good\n4,ann,good\n5,cy,fine\n";

/// For each row of the result, what was asked of the calls behind it, in alphabetical order.
fn behind_each(shell: &Shell, query: &str, rows: u64) -> Vec<Vec<String>> {
    let id = shell.sql(query, &["--quiet"]).ends_with(0);
    drop(id);
    let list = shell.run(&["runs", "list"]).ends_with(0).stdout;
    let id = list.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    shell.run(&["runs", "trace", &id, &rows.to_string()]).ends_with(2).says(&[&format!("gave {rows} rows")]);
    let inputs = |row| {
        let trace = traced(shell, &id, row);
        assert_eq!(trace["more"], 0, "{trace}");
        let mut inputs: Vec<String> =
            trace["calls"].as_array().unwrap().iter().map(|call| call["input"].as_str().unwrap().to_owned()).collect();
        inputs.sort();
        inputs
    };
    (0..rows).map(inputs).collect()
}

#[test]
fn a_row_of_the_result_leads_to_its_calls_whatever_the_query_did_with_the_rows() {
    let server = Simulated::start(
        "[[rule]]\ncontains = 'Is dull'\ncontent = '{\"answer\":false}'\n[[rule]]\ncontains = 'Is '\ncontent = '{\"answer\":true}'\n[[rule]]\ncontent = 'yes'",
    );
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", BY_PEOPLE);
    shell.file("people.csv", PEOPLE);
    let check = |query: &str, wanted: &[&[&str]]| {
        let found = behind_each(&shell, query, wanted.len() as u64);
        assert_eq!(found, wanted.iter().map(|row| row.to_vec()).collect::<Vec<_>>(), "{query}");
    };
    // a condition that asks, one that does not, the order and the limit
    check(
        "SELECT id, semantic_map('On {{ text }}', text) AS said FROM 'reviews.csv' WHERE id <> 1 AND semantic_predicate('Is {{ text }} nice?', text) \
         ORDER BY id DESC LIMIT 2",
        &[&["Is fine nice?", "On fine"], &["Is good nice?", "On good"]],
    );
    // both sides of a join
    check(
        "SELECT r.id, p.said FROM 'reviews.csv' r JOIN (SELECT who, semantic_map('Town {{ town }}', town) AS said FROM 'people.csv') p ON r.who = p.who \
         WHERE semantic_predicate('Is {{ text }} nice?', r.text) ORDER BY r.id DESC",
        &[&["Is good nice?", "Town Rome"], &["Is good nice?", "Town Oslo"], &["Is fine nice?", "Town Rome"]],
    );
    // a row of a side that has no partner
    check(
        "SELECT r.id, p.said FROM 'reviews.csv' r LEFT JOIN (SELECT who, semantic_map('Town {{ town }}', town) AS said FROM 'people.csv') p \
         ON r.who = p.who WHERE r.id >= 4 ORDER BY r.id",
        &[&["Town Rome"], &[]],
    );
    // a group stems from all its rows
    check(
        "SELECT who, count(*) AS n FROM 'reviews.csv' WHERE semantic_predicate('Is {{ text }} nice?', text) GROUP BY who HAVING count(*) > 1 \
         OR who = 'cy' ORDER BY who",
        &[&["Is fine nice?", "Is good nice?"], &["Is fine nice?"]],
    );
    check("SELECT DISTINCT semantic_map('On {{ text }}', text) AS said FROM 'reviews.csv'", &[&["On dull", "On fine", "On good"]]);
    // sides of a union, windows, nested queries and views of them
    check(
        "SELECT who AS it FROM 'people.csv' WHERE semantic_predicate('Is {{ town }} nice?', town) UNION ALL SELECT CAST(id AS TEXT) FROM 'reviews.csv' \
         WHERE id = 5 ORDER BY it DESC",
        &[&["Is Oslo nice?"], &["Is Rome nice?"], &[]],
    );
    check(
        "WITH said AS (SELECT id, who, semantic_map('On {{ text }}', text) AS said FROM 'reviews.csv') \
         SELECT id, row_number() OVER (PARTITION BY who ORDER BY id) AS nth, said FROM said QUALIFY nth = 2 ORDER BY id",
        &[&["On dull"], &["On good"]],
    );
    // a join that asks
    check(
        "SELECT r.id, p.town FROM 'reviews.csv' r JOIN 'people.csv' p ON semantic_predicate('Is {{ a }} of {{ b }}?', a => r.text, b => p.town) \
         WHERE r.id = 1 ORDER BY p.town",
        &[&["Is fine of Oslo?"], &["Is fine of Rome?"]],
    );
}

#[test]
fn a_row_made_of_very_many_calls_lists_some_and_says_how_many_more() {
    let server = Simulated::start("[[rule]]\ncontent = '{\"answer\":true}'");
    let shell = Shell::at(server.url());
    let numbers: String = (0..100).map(|number| format!("text {number}\n")).collect();
    shell.file("many.csv", format!("text\n{numbers}"));
    let query = "SELECT count(*) AS n FROM 'many.csv' WHERE semantic_predicate('Is {{ text }} nice?', text)";
    let id = shell.sql(query, &[]).ends_with(0).prints("n\n100\n").run_id();
    let trace = traced(&shell, &id, 0);
    assert_eq!((trace["calls"].as_array().unwrap().len(), trace["more"].as_u64()), (64, Some(36)));
    holds(&shell.run(&["runs", "trace", &id, "0"]).ends_with(0).stdout, &["and up to 36 more", "runs export"]);
}

#[test]
fn what_is_written_into_files_and_tables_is_traced_too() {
    let server = Simulated::start("[[rule]]\ncontent = 'yes'");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", BY_PEOPLE);
    let id = shell.sql("SELECT semantic_map('On {{ text }}', text) AS said FROM 'reviews.csv' WHERE id > 2", &["--out", "said.parquet"]);
    let id = id.ends_with(0).run_id();
    assert_eq!(traced(&shell, &id, 2)["calls"][0]["input"], "On fine");
    let id = shell.sql("CREATE TABLE said AS SELECT semantic_map('Of {{ text }}', text) AS said FROM 'reviews.csv' WHERE id > 3", &[]);
    assert_eq!(traced(&shell, &id.ends_with(0).run_id(), 0)["calls"][0]["input"], "Of good");
}
