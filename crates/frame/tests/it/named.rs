//! What a call is told by name: whom to ask and how, examples, variables of its template; and what is wrong with it.

use std::sync::Arc;
use std::time::Duration;

use corsac_dispatch::{Call, CallSettings, Contract};

use crate::fake::{Fake, refused, rows, session, table};

const R: &str = "(VALUES ('a red lamp', 'lamps'), ('a blue chair', 'chairs')) AS r (t, kind)";

/// The calls of a query.
async fn asked(sql: &str) -> Vec<Call> {
    let fake = Arc::new(Fake::new());
    rows(&session(&fake), &sql.replace("$r", R)).await.unwrap();
    fake.asked()
}

async fn settings(call: &str) -> CallSettings {
    CallSettings::clone(&asked(&format!("SELECT {call} FROM $r")).await[0].settings)
}

#[tokio::test]
async fn a_call_names_its_model_profile_and_sampling() {
    let all = "model => 'openai/gpt-4o', profile => 'careful', temperature => 0.2, max_tokens => 50, timeout => '1m'";
    let wanted = CallSettings {
        model: Some("openai/gpt-4o".into()),
        profile: Some("careful".into()),
        temperature: Some(0.2),
        max_tokens: Some(50),
        timeout: Some(Duration::from_secs(60)),
        ..CallSettings::default()
    };
    for call in [
        format!("semantic_map('Say {{{{ t }}}}', t, {all})"),
        format!("semantic_map({all}, 'Say {{{{ t }}}}', t)"),
        format!("semantic_predicate('Is {{{{ t }}}} red?', t, {all})"),
        format!("semantic_classify(t, ['red', 'blue'], {all})"),
        format!("semantic_extract(t, 'colour string', {all})"),
        format!("semantic_analyze_sentiment(t, {all})"),
        format!("semantic_summarize(t, {all})"),
        format!("Semantic_Summarize(t, {all})").to_lowercase(),
    ] {
        assert_eq!(settings(&call).await, wanted, "{call}");
    }
    assert_eq!(settings("semantic_embed(t, model => 'a/b', timeout => 2.5)").await.timeout, Some(Duration::from_millis(2_500)));
    assert_eq!(settings("semantic_map('Say {{ t }}', t, temperature => 1)").await.temperature, Some(1.0));
}

#[tokio::test]
async fn calls_that_differ_in_their_settings_are_different_calls() {
    let sql = "SELECT semantic_map('Say {{ t }}', t) a, semantic_map('Say {{ t }}', t, model => 'x/y') b, \
               semantic_map('Say {{ t }}', t, temperature => 1) c, semantic_map('Say {{ t }}', t, model => 'x/y') d FROM $r";
    assert_eq!(asked(sql).await.len(), 3 * 2);
}

#[tokio::test]
async fn the_variables_of_a_template_can_be_named() {
    let calls =
        asked("SELECT semantic_map('{{ what }} belongs to {{ where }}', where => upper(kind), what => t, model => 'x/y') FROM $r").await;
    let users: Vec<&str> = calls.iter().map(|call| call.user.as_str()).collect();
    assert_eq!(users, ["a red lamp belongs to LAMPS", "a blue chair belongs to CHAIRS"]);
    // a template's own name comes before the option of that name
    let calls = asked("SELECT semantic_map('{{ model }}?', model => t) FROM $r").await;
    assert_eq!((calls[0].user.as_str(), &calls[0].settings.model), ("a red lamp?", &None));
}

#[tokio::test]
async fn they_stand_wherever_a_call_can_stand() {
    let fake = Arc::new(Fake::new());
    let sql = format!(
        "SELECT outcome(semantic_classify(t, ['red', 'blue'], model => 'x/y')).value AS v FROM {R} \
         WHERE semantic_predicate('Is {{{{ t }}}} fine?', t, temperature => 0.5) ORDER BY v"
    );
    insta::assert_snapshot!(table(&session(&fake), &sql).await);
}

#[tokio::test]
async fn a_vector_has_the_size_that_is_asked_for() {
    let fake = Arc::new(Fake::new());
    let batches = rows(&session(&fake), &format!("SELECT semantic_embed(t, dimensions => 2) AS v FROM {R}")).await.unwrap();
    let shown = batches[0].schema().field(0).data_type().to_string();
    assert!(shown.contains("FixedSizeList(2"), "{shown}");
    assert!(matches!(fake.asked()[0].contract, Contract::Embedding { dimensions: Some(2) }));
    // a model that gives vectors of another size has not answered
    let sql = format!(
        "SELECT o.error_kind AS kind, o.error AS error FROM (SELECT outcome(semantic_embed(t, dimensions => 3)) AS o FROM {R} LIMIT 1)"
    );
    insta::assert_snapshot!(table(&session(&fake), &sql).await);
}

#[tokio::test]
async fn examples_stand_in_the_query_or_in_a_file() {
    let folder = std::env::temp_dir().join(format!("corsac-examples-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("e.csv"), "input,output\nan old sofa,chairs\n").unwrap();
    std::fs::write(folder.join("e.jsonl"), "{\"input\": \"an old sofa\", \"output\": \"chairs\"}\n\n").unwrap();
    let mut systems = Vec::new();
    for examples in [
        "[{input: 'an old sofa', output: 'chairs'}]".to_owned(),
        "make_array(named_struct('input', 'an old sofa', 'output', 'chairs'))".to_owned(),
        format!("'{}'", folder.join("e.csv").display()),
        format!("'{}'", folder.join("e.jsonl").display()),
    ] {
        let calls = asked(&format!("SELECT semantic_classify(t, ['lamps', 'chairs'], examples => {examples}) FROM $r")).await;
        systems.push(calls[0].system.to_string());
    }
    std::fs::remove_dir_all(&folder).unwrap();
    insta::assert_snapshot!(systems[0]);
    assert!(systems.iter().all(|system| *system == systems[0]), "{systems:#?}");
    let of = |call: &'static str| async move { asked(&format!("SELECT {call} FROM $r")).await[0].system.to_string() };
    insta::assert_snapshot!(
        of("semantic_predicate('Is {{ a }} {{ b }}?', a => t, b => kind, examples => [{a: 'snow', b: 'hot', output: false}])").await
    );
    insta::assert_snapshot!(of("semantic_map('{{ t }} in French', t, examples => [{input: 'a dog', output: 'un chien'}])").await);
}

#[tokio::test]
async fn examples_stand_in_a_table_or_a_view() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pairs.csv");
    std::fs::write(&file, "a,b,output\nsnow,\"hot, or it's not\",false\nice,cold,true\n").unwrap();
    let fake = Arc::new(Fake::new());
    let session = session(&fake);
    session.register("pairs", file.to_str().unwrap()).await.unwrap();
    let sql = "SELECT semantic_predicate('Is {{ a }} {{ b }}?', a => t, b => t, examples => 'pairs') AS p FROM (VALUES ('tea')) AS r (t)";
    table(&session, sql).await;
    table(&session, &format!("EXPLAIN {sql}")).await;
    let system = fake.asked()[0].system.to_string();
    assert!(system.contains("Is snow hot, or it's not?\nAnswer: {\"answer\":false}") && system.contains("Is ice cold?"), "{system}");
    std::fs::write(folder.path().join("none.csv"), "a,b,output\n").unwrap();
    session.register("none", folder.path().join("none.csv").to_str().unwrap()).await.unwrap();
    for (name, told) in [("nowhere", "nor a table that is known here"), ("none", "the table none cannot be examples: it has no rows")] {
        let error = session.plan(&sql.replace("'pairs'", &format!("'{name}'"))).await.map(|query| query.explain()).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[tokio::test]
async fn labels_can_have_descriptions() {
    for labels in [
        "[{label: 'red', description: 'like blood'}, {label: 'blue', description: 'like the sky'}]",
        "MAP {'red': 'like blood', 'blue': 'like the sky'}",
        "{'red': 'like blood', 'blue': 'like the sky'}",
    ] {
        let calls = asked(&format!("SELECT semantic_classify(t, {labels}) FROM $r")).await;
        assert!(calls[0].system.contains("- red: like blood\n- blue: like the sky\n"), "{}", calls[0].system);
    }
}

#[tokio::test]
async fn sentiment_and_summaries() {
    let calls = asked("SELECT semantic_analyze_sentiment(t) FROM $r").await;
    insta::assert_snapshot!(calls[0].system);
    let fake = Arc::new(Fake::new());
    let sql = "SELECT semantic_analyze_sentiment(t) AS s FROM (VALUES ('so negative'), (NULL), ('positive!'), (' ')) AS r (t)";
    insta::assert_snapshot!(table(&session(&fake), sql).await);
    let system = |call: &'static str| async move { asked(&format!("SELECT {call} FROM $r")).await[0].system.to_string() };
    insta::assert_snapshot!(system("semantic_summarize(t)").await);
    insta::assert_snapshot!(system("semantic_summarize(t, 'key points', max_words => 30)").await);
    assert_eq!(
        system("semantic_summarize(t, 'Key_Points', max_words => 30)").await,
        system("semantic_summarize(t, 'key points', max_words => 30)").await
    );
}

#[tokio::test]
async fn what_is_wrong_is_told_before_anything_is_asked() {
    for (call, words) in [
        ("semantic_map('Say {{ t }}', t, modle => 'x')", "takes nothing by the name modle. Did you mean model? It takes model, profile"),
        ("semantic_classify(t, ['a'], temprature => 1)", "Did you mean temperature?"),
        ("semantic_embed(t, temperature => 1)", "semantic_embed takes nothing by the name temperature."),
        ("semantic_map('Say {{ t }}', t, model => 'x', model => 'y')", "given model twice"),
        ("semantic_map('Say {{ t }}', t, model => kind)", "must be known before the query runs"),
        ("semantic_map('Say {{ t }}', t, model => '')", "the name of a model"),
        ("semantic_map('Say {{ t }}', t, temperature => 3)", "a number from 0 to 2"),
        ("semantic_map('Say {{ t }}', t, temperature => 'hot')", "a number from 0 to 2"),
        ("semantic_map('Say {{ t }}', t, max_tokens => 0)", "a whole number above 0"),
        ("semantic_map('Say {{ t }}', t, timeout => 'soon')", "a time such as '30s'"),
        ("semantic_embed(t, dimensions => 0)", "a whole number above 0"),
        ("semantic_summarize(t, 'haiku')", "'paragraph' or 'key points'"),
        ("semantic_classify(t, ['a'], examples => 3)", "a list of structs or the path of a file"),
        ("semantic_classify(t, ['a'], examples => [{input: 'x', output: 'b'}])", "example 1 cannot be used"),
        ("semantic_classify(t, ['a'], examples => [{input: 'x', answer: 'a'}])", "has no output"),
        ("semantic_classify(t, ['a'], examples => '/nowhere/e.csv')", "/nowhere/e.csv cannot be read"),
        ("semantic_classify(t, ['a'], examples => 'e.txt')", "neither a .csv nor a .jsonl file"),
        ("semantic_classify(t, [{name: 'a'}])", "structs {label, description}"),
        ("semantic_analyze_sentiment(t, 'x')", "takes a text, not 2 arguments"),
    ] {
        let told = refused(&format!("SELECT {call} FROM {R}")).await;
        assert!(told.contains(words), "{call}\n{told}");
    }
}
