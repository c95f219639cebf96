//! Views and tables that persist, their descriptions, and rows that statements keep.

use std::path::Path;
use std::sync::Arc;

use corsac_dispatch::{Ask, FailureKind};
use corsac_frame::{FrameError, OnError, Session, SessionOptions, Statement};

use crate::fake::{Fake, failed, run, table};

fn at_with(home: &Path, fake: &Arc<Fake>, on_error: OnError) -> Session {
    let options = SessionOptions { home: Some(home.to_owned()), on_error, ..SessionOptions::default() };
    Session::new(Arc::clone(fake) as Arc<dyn Ask>, run(), options)
}

fn at(home: &Path) -> Session {
    at_with(home, &Arc::new(Fake::new()), OnError::Null)
}

/// Runs a statement that gives no rows; tells what was done.
async fn did(session: &Session, sql: &str) -> Result<String, FrameError> {
    match session.statement(sql).await? {
        Statement::Rows(_) => panic!("{sql} gives rows"),
        Statement::Change(change) => change.apply(),
        Statement::Keep(keep) => Ok(format!("{} rows", keep.run().await?.rows)),
    }
}

async fn refused(session: &Session, sql: &str) -> String {
    did(session, sql).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_view_persists_and_is_planned_with_its_query() {
    let home = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("r.csv"), "id,text\n1,good one\n2,bad one\n3,good two\n").unwrap();
    let sql = format!(
        "CREATE VIEW rated COMMENT = 'Reviews with a label' AS SELECT id, semantic_classify(text, ['good', 'bad']) AS label \
         FROM '{}/r.csv'",
        files.path().display()
    );
    assert_eq!(did(&at(home.path()), &sql).await.unwrap(), "view rated is made");

    let fake = Arc::new(Fake::new());
    let session = at_with(home.path(), &fake, OnError::Null);
    insta::assert_snapshot!(table(&session, "SELECT label, count(*) AS n FROM rated WHERE id > 1 GROUP BY label ORDER BY label").await, @r"
    +-------+---+
    | label | n |
    +-------+---+
    | bad   | 1 |
    | good  | 1 |
    +-------+---+
    ");
    assert_eq!(fake.count(), 2, "the cheap condition goes below the call in the view");
    table(&session, "SELECT id FROM rated").await;
    table(&session, "SELECT count(*) FROM RATED").await;
    assert_eq!(fake.count(), 2, "a label that nobody reads is not asked for");
    let plan = session.plan("SELECT label FROM rated").await.unwrap();
    assert!(plan.has_semantic_calls() && plan.explain().contains("semantic_classify"), "{}", plan.explain());
}

#[tokio::test]
async fn views_stand_on_views_but_not_on_themselves() {
    let home = tempfile::tempdir().unwrap();
    let session = at(home.path());
    did(&session, "CREATE VIEW a AS SELECT 1 AS n").await.unwrap();
    did(&session, "CREATE VIEW b (m COMMENT 'the number') AS SELECT n + 1 FROM a").await.unwrap();
    assert!(table(&session, "SELECT m FROM b").await.contains("| 2 |"));
    insta::assert_snapshot!(refused(&session, "CREATE OR REPLACE VIEW a AS SELECT m AS n FROM b").await, @"the view b cannot be used: the view a stands on itself: a → b → a");
    insta::assert_snapshot!(refused(&session, "CREATE VIEW a AS SELECT 2").await, @"there is a view a already: write CREATE OR REPLACE VIEW to replace it");
    insta::assert_snapshot!(refused(&session, "CREATE TABLE a AS SELECT 2 AS n").await, @"a is a view: DROP VIEW a first");
    insta::assert_snapshot!(refused(&session, "INSERT INTO a SELECT 2").await, @"a is a view, and a view holds no rows: insert into the table under it");
    insta::assert_snapshot!(refused(&session, "CREATE VIEW c AS SELECT semantic_classify(x, ['a', 'b']) FROM a").await, @"
    there is no column x
    The columns here are: n
    A text stands in single quotes; double quotes name a column.
    ");
    insta::assert_snapshot!(refused(&session, "CREATE VIEW c AS SELECT semantic_map('{{ a }}') FROM a").await, @"the template of semantic_map uses {{ a }}, but no column is passed. Write semantic_map('…', a)");
    did(&session, "DROP VIEW a").await.unwrap();
    let gone = session.plan("SELECT * FROM b").await.unwrap_err().to_string();
    insta::assert_snapshot!(gone, @"the view b cannot be used: there is no table a. The tables are: b. A file is named in quotes: FROM 'reviews.csv'");
}

#[tokio::test]
async fn a_table_keeps_its_rows() {
    let home = tempfile::tempdir().unwrap();
    let fake = Arc::new(Fake::new());
    let session = at_with(home.path(), &fake, OnError::Null);
    let made = "CREATE TABLE said (id BIGINT COMMENT 'the number', answer VARCHAR) COMMENT 'What was said' AS \
                SELECT value, semantic_map('Say {{ t }}', concat('t', value)) FROM generate_series(1, 3)";
    assert_eq!(did(&session, made).await.unwrap(), "3 rows");
    assert_eq!(fake.count(), 3);

    let later = at(home.path());
    insta::assert_snapshot!(table(&later, "SELECT id, answer LIKE '%t' || id || '%' AS fits FROM said").await, @"
    +----+------+
    | id | fits |
    +----+------+
    | 1  | true |
    | 2  | true |
    | 3  | true |
    +----+------+
    ");
    assert_eq!(did(&later, "INSERT INTO said (answer, id) SELECT 'four', '4'").await.unwrap(), "1 rows");
    assert_eq!(did(&later, "INSERT INTO said VALUES (5, NULL), (6, 'six')").await.unwrap(), "2 rows");
    insta::assert_snapshot!(table(&session, "SELECT count(*) AS n, max(id) AS last, count(answer) AS answers FROM said").await, @"
    +---+------+---------+
    | n | last | answers |
    +---+------+---------+
    | 6 | 6    | 5       |
    +---+------+---------+
    ");
    insta::assert_snapshot!(refused(&session, "INSERT INTO said SELECT 1").await, @"INSERT INTO said wants 2 columns (id, answer), and the query gives another number");
    insta::assert_snapshot!(refused(&session, made).await, @"there is a table said already: write CREATE OR REPLACE TABLE to replace it");
    let nothing = did(&session, "CREATE TABLE IF NOT EXISTS said AS SELECT 1 AS n").await.unwrap();
    assert_eq!(nothing, "there is said already: nothing was made");
    assert_eq!(did(&session, "CREATE OR REPLACE TABLE said AS SELECT id FROM said WHERE id > 3").await.unwrap(), "3 rows");
    assert!(table(&session, "SELECT count(*) AS n FROM said").await.contains("| 3 |"));
    assert_eq!(std::fs::read_dir(home.path().join("tables")).unwrap().count(), 1, "rows that were replaced go");
    did(&session, "DROP TABLE said").await.unwrap();
    assert_eq!(std::fs::read_dir(home.path().join("tables")).unwrap().count(), 0);
    insta::assert_snapshot!(refused(&session, "DROP TABLE said").await, @"there is no table said to drop; SHOW TABLES lists them");
    assert_eq!(did(&session, "DROP TABLE IF EXISTS said").await.unwrap(), "there is no table said: nothing was dropped");
}

#[tokio::test]
async fn a_table_whose_query_fails_is_not_made() {
    let home = tempfile::tempdir().unwrap();
    let fake = Arc::new(Fake::new().rule(|call| call.user.contains("t2").then(|| failed(FailureKind::Timeout, "late"))));
    let session = at_with(home.path(), &fake, OnError::Fail);
    let sql = "CREATE TABLE said AS SELECT semantic_map('Say {{ t }}', concat('t', value)) AS s FROM generate_series(1, 3)";
    assert!(matches!(did(&session, sql).await, Err(FrameError::RowFailed { .. })));
    assert!(session.plan("SELECT * FROM said").await.is_err());
    assert_eq!(std::fs::read_dir(home.path().join("tables")).unwrap().count(), 0);
}

#[tokio::test]
async fn descriptions_stand_in_the_information_schema() {
    let home = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("r.csv"), "id,text\n1,good\n").unwrap();
    let session = at(home.path());
    let external = format!("CREATE EXTERNAL TABLE reviews LOCATION '{}/r.csv' OPTIONS (comment 'From the shop')", files.path().display());
    did(&session, &external).await.unwrap();
    did(&session, "CREATE VIEW short AS SELECT id FROM reviews").await.unwrap();
    did(&session, "CREATE TABLE empty (a INT COMMENT 'nothing yet', b VARCHAR)").await.unwrap();
    did(&session, "COMMENT ON COLUMN reviews.text IS 'What they wrote'").await.unwrap();
    did(&session, "COMMENT ON TABLE short IS 'Ids'").await.unwrap();
    let later = at(home.path());
    insta::assert_snapshot!(table(&later, "SHOW TABLES").await, @"
    +------------+------------+---------------+
    | table_name | table_type | description   |
    +------------+------------+---------------+
    | empty      | BASE TABLE |               |
    | reviews    | BASE TABLE | From the shop |
    | short      | VIEW       | Ids           |
    +------------+------------+---------------+
    ");
    insta::assert_snapshot!(table(&later, "DESCRIBE reviews").await, @"
    +-------------+-----------+-------------+-----------------+
    | column_name | data_type | is_nullable | description     |
    +-------------+-----------+-------------+-----------------+
    | id          | Int64     | YES         |                 |
    | text        | Utf8      | YES         | What they wrote |
    +-------------+-----------+-------------+-----------------+
    ");
    insta::assert_snapshot!(table(&later, "SELECT column_name, description FROM information_schema.columns WHERE table_name = 'empty'").await, @"
    +-------------+-------------+
    | column_name | description |
    +-------------+-------------+
    | a           | nothing yet |
    | b           |             |
    +-------------+-------------+
    ");
    let views = table(&later, "SELECT table_name, definition FROM information_schema.views").await;
    assert!(views.contains("| short      | SELECT id FROM reviews |"), "{views}");
    assert!(table(&later, "SELECT count(*) > 3 AS many FROM information_schema.routines").await.contains("true"));
    insta::assert_snapshot!(refused(&later, "COMMENT ON COLUMN reviews.txt IS 'x'").await, @"reviews has no column txt. Its columns are: id, text");
    insta::assert_snapshot!(later.plan("DESCRIBE review").await.unwrap_err(), @"there is no table review. Did you mean reviews? A file is named in quotes: FROM 'reviews.csv'");
    did(&later, "COMMENT ON VIEW short IS NULL").await.unwrap();
    assert!(!table(&session, "SHOW TABLES").await.contains("Ids"));

    // a table whose file is gone does not hide the others
    std::fs::remove_file(files.path().join("r.csv")).unwrap();
    let without = at(home.path());
    assert!(table(&without, "SHOW TABLES").await.contains("empty"));
    assert!(without.warnings().iter().any(|warning| warning.starts_with("reviews is left out: ")), "{:?}", without.warnings());
}

#[tokio::test]
async fn rows_are_copied_to_files() {
    let files = tempfile::tempdir().unwrap();
    let session = at(files.path());
    let folder = files.path().display().to_string();
    let cleaned = |text: String| text.replace(&folder, "$");
    for ending in ["csv", "tsv", "json", "jsonl", "parquet", "arrow"] {
        let path = format!("{folder}/out.{ending}");
        let new = format!("COPY (SELECT 1 AS n, 'a' AS t) TO '{path}' OPTIONS (mode error)");
        assert_eq!(did(&session, &new).await.unwrap(), "1 rows");
        assert_eq!(cleaned(refused(&session, &new).await), format!("cannot write $/out.{ending}: it is there already, and mode is error"));
        let more = format!("COPY (SELECT value AS n, 'b' AS t FROM generate_series(2, 3)) TO '{path}' OPTIONS (mode append)");
        assert_eq!(did(&session, &more).await.unwrap(), "2 rows");
        assert_eq!(did(&session, &format!("INSERT INTO '{path}' VALUES (4, 'c')")).await.unwrap(), "1 rows");
        let back = table(&session, &format!("SELECT * FROM '{path}'")).await;
        assert_eq!(back.lines().filter(|line| line.starts_with("| ")).count(), 5, "{ending}: {back}");
        let other = format!("COPY (SELECT 1 AS other) TO '{path}' OPTIONS (mode append)");
        if !ending.starts_with("json") {
            assert!(refused(&session, &other).await.contains("and the new rows have other"), "{ending}");
        }
        assert_eq!(did(&session, &format!("COPY (SELECT 9 AS n) TO '{path}'")).await.unwrap(), "1 rows");
        assert!(table(&session, &format!("SELECT count(*) AS rows, max(n) AS n FROM '{path}'")).await.contains("| 1    | 9 |"));
    }
    let names: Vec<_> = std::fs::read_dir(files.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 6, "{names:?}");
}

#[tokio::test]
async fn rows_inserted_into_a_folder_are_a_new_file() {
    let home = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("a.csv"), "n\n1\n").unwrap();
    let session = at(home.path());
    did(&session, &format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{}'", files.path().display())).await.unwrap();
    did(&session, "INSERT INTO t SELECT value FROM generate_series(2, 4)").await.unwrap();
    assert!(table(&session, "SELECT count(*) AS rows, sum(n) AS n FROM t").await.contains("| 4    | 10 |"));
    assert_eq!(std::fs::read_to_string(files.path().join("a.csv")).unwrap(), "n\n1\n");
    assert_eq!(std::fs::read_dir(files.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn without_a_home_names_last_as_long_as_the_session() {
    let session = crate::fake::session(&Arc::new(Fake::new()));
    did(&session, "CREATE TABLE t AS SELECT 1 AS n").await.unwrap();
    did(&session, "CREATE VIEW v AS SELECT n + 1 AS n FROM t").await.unwrap();
    assert!(table(&session, "SELECT n FROM v").await.contains("| 2 |"));
    assert!(session.plan("CREATE VIEW w AS SELECT 1").await.unwrap_err().to_string().contains("only queries"));
}

#[tokio::test]
async fn a_damaged_catalog_is_told_and_files_are_read_without_it() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("catalog.json"), "{ oh").unwrap();
    std::fs::write(home.path().join("r.csv"), "n\n1\n").unwrap();
    let session = at(home.path());
    for sql in ["SELECT * FROM t", "CREATE VIEW v AS SELECT 1", "SHOW TABLES", "CREATE TABLE t AS SELECT 1"] {
        let told = session.statement(sql).await.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains("is damaged") && told.contains("catalog.json"), "{sql}: {told}");
    }
    assert!(table(&session, &format!("SELECT n FROM '{}/r.csv'", home.path().display())).await.contains("| 1 |"));
    assert_eq!(std::fs::read_to_string(home.path().join("catalog.json")).unwrap(), "{ oh");
}
