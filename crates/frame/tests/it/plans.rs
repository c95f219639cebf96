//! Plans as people see them, for each place a call can stand.

use std::sync::Arc;

use crate::fake::{Fake, session};

async fn explain(sql: &str) -> String {
    let fake = Arc::new(Fake::new());
    let session = session(&fake);
    let plan = session.plan(&sql.replace("$t", "(VALUES (1, 'a', 'b')) AS r (id, text, other)")).await.unwrap().explain();
    assert_eq!(fake.count(), 0);
    plan
}

#[tokio::test]
async fn projection() {
    insta::assert_snapshot!(explain("SELECT id, semantic_classify(text, ['good', 'bad']) AS mood FROM $t").await);
}

#[tokio::test]
async fn filter() {
    insta::assert_snapshot!(explain("SELECT id FROM $t WHERE semantic_predicate('Is {{ text }} good?', text) AND id > 3 AND semantic_predicate('Is {{ other }} bad?', other) LIMIT 2").await);
}

#[tokio::test]
async fn aggregate() {
    insta::assert_snapshot!(explain("SELECT semantic_classify(text, ['good', 'bad']) AS mood, count(*) AS n FROM $t GROUP BY mood").await);
}

#[tokio::test]
async fn sort_and_limit() {
    insta::assert_snapshot!(explain("SELECT id FROM $t ORDER BY semantic_map('Rank {{ text }}', text) LIMIT 2").await);
}

#[tokio::test]
async fn case_and_stages() {
    insta::assert_snapshot!(explain("SELECT CASE WHEN semantic_predicate('Is {{ text }} good?', text) THEN semantic_map('Praise {{ text }}', text) WHEN id > 3 THEN 'none' ELSE semantic_map('Again {{ said }}', semantic_map('Say {{ other }}', other)) END AS said FROM $t").await);
}

#[tokio::test]
async fn outcome_and_value_are_one_call() {
    insta::assert_snapshot!(explain("SELECT semantic_extract(text, 'name string, stars int') AS e, outcome(semantic_extract(text, 'name string, stars int')) AS o FROM $t").await);
}

#[tokio::test]
async fn join() {
    insta::assert_snapshot!(explain("SELECT a.id FROM $t JOIN (VALUES (1, 'x')) AS a (id, label) ON semantic_classify(r.text, ['x', 'y']) = a.label AND semantic_predicate('Does {{ text }} fit {{ label }}?', r.text, a.label)").await);
}

#[tokio::test]
async fn conditions_on_input_columns_go_below_the_calls() {
    insta::assert_snapshot!(
        explain("SELECT * FROM (SELECT id, semantic_map('Say {{ text }}', text) AS said FROM $t) WHERE id > 3 AND said <> 'x'").await
    );
}
