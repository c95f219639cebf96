//! Results and nothing but results on stdout, in every format; everything else on stderr.

use crate::shell::{Ran, Shell};
use crate::simulated::Simulated;

const REVIEWS: &str = "id,text\n1,the parcel came late\n2,lovely colour\n";
const QUERY: &str = "SELECT id, semantic_map('Say yes about {{ text }}', text) AS said FROM 'reviews.csv'";

/// A server that always says the same, and two reviews.
fn reviews() -> (Simulated, Shell) {
    let server = Simulated::start("[[rule]]\ncontent = 'yes'");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", REVIEWS);
    (server, shell)
}

fn in_format(format: &str) -> Ran {
    let (_server, shell) = reviews();
    shell.sql(QUERY, &["--quiet", "--format", format]).ends_with(0)
}

#[test]
fn results_go_to_stdout_and_the_report_to_stderr() {
    let (server, shell) = reviews();
    let ran = shell.sql(QUERY, &[]).ends_with(0).prints("id,said\n1,yes\n2,yes\n");
    let report = format!("run {}  2 rows  2 answers, 0 from memory, 0 failed", ran.run_id());
    ran.says(&[&report, "served   openai/gpt-4o-mini by ", "2 requests"]);
    assert_eq!(server.asked(), 2);
}

#[test]
fn a_piped_report_has_no_progress_line() {
    let (_server, shell) = reviews();
    let ran = shell.sql(QUERY, &[]).ends_with(0);
    assert!(!ran.stderr.contains('\r') && !ran.stderr.contains('\u{1b}') && !ran.stderr.contains("ETA"), "{}", ran.stderr);
}

#[test]
fn quiet_says_nothing_but_the_result() {
    let (_server, shell) = reviews();
    let ran = shell.sql(QUERY, &["--quiet"]).ends_with(0).prints("id,said\n1,yes\n2,yes\n");
    assert_eq!(ran.stderr, "");
}

#[test]
fn quiet_still_tells_errors() {
    let ran = Shell::new().sql("SELECT * FROM 'none.csv'", &["--quiet"]).ends_with(2).prints("");
    ran.says(&["none.csv"]);
}

#[test]
fn json_is_one_array() {
    in_format("json").prints("[{\"id\":1,\"said\":\"yes\"},{\"id\":2,\"said\":\"yes\"}]\n");
}

#[test]
fn json_lines_are_an_object_a_line() {
    in_format("jsonl").prints("{\"id\":1,\"said\":\"yes\"}\n{\"id\":2,\"said\":\"yes\"}\n");
}

#[test]
fn markdown_is_a_table() {
    in_format("markdown").prints("| id | said |\n| ---: | --- |\n| 1 | yes |\n| 2 | yes |\n");
}

#[test]
fn a_table_is_aligned() {
    in_format("table").prints("id  said\n──  ────\n 1  yes\n 2  yes\n");
}

#[test]
fn a_file_gets_the_format_of_its_ending() {
    let (server, shell) = reviews();
    for (name, content) in [
        ("a.csv", "id,said\n1,yes\n2,yes\n"),
        ("a.jsonl", "{\"id\":1,\"said\":\"yes\"}\n{\"id\":2,\"said\":\"yes\"}\n"),
        ("a.json", "[{\"id\":1,\"said\":\"yes\"},{\"id\":2,\"said\":\"yes\"}]\n"),
        ("a.md", "| id | said |\n| ---: | --- |\n| 1 | yes |\n| 2 | yes |\n"),
    ] {
        shell.sql(QUERY, &["--out", name]).ends_with(0).prints("");
        assert_eq!(shell.read(name), content, "{name}");
    }
    assert_eq!(server.asked(), 2, "what was answered once is not asked for another format");
}

#[test]
fn an_ending_that_names_no_format_is_bad_usage() {
    let (server, shell) = reviews();
    shell.sql(QUERY, &["--out", "a.xyz"]).ends_with(2).prints("").says(&["a.xyz", "--format"]);
    assert_eq!(server.asked(), 0);
}

#[test]
fn the_format_given_wins_over_the_ending() {
    let (_server, shell) = reviews();
    shell.sql(QUERY, &["--out", "a.csv", "--format", "jsonl"]).ends_with(0).prints("");
    assert!(shell.read("a.csv").starts_with("{\"id\":1"));
}

#[test]
fn parquet_is_written_and_read_back() {
    let (_server, shell) = reviews();
    shell.sql(QUERY, &["--out", "answers.parquet"]).ends_with(0).prints("");
    let ran = shell.sql("SELECT said, count(*) AS n FROM 'answers.parquet' GROUP BY said", &[]);
    ran.ends_with(0).prints("said,n\nyes,2\n");
}

#[test]
fn a_query_without_a_semantic_call_asks_nobody_and_leaves_no_run() {
    let shell = Shell::new();
    shell.file("reviews.csv", REVIEWS);
    let ran = shell.sql("SELECT count(*) AS n FROM 'reviews.csv'", &[]).ends_with(0).prints("n\n2\n");
    assert_eq!(ran.stderr, "");
}
