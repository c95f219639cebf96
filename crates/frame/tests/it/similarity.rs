//! `similarity_join`: the nearest rows of another table.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Builder, Int64Array, ListBuilder, RecordBatch, StringArray};
use corsac_frame::Session;
use datafusion::datasource::MemTable;

use crate::fake::{Fake, rows, session, table};

fn texts(session: &Session, name: &str, texts: &[Option<&str>]) {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=texts.len() as i64));
    let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    register(session, name, RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("t", texts, true)]).unwrap());
}

fn vectors(session: &Session, name: &str, vectors: &[&[f32]]) {
    let mut lists = ListBuilder::new(Float32Builder::new());
    for vector in vectors {
        lists.values().append_slice(vector);
        lists.append(!vector.is_empty());
    }
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=vectors.len() as i64));
    let lists: ArrayRef = Arc::new(lists.finish());
    register(session, name, RecordBatch::try_from_iter_with_nullable([("n", ids, true), ("v", lists, true)]).unwrap());
}

fn register(session: &Session, name: &str, batch: RecordBatch) {
    session.register_provider(name, Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap())).unwrap();
}

/// The stand-in's vectors are the lengths of the first two words.
fn of_texts(fake: &Arc<Fake>) -> Session {
    let session = session(fake);
    texts(&session, "l", &[Some("aa bb"), None, Some("aaaa b"), Some(" "), Some("aa bb")]);
    texts(&session, "r", &[Some("cc dd"), Some("cccc d"), Some(""), Some("cc dd"), None, Some("c dddd")]);
    session
}

#[tokio::test]
async fn texts_are_embedded_once_and_the_nearest_stand_beside_them() {
    let fake = Arc::new(Fake::new());
    let session = of_texts(&fake);
    let sql = "SELECT id, t, id_right, t_right, round(similarity, 2) AS near, rank FROM similarity_join('l', 't', 'r', 't', k => 3)";
    insta::assert_snapshot!(table(&session, sql).await);
    let mut asked = fake.users();
    asked.sort();
    assert_eq!(asked, ["aa bb", "aaaa b", "c dddd", "cc dd", "cccc d"]);
}

#[tokio::test]
async fn names_in_any_order_and_conditions_above() {
    let fake = Arc::new(Fake::new());
    let session = of_texts(&fake);
    let sql =
        "SELECT j.id, count(*) AS n FROM SIMILARITY_JOIN(right => r, right_on => T, left => l, left_on => t, k => 4, metric => 'l2') AS j
               WHERE similarity > -1 GROUP BY j.id ORDER BY j.id";
    insta::assert_snapshot!(table(&session, sql).await);
    insta::assert_snapshot!(session.plan(sql).await.unwrap().explain());
    let estimates = session.plan(sql).await.unwrap().estimate().await.unwrap();
    assert_eq!(estimates.iter().map(|one| one.sampled.distinct).collect::<Vec<_>>(), [3, 2]);
}

#[tokio::test]
async fn vectors_are_compared_as_they_are() {
    let fake = Arc::new(Fake::new());
    let session = session(&fake);
    vectors(&session, "l", &[&[1.0, 0.0], &[], &[0.0, 2.0]]);
    vectors(&session, "r", &[&[3.0, 3.0], &[0.5, 0.0], &[0.0, 1.0], &[]]);
    for metric in ["cosine", "l2", "dot"] {
        let sql = format!("SELECT n, n_right, similarity, rank FROM similarity_join('l', 'v', 'r', 'v', 2, '{metric}')");
        insta::assert_snapshot!(format!("vectors_{metric}"), table(&session, &sql).await);
    }
    vectors(&session, "other", &[&[1.0, 2.0, 3.0]]);
    let error = rows(&session, "SELECT * FROM similarity_join('l', 'v', 'other', 'v')").await.unwrap_err().to_string();
    assert!(error.contains("differ in size: 2 numbers on the left and 3 on the right"), "{error}");
    assert_eq!(fake.count(), 0);
}

#[tokio::test]
async fn a_limit_needs_no_more_rows_and_an_empty_side_gives_none() {
    let fake = Arc::new(Fake::new());
    let session = of_texts(&fake);
    texts(&session, "none", &[]);
    let shown = table(&session, "SELECT count(*) AS n FROM similarity_join('l', 't', 'none', 't', k => 3)").await;
    assert!(shown.contains("| 0 |"), "{shown}");
    let one = rows(&session, "SELECT t FROM similarity_join('l', 't', 'r', 't') LIMIT 1").await.unwrap();
    assert_eq!(one.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
}

#[tokio::test]
async fn subqueries_and_names_of_with_stand_for_tables() {
    let fake = Arc::new(Fake::new());
    let session = of_texts(&fake);
    let by_name = table(&session, "SELECT * FROM similarity_join('l', 't', 'r', 't', k => 2)").await;
    let nested = "SELECT * FROM similarity_join((SELECT * FROM l), t, (SELECT id, t FROM (SELECT * FROM r)), t, k => 2)";
    assert_eq!(table(&session, nested).await, by_name);
    let with =
        "WITH a AS (SELECT * FROM l), b AS (SELECT * FROM r) SELECT * FROM similarity_join(a, t, right_on => t, right => 'b', k => 2)";
    assert_eq!(table(&session, with).await, by_name);
    let calls = "SELECT id, near.t FROM similarity_join((SELECT id, semantic_map('Say {{ t }}', t) AS t FROM l WHERE id > 2), 't',
                 (SELECT t FROM r WHERE semantic_predicate('Is {{ t }} long?', t)), 't') AS near WHERE rank = 1";
    insta::assert_snapshot!(table(&session, calls).await);
    insta::assert_snapshot!(session.plan(calls).await.unwrap().explain());
    let again = "SELECT id, t_right_right FROM similarity_join((SELECT * FROM similarity_join('l', 't', 'r', 't')), 't_right', 'r', 't') ORDER BY id";
    insta::assert_snapshot!(table(&session, again).await);
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let fake = Arc::new(Fake::new());
    let session = of_texts(&fake);
    let told = |arguments: &'static str| {
        let session = &session;
        async move { session.plan(&format!("SELECT * FROM similarity_join({arguments})")).await.map(|_| ()).unwrap_err().to_string() }
    };
    assert!(told("'l', 't', 'r'").await.contains("right_on is missing. Write similarity_join("));
    assert!(told("'l', 't', 'r', 't', metrik => 'l2'").await.contains("has no argument metrik: did you mean metric?"));
    assert!(told("'l', 't', 'r', 't', left => 'l'").await.contains("is given left twice"));
    assert!(told("'l', 't', 'r', 't', k => 0").await.contains("k of similarity_join must be a whole number from 1 to 10000"));
    assert!(told("'l', 't', 'r', 't', metric => 'near'").await.contains("must be 'cosine', 'l2' or 'dot'"));
    assert!(told("'l', 'tt', 'r', 't'").await.contains("l has no column tt. Did you mean t?"));
    assert!(told("'lost', 't', 'r', 't'").await.contains("there is no table lost"));
    assert_eq!(fake.count(), 0);
}
