//! What cannot be understood ends with code 2 before anything is asked, and says what to write instead.

use crate::shell::Shell;
use crate::simulated::Simulated;

/// Runs a query over one small table; it must end as bad usage, say these words and reach no model.
#[track_caller]
fn refused(query: &str, words: &[&str]) {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "id,text\n1,good\n");
    shell.sql(query, &[]).ends_with(2).prints("").says(words);
    assert_eq!(server.asked(), 0);
}

#[test]
fn bad_sql_names_the_place() {
    refused("SELEC 1", &["the SQL cannot be read", "SELEC", "Line: 1, Column: 1"]);
}

#[test]
fn an_unknown_column_names_the_nearest() {
    refused("SELECT semantic_classify(txet, ['a', 'b']) FROM 'reviews.csv'", &["there is no column txet", "Did you mean text?"]);
}

#[test]
fn an_unknown_function_names_the_nearest() {
    refused("SELECT semantic_clasify(text, ['a', 'b']) FROM 'reviews.csv'", &["semantic_clasify", "Did you mean 'semantic_classify'?"]);
}

#[test]
fn a_missing_file_is_named_with_what_is_there() {
    refused("SELECT semantic_classify(text, ['a', 'b']) FROM 'review.csv'", &["no file review.csv", "reviews.csv"]);
}

#[test]
fn a_bad_schema_shows_the_place() {
    refused(
        "SELECT semantic_extract(text, 'product string, stars intt') FROM 'reviews.csv'",
        &["line 1, column 23", "`intt` is not a type", "did you mean `int`?"],
    );
}

#[test]
fn a_missing_schema_file_is_named() {
    refused("SELECT semantic_extract(text, 'none.json') FROM 'reviews.csv'", &["none.json"]);
}

#[test]
fn an_unknown_template_variable_names_the_nearest() {
    refused("SELECT semantic_map('about {{ txet }}', text) FROM 'reviews.csv'", &["{{ txet }}", "Did you mean {{ text }}?"]);
}

#[test]
fn labels_must_be_given() {
    refused("SELECT semantic_classify(text, []) FROM 'reviews.csv'", &["label"]);
}

#[test]
fn an_unknown_flag_is_named() {
    Shell::new().sql("SELECT 1", &["--bogus"]).ends_with(2).prints("").says(&["--bogus", "Usage: corsac sql"]);
}

#[test]
fn an_unknown_format_names_those_there_are() {
    Shell::new().sql("SELECT 1", &["--format", "xml"]).ends_with(2).prints("").says(&["xml", "jsonl", "parquet"]);
}

#[test]
fn a_query_is_needed() {
    Shell::new().run(&["sql"]).ends_with(2).prints("").says(&["the query is empty"]);
    Shell::new().sql("  ", &[]).ends_with(2).prints("").says(&["the query is empty"]);
}

#[test]
fn a_missing_query_file_is_named() {
    Shell::new().run(&["sql", "-f", "none.sql"]).ends_with(2).prints("").says(&["none.sql"]);
}

#[test]
fn a_table_without_a_path_shows_how_it_is_written() {
    Shell::new().sql("SELECT 1", &["--table", "reviews.csv"]).ends_with(2).prints("").says(&["reviews.csv", "NAME=PATH"]);
}

#[test]
fn a_budget_must_be_dollars() {
    Shell::new().sql("SELECT 1", &["--budget", "much"]).ends_with(2).prints("").says(&["--budget", "much"]);
    Shell::new().sql("SELECT 1", &["--budget=-1"]).ends_with(2).prints("").says(&["budget"]);
}

#[test]
fn exit_codes_stand_in_the_help() {
    let ran = Shell::new().run(&["--help"]).ends_with(0);
    for line in [
        "0    all rows",
        "1    failure",
        "2    bad usage",
        "3    the query ended",
        "4    bad config",
        "5    the budget",
        "130  interrupted",
    ] {
        assert!(ran.stdout.contains(line), "{line:?} is not in\n{}", ran.stdout);
    }
}

#[test]
fn the_version_is_on_stdout() {
    let version = format!("corsac {}\n", env!("CARGO_PKG_VERSION"));
    Shell::new().run(&["--version"]).ends_with(0).prints(&version);
}
