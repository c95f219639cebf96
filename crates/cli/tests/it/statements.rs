//! Statements that keep something, and statements one after another.

use crate::shell::Shell;
use crate::simulated::Simulated;

const REVIEWS: &str = "id,text\n1,the parcel came late\n2,lovely colour\n";

fn reviews() -> (Simulated, Shell) {
    let server = Simulated::start("[[rule]]\ncontent = 'yes'");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", REVIEWS);
    (server, shell)
}

#[test]
fn a_view_and_a_table_persist_between_commands() {
    let (server, shell) = reviews();
    shell
        .sql("CREATE VIEW said AS SELECT id, semantic_map('Say yes about {{ text }}', text) AS said FROM 'reviews.csv'", &[])
        .ends_with(0)
        .says(&["view said is made"]);
    assert_eq!(server.asked(), 0, "a view asks when it is read");
    let ran = shell.sql("CREATE TABLE kept COMMENT 'What was said' AS SELECT * FROM said", &[]).ends_with(0).prints("");
    ran.run_id();
    let ran = ran.says(&["table kept: 2 rows", "2 rows  2 answers, 0 from memory"]);
    assert!(ran.stderr.contains("requests"));
    shell.sql("SELECT id, said FROM kept", &[]).ends_with(0).prints("id,said\n1,yes\n2,yes\n");
    shell.sql("SHOW TABLES", &[]).ends_with(0).prints("table_name,table_type,description\nkept,BASE TABLE,What was said\nsaid,VIEW,\n");
    shell.sql("INSERT INTO kept SELECT 3, 'no'", &[]).ends_with(0).says(&["table kept: 1 rows"]);
    shell.sql("SELECT count(*) AS n FROM kept", &[]).ends_with(0).prints("n\n3\n");
    assert_eq!(server.asked(), 2);
    shell.sql("DROP TABLE kept", &["--out", "x.csv"]).ends_with(2).says(&["--out x.csv"]);
    shell.sql("DROP TABLE kept", &["--quiet"]).ends_with(0).prints("");
    shell.sql("SELECT * FROM kept", &[]).ends_with(2).says(&["there is no table kept"]);
}

#[test]
fn explain_of_a_table_to_be_made_asks_nothing_and_makes_nothing() {
    let (server, shell) = reviews();
    let sql = "CREATE TABLE kept AS SELECT semantic_map('Say yes about {{ text }}', text) AS said FROM 'reviews.csv'";
    let ran = shell.sql(sql, &["--explain"]).ends_with(0);
    assert!(ran.stdout.contains("semantic_map"), "{}", ran.stdout);
    assert_eq!(server.asked(), 0);
    shell.sql("SELECT * FROM kept", &[]).ends_with(2);
}

#[test]
fn an_insert_is_not_retried_twice() {
    let (_server, shell) = reviews();
    shell.sql("CREATE TABLE kept (said VARCHAR)", &[]).ends_with(0);
    let sql = "INSERT INTO kept SELECT semantic_map('Say yes about {{ text }}', text) FROM 'reviews.csv'";
    let run = shell.sql(sql, &[]).ends_with(0).run_id();
    shell.run(&["runs", "retry", &run]).ends_with(2).says(&["it could do so twice"]);
    shell.sql("SELECT count(*) AS n FROM kept", &[]).ends_with(0).prints("n\n2\n");
}

#[test]
fn results_are_appended_to_a_file_where_that_is_asked_for() {
    let shell = Shell::new();
    shell.sql("SELECT 1 AS n", &["--out", "n.csv", "--append"]).ends_with(0);
    shell.sql("SELECT 2 AS n", &["--out", "n.csv", "--append"]).ends_with(0);
    assert_eq!(shell.read("n.csv"), "n\n1\n2\n");
    shell.sql("SELECT 2 AS m", &["--out", "n.csv", "--append"]).ends_with(1).says(&["its columns are n, and the new rows have m"]);
    assert_eq!(shell.read("n.csv"), "n\n1\n2\n");
    shell.sql("SELECT 3 AS n", &["--out", "n.csv", "--overwrite"]).ends_with(0);
    assert_eq!(shell.read("n.csv"), "n\n3\n");
    shell.sql("SELECT 1 AS n", &["--append"]).ends_with(2).says(&["--out"]);
}

#[test]
fn a_pipe_runs_statements_one_after_another() {
    let (server, shell) = reviews();
    let script = "-- two; statements\nCREATE VIEW v AS\n  SELECT id, semantic_map('Say yes about {{ text }}', text) AS said FROM 'reviews.csv';\n\
                  \\d v\n\\timing\n\\budget 0.50\nSELECT said FROM v WHERE id = 1; SELECT ';' AS mark";
    let ran = shell.run_with_input(&["sql"], script.as_bytes()).ends_with(0);
    let described = "column_name,data_type,is_nullable,description\nid,Int64,YES,\nsaid,Utf8,YES,\n";
    let ran = ran.prints(&format!("{described}said\nyes\nmark\n;\n"));
    ran.run_id();
    ran.says(&["view v is made", "at most $0.50", "1 answers", "time 0."]);
    assert_eq!(server.asked(), 1);
    let ran = shell.run_with_input(&["sql"], b"SELECT 1 AS n; SELECT * FROM nowhere; SELECT 2 AS n;").ends_with(2);
    ran.prints("n\n1\n").says(&["there is no table nowhere"]);
    shell.run_with_input(&["sql"], b" -- nothing\n").ends_with(2).says(&["the query is empty"]);
    shell.run_with_input(&["sql"], b"SELECT 1 AS n;\n\\q\nSELECT 2 AS n;").ends_with(0).prints("n\n1\n");
    shell.run_with_input(&["sql"], b"\\budget much\n").ends_with(2).says(&["much is no sum of dollars"]);
}

#[test]
fn a_budget_of_the_shell_holds() {
    let (_server, shell) = reviews();
    let script = "\\budget 0.00000001\nSELECT semantic_map('Say yes about {{ text }}', text) AS said FROM 'reviews.csv';\n";
    shell.run_with_input(&["sql"], script.as_bytes()).ends_with(5);
}

#[test]
fn several_statements_run_one_after_another_and_out_takes_the_last() {
    let (server, shell) = reviews();
    let view = "CREATE VIEW said AS SELECT id, semantic_map('Say yes about {{ text }}', text) AS said FROM 'reviews.csv';\n";
    shell.file("report.sql", format!("-- what they said; and how many\n{view}SELECT 'a;b' AS t;\nSELECT count(said) AS n FROM said"));
    shell.run(&["sql", "-f", "report.sql", "--out", "n.csv"]).ends_with(0).prints("t\na;b\n").says(&["view said is made"]);
    assert_eq!(shell.read("n.csv"), "n\n2\n");
    assert_eq!(server.asked(), 2);
    shell.sql("SELECT 1 AS n; SELECT x FROM said; SELECT 2", &[]).ends_with(2).prints("n\n1\n").says(&["statement 2 of 3: ", "x"]);
    let function = "CREATE FUNCTION shout AS SIGNATURE 'text -> loud'; SELECT count(shout(text)) AS n FROM 'reviews.csv';";
    shell.sql(function, &["--engine", "sim"]).ends_with(0).prints("n\n2\n");
}
