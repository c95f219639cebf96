//! Where tables come from, and what bad ones do.

use crate::shell::Shell;
use crate::simulated::Simulated;

const MAP: &str = "semantic_map('Say yes about {{ text }}', text) AS said";

fn server() -> Simulated {
    Simulated::start("[[rule]]\ncontent = 'yes'")
}

#[test]
fn the_query_can_stand_in_a_file() {
    let shell = Shell::new();
    shell.file("reviews.csv", "text\ngood\n");
    shell.file("query.sql", "SELECT upper(text) AS loud\nFROM 'reviews.csv'\n");
    shell.run(&["sql", "-f", "query.sql"]).ends_with(0).prints("loud\nGOOD\n");
}

#[test]
fn a_table_gets_a_name() {
    let shell = Shell::new();
    shell.file("some where/reviews.csv", "text\ngood\n");
    shell.sql("SELECT text FROM r", &["--table", "r=some where/reviews.csv"]).ends_with(0).prints("text\ngood\n");
}

#[test]
fn two_tables_are_joined() {
    let shell = Shell::new();
    shell.file("a.csv", "id,text\n1,one\n2,two\n");
    shell.file("b.jsonl", "{\"id\":2,\"stars\":5}\n");
    let ran = shell.sql("SELECT text, stars FROM a JOIN 'b.jsonl' b ON a.id = b.id", &["--table", "a=a.csv"]);
    ran.ends_with(0).prints("text,stars\ntwo,5\n");
}

#[test]
fn a_table_comes_from_stdin() {
    let server = server();
    let shell = Shell::at(server.url());
    let query = format!("SELECT text, {MAP} FROM '-'");
    let ran = shell.run_with_input(&["sql", &query, "--quiet"], b"text\ngood\nbad\n");
    ran.ends_with(0).prints("text,said\ngood,yes\nbad,yes\n");
    assert_eq!(server.asked(), 2);
}

#[test]
fn stdin_takes_a_name_and_json_lines() {
    let ran = Shell::new().run_with_input(&["sql", "SELECT n + 1 AS m FROM t", "--table", "t=-"], b"{\"n\":1}\n{\"n\":41}\n");
    ran.ends_with(0).prints("m\n2\n42\n");
}

#[test]
fn tabs_separate_too() {
    let shell = Shell::new();
    shell.file("reviews.tsv", "id\ttext\n1\tgood, or so\n");
    shell.sql("SELECT text, id FROM 'reviews.tsv'", &["--format", "jsonl"]).ends_with(0).prints("{\"text\":\"good, or so\",\"id\":1}\n");
}

#[test]
fn json_lines_are_a_table() {
    let shell = Shell::new();
    shell.file("reviews.jsonl", "{\"text\":\"good\",\"tags\":[\"a\",\"b\"]}\n{\"text\":null,\"tags\":[]}\n");
    let ran = shell.sql("SELECT text, array_length(tags) AS n FROM 'reviews.jsonl'", &["--format", "jsonl"]);
    ran.ends_with(0).prints("{\"text\":\"good\",\"n\":2}\n{\"text\":null,\"n\":0}\n");
}

#[test]
fn a_glob_is_one_table() {
    let shell = Shell::new();
    shell.file("parts/a.csv", "n\n1\n");
    shell.file("parts/b.csv", "n\n2\n");
    shell.sql("SELECT sum(n) AS total FROM 'parts/*.csv'", &[]).ends_with(0).prints("total\n3\n");
}

#[test]
fn null_and_blank_cells_ask_nothing() {
    let server = server();
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "id,text\n1,\n2,   \n3,good\n4,\"\"\n");
    let ran = shell.sql(&format!("SELECT id, {MAP} FROM 'reviews.csv'"), &[]).ends_with(0);
    ran.prints("id,said\n1,\n2,\n3,yes\n4,\n").says(&["4 rows  1 answers", "0 failed"]);
    assert_eq!(server.asked(), 1);
}

#[test]
fn equal_cells_are_asked_once() {
    let server = server();
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "id,text\n1,good\n2,good\n3,bad\n4,good\n");
    let ran = shell.sql(&format!("SELECT id, {MAP} FROM 'reviews.csv'"), &["--quiet"]).ends_with(0);
    ran.prints("id,said\n1,yes\n2,yes\n3,yes\n4,yes\n");
    assert_eq!(server.asked(), 2);
}

#[test]
fn headers_in_any_script_name_columns() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("größen.csv", "größe,意見\n1,schön\n");
    let ran = shell.sql("SELECT \"größe\", semantic_classify(\"意見\", ['gut']) AS urteil FROM 'größen.csv'", &["--quiet"]);
    ran.ends_with(0).prints("größe,urteil\n1,gut\n");
}

#[test]
fn headers_in_any_script_stand_in_templates() {
    let server = server();
    let shell = Shell::at(server.url());
    shell.file("t.csv", "größe,意見\n1,schön\n");
    let ran = shell.sql("SELECT semantic_map('{{ größe }} {{ 意見 }}', \"größe\", \"意見\") AS said FROM 't.csv'", &["--quiet"]);
    ran.ends_with(0).prints("said\nyes\n");
}

#[test]
fn five_megabytes_in_one_cell_fail_alone() {
    let server = server();
    let shell = Shell::at(server.url());
    let large = "words ".repeat(5 * 1024 * 1024 / 6);
    shell.file("large.csv", format!("id,text\n1,{large}\n2,small\n"));
    let ran = shell.sql(&format!("SELECT id, length(text) AS n, {MAP} FROM 'large.csv'"), &["--format", "jsonl"]);
    let ran = ran.ends_with(3).says(&["1 answers, 0 from memory, 1 failed", "bad_input", "5.2 MB"]);
    assert_eq!(server.asked(), 1, "the row beside it is asked, the large one is not");
    let large_length = large.len();
    assert_eq!(ran.stdout, format!("{{\"id\":1,\"n\":{large_length},\"said\":null}}\n{{\"id\":2,\"n\":5,\"said\":\"yes\"}}\n"));
    assert!(ran.stderr.len() < 10_000, "the report repeats the cell: {} bytes", ran.stderr.len());
}

#[test]
fn bytes_that_are_not_utf8_are_told_with_their_line() {
    let server = server();
    let shell = Shell::at(server.url());
    shell.file("bad.csv", b"id,text\n1,good\n2,caf\xe9\n");
    let ran = shell.sql(&format!("SELECT id, text, {MAP} FROM 'bad.csv'"), &[]).ends_with(0);
    ran.prints("id,text,said\n1,good,yes\n2,caf\u{fffd},yes\n").says(&["bad.csv", "not UTF-8", "line 3"]);
}

#[test]
fn a_line_with_too_few_fields_is_told_and_kept() {
    let server = server();
    let shell = Shell::at(server.url());
    shell.file("ragged.csv", "id,text\n1,good\n2\n3,bad\n");
    let ran = shell.sql(&format!("SELECT id, {MAP} FROM 'ragged.csv'"), &[]).ends_with(0);
    ran.prints("id,said\n1,yes\n2,\n3,yes\n").says(&["ragged.csv", "line 3"]);
}

#[test]
fn a_line_with_too_many_fields_is_named() {
    let server = server();
    let shell = Shell::at(server.url());
    shell.file("ragged.csv", "id,text\n1,good\n2,bad,worse\n");
    shell.sql(&format!("SELECT id, {MAP} FROM 'ragged.csv'"), &[]).ends_with(2).prints("").says(&["ragged.csv, line 3"]);
    assert_eq!(server.asked(), 0);
}

#[test]
fn an_open_quote_is_told_before_anything_is_asked() {
    let server = server();
    let shell = Shell::at(server.url());
    shell.file("open.csv", "id,text\n1,good\n2,\"never closed\n3,bad\n");
    let ran = shell.sql(&format!("SELECT id, {MAP} FROM 'open.csv'"), &[]).says(&["open.csv", "line 3"]);
    assert_ne!(ran.code, Some(0), "{}", ran.stdout);
}

#[test]
fn an_empty_file_is_said_to_be_empty() {
    let shell = Shell::new();
    shell.file("empty.csv", "");
    shell.sql("SELECT * FROM 'empty.csv'", &[]).prints("").says(&["empty.csv is empty"]);
    shell.sql(&format!("SELECT {MAP} FROM 'empty.csv'"), &[]).ends_with(2).prints("").says(&["text"]);
}

#[test]
fn a_header_alone_is_a_table_without_rows() {
    let server = server();
    let shell = Shell::at(server.url());
    shell.file("head.csv", "id,text\n");
    shell.sql(&format!("SELECT id, {MAP} FROM 'head.csv'"), &[]).ends_with(0).prints("id,said\n").says(&["0 rows"]);
    assert_eq!(server.asked(), 0);
}
