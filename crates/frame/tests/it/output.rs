//! Results into every format, whole or not at all.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use corsac_dispatch::FailureKind;
use corsac_frame::{Format, FrameError, OnError, RowLimits, Session, Target, Written, write};

use crate::fake::{Fake, failed, numbered, session, session_with, table};

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const ROWS: &str =
    "SELECT 1 AS n, 'a|b' AS text, [1, 2] AS list, named_struct('k', 'v') AS item, NULL AS nothing, CAST('2024-01-31' AS date) AS day
    UNION ALL SELECT 20, E'two\\nlines and more', NULL, NULL, NULL, NULL ORDER BY n";

async fn written(session: &Session, sql: &str, format: Format) -> String {
    let shared = Shared::default();
    let stream = session.plan(sql).await.unwrap().stream().await.unwrap();
    let written = write(stream, format, Target::Writer(Box::new(shared.clone()))).await.unwrap();
    let bytes = shared.0.lock().unwrap().clone();
    assert_eq!(written.bytes, bytes.len() as u64);
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn formats() {
    let session = session(&Arc::new(Fake::new()));
    insta::assert_snapshot!("table", written(&session, ROWS, Format::Table { width: None }).await);
    insta::assert_snapshot!("narrow_table", written(&session, ROWS, Format::Table { width: Some(60) }).await);
    insta::assert_snapshot!("csv", written(&session, ROWS, Format::Csv).await);
    insta::assert_snapshot!("json", written(&session, ROWS, Format::Json).await);
    insta::assert_snapshot!("json_lines", written(&session, ROWS, Format::JsonLines).await);
    insta::assert_snapshot!("markdown", written(&session, ROWS, Format::Markdown).await);
}

#[tokio::test]
async fn no_rows_are_a_whole_file_too() {
    let session = session(&Arc::new(Fake::new()));
    let none = "SELECT 1 AS n, 'a' AS t WHERE 1 = 0";
    assert_eq!(written(&session, none, Format::Csv).await, "n,t\n");
    assert_eq!(written(&session, none, Format::Json).await, "[]\n");
    assert_eq!(written(&session, none, Format::JsonLines).await, "");
    assert_eq!(written(&session, none, Format::Markdown).await, "| n | t |\n| ---: | --- |\n");
    assert_eq!(written(&session, none, Format::Table { width: None }).await, "n  t\n─  ─\n");
}

async fn to_file(session: &Session, sql: &str, format: Format, path: &Path) -> Result<Written, FrameError> {
    let stream = session.plan(sql).await?.stream().await?;
    write(stream, format, Target::File(path.to_owned())).await
}

fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn parquet_holds_nested_values() {
    let directory = tempfile::tempdir().unwrap();
    let session = session(&Arc::new(Fake::new()));
    let path = directory.path().join("out.parquet");
    let sql = "SELECT semantic_extract(t, 'name string, stars int, tags list<string>, seen datetime') AS e, id FROM (SELECT value AS id, concat('x ', value % 3) AS t FROM generate_series(0, 99999))";
    let written = to_file(&session, sql, Format::Parquet, &path).await.unwrap();
    assert_eq!(written.rows, 100_000);
    assert_eq!(written.bytes, std::fs::metadata(&path).unwrap().len());
    let back =
        format!("SELECT e.name, e.stars, e.tags, e.seen, count(*) AS n, min(id) AS first FROM '{}' GROUP BY 1, 2, 3, 4", path.display());
    insta::assert_snapshot!(table(&session, &back).await, @r"
    +------+-------+------+----------------------+--------+-------+
    | name | stars | tags | seen                 | n      | first |
    +------+-------+------+----------------------+--------+-------+
    | x    | 3     | [x]  | 2024-02-29T12:00:00Z | 100000 | 0     |
    +------+-------+------+----------------------+--------+-------+
    ");
    assert_eq!(names_in(directory.path()), ["out.parquet"]);
}

#[tokio::test]
async fn a_failed_query_leaves_the_file_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.csv");
    std::fs::write(&path, "before").unwrap();
    let fake = Arc::new(Fake::new().window(1).rule(|call| call.user.contains("500").then(|| failed(FailureKind::Timeout, "late"))));
    let session = session_with(&fake, OnError::Fail, RowLimits::default());
    let sql = format!("SELECT semantic_map('Say {{{{ t }}}}', t) FROM {}", numbered(1_000));
    let error = to_file(&session, &sql, Format::Csv, &path).await.unwrap_err();
    assert!(matches!(error, FrameError::RowFailed { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
    assert_eq!(names_in(directory.path()), ["out.csv"]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_write_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.csv");
    let fake = Arc::new(Fake::new().window(1).delay(|_| Duration::from_secs(1)));
    let session = session(&fake);
    let sql = format!("SELECT semantic_map('Say {{{{ t }}}}', t) FROM {}", numbered(1_000));
    let writing = to_file(&session, &sql, Format::Csv, &path);
    assert!(tokio::time::timeout(Duration::from_secs(100), writing).await.is_err());
    assert_eq!(names_in(directory.path()), Vec::<String>::new());
}

#[tokio::test]
async fn places_that_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let session = session(&Arc::new(Fake::new()));
    let refused = |path: &str| {
        let path = directory.path().join(path);
        let (session, directory) = (&session, directory.path().display().to_string());
        async move { to_file(session, "SELECT 1", Format::Csv, &path).await.unwrap_err().to_string().replace(&directory, "$") }
    };
    insta::assert_snapshot!(format!("{}\n{}", refused("no/out.csv").await, refused(".").await), @r"
    cannot write $/no/out.csv: the directory $/no does not exist: create it first
    cannot write $/.: it is a directory: name a file in it
    ");
}

struct Closed(io::ErrorKind);

impl Write for Closed {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

#[tokio::test]
async fn a_closed_pipe_is_told_apart() {
    let session = session(&Arc::new(Fake::new()));
    for format in [Format::Csv, Format::Json, Format::JsonLines, Format::Markdown, Format::Table { width: None }, Format::Parquet] {
        let stream = session.plan("SELECT 1 AS n").await.unwrap().stream().await.unwrap();
        let error = write(stream, format, Target::Writer(Box::new(Closed(io::ErrorKind::BrokenPipe)))).await.unwrap_err();
        assert!(error.is_closed_pipe(), "{format:?}: {error}");
    }
}
