//! What people read when a query cannot be planned. Nothing is asked in any of these cases.

use crate::fake::refused;

const FROM: &str = "FROM (VALUES (1, 'a', 'b')) AS r (id, text, topic)";

async fn of(select: &str) -> String {
    refused(&format!("SELECT {select} {FROM}")).await
}

#[tokio::test]
async fn templates() {
    let mut messages = Vec::new();
    for select in [
        "semantic_map('Say {{ txt }}', text)",
        "semantic_map('Say {{ text }}')",
        "semantic_map('Say {{ text }} of {{ topic }}', text)",
        "semantic_map('Say {{ text }}', text, topic)",
        "semantic_map('Say {{ text }}', text, upper(topic))",
        "semantic_map('Say it', text)",
        "semantic_map('Say {{ text', text)",
        "semantic_map(text, text)",
        "semantic_map(5, text)",
        "semantic_predicate()",
    ] {
        messages.push(format!("{select}\n  {}", of(select).await.replace('\n', "\n  ")));
    }
    insta::assert_snapshot!(messages.join("\n\n"));
}

#[tokio::test]
async fn columns_whose_names_a_template_cannot_say() {
    let sql = |call: &str| format!("SELECT {call} FROM (VALUES (1, 'a')) AS r (id, \"The Text\")");
    let told = refused(&sql("semantic_map('Say {{ the_text }}', \"The Text\")")).await;
    assert!(told.contains("Give it the name: the_text => \"The Text\""), "{told}");
    let told = refused(&sql("semantic_map('Say {{ id }}', id, \"The Text\")")).await;
    assert!(told.contains("write name => \"The Text\" in the call and {{ name }} in the template"), "{told}");
    let told = refused(&sql("semantic_map('Say {{ the_text }}', the_text => \"The Txt\")")).await;
    assert!(told.contains("The Text"), "{told}");
}

#[tokio::test]
async fn ways_to_write_that_the_grammar_does_not_have() {
    let told = of("semantic_reduce('{{ text }} of {{ topic }}', text ORDER BY id, topic => topic)").await;
    assert!(told.contains("cannot be read") && told.contains("ORDER BY stands last"), "{told}");
    let told = of("semantic_extract(text, 'name string').*").await;
    assert!(told.contains("cannot be read") && told.contains("unnest(f(…))"), "{told}");
    let told = of("text.").await;
    assert!(told.contains("cannot be read") && !told.contains("unnest"), "{told}");
}

#[tokio::test]
async fn labels_and_schemas() {
    let mut messages = Vec::new();
    for select in [
        "semantic_classify(text)",
        "semantic_classify(text, 'a, b')",
        "semantic_classify(text, [topic])",
        "semantic_classify(text, ['a', NULL])",
        "semantic_classify(text, ['a', 'a'])",
        "semantic_extract(text, 'name strng')",
        "semantic_extract(text, topic)",
        "semantic_extract(text, 'nowhere.json')",
        "semantic_extract(text, '{\"type\": \"object\",}')",
        "semantic_extract(text, 5)",
    ] {
        messages.push(format!("{select}\n  {}", of(select).await.replace('\n', "\n  ")));
    }
    insta::assert_snapshot!(messages.join("\n\n"));
}

#[tokio::test]
async fn places() {
    let mut messages = Vec::new();
    for select in [
        "outcome(text)",
        "outcome(upper(semantic_map('Say {{ text }}', text)))",
        "outcome(semantic_map('Say {{ text }}', text), 2)",
        "semantic_clasify(text, ['a'])",
        "semantic_map('Say {{ text }}', txt)",
        "(SELECT max(semantic_map('{{ text }} {{ v }}', r.text, s.v)) FROM (VALUES ('x')) AS s (v))",
    ] {
        messages.push(format!("{select}\n  {}", of(select).await.replace('\n', "\n  ")));
    }
    let join =
        "SELECT 1 FROM (VALUES ('a')) AS a (x) FULL JOIN (VALUES ('b')) AS b (y) ON semantic_predicate('{{ x }} like {{ y }}', a.x, b.y)";
    messages.push(format!("FULL JOIN\n  {}", refused(join).await));
    messages
        .push(format!("ROLLUP\n  {}", refused(&format!("SELECT count(*) {FROM} GROUP BY ROLLUP(semantic_classify(text, ['a']))")).await));
    messages.push(format!("VALUES\n  {}", refused("VALUES (semantic_map('{{ x }}', 'a'))").await));
    messages.push(format!("syntax\n  {}", refused("SELEC 1").await));
    messages.push(format!("two statements\n  {}", refused("SELECT 1; SELECT 2").await));
    messages.push(format!("no query\n  {}", refused("CREATE TABLE x AS SELECT 1").await));
    messages.push(format!("no table\n  {}", refused("SELECT 1 FROM reviews").await));
    insta::assert_snapshot!(messages.join("\n\n"));
}
