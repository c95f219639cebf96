//! What each operator of a query came to, and which rows were told to lead to which call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use corsac_dispatch::{Answer, Ask, Call, Failure, FailureKind, Origin, Outcome, Source};
use corsac_frame::{OperatorFigures, Session, SessionOptions};
use corsac_ledger::{Fingerprint, RunId};
use corsac_wire::Usd;
use futures::TryStreamExt;

use crate::fake::{Fake, answered, failed, run, session};

/// `a` three times, NULL, a blank, `b`, `c` (known), `d` (fails), `d` again.
const TEXTS: &str = "(VALUES (0, 'a'), (1, 'a'), (2, NULL), (3, ' '), (4, 'b'), (5, 'c'), (6, 'd'), (7, 'd'), (8, 'a')) AS r (id, t)";

async fn watched(session: &Session, sql: &str) -> Vec<OperatorFigures> {
    let query = session.plan(&sql.replace("$r", TEXTS)).await.unwrap();
    let watch = query.watch();
    let _: Vec<_> = query.stream().await.unwrap().try_collect().await.unwrap();
    watch.read().into_iter().map(|report| report.figures).collect()
}

fn from_memory() -> Outcome {
    answered("known".into()).map(|answer| Answer { source: Source::Memory, attempts: 0, cost: Usd::ZERO, ..answer })
}

#[tokio::test(start_paused = true)]
async fn every_row_and_call_is_counted_once() {
    let fake = Fake::new().rule(|call| match call.user.as_str() {
        "Say c" => Some(from_memory()),
        "Say d" => Some(failed(FailureKind::Refused, "no")),
        _ => None,
    });
    let fake = Arc::new(fake.delay(|call| Duration::from_millis(if call.user == "Say a" { 100 } else { 400 })));
    let figures = watched(&session(&fake), "SELECT id, semantic_map('Say {{ t }}', t) AS said FROM $r").await;
    let [figures] = figures.as_slice() else { panic!("{figures:#?}") };
    let counts = (figures.rows, figures.nothing_to_ask, figures.asked, figures.from_memory, figures.shared, figures.failed);
    assert_eq!(counts, (9, 2, 3, 1, 3, 2), "{figures:#?}");
    // the failed call took two requests
    assert_eq!((figures.requests, figures.retried, figures.cost), (4, 1, Usd::parse("0.002").unwrap()));
    let times = [figures.median, figures.p99].map(|time| time.unwrap().as_secs_f64());
    assert!((0.39..0.45).contains(&times[0]) && (0.39..0.45).contains(&times[1]), "{times:?}");
}

#[tokio::test]
async fn operators_are_told_apart_from_the_table_on() {
    let fake = Arc::new(Fake::new());
    let sql = "SELECT id, semantic_map('Say {{ t }}', t) AS said FROM $r WHERE semantic_predicate('Is {{ t }} not b?', t) OR id = 4";
    let query = session(&fake).plan(&sql.replace("$r", TEXTS)).await.unwrap();
    let watch = query.watch();
    let _: Vec<_> = query.stream().await.unwrap().try_collect().await.unwrap();
    let told: Vec<_> = watch.read().into_iter().map(|report| (report.operator, report.figures.rows)).collect();
    assert_eq!(told, [("semantic_predicate".to_owned(), 9), ("semantic_map".to_owned(), 1)]);
}

/// Keeps what it is told of rows.
#[derive(Debug, Default)]
struct Told {
    rows: Mutex<BTreeMap<String, Vec<u64>>>,
}

impl Told {
    fn add(&self, entry: &str, rows: &[u64]) {
        self.rows.lock().unwrap().entry(entry.to_owned()).or_default().extend(rows);
    }
}

fn entry_of(text: &str) -> Fingerprint {
    Fingerprint::of([text.as_bytes()])
}

#[async_trait::async_trait]
impl Ask for Told {
    async fn ask(&self, call: Call) -> Outcome {
        self.add(&format!("asked {}", entry_of(&call.user)), &[call.origin.row]);
        if call.user.contains('d') { failed(FailureKind::Refused, "no") } else { answered("said".into()) }
    }

    fn window(&self) -> usize {
        1
    }

    fn entry_of(&self, call: &Call) -> Option<Fingerprint> {
        Some(entry_of(&call.user))
    }

    fn note_rows(&self, _run: &RunId, entry: Fingerprint, rows: &[u64]) {
        self.add(&format!("took {entry}"), rows);
    }

    fn note_failed(&self, origin: &Origin, input: &str, failure: &Failure) -> Option<Fingerprint> {
        let name = format!("failed {} {}", failure.kind, input.len());
        self.add(&name, &[origin.row]);
        Some(entry_of(&name))
    }
}

async fn told(sql: &str) -> BTreeMap<String, Vec<u64>> {
    let told = Arc::new(Told::default());
    let session = Session::new(Arc::clone(&told) as Arc<dyn Ask>, run(), SessionOptions::default());
    let _ = watched(&session, sql).await;
    drop(session);
    let mut rows = std::mem::take(&mut *told.rows.lock().unwrap());
    rows.values_mut().for_each(|rows| rows.sort_unstable());
    rows
}

#[tokio::test]
async fn every_row_that_did_not_ask_is_told() {
    let rows = told("SELECT id, semantic_map('Say {{ t }}', t) AS said FROM $r").await;
    let entry = |what: &str, text: &str| format!("{what} {}", entry_of(text));
    let expected = [
        (entry("asked", "Say a"), vec![0]),
        (entry("took", "Say a"), vec![1, 8]),
        (entry("asked", "Say b"), vec![4]),
        (entry("asked", "Say c"), vec![5]),
        (entry("asked", "Say d"), vec![6]),
        (entry("took", "Say d"), vec![7]),
    ];
    assert_eq!(rows, expected.into_iter().collect());
}

#[tokio::test]
async fn rows_that_cannot_be_asked_about_are_told_by_the_way_they_fail() {
    let long = "(SELECT value AS id, repeat('x', 5000000) AS t FROM generate_series(0, 2)) AS r (id, t)";
    let rows = told(&format!("SELECT semantic_map('Say {{{{ t }}}}', t) AS said FROM {long}")).await;
    let name = "failed bad_input 5000000";
    let expected = [(name.to_owned(), vec![0]), (format!("took {}", entry_of(name)), vec![1, 2])];
    assert_eq!(rows, expected.into_iter().collect());
}

#[tokio::test]
async fn thousands_of_rows_are_told_while_the_query_runs() {
    let many = "(SELECT value AS id, concat('t', value % 3) AS t FROM generate_series(0, 19999)) AS r (id, t)";
    let rows = told(&format!("SELECT semantic_map('Say {{{{ t }}}}', t) AS said FROM {many}")).await;
    let mut all: Vec<u64> = rows.into_values().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (0..20_000).collect::<Vec<u64>>());
}
