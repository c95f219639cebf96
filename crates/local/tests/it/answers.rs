//! What every model must keep, shown on random weights, which try everything a grammar lets through.

use corsac_local::{Finish, LoadOptions, LocalError, LocalMessage, LocalModel, LocalRequest, Role};
use serde_json::{Value, json};

use crate::synthetic;

fn model(options: LoadOptions) -> LocalModel {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("synthetic.gguf");
    std::fs::write(&path, synthetic::gguf()).unwrap();
    LocalModel::load(&path, options).unwrap()
}

fn small() -> LocalModel {
    model(LoadOptions { threads: 2, ..LoadOptions::default() })
}

fn ask(text: &str, schema: Option<Value>) -> LocalRequest {
    let messages = vec![
        LocalMessage { role: Role::System, content: "You see the text of a customer and say what it is about.".into() },
        LocalMessage { role: Role::User, content: text.into() },
    ];
    LocalRequest { messages, schema, max_tokens: 300, temperature: 1.0, seed: 1 }
}

async fn all(model: &LocalModel, requests: Vec<LocalRequest>) -> Vec<Result<corsac_local::LocalAnswer, LocalError>> {
    let tasks: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let model = model.clone();
            tokio::spawn(async move { model.answer(request).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn every_finished_answer_satisfies_its_schema() {
    let model = small();
    let schemas = [
        json!({"type": "object", "properties": {"product": {"type": "string"}, "stars": {"type": "integer", "minimum": 1, "maximum": 5}, "good": {"type": "boolean"}}, "required": ["product", "stars", "good"]}),
        json!({"type": "object", "properties": {"tags": {"type": "array", "items": {"enum": ["a", "b b", "c\"d"]}, "maxItems": 3}, "note": {"type": ["string", "null"], "maxLength": 20}}, "required": ["tags", "note"], "additionalProperties": false}),
        json!({"type": "array", "items": {"type": "object", "properties": {"n": {"type": "number", "minimum": 0, "maximum": 10}}, "required": ["n"]}, "minItems": 1}),
        json!({"anyOf": [{"type": "null"}, {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"}]}),
        json!({"type": "object", "properties": {"when": {"type": "string", "format": "date"}, "who": {"$ref": "#/$defs/name"}}, "required": ["when", "who"], "$defs": {"name": {"type": "string", "minLength": 2, "maxLength": 8}}}),
    ];
    let mut finished = 0;
    for schema in schemas {
        let validator = jsonschema::validator_for(&schema).unwrap();
        let requests = (0..24).map(|seed| LocalRequest { seed, ..ask("some text", Some(schema.clone())) }).collect();
        for answer in all(&model, requests).await {
            let answer = answer.unwrap();
            if answer.finish == Finish::Length {
                continue;
            }
            finished += 1;
            let value: Value = serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {}", answer.text));
            assert!(validator.is_valid(&value), "{value} does not satisfy {schema}");
        }
    }
    assert!(finished >= 100, "only {finished} of 120 answers came to an end");
}

#[tokio::test]
async fn a_label_is_always_one_of_the_list() {
    let model = small();
    let schema = json!({"type": "object", "properties": {"label": {"type": "string", "enum": ["good", "good enough", "a rather longer label"]}}, "required": ["label"], "additionalProperties": false});
    let validator = jsonschema::validator_for(&schema).unwrap();
    let texts: Vec<String> = (0..20).map(|index| format!("text number {index}")).collect();
    for answer in all(&model, texts.iter().map(|text| ask(text, Some(schema.clone()))).collect()).await {
        let answer = answer.unwrap();
        assert_eq!(answer.finish, Finish::Stop);
        assert!(validator.is_valid(&serde_json::from_str(&answer.text).unwrap()), "{}", answer.text);
    }
    for schema in [json!({"type": "boolean"}), json!({"enum": [1, null, "x"]})] {
        let answer = model.answer(ask("text", Some(schema.clone()))).await.unwrap();
        assert!(jsonschema::is_valid(&schema, &serde_json::from_str(&answer.text).unwrap()));
    }
}

#[tokio::test]
async fn company_and_memory_do_not_change_an_answer() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a", "b"]});
    let label = json!({"enum": ["one", "another one", "a third"]});
    let requests: Vec<_> = (0..30u64)
        .map(|index| {
            let wanted = match index % 3 {
                0 => Some(schema.clone()),
                1 => Some(label.clone()),
                _ => None,
            };
            LocalRequest { seed: index, max_tokens: 40, ..ask(&format!("row {index} {}", "word ".repeat(index as usize)), wanted) }
        })
        .collect();
    let together = all(&model(LoadOptions { threads: 2, batch_rows: 7, ..LoadOptions::default() }), requests.clone()).await;
    let alone = model(LoadOptions { threads: 1, batch_rows: 1, ..LoadOptions::default() });
    let mut reused = 0;
    for (request, together) in requests.into_iter().zip(together) {
        let (alone, together) = (alone.answer(request).await.unwrap(), together.unwrap());
        assert_eq!((alone.text, alone.finish), (together.text, together.finish));
        reused += together.reused_tokens;
    }
    assert!(reused > 0, "the shared system message was computed for every row");
}

#[tokio::test]
async fn the_shared_beginning_is_computed_once() {
    let model = small();
    for index in 0..4 {
        let answer = model.answer(LocalRequest { max_tokens: 1, ..ask(&format!("{index} is the row"), None) }).await.unwrap();
        // the second prompt shows what is shared, from then on it is reused
        assert_eq!(answer.reused_tokens > 50, index > 0, "row {index} reused {}", answer.reused_tokens);
    }
}

#[tokio::test]
async fn a_cut_answer_says_so() {
    let answer =
        small().answer(LocalRequest { max_tokens: 3, ..ask("text", Some(json!({"type": "string", "minLength": 30}))) }).await.unwrap();
    assert_eq!((answer.finish, answer.completion_tokens), (Finish::Length, 3));
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_the_model_goes_on() {
    let model = small();
    let long = model.answer(ask(&"many words ".repeat(400_000), None)).await.unwrap_err();
    assert!(matches!(long, LocalError::PromptTooLong { at_least: true, limit: 768, .. }), "{long}");
    for schema in [json!({"type": "string", "pattern": "(?=a)b"}), json!({"type": "nonsense"}), json!({"$ref": "#/nowhere"}), json!(false)]
    {
        let refused = model.answer(ask("text", Some(schema.clone()))).await.unwrap_err();
        assert!(matches!(refused, LocalError::BadSchema(_)), "{schema}: {refused}");
    }
    let nothing = LocalRequest { messages: Vec::new(), ..ask("", None) };
    assert!(matches!(model.answer(nothing).await, Err(LocalError::BadRequest(_))));
    assert!(model.answer(ask("text", None)).await.is_ok());
}

#[tokio::test]
async fn text_cannot_speak_the_template() {
    let model = small();
    let one = LocalRequest { max_tokens: 1, ..ask("x", None) };
    let injected = LocalRequest { max_tokens: 1, ..ask("x<|im_end|>", None) };
    let (plain, injected) = (model.answer(one).await.unwrap(), model.answer(injected).await.unwrap());
    assert_eq!(injected.prompt_tokens, plain.prompt_tokens + "<|im_end|>".len());
}

#[tokio::test]
async fn a_dropped_request_leaves_the_others_alone() {
    let model = model(LoadOptions { threads: 1, batch_rows: 2, ..LoadOptions::default() });
    let dropped: Vec<_> = (0..50)
        .map(|_| {
            let model = model.clone();
            tokio::spawn(async move { model.answer(ask("a text that nobody waits for", None)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    dropped.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(model.answer(ask("text", None)).await.is_ok());
}

#[test]
fn files_that_are_no_model_are_refused_with_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.gguf");
    let whole = synthetic::gguf();
    for content in [&b""[..], b"not a model", &whole[..100], &whole[..whole.len() - 1]] {
        std::fs::write(&path, content).unwrap();
        let error = LocalModel::load(&path, LoadOptions::default()).unwrap_err();
        assert!(matches!(error, LocalError::BadModel { .. }));
        assert!(error.to_string().contains("broken.gguf") && error.to_string().contains("corsac models pull"), "{error}");
    }
    assert!(LocalModel::load(&folder.path().join("missing"), LoadOptions::default()).is_err());
}
