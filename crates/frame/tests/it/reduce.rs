//! Groups of rows put into one answer: what is asked, in which parts, and what a group without texts gets.

use std::sync::Arc;
use std::time::Duration;

use corsac_dispatch::FailureKind;
use serde_json::json;

use crate::fake::{Fake, answered, failed, refused, rows, session, table};

const R: &str = "(VALUES (1, 'lamp', 'bright'), (2, 'chair', 'hard'), (3, 'lamp', 'hot'), (4, 'chair', NULL), (5, 'sofa', ' '), (6, 'lamp', 'cheap'), (7, NULL, 'odd')) AS r (id, product, t)";

#[tokio::test]
async fn one_question_a_group_in_the_order_that_is_asked_for() {
    let fake = Arc::new(Fake::new());
    let sql = format!(
        "SELECT product, count(*) AS n, semantic_reduce('What do people say of the {{{{ product }}}}? {{{{ t }}}}', t, product ORDER BY id DESC) AS said \
         FROM {R} GROUP BY product ORDER BY product"
    );
    insta::assert_snapshot!(table(&session(&fake), &sql).await);
    assert_eq!(fake.count(), 3, "{:?}", fake.users());
    assert_eq!(&*fake.asked()[0].origin.operator, "semantic_reduce");
}

#[tokio::test]
async fn without_groups_there_is_one_and_none_of_nothing() {
    let fake = Arc::new(Fake::new());
    let session = session(&fake);
    let of = |from: &str| format!("SELECT semantic_reduce('Sum up: {{{{ t }}}}', t ORDER BY id) FROM {R} WHERE {from}");
    insta::assert_snapshot!(table(&session, &of("id < 3")).await);
    insta::assert_snapshot!(table(&session, &of("id > 90")).await);
    insta::assert_snapshot!(table(&session, &of("id IN (4, 5)")).await);
    assert_eq!(fake.count(), 1);
}

#[tokio::test]
async fn it_stands_beside_other_aggregates_filters_and_calls() {
    let fake = Arc::new(Fake::new());
    let sql = format!(
        "SELECT upper(semantic_reduce('Sum up: {{{{ said }}}}', said => semantic_map('Say {{{{ t }}}}', t) ORDER BY id) FILTER (WHERE id < 6)) AS s, \
         max(id) AS last, semantic_reduce('{{{{ size }}}}: {{{{ t }}}}', t, size => length(product) ORDER BY id) AS other \
         FROM {R} WHERE product IS NOT NULL GROUP BY length(product) HAVING max(id) > 1 ORDER BY last"
    );
    insta::assert_snapshot!(table(&session(&fake), &sql).await);
}

#[tokio::test]
async fn plans_gather_rows_and_ask_about_groups() {
    let fake = Arc::new(Fake::new());
    let sql = format!(
        "SELECT product, semantic_reduce('Sum up {{{{ product }}}}: {{{{ t }}}}', t, product ORDER BY id) AS said FROM {R} GROUP BY product"
    );
    insta::assert_snapshot!(session(&fake).plan(&sql).await.unwrap().explain());
    assert_eq!(fake.count(), 0);
}

const MANY: &str = "(SELECT value AS id, concat('text ', lpad(CAST(value AS VARCHAR), 3, '0')) AS t FROM generate_series(0, 99)) AS r";

#[tokio::test(start_paused = true)]
async fn a_large_group_is_asked_about_in_parts_and_these_are_put_together() {
    // the result of a part is its first text
    let fake = Arc::new(
        Fake::new()
            .rule(|call| Some(answered(json!(call.user.lines().find_map(|line| line.strip_prefix("[1] ")).unwrap_or_default()))))
            .delay(|_| Duration::from_secs(1)),
    );
    let sql = format!("SELECT semantic_reduce('Sum up: {{{{ t }}}}', t, part_tokens => 64 ORDER BY id) AS s FROM {MANY}");
    let shown = table(&session(&fake), &sql).await;
    assert!(shown.contains("text 000"), "{shown}");
    let calls = fake.asked();
    // every text is asked about once, in order
    let texts: Vec<String> = calls
        .iter()
        .filter(|call| call.system.contains("part of a larger set whose parts"))
        .flat_map(|call| call.user.lines().filter_map(|line| line.split_once("] ").map(|(_, text)| text.to_owned())).collect::<Vec<_>>())
        .collect();
    assert_eq!(texts, (0..100).map(|number| format!("text {number:03}")).collect::<Vec<_>>());
    let merging = calls.iter().filter(|call| call.system.contains("put them together")).count();
    assert!(calls.len() >= 9 && merging == 1, "{} calls, {merging} of them merge", calls.len());
    assert!(fake.most_under_way() > 4, "parts wait for each other");
    // nothing is lost on the way up: the first text of the first part is in the last question
    assert!(calls.last().unwrap().user.contains("text 000"));
}

#[tokio::test]
async fn the_cost_of_all_parts_is_the_cost_of_the_group() {
    let fake = Arc::new(Fake::new().rule(|_| Some(answered(json!("short")))));
    let session = session(&fake);
    rows(&session, &format!("SELECT semantic_reduce('Sum up: {{{{ t }}}}', t, part_tokens => 100) AS s FROM {MANY}")).await.unwrap();
    let progress = session.progress();
    assert_eq!(progress.cost().pico(), fake.count() as i64 * 1_000_000_000);
    assert_eq!((progress.calls_finished(), progress.answered()), (1, 1));
    let count = fake.count();
    let of_group = "outcome(semantic_reduce('Sum up: {{ t }}', t, part_tokens => 100))";
    let sql = format!(
        "SELECT round({of_group}.cost, 3) = 0.001 * {count} AS cost, {of_group}.attempts = {count} AS attempts, {of_group}.value AS value, \
         semantic_reduce('Sum up: {{{{ t }}}}', t, part_tokens => 100) AS same FROM {MANY} HAVING max(id) > 1"
    );
    insta::assert_snapshot!(table(&self::session(&fake), &sql).await);
    assert_eq!(fake.count(), 2 * count);
}

#[tokio::test]
async fn a_part_without_an_answer_leaves_its_group_without_one() {
    let fake = Arc::new(Fake::new().rule(|call| call.user.contains("text 050").then(|| failed(FailureKind::Moderated, "not this"))));
    let session = session(&fake);
    let sql = format!(
        "SELECT id % 2 AS odd, semantic_reduce('Sum up: {{{{ t }}}}', t, part_tokens => 100) IS NULL AS missing FROM {MANY} GROUP BY id % 2 ORDER BY odd"
    );
    insta::assert_snapshot!(table(&session, &sql).await);
    let failures = session.progress().failures();
    assert_eq!((failures[0].0, failures[0].1.rows), (FailureKind::Moderated, 1));
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    for (call, words) in [
        ("semantic_reduce('Sum up', t)", "names no column"),
        ("semantic_reduce('Sum up {{ product }}', product)", "name the column whose rows are to be reduced"),
        ("semantic_reduce('{{ t }} {{ id }}', t, id)", "reduces one column, but its template names t and id"),
        ("semantic_reduce('{{ t }}')", "no column is passed"),
        ("semantic_reduce('{{ t }}', t, modl => 'x')", "Did you mean model?"),
        ("semantic_reduce('{{ t }}', t) OVER (PARTITION BY product)", "cannot stand"),
    ] {
        let grouped = if call.contains("OVER") { "" } else { "GROUP BY product" };
        let told = refused(&format!("SELECT product, {call} FROM {R} {grouped}")).await;
        assert!(told.contains(words), "{call}\n{told}");
    }
}
