//! How many calls a query makes: exactly those that its result depends on.

use std::sync::Arc;

use crate::fake::{Fake, count_rows, numbered, rows, session, table};

/// Runs a query over numbered texts and gives the number of calls and of rows.
async fn calls(sql: &str, rows_in: usize) -> (usize, usize) {
    let fake = Arc::new(Fake::new());
    let sql = sql.replace("$r", &numbered(rows_in));
    let batches = rows(&session(&fake), &sql).await.unwrap();
    (fake.count(), count_rows(&batches))
}

const MAP: &str = "semantic_map('Say {{ t }}', t)";
const IS: &str = "semantic_predicate('Is {{ t }} fine in every respect that anybody could think of, now and later, here and there, by day and by night?', t)";

#[tokio::test]
async fn every_row_once() {
    assert_eq!(calls(&format!("SELECT {MAP} FROM $r"), 1024).await, (1024, 1024));
}

#[tokio::test]
async fn a_limit_ends_the_asking() {
    assert_eq!(calls(&format!("SELECT {MAP} FROM $r LIMIT 5"), 1024).await, (5, 5));
    assert_eq!(calls(&format!("SELECT {MAP} FROM $r ORDER BY id DESC LIMIT 5"), 1024).await, (5, 5));
    assert_eq!(calls(&format!("SELECT {MAP} FROM $r LIMIT 5 OFFSET 10"), 1024).await, (5, 5));
}

#[tokio::test]
async fn a_limit_over_a_semantic_filter_looks_ahead_a_little() {
    assert_eq!(calls(&format!("SELECT id FROM $r WHERE {IS} LIMIT 3"), 1024).await, (12, 3));
    assert_eq!(calls(&format!("SELECT id, {MAP} FROM $r WHERE {IS} LIMIT 3"), 1024).await, (15, 3));
}

#[tokio::test]
async fn the_look_ahead_doubles_until_the_limit_is_met() {
    let fake = Arc::new(Fake::new());
    // only every hundredth text is wanted, so 3 of them need about 300 rows
    let sql = format!("SELECT id FROM {} WHERE semantic_classify(t, ['00', 'other']) = '00' LIMIT 3", numbered(10_000));
    let batches = rows(&session(&fake), &sql).await.unwrap();
    assert_eq!(count_rows(&batches), 3);
    // the last round is broken off when the limit is met
    let (before, all) = (12 + 24 + 48 + 96, 12 + 24 + 48 + 96 + 192);
    assert!(fake.count() > before && fake.count() <= all, "{}", fake.count());
}

#[tokio::test]
async fn two_semantic_filters_under_a_limit_both_look_ahead() {
    let (asked, out) =
        calls(&format!("SELECT id FROM $r WHERE {IS} AND semantic_predicate('Has {{{{ t }}}} a name?', t) LIMIT 3"), 1024).await;
    assert_eq!(out, 3);
    assert!(asked <= 12 + 24 + 12, "{asked} calls");
}

#[tokio::test]
async fn cheap_conditions_come_first() {
    assert_eq!(calls(&format!("SELECT id FROM $r WHERE {IS} AND id < 50"), 1024).await, (50, 50));
    assert_eq!(calls(&format!("SELECT id FROM (SELECT * FROM $r WHERE id < 50) WHERE {IS}"), 1024).await, (50, 50));
    assert_eq!(calls(&format!("SELECT * FROM (SELECT id, {IS} AS s FROM $r) WHERE s AND id < 50"), 1024).await, (50, 50));
    assert_eq!(calls(&format!("SELECT id FROM $r WHERE id < 50 OR {IS}"), 100).await, (50, 100));
    assert_eq!(calls(&format!("SELECT id FROM $r WHERE {IS} OR id < 50"), 100).await, (50, 100));
}

#[tokio::test]
async fn semantic_conditions_run_one_after_the_other() {
    let sql = "SELECT id FROM $r WHERE semantic_classify(t, ['1', 'other']) = '1' AND semantic_predicate('Is {{ t }} fine in every respect that anybody could think of, now and later, here and there, by day and by night?', t)";
    // 19 of the numbers below 100 hold a 1
    assert_eq!(calls(sql, 100).await, (100 + 19, 19));
}

#[tokio::test]
async fn branches_ask_only_the_rows_that_reach_them() {
    assert_eq!(calls(&format!("SELECT CASE WHEN id < 10 THEN {MAP} END FROM $r"), 1024).await, (10, 1024));
    assert_eq!(calls(&format!("SELECT CASE id WHEN 3 THEN {MAP} ELSE t END FROM $r"), 1024).await, (1, 1024));
    assert_eq!(calls(&format!("SELECT CASE WHEN id < 10 THEN t WHEN id < 30 THEN {MAP} ELSE 'x' END FROM $r"), 100).await, (20, 100));
    assert_eq!(calls(&format!("SELECT coalesce(nullif(t, 'text 7'), {MAP}) FROM $r"), 100).await, (1, 100));
    let nested = format!("SELECT CASE WHEN semantic_classify(t, ['5', 'other']) = '5' THEN {MAP} END FROM $r");
    assert_eq!(calls(&nested, 100).await, (100 + 19, 100));
}

#[tokio::test]
async fn an_input_that_fails_on_rows_outside_its_branch_is_not_worked_out() {
    let sql = "SELECT CASE WHEN id > 0 THEN semantic_map('Say {{ x }}', 100 / id) END FROM $r";
    assert_eq!(calls(sql, 5).await, (4, 5));
}

#[tokio::test]
async fn the_same_call_is_made_once() {
    assert_eq!(calls(&format!("SELECT {MAP}, length({MAP}) FROM $r"), 128).await, (128, 128));
    assert_eq!(calls(&format!("SELECT {MAP}, outcome({MAP}) FROM $r"), 128).await, (128, 128));
    assert_eq!(calls(&format!("SELECT {IS} FROM $r WHERE {IS}"), 128).await, (128, 128));
    assert_eq!(calls("SELECT semantic_map('Say {{ x }}', id % 10) FROM $r", 1000).await, (10, 1000));
}

#[tokio::test]
async fn a_cte_used_twice_asks_once() {
    let sql = format!("WITH c AS (SELECT id, {MAP} AS s FROM $r WHERE id < 64) SELECT a.s, b.s FROM c a JOIN c b ON a.id = b.id");
    assert_eq!(calls(&sql, 1024).await, (64, 64));
}

#[tokio::test]
async fn joins() {
    let sides = |on: &str, kind: &str| {
        let texts = "(SELECT value AS id, concat('t', value) AS t FROM generate_series(0, 11))";
        format!("SELECT a.id, b.id FROM {texts} AS a {kind} JOIN {texts} AS b ON {on}")
    };
    // each side is asked once per row; equal questions on both sides are the same question
    let equal = sides("semantic_map('Say {{ t }}', a.t) = semantic_map('Tell {{ t }}', b.t)", "");
    assert_eq!(calls(&equal, 1).await, (24, 0));
    let left = sides("a.id = b.id AND semantic_predicate('Is {{ t }} fine?', b.t)", "LEFT");
    assert_eq!(calls(&left, 1).await, (12, 12));
    let pairs = sides("a.id < 2 AND b.id < 3 AND semantic_predicate('Is {{ t }} like {{ other }}?', a.t, b.t)", "");
    assert_eq!(calls(&pairs, 1).await, (6, 6));
}

#[tokio::test]
async fn calls_that_nobody_reads_are_not_made() {
    assert_eq!(calls(&format!("SELECT id FROM (SELECT id, {MAP} AS s FROM $r)"), 100).await, (0, 100));
    assert_eq!(calls(&format!("SELECT count(*) FROM (SELECT id, {MAP} AS s FROM $r)"), 100).await, (0, 1));
    let one_of_two = format!("SELECT s FROM (SELECT {MAP} AS s, semantic_map('Other {{{{ t }}}}', t) AS u FROM $r)");
    assert_eq!(calls(&one_of_two, 100).await, (100, 100));
}

#[tokio::test]
async fn null_and_blank_ask_nothing() {
    let fake = Arc::new(Fake::new());
    let sql = "SELECT t, semantic_map('Say {{ t }}', t) AS said, outcome(semantic_map('Say {{ t }}', t)) IS NULL AS unasked
               FROM (VALUES ('a'), (NULL), (''), ('  '), ('b')) AS r (t)";
    insta::assert_snapshot!(table(&session(&fake), sql).await, @r"
    +----+---------+---------+
    | t  | said    | unasked |
    +----+---------+---------+
    | a  | <Say a> | false   |
    |    |         | true    |
    |    |         | true    |
    |    |         | true    |
    | b  | <Say b> | false   |
    +----+---------+---------+
    ");
    assert_eq!(fake.users(), ["Say a", "Say b"]);
}

#[tokio::test]
async fn calls_stand_everywhere_in_a_query() {
    let cases = [
        ("SELECT semantic_classify(t, ['1', 'x']) AS c, count(*) FROM $r GROUP BY c ORDER BY c", 100, 2),
        ("SELECT semantic_classify(t, ['1', 'x']) AS c, count(*) FROM $r GROUP BY 1", 100, 2),
        ("SELECT semantic_classify(t, ['1', 'x']), count(*) FROM $r GROUP BY semantic_classify(t, ['1', 'x'])", 100, 2),
        ("SELECT count(semantic_map('Say {{ t }}', t)) FROM $r", 100, 1),
        ("SELECT count(*) FILTER (WHERE semantic_predicate('Is {{ t }} fine?', t)) FROM $r", 100, 1),
        ("SELECT id FROM $r ORDER BY semantic_map('Say {{ t }}', t)", 100, 100),
        ("SELECT id % 3 AS k, max(t) AS m FROM $r GROUP BY k HAVING semantic_predicate('Is {{ m }} fine?', max(t))", 3, 3),
        ("SELECT row_number() OVER (PARTITION BY semantic_classify(t, ['1', 'x']) ORDER BY id) FROM $r", 100, 100),
        ("SELECT semantic_map('Again {{ s }}', semantic_map('Say {{ t }}', t)) FROM $r", 200, 100),
        ("SELECT DISTINCT semantic_classify(t, ['1', 'x']) FROM $r", 100, 2),
        ("SELECT DISTINCT ON (semantic_classify(t, ['1', 'x'])) id FROM $r", 100, 2),
        ("SELECT id FROM $r WHERE id IN (SELECT id FROM $r WHERE semantic_predicate('Is {{ t }} fine?', t) AND id < 9)", 9, 9),
        (
            "SELECT id FROM $r WHERE EXISTS (SELECT 1 FROM $r AS s WHERE s.id = r.id AND s.id < 9 AND semantic_predicate('Is {{ t }} fine?', s.t))",
            9,
            9,
        ),
        ("SELECT (SELECT max(semantic_map('Say {{ t }}', t)) FROM $r)", 100, 1),
        ("SELECT semantic_map('Say {{ x }}', (SELECT max(t) FROM $r)) FROM $r", 1, 100),
        ("SELECT semantic_map('Say {{ t }}', t) FROM $r UNION ALL SELECT semantic_map('Tell {{ t }}', t) FROM $r", 200, 200),
        ("SELECT semantic_map('Say {{ x }}', 'hello')", 1, 1),
        ("SELECT semantic_map('Say ' || '{{ t }}', t), semantic_classify(t, string_to_array('1,x', ',')) FROM $r", 200, 100),
        ("SELECT (semantic_extract(t, 'name string, size int')).size FROM $r", 100, 100),
    ];
    for (sql, asked, out) in cases {
        let sql_of_parts = sql.replace("$r AS s", &numbered(100).replace("AS r", "AS s"));
        assert_eq!(calls(&sql_of_parts, 100).await, (asked, out), "{sql}");
    }
}

#[tokio::test]
async fn results_have_readable_names() {
    let fake = Arc::new(Fake::new());
    let names = |sql: &'static str| {
        let session = session(&fake);
        async move {
            let query = session.plan(sql).await.unwrap();
            query.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>()
        }
    };
    let from = "SELECT semantic_map('a {{ x }}', x), semantic_map('b {{ x }}', x), length(semantic_map('(c {{ x }}', x)), x, outcome(semantic_map('a {{ x }}', x)) FROM (VALUES ('v')) AS t (x)";
    assert_eq!(names(from).await, ["semantic_map", "semantic_map_2", "length(semantic_map)", "x", "outcome"]);
    assert_eq!(names("SELECT semantic_map('a {{ x }}', x) AS mine FROM (VALUES ('v')) AS t (x)").await, ["mine"]);
    assert_eq!(names("SELECT *, semantic_classify(x, ['a']) FROM (VALUES ('v')) AS t (x) ORDER BY 2").await, ["x", "semantic_classify"]);
}
