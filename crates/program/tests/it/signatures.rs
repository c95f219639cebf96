//! The text form, edits, and the state that DSPy keeps.

use corsac_program::{Constraints, Field, FieldType, Side, Signature, Types};
use proptest::prelude::*;
use serde_json::json;

fn parsed(text: &str) -> Signature {
    Signature::parse(text).unwrap()
}

fn complaint(text: &str) -> String {
    Signature::parse(text).unwrap_err().to_string()
}

#[test]
fn the_text_form_has_the_types_of_dspys_grammar() {
    let signature = parsed(
        "context: list[str], question, image: dspy.Image, history: dspy.History -> answer: str, confidence: float, \
         kind: Literal['a', \"b's\", 3], when: Optional[datetime.date], who: str | None, \
         scores: dict[str, list[int]], pair: tuple[int, str], either: Union[int, str, None], any: Any, plain: dict, ok: bool",
    );
    let of = |name: &str| signature.field(name).unwrap().1.ty.clone();
    assert_eq!(of("context"), FieldType::list(FieldType::Text));
    assert_eq!(of("kind"), FieldType::Literal(vec![json!("a"), json!("b's"), json!(3)]));
    assert_eq!(of("when"), FieldType::optional(FieldType::Date));
    assert_eq!(of("who"), FieldType::optional(FieldType::Text));
    assert_eq!(of("scores"), FieldType::map(FieldType::list(FieldType::Integer)));
    assert_eq!(of("pair"), FieldType::Tuple(vec![FieldType::Integer, FieldType::Text]));
    assert_eq!(of("either"), FieldType::optional(FieldType::Union(vec![FieldType::Integer, FieldType::Text])));
    assert_eq!(of("plain"), FieldType::map(FieldType::Any));
    assert_eq!(parsed(&signature.to_string()), signature);
    assert_eq!(signature.inputs().len(), 4);
}

#[test]
fn what_cannot_be_read_is_shown_at_its_place() {
    insta::assert_snapshot!(complaint("question answer -> x"), @"
    the signature cannot be read at column 10: a comma belongs between two fields
      question answer -> x
               ^
    ");
    insta::assert_snapshot!(complaint("question"), @"
    the signature cannot be read at column 9: there is no `->`; write inputs, an arrow and outputs: `question -> answer`
      question
              ^
    ");
    insta::assert_snapshot!(complaint("a -> b: strng"), @"
    the signature cannot be read at column 9: the type `strng` is not known; there are str, int, float, bool, date, datetime, list[…], dict[str, …], Optional[…], Literal[…], Union[…], tuple[…], Any, dspy.Image, dspy.History, and types given by name
      a -> b: strng
              ^
    ");
    for (text, part) in [
        ("a -> b -> c", "second `->`"),
        ("a -> a", "twice"),
        ("a ->", "no output"),
        ("a -> b: list[", "a type is expected"),
        ("a -> b: Literal[x]", "a text in quotes"),
        ("a -> b: 'str", "not closed"),
        ("a -> b: dict[int, str]", "keys of a dict are text"),
        ("a -> b: str[int]", "takes no types"),
        ("a -> b = 3", "a default cannot be written here"),
        ("a -> b: dspy.Image", "make it an input"),
        ("a -> ?", "no place in a signature"),
    ] {
        assert!(complaint(text).contains(part), "{text}: {}", complaint(text));
    }
    let deep = format!("a -> b: {}str{}", "list[".repeat(60), "]".repeat(60));
    assert!(complaint(&deep).contains("too deep"));
}

#[test]
fn types_of_ones_own_are_named() {
    let types = Types::from([("Team".to_owned(), FieldType::labels(["sales", "support"]))]);
    let signature = Signature::parse_with("body -> team: Team, teams: list[Team]", &types).unwrap();
    assert_eq!(signature.field("teams").unwrap().1.ty, FieldType::list(FieldType::labels(["sales", "support"])));
}

#[test]
fn edits_give_new_signatures() {
    let first = parsed("question -> answer");
    let second = first.prepend(Side::Output, Field::text("reasoning")).unwrap().with_instructions("Be short.");
    let third = second.insert(Side::Input, -1, Field::new("n", FieldType::Integer)).unwrap().delete("reasoning").unwrap();
    assert_eq!(first.to_string(), "question -> answer");
    assert_eq!(second.to_string(), "question -> reasoning, answer");
    assert_eq!((third.to_string().as_str(), third.instructions()), ("question, n: int -> answer", "Be short."));
    assert_eq!(first.instructions(), "From `question`, work out `answer`.");
    assert!(first.delete("x").unwrap_err().to_string().contains("it has question, answer"));
    assert!(first.delete("answer").is_err() && first.append(Side::Input, Field::text("answer")).is_err());
    assert_eq!(first.insert(Side::Output, -2, Field::text("x")).unwrap().to_string(), "question -> x, answer");
    assert_eq!(first.append_instructions("More.").instructions(), "From `question`, work out `answer`.\n\nMore.");
}

#[test]
fn constraints_are_in_the_schema_and_hold() {
    let constrained = Constraints { minimum: Some(0.into()), maximum: Some(5.into()), ..Constraints::default() };
    let short = Constraints { max_length: Some(3), ..Constraints::default() };
    let signature = parsed("text -> stars: Optional[int], tags: list[str]");
    let signature = signature.with_field("stars", |field| field.constrained(constrained)).unwrap();
    let signature = signature.with_field("tags", |field| field.constrained(short).described("Key words")).unwrap();
    insta::assert_snapshot!(signature.output_schema().original(), @r#"{"type":"object","properties":{"stars":{"anyOf":[{"type":"integer","minimum":0,"maximum":5},{"type":"null"}]},"tags":{"type":"array","items":{"type":"string"},"maxItems":3,"description":"Key words"}},"required":["tags"]}"#);
    let read = |text: &str| signature.output_schema().read(text).map(|read| read.value).map_err(|error| error.to_string());
    assert!(read(r#"{"stars": 6, "tags": []}"#).unwrap_err().contains("6"));
    assert!(read(r#"{"stars": null, "tags": ["a", "b", "c", "d"]}"#).is_err());
    assert!(read(r#"{"stars": 5, "tags": ["a"]}"#).is_ok());
}

#[test]
fn the_state_is_the_one_dspy_keeps() {
    let signature =
        parsed("question -> answer").with_instructions("Answer.").with_field("answer", |field| field.described("One word.")).unwrap();
    let state = signature.state();
    assert_eq!(
        state,
        json!({"instructions": "Answer.", "fields": [
            {"prefix": "Question:", "description": "${question}"},
            {"prefix": "Answer:", "description": "One word."},
        ]})
    );
    assert_eq!(parsed("question -> answer").with_state(&state), signature);
    let other = json!({"instructions": "Else.", "fields": [{"prefix": "Q:", "description": "The question"}]});
    let loaded = signature.with_state(&other);
    assert_eq!((loaded.instructions(), loaded.outputs()[0].description.as_deref()), ("Else.", Some("One word.")));
    assert_eq!(loaded.state()["fields"][0], other["fields"][0]);
}

#[test]
fn signatures_are_written_and_read_as_json() {
    let signature = parsed("a: list[str], b -> c: Literal['x'], d: Optional[float]").with_instructions("Do.").named("mine");
    let text = serde_json::to_string(&signature).unwrap();
    let read: Signature = serde_json::from_str(&text).unwrap();
    assert_eq!((read.name(), &read), ("mine", &signature));
    let short: Signature = serde_json::from_str("\"a -> b: int\"").unwrap();
    assert_eq!(short, parsed("a -> b: int"));
}

fn types() -> impl Strategy<Value = FieldType> {
    let leaf = prop_oneof![
        Just(FieldType::Text),
        Just(FieldType::Integer),
        Just(FieldType::Number),
        Just(FieldType::Boolean),
        Just(FieldType::Date),
        Just(FieldType::DateTime),
        Just(FieldType::Any),
        proptest::collection::vec("[ -~]{1,8}", 1..4).prop_map(|labels| {
            let mut labels: Vec<serde_json::Value> = labels.into_iter().map(Into::into).collect();
            labels.dedup();
            let mut seen = Vec::new();
            labels.retain(|label| {
                !seen.contains(label) && {
                    seen.push(label.clone());
                    true
                }
            });
            FieldType::Literal(labels)
        }),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(FieldType::list),
            inner.clone().prop_map(FieldType::map),
            inner.clone().prop_map(FieldType::optional),
            proptest::collection::vec(inner, 1..3).prop_map(FieldType::Tuple),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(ty in types()) {
        let text = format!("x -> y: {ty}");
        let signature = Signature::parse(&text);
        prop_assert_eq!(signature.map(|signature| signature.outputs()[0].ty.clone()), Ok(ty));
    }

    #[test]
    fn no_text_breaks_the_reader(text in "[ -~\\n\u{e9}]{0,80}") {
        let _ = Signature::parse(&text);
    }
}

#[test]
fn open_tuples_and_annotations_are_what_they_mean() {
    let of = |text: &str| Signature::parse(&format!("q -> a: {text}")).map(|signature| signature.outputs()[0].ty.to_string());
    let read = [
        ("tuple[int, ...]", "list[int]"),
        ("Tuple[list[str], ...]", "list[list[str]]"),
        ("Optional[tuple[float, ...]]", "Optional[list[float]]"),
        ("tuple[int, str]", "tuple[int, str]"),
        ("Annotated[int, 3]", "int"),
        ("list[Annotated[Literal['a', 'b'], Field(ge=[1])]]", "list[Literal['a', 'b']]"),
    ];
    for (text, meant) in read {
        assert_eq!(of(text).unwrap(), meant, "{text}");
    }
    for text in ["tuple[..., int]", "tuple[int, ..., str]", "list[...]", "...", "Annotated[int"] {
        assert!(of(text).is_err(), "{text}");
    }
}
