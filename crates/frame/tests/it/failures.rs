//! What failures do to rows, to queries and to the asking.

use std::sync::Arc;

use corsac_dispatch::FailureKind;
use corsac_frame::{FrameError, OnError, RowLimits};
use serde_json::json;

use crate::fake::{Fake, answered, count_rows, failed, numbered, rows, session, session_with, table};

#[tokio::test]
async fn a_failed_row_is_null_and_says_why() {
    let fake =
        Arc::new(Fake::new().rule(|call| call.user.contains("text 1").then(|| failed(FailureKind::Timeout, "no reply within 60 s"))));
    let session = session(&fake);
    let sql = format!(
        "SELECT id, semantic_map('Say {{{{ t }}}}', t) AS said, outcome(semantic_map('Say {{{{ t }}}}', t)) AS o FROM {}",
        numbered(3)
    );
    let sql = format!("SELECT id, said, o.value, o.error_kind, o.error, o.attempts, o.cost, o.model, o.provider FROM ({sql})");
    insta::assert_snapshot!(table(&session, &sql).await, @r"
    +----+--------------+--------------+------------+----------------------+----------+-------+------------+----------+
    | id | said         | value        | error_kind | error                | attempts | cost  | model      | provider |
    +----+--------------+--------------+------------+----------------------+----------+-------+------------+----------+
    | 0  | <Say text 0> | <Say text 0> |            |                      | 1        | 0.001 | fake/model | Fake     |
    | 1  |              |              | timeout    | no reply within 60 s | 2        | 0.0   | fake/model |          |
    | 2  | <Say text 2> | <Say text 2> |            |                      | 1        | 0.001 | fake/model | Fake     |
    +----+--------------+--------------+------------+----------------------+----------+-------+------------+----------+
    ");
    let progress = session.progress();
    assert_eq!((progress.failed_rows(), progress.failed_calls(), progress.answered()), (1, 1, 2));
    let (kind, count) = progress.failures().remove(0);
    assert_eq!((kind, count.rows, count.row), (FailureKind::Timeout, 1, 1));
    assert_eq!((count.input.as_str(), count.message.as_str()), ("Say text 1", "no reply within 60 s"));
    assert_eq!(progress.cost().to_string(), "$0.0020");
}

#[tokio::test]
async fn rows_that_share_a_failed_call_all_fail() {
    let fake = Arc::new(Fake::new().rule(|_| Some(failed(FailureKind::Moderated, "declined"))));
    let session = session(&fake);
    rows(&session, "SELECT semantic_map('Say {{ x }}', value % 3) FROM generate_series(0, 29)").await.unwrap();
    assert_eq!((fake.count(), session.progress().failed_rows(), session.progress().failed_calls()), (3, 30, 3));
    assert_eq!(session.progress().failures()[0].1.rows, 30);
}

#[tokio::test]
async fn fail_ends_the_query_with_the_first_failure() {
    let fake = Arc::new(Fake::new().window(1).rule(|call| call.user.contains("text 2").then(|| failed(FailureKind::Truncated, "cut"))));
    let session = session_with(&fake, OnError::Fail, RowLimits::default());
    let error = rows(&session, &format!("SELECT semantic_map('Say {{{{ t }}}}', t) FROM {}", numbered(9))).await.unwrap_err();
    assert_eq!(error.to_string(), "row 2 of semantic_map failed (truncated): cut");
    assert!(matches!(error, FrameError::RowFailed { row: 2, .. }));
}

#[tokio::test]
async fn what_stops_the_run_ends_the_query() {
    let fake = Arc::new(Fake::new().rule(|_| Some(failed(FailureKind::Unauthorized, "the key is not valid"))));
    let error =
        rows(&session(&fake), &format!("SELECT count(semantic_map('Say {{{{ t }}}}', t)) FROM {}", numbered(1_000))).await.unwrap_err();
    let FrameError::Stopped(failure) = error else { panic!("{error}") };
    assert_eq!(failure.kind, FailureKind::Unauthorized);
    assert!(fake.count() <= 128, "{}", fake.count());
}

#[tokio::test]
async fn at_the_ceiling_the_other_rows_end_unasked() {
    let fake = Arc::new(
        Fake::new()
            .window(1)
            .rule(|call| (call.origin.row >= 10).then(|| failed(FailureKind::BudgetReached, "the ceiling of $1 is reached"))),
    );
    let session = session(&fake);
    let sql =
        format!("SELECT o.value, o.error_kind FROM (SELECT outcome(semantic_map('Say {{{{ t }}}}', t)) AS o FROM {})", numbered(1_000));
    let batches = rows(&session, &sql).await.unwrap();
    assert_eq!(count_rows(&batches), 1_000);
    let progress = session.progress();
    assert_eq!((fake.count(), progress.failed_rows(), progress.answered()), (11, 990, 10));
    assert_eq!(progress.failures()[0].0, FailureKind::BudgetReached);
}

#[tokio::test]
async fn a_row_that_cannot_be_asked_about_fails_alone() {
    let fake = Arc::new(Fake::new());
    let limits = RowLimits { largest_input_bytes: 1_000, ..RowLimits::default() };
    let session = session_with(&fake, OnError::Null, limits);
    let sql = "SELECT o.value IS NULL AS gone, o.error_kind, o.error FROM
               (SELECT outcome(semantic_map('Say {{ t }}', t)) AS o FROM (VALUES ('a'), (repeat('x', 5000)), ('b')) AS r (t))";
    insta::assert_snapshot!(table(&session, sql).await, @r"
    +-------+------------+------------------------------------------------------------------------------------------------------------------------------------+
    | gone  | error_kind | error                                                                                                                              |
    +-------+------------+------------------------------------------------------------------------------------------------------------------------------------+
    | false |            |                                                                                                                                    |
    | true  | bad_input  | the input has 5000 bytes, more than the 1000 bytes that are asked about at once: cut it with left(column, n) or split it into rows |
    | false |            |                                                                                                                                    |
    +-------+------------+------------------------------------------------------------------------------------------------------------------------------------+
    ");
    let broken = "SELECT o.error_kind, o.error FROM (SELECT outcome(semantic_map('{{ 1 / n }}', n)) AS o FROM (VALUES (2), (0)) AS r (n))";
    insta::assert_snapshot!(table(&session, broken).await, @r"
    +------------+---------------------------------------------------------------------------------------------------+
    | error_kind | error                                                                                             |
    +------------+---------------------------------------------------------------------------------------------------+
    |            |                                                                                                   |
    | bad_input  | the template could not be filled in: invalid operation: unable to calculate 1 / 0 (in template:1) |
    +------------+---------------------------------------------------------------------------------------------------+
    ");
    assert_eq!(fake.count(), 3);
}

#[tokio::test]
async fn an_answer_that_no_column_can_hold_is_that_rows_failure() {
    let fake =
        Arc::new(Fake::new().rule(|call| Some(answered(json!({"day": if call.user == "a" { "2024-01-31" } else { "2024-99-99" }})))));
    let sql = "SELECT o.value, o.error_kind, o.error FROM (SELECT outcome(semantic_extract(t, 'day date')) AS o FROM (VALUES ('a'), ('b')) AS r (t))";
    insta::assert_snapshot!(table(&session(&fake), sql).await, @r#"
    +-------------------+----------------+--------------------------------------------------------+
    | value             | error_kind     | error                                                  |
    +-------------------+----------------+--------------------------------------------------------+
    | {day: 2024-01-31} |                |                                                        |
    |                   | invalid_answer | day: "2024-99-99" does not fit a column of type Date32 |
    +-------------------+----------------+--------------------------------------------------------+
    "#);
}

#[tokio::test]
async fn a_panic_in_a_call_is_that_rows_failure() {
    let fake = Arc::new(Fake::new().rule(|call| if call.user.contains('1') { panic!("boom") } else { None }));
    let session = session(&fake);
    let batches = rows(&session, &format!("SELECT semantic_map('Say {{{{ t }}}}', t) FROM {}", numbered(3))).await.unwrap();
    assert_eq!((count_rows(&batches), session.progress().failed_rows()), (3, 1));
    assert_eq!(session.progress().failures()[0].0, FailureKind::Internal);
}
