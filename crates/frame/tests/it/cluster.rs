//! `semantic_cluster` and `with_cluster_labels`: the groups that rows lie in.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Builder, Int64Array, ListBuilder, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use corsac_frame::prelude::*;

use crate::fake::{Fake, rows, session, table};

/// The stand-in's vectors are the lengths of the first two words, so these lie in two groups.
const TEXTS: [Option<&str>; 7] =
    [Some("a b"), Some("extraordinary circumstances"), None, Some("aa b"), Some(" "), Some("a b"), Some("extraordinary circumstance")];

fn with_texts(fake: &Arc<Fake>) -> Session {
    let session = session(fake);
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=TEXTS.len() as i64));
    let texts: ArrayRef = Arc::new(StringArray::from(TEXTS.to_vec()));
    let batch = RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("t", texts, true)]).unwrap();
    let frame = session.from_batches(batch.schema(), vec![batch]).unwrap();
    session.register_frame("r", &frame).unwrap();
    session
}

#[tokio::test]
async fn rows_stand_beside_the_number_of_their_group() {
    let fake = Arc::new(Fake::new());
    let session = with_texts(&fake);
    let sql = "SELECT * FROM semantic_cluster('r', 't', k => 2, centroid => 'middle')";
    insta::assert_snapshot!(table(&session, sql).await);
    assert_eq!(fake.count(), 4, "{:?}", fake.users());
    insta::assert_snapshot!(session.plan(sql).await.unwrap().explain());
    let estimate = session.plan(sql).await.unwrap().estimate().await.unwrap();
    assert_eq!((estimate.len(), estimate[0].sampled.distinct), (1, 4));
}

#[tokio::test]
async fn the_verb_is_the_function() {
    let fake = Arc::new(Fake::new());
    let session = with_texts(&fake);
    let shown = async |frame: DataFrame| arrow::util::pretty::pretty_format_batches(&frame.collect().await.unwrap()).unwrap().to_string();
    for seed in 0..6 {
        let clusters = Clusters { label_column: "g".into(), centroid_column: Some("c".into()), seed, restarts: 3, ..Clusters::new(3) };
        let framed = session.table("r").await.unwrap().with_cluster_labels("t", &clusters).unwrap();
        let sql = format!("SELECT * FROM semantic_cluster(r, t, 3, label => 'g', centroid => 'c', seed => {seed}, restarts => 3)");
        assert_eq!(shown(framed).await, table(&session, &sql).await);
    }
    let computed = semantic::map("Say {{ t }}").input("t");
    let framed =
        session.table("r").await.unwrap().with_cluster_labels(computed, &Clusters::new(2)).unwrap().select(["id", "cluster_label"]);
    let sql = "SELECT id, cluster_label FROM semantic_cluster((SELECT id, semantic_map('Say {{ t }}', t) AS said FROM r), said, k => 2)";
    assert_eq!(shown(framed.unwrap()).await, table(&session, sql).await);
}

#[tokio::test]
async fn groups_can_be_filtered_counted_and_reduced() {
    let fake = Arc::new(Fake::new());
    let session = with_texts(&fake);
    let sql = "SELECT cluster_label, count(*) AS n, semantic_reduce('Name these: {{ t }}', t ORDER BY id) AS name
               FROM semantic_cluster('r', 't', k => 2) WHERE cluster_label IS NOT NULL AND id < 7 GROUP BY cluster_label ORDER BY cluster_label";
    insta::assert_snapshot!(table(&session, sql).await);
}

#[tokio::test]
async fn nobody_reads_it_so_nothing_is_asked() {
    let fake = Arc::new(Fake::new());
    let session = with_texts(&fake);
    let counted = table(&session, "SELECT count(*) AS n FROM semantic_cluster('r', 't', k => 2)").await;
    assert!(counted.contains("| 7 |"), "{counted}");
    rows(&session, "SELECT id FROM semantic_cluster('r', 't', k => 2) WHERE id > 3").await.unwrap();
    assert_eq!(fake.count(), 0, "{:?}", fake.users());
}

#[tokio::test]
async fn vectors_are_taken_as_they_are() {
    let fake = Arc::new(Fake::new());
    let session = session(&fake);
    let mut lists = ListBuilder::new(Float32Builder::new());
    for vector in [&[0.0, 0.0][..], &[9.0, 9.0], &[], &[0.5, 0.0], &[f32::NAN, 1.0], &[9.0, 8.0]] {
        lists.values().append_slice(vector);
        lists.append(!vector.is_empty());
    }
    let column: ArrayRef = Arc::new(lists.finish());
    let batch = RecordBatch::try_from_iter_with_nullable([("v", column, true)]).unwrap();
    let frame = session.from_batches(batch.schema(), vec![batch]).unwrap().with_cluster_labels("v", &Clusters::new(2)).unwrap();
    let found = frame.collect().await.unwrap();
    let labels = found[0].column(1).as_primitive::<Int64Type>();
    let labels: Vec<Option<i64>> = (0..labels.len()).map(|row| labels.is_valid(row).then(|| labels.value(row))).collect();
    assert_eq!(labels, [Some(0), Some(1), None, Some(0), None, Some(1)]);
    assert_eq!(fake.count(), 0);
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let fake = Arc::new(Fake::new());
    let session = with_texts(&fake);
    let mut told = Vec::new();
    for arguments in [
        "'r'",
        "'r', 'tt'",
        "'r', 't', k => 0",
        "'r', 't', k => id",
        "'r', 't', label => 'id'",
        "'r', 't', label => ' '",
        "'r', 't', centroid => 'cluster_label'",
        "'r', 't', cluster => 3",
        "'q', 't'",
        "(SELECT 1 AS one), 't'",
        "7, 't'",
    ] {
        told.push(session.plan(&format!("SELECT * FROM semantic_cluster({arguments})")).await.map(|_| ()).unwrap_err().to_string());
    }
    let none = Clusters::new(0);
    told.push(session.table("r").await.unwrap().with_cluster_labels("t", &none).unwrap_err().to_string());
    let numbers = session.table("r").await.unwrap().with_cluster_labels("id", &Clusters::new(2)).unwrap();
    told.push(numbers.collect().await.unwrap_err().to_string());
    insta::assert_snapshot!(told.join("\n\n"));
    assert_eq!(fake.count(), 0);
}
