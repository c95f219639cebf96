//! What is said to a model, and what is understood of its reply.

use corsac_program::{Adapter, Field, FieldType, Signature, record};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::values;

fn review() -> Signature {
    let signature =
        Signature::parse("review, stars: int -> label: Literal['good', 'bad'], score: float, tags: list[str], note: Optional[str]");
    let signature = signature.unwrap().with_instructions("Judge a review.\nBe fair.");
    signature.with_field("score", |field| field.described("How sure you are")).unwrap()
}

fn demos() -> Vec<corsac_program::Record> {
    vec![
        values(json!({"review": "Fine.", "stars": 4, "label": "good", "score": 0.9, "tags": ["short"], "note": null})),
        values(json!({"review": "Broke.", "label": "bad"})),
        values(json!({"review": "no output at all"})),
    ]
}

fn shown(adapter: &Adapter) -> String {
    let inputs = values(json!({"review": "Quiet & small.", "stars": 5}));
    let rendered = adapter.render(&review(), &demos(), &inputs);
    let mut text = format!("=== system\n{}\n", rendered.system);
    for message in rendered.messages {
        text.push_str(&format!("=== {}\n{}\n", message["role"].as_str().unwrap(), message["content"].as_str().unwrap()));
    }
    text
}

#[test]
fn prompts() {
    insta::assert_snapshot!("chat", shown(&Adapter::Chat));
    insta::assert_snapshot!("json", shown(&Adapter::Json));
    insta::assert_snapshot!("xml", shown(&Adapter::Xml));
    insta::assert_snapshot!("baml", shown(&Adapter::Baml));
    insta::assert_snapshot!("two_step", shown(&Adapter::TwoStep { extractor: None }));
}

#[test]
fn passages_pictures_and_history_have_their_places() {
    let signature = Signature::parse("passages: str, image: dspy.Image, history: dspy.History, question -> answer").unwrap();
    let inputs = values(json!({
        "passages": ["one", "two\nlines"],
        "image": {"url": "https://example.com/a.png"},
        "history": {"messages": [{"question": "Who?", "answer": "Me."}]},
        "question": "Why?",
    }));
    let rendered = Adapter::Chat.render(&signature, &[], &inputs);
    assert_eq!(rendered.messages.len(), 3);
    assert!(rendered.messages[0]["content"].as_str().unwrap().contains("[[ ## question ## ]]\nWho?"));
    assert_eq!(rendered.messages[1]["content"], "[[ ## answer ## ]]\nMe.\n\n[[ ## completed ## ]]\n");
    let parts = rendered.messages[2]["content"].as_array().unwrap();
    assert_eq!(parts[0]["text"], "[[ ## passages ## ]]\n[1] «one»\n[2] «««\n    two\n    lines\n»»»\n\n[[ ## image ## ]]\n");
    assert_eq!(parts[1], json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}));
    assert!(parts[2]["text"].as_str().unwrap().starts_with("\n\n[[ ## question ## ]]\nWhy?"));
}

#[test]
fn chat_replies_are_read_as_dspy_reads_them() {
    let read = |text: &str| Adapter::Chat.read(&review(), text).map(Value::Object).map_err(|error| error.to_string());
    let good = "Sure.\n[[ ## label ## ]]\n'good'\n\n[[ ## score ## ]] 0.5\n[[ ## tags ## ]]\n[\"a\", 'b']\n[[ ## other ## ]]\nx\n[[ ## label ## ]]\nbad";
    assert_eq!(read(good).unwrap(), json!({"label": "good", "score": 0.5, "tags": ["a", "b"], "note": null}));
    assert_eq!(read("[[ ## label ## ]]\ngood").unwrap_err(), "it has no line `[[ ## score ## ]]`, `[[ ## tags ## ]]`");
    let wrong = read("[[ ## label ## ]]\nugly\n[[ ## score ## ]]\n1\n[[ ## tags ## ]]\n[]").unwrap_err();
    assert!(wrong.starts_with("`label`: ") && wrong.contains("ugly"), "{wrong}");
    let only = Signature::parse("question -> answer").unwrap();
    assert_eq!(Adapter::Chat.read(&only, "Rome.").unwrap()["answer"], "Rome.");
    assert!(Adapter::Chat.read(&only, "  ").is_err());
}

#[test]
fn xml_replies_may_nest() {
    let person = FieldType::Object {
        name: "Person".into(),
        members: vec![
            corsac_program::Member { name: "name".into(), ty: FieldType::Text, description: None, constraints: Default::default() },
            corsac_program::Member { name: "age".into(), ty: FieldType::Integer, description: None, constraints: Default::default() },
        ],
    };
    let outputs =
        vec![Field::new("people", FieldType::list(person)), Field::new("tags", FieldType::list(FieldType::Text)), Field::text("why")];
    let signature = Signature::new("x", "", vec![Field::text("text")], outputs).unwrap();
    let reply = "<people><item><name>A &amp; B</name><age>3</age></item></people>\n<tags>\n<item>x</item><item>y</item>\n</tags><why>1 &lt; 2</why>";
    let read = Adapter::Xml.read(&signature, reply).unwrap();
    assert_eq!(Value::Object(read), json!({"people": [{"name": "A & B", "age": 3}], "tags": ["x", "y"], "why": "1 < 2"}));
    let open = Adapter::Xml.read(&signature, "<people>[]</people><tags>[]</tags><why>never closed").unwrap_err();
    assert_eq!(open.to_string(), "`<why>` is not closed by `</why>`");
}

#[test]
fn constraints_hold_in_every_form() {
    let short = corsac_program::Constraints { max_length: Some(3), ..Default::default() };
    let signature = Signature::parse("a -> b").unwrap().with_field("b", |field| field.constrained(short)).unwrap();
    for (adapter, reply) in [(Adapter::Chat, "[[ ## b ## ]]\nfour"), (Adapter::Xml, "<b>four</b>"), (Adapter::Json, r#"{"b": "four"}"#)] {
        assert!(adapter.read(&signature, reply).unwrap_err().to_string().contains('3'), "{adapter}");
    }
}

/// Texts that no form could mistake for its own marks.
fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 ,.!?'\u{e4}\u{4f60}\n]{0,40}".prop_map(|text| text.trim().replace('\r', ""))
}

fn typed_value() -> impl Strategy<Value = (FieldType, Value)> {
    let leaf = prop_oneof![
        text().prop_map(|text| (FieldType::Text, Value::from(text))),
        any::<i64>().prop_map(|number| (FieldType::Integer, number.into())),
        (-1e9..1e9f64).prop_map(|number| (FieldType::Number, number.into())),
        any::<bool>().prop_map(|is| (FieldType::Boolean, is.into())),
        (2000..2100i32, 1..13u8, 1..29u8).prop_map(|(y, m, d)| (FieldType::Date, format!("{y}-{m:02}-{d:02}").into())),
        (0..3usize).prop_map(|place| (FieldType::labels(["red", "light green", "Blue"]), ["red", "light green", "Blue"][place].into())),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            (inner.clone(), 0..3usize).prop_map(|((ty, value), count)| (FieldType::list(ty), Value::from(vec![value; count]))),
            inner.clone().prop_map(|(ty, value)| (FieldType::map(ty), json!({"some key": value}))),
            inner.clone().prop_map(|(ty, _)| (FieldType::optional(ty), Value::Null)),
            (inner.clone(), inner).prop_map(|((a, one), (b, other))| (FieldType::Tuple(vec![a, b]), json!([one, other]))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back((ty, value) in typed_value(), why in text()) {
        // an empty text in an optional field means nothing in a form without quotes
        let signature = Signature::new("x", "", vec![Field::text("a")], vec![Field::text("why"), Field::new("value", ty)]).unwrap();
        let outputs = record([("why", why.into()), ("value", value)]);
        for adapter in [Adapter::Chat, Adapter::Json, Adapter::Xml, Adapter::Baml] {
            let reply = adapter.write(&signature, &outputs);
            prop_assert_eq!(adapter.read(&signature, &reply).map(Value::Object), Ok(Value::Object(outputs.clone())), "{} wrote {}", adapter, reply);
        }
    }

    #[test]
    fn no_reply_breaks_a_reader(reply in "(\\[\\[ ## (label|score|tags) ## \\]\\]|<label>|</label>|<tags>|<item>|[ -~\n\u{e9}]){0,40}") {
        for adapter in [Adapter::Chat, Adapter::Json, Adapter::Xml, Adapter::Baml] {
            let _ = adapter.read(&review(), &reply);
        }
    }
}
