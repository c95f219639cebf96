//! Signatures derived from Rust types.

use std::collections::BTreeMap;

use corsac_program::{ChainOfThought, FieldType, FieldValue, Module, ModuleError, Predict, Signature, SignatureType};
use serde_json::{Value, json};
use time::macros::{date, datetime};
use time::{Date, OffsetDateTime};

use crate::world::{World, replies};

/// Decide who must look at a support ticket.
///
/// When in doubt, ask sales.
#[derive(Signature)]
#[signature(crate = corsac_program)]
struct Triage {
    /// As the customer wrote it.
    #[input]
    body: String,
    #[input(default = "en")]
    language: String,
    #[output]
    team: Team,
    #[output(min = 0, max = 10, description = "From 0 to 10")]
    urgency: u8,
    #[output]
    people: Vec<Person>,
    #[output]
    due: Option<Date>,
}

#[derive(Debug, Clone, Copy, PartialEq, FieldValue)]
#[signature(crate = corsac_program)]
enum Team {
    Sales,
    FirstLevel,
    #[field(rename = "R&D")]
    Research,
}

#[derive(Debug, Clone, PartialEq, FieldValue)]
#[signature(crate = corsac_program)]
struct Person {
    /// First and last.
    name: String,
    #[field(rename = "type", max_length = 5)]
    kind: Option<String>,
    scores: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, PartialEq, FieldValue)]
#[signature(crate = corsac_program)]
struct Tree {
    label: String,
    children: Vec<Tree>,
    seen: Option<OffsetDateTime>,
    depth: i64,
    leaf: bool,
    other: Value,
}

/// The parts of a signature that does not take text alone.
#[derive(Signature)]
#[signature(crate = corsac_program, name = "forest")]
struct Forest {
    #[output]
    trees: Vec<Tree>,
}

#[test]
fn the_struct_is_the_signature() {
    let signature = Triage::signature().unwrap();
    assert_eq!(signature.name(), "triage");
    assert_eq!(signature.instructions(), "Decide who must look at a support ticket.\n\nWhen in doubt, ask sales.");
    assert_eq!(signature.inputs()[0].description.as_deref(), Some("As the customer wrote it."));
    assert_eq!(signature.field("team").unwrap().1.ty, FieldType::labels(["sales", "first_level", "R&D"]));
    insta::assert_snapshot!(serde_json::to_string_pretty(signature.output_schema().original()).unwrap());
    assert!(signature.output_schema().read(r#"{"team": "sales", "urgency": 11, "people": []}"#).is_err());
    assert_eq!(Forest::signature().unwrap().name(), "forest");
}

#[test]
fn the_text_form_and_the_derive_agree() {
    #[derive(Signature)]
    #[signature(crate = corsac_program)]
    struct Plain {
        #[input]
        context: Vec<String>,
        #[input]
        question: String,
        #[output]
        answer: String,
        #[output]
        confidence: f64,
        #[output]
        pages: Option<BTreeMap<String, Vec<i64>>>,
        #[output]
        sure: bool,
        #[output]
        day: Date,
        #[output]
        at: Option<OffsetDateTime>,
    }
    let text = "context: list[str], question -> answer: str, confidence: float, pages: Optional[dict[str, list[int]]], sure: bool, \
                day: date, at: Optional[datetime]";
    let (derived, parsed) = (Plain::signature().unwrap(), Signature::parse(text).unwrap());
    assert_eq!(derived, parsed);
    assert_eq!(derived.output_schema(), parsed.output_schema());
    let input = PlainInput { context: vec!["a".into()], question: "b".into() };
    assert_eq!(Value::Object(Plain::inputs(&input)), json!({"context": ["a"], "question": "b"}));
}

#[test]
fn a_type_that_holds_itself_ends() {
    let FieldType::Object { members, .. } = Tree::field_type() else { panic!("an object") };
    assert_eq!(members[1].ty, FieldType::list(FieldType::Any));
    let leaf = Tree {
        label: "b".into(),
        children: Vec::new(),
        seen: Some(datetime!(2024-01-31 9:30 UTC)),
        depth: 1,
        leaf: true,
        other: json!(null),
    };
    let tree = Tree { label: "a".into(), children: vec![leaf.clone(), leaf], seen: None, depth: 0, leaf: false, other: json!({"x": [1]}) };
    assert_eq!(Tree::from_value(&tree.to_value()), Ok(tree));
}

#[test]
fn what_does_not_fit_is_named_by_its_place() {
    let outputs = |people: Value| json!({"team": "R&D", "urgency": 3, "people": people}).as_object().unwrap().clone();
    let misfit = Triage::outputs(&outputs(json!([{"name": "A", "scores": {}}, {"name": 4, "scores": {}}]))).unwrap_err();
    assert_eq!(misfit.to_string(), "people[1].name: expected text, found 4");
    let misfit = Triage::outputs(&outputs(json!([{"name": "A"}]))).unwrap_err();
    assert_eq!(misfit.to_string(), "people[0].scores: it is missing");
    let good = Triage::outputs(&outputs(json!([{"name": "A", "type": "x", "scores": {"s": 1}}]))).unwrap();
    assert_eq!((good.team, good.urgency, good.due, good.people[0].scores["s"]), (Team::Research, 3, None, 1.0));
}

#[tokio::test(start_paused = true)]
async fn a_typed_module_answers_in_types() {
    let reply = json!({"reasoning": "It burns.", "team": "First_Level", "urgency": 9, "people": [], "due": "2024-02-29"}).to_string();
    let world = World::new(&replies(&[&reply])).with_catalog().await;
    let triage = ChainOfThought::of::<Triage>(&world.lm).unwrap();
    let answer = triage.call(TriageInput { body: "Help!".into(), language: "de".into() }).await.unwrap();
    assert_eq!((answer.team, answer.urgency, answer.due), (Team::FirstLevel, 9, Some(date!(2024 - 02 - 29))));
    assert_eq!((answer.reasoning(), answer.prediction.attempts()), (Some("It burns."), 1));
    assert_eq!(triage.predictors()[0].path, "predict");
    let whole = Triage::from((TriageInput { body: "x".into(), language: "en".into() }, answer.outputs.clone()));
    let (input, output): (TriageInput, TriageOutput) = whole.into();
    assert_eq!((input.body.as_str(), output.urgency), ("x", 9));
}

#[tokio::test(start_paused = true)]
async fn a_number_too_large_for_its_type_is_an_error_and_no_panic() {
    #[derive(Signature)]
    #[signature(crate = corsac_program)]
    struct Count {
        #[input]
        text: String,
        #[output]
        words: u8,
    }
    let world = World::new(&replies(&[r#"{"words": 300}"#]));
    let result = Predict::of::<Count>(&world.lm).unwrap().call(CountInput { text: "x".into() }).await;
    let error = result.map(|answer| answer.words).unwrap_err();
    assert!(matches!(&error, ModuleError::Output { field, .. } if field == "words"), "{error}");
    assert_eq!(error.to_string(), "the output `words` expected a whole number that fits u8, found 300");
}
