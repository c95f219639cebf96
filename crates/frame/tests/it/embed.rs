//! Vectors of texts: their column, what asks nothing, and what became of a call.

use std::sync::Arc;

use arrow::datatypes::DataType;
use corsac_dispatch::{Contract, FailureKind};
use serde_json::json;

use crate::fake::{Fake, answered, failed, refused, rows, session, table};

const TEXTS: &str = "(VALUES (1, 'two words'), (2, ''), (3, NULL), (4, 'two words'), (5, 'other'), (6, '  ')) AS r (id, t)";

#[tokio::test]
async fn null_and_blank_texts_have_no_vector_and_equal_texts_are_asked_once() {
    let fake = Arc::new(Fake::new());
    let shown = table(&session(&fake), &format!("SELECT id, semantic_embed(t) AS v FROM {TEXTS}")).await;
    insta::assert_snapshot!(shown);
    assert_eq!(fake.users(), ["two words", "other"]);
    let call = fake.asked().remove(0);
    assert!(matches!(call.contract, Contract::Embedding { dimensions: None }) && call.system.is_empty());
    assert_eq!(&*call.origin.operator, "semantic_embed");
}

#[tokio::test]
async fn vectors_are_lists_of_32_bit_floats_that_sql_can_compare() {
    let fake = Arc::new(Fake::new());
    let session = session(&fake);
    let batches = rows(&session, &format!("SELECT semantic_embed(t) AS v FROM {TEXTS}")).await.unwrap();
    let DataType::List(item) = batches[0].schema().field(0).data_type().clone() else { panic!("no list") };
    assert_eq!(item.data_type(), &DataType::Float32);
    let near = "SELECT round(array_distance(semantic_embed(a), semantic_embed(b)), 3) AS d FROM (VALUES ('ab cd', 'abc cdef')) AS r (a, b)";
    insta::assert_snapshot!(table(&session, near).await);
}

#[tokio::test]
async fn a_vector_that_failed_is_null_and_its_outcome_says_why() {
    let fake = Arc::new(Fake::new().rule(|call| match call.user.as_str() {
        "other" => Some(failed(FailureKind::ProviderError, "down")),
        _ => Some(answered(json!(["not", "numbers"]))),
    }));
    let sql = format!(
        "SELECT id, o['value'] AS v, o['error_kind'] AS kind, o['error'] AS error FROM (SELECT id, outcome(semantic_embed(t)) AS o FROM {TEXTS}) WHERE id IN (3, 4, 5)"
    );
    insta::assert_snapshot!(table(&session(&fake), &sql).await);
}

#[tokio::test]
async fn a_wrong_number_of_arguments_is_told() {
    assert!(
        refused("SELECT semantic_embed()").await.contains("semantic_embed takes a text"),
        "{}",
        refused("SELECT semantic_embed()").await
    );
    assert!(refused("SELECT semantic_embed('a', 'b')").await.contains("not 2 arguments. Write semantic_embed(text)"));
}
