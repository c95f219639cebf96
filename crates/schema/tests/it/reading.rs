//! The reader: each slip with what it becomes and what is noted.

use corsac_schema::RepairKind::{self, *};
use corsac_schema::Schema;
use serde_json::{Value, json};

const REVIEW: &str = "product string, stars int, sure float?, bought bool?, defects list<string>?, mood enum(good, 'so so')?, day date?, seller struct{name string, since date?}?";

pub(crate) fn review() -> Schema {
    Schema::from_text(REVIEW).unwrap()
}

#[track_caller]
pub(crate) fn repaired(schema: &Schema, answer: &str, expected: Value, kinds: &[RepairKind]) {
    let read = schema.read(answer).unwrap_or_else(|error| panic!("{answer}\n{error}"));
    assert_eq!(read.value, expected, "{answer}");
    let found: Vec<RepairKind> = read.repairs.iter().map(|repair| repair.kind).collect();
    assert_eq!(found, kinds, "{answer}");
    assert!(read.repairs.iter().all(|repair| answer.is_char_boundary(repair.at)), "{:?}", read.repairs);
}

#[test]
fn syntax_is_repaired_and_noted() {
    let cases: &[(&str, &[RepairKind])] = &[
        (r#"{"product": "a", "stars": 4}"#, &[]),
        ("\u{feff} \n{\"product\": \"a\", \"stars\": 4}\n\n", &[]),
        ("```json\n{\"product\": \"a\", \"stars\": 4}\n```", &[Fences]),
        ("```\n{\"product\": \"a\", \"stars\": 4}\n```", &[Fences]),
        ("``` json {\"product\": \"a\", \"stars\": 4} ```", &[Fences]),
        ("```JSON\n{\"product\": \"a\", \"stars\": 4}", &[Fences]),
        ("Sure! Here it is: {\"product\": \"a\", \"stars\": 4}", &[Prose]),
        ("{\"product\": \"a\", \"stars\": 4}\nHope that helps {really}.", &[Prose]),
        ("Here:\n```json\n{\"product\": \"a\", \"stars\": 4}\n```\nDone.", &[Fences, Prose]),
        ("As {x, y} and [1] say: {\"product\": \"a\", \"stars\": 4}", &[Prose]),
        ("<think>maybe {\"product\": \"b\", \"stars\": 1}?</think>\n{\"product\": \"a\", \"stars\": 4}", &[Prose]),
        ("{\"product\": \"a\", \"stars\": 4}}", &[Prose]),
        ("{\"product\": \"a\", \"stars\": 4} {\"stars\": 4, \"product\": \"a\"}", &[Prose]),
        ("{\"product\": \"a\", \"stars\": 4,}", &[TrailingComma]),
        ("{'product': 'a', 'stars': 4}", &[SingleQuotes, SingleQuotes, SingleQuotes]),
        ("{“product”: “a”, \"stars\": 4}", &[SingleQuotes, SingleQuotes]),
        ("{product: \"a\", stars: 4}", &[UnquotedKey, UnquotedKey]),
        ("{\"product\": \"a\", \"stars\": 4", &[MissingBracket]),
        ("{\"product\": \"a\", \"stars\": 4,", &[TrailingComma, MissingBracket]),
        ("```json\n{\"product\": \"a\", \"stars\": 4\n```", &[Fences, MissingBracket]),
        ("{\"product\": \"a\" // what\n, \"stars\": 4 /* of 5 */}", &[Comments, Comments]),
        ("{\n# what\n\"product\": \"a\", \"stars\": 4}", &[Comments]),
        ("{\"product\": \"a\"\n \"stars\": 4}", &[MissingComma]),
        ("\"{\\\"product\\\": \\\"a\\\", \\\"stars\\\": 4}\"", &[DoubleEncoded]),
        ("{\\\"product\\\": \\\"a\\\", \\\"stars\\\": 4}", &[DoubleEncoded]),
        ("\"{'product': 'a', 'stars': 4}\"", &[DoubleEncoded, SingleQuotes, SingleQuotes, SingleQuotes]),
        ("[{\"product\": \"a\", \"stars\": 4}]", &[Wrapped]),
        ("{\"answer\": {\"product\": \"a\", \"stars\": 4}}", &[Wrapped]),
        ("{\"value\": {\"product\": \"a\", \"stars\": \"4\"}}", &[NumberAsText, Wrapped]),
    ];
    for (answer, kinds) in cases {
        repaired(&review(), answer, json!({"product": "a", "stars": 4}), kinds);
    }
}

#[test]
fn what_is_inside_strings_is_kept() {
    for (answer, product, kinds) in [
        ("{\"product\": \"two\nlines\tand a tab\", \"stars\": 1}", "two\nlines\tand a tab", &[ControlCharacter][..]),
        (r#"{"product": "it\'s", "stars": 1}"#, "it's", &[InvalidEscape]),
        (r#"{"product": "a\d+", "stars": 1}"#, "a\\d+", &[InvalidEscape]),
        (r#"{"product": "\ud83d", "stars": 1}"#, "\u{fffd}", &[InvalidEscape]),
        (r#"{"product": "\ud83d\ude00 ``` {} // # ,}", "stars": 1,}"#, "😀 ``` {} // # ,}", &[TrailingComma]),
        (r#"{'product': 'it\'s "so"', "stars": 1}"#, "it's \"so\"", &[SingleQuotes, SingleQuotes]),
    ] {
        repaired(&review(), answer, json!({"product": product, "stars": 1}), kinds);
    }
}

#[test]
fn python_and_nested_brackets() {
    repaired(
        &review(),
        "{'product': 'a', 'stars': 1, 'bought': True, 'sure': None, 'defects': ['x', 'y',]}",
        json!({"product": "a", "stars": 1, "bought": true, "defects": ["x", "y"]}),
        &[
            SingleQuotes,
            SingleQuotes,
            SingleQuotes,
            SingleQuotes,
            PythonLiteral,
            SingleQuotes,
            PythonLiteral,
            SingleQuotes,
            SingleQuotes,
            SingleQuotes,
            TrailingComma,
        ],
    );
    repaired(
        &review(),
        r#"{"product": "a", "stars": 1, "defects": ["x", "y"}"#,
        json!({"product": "a", "stars": 1, "defects": ["x", "y"]}),
        &[MissingBracket],
    );
    repaired(
        &review(),
        r#"{"product": "a", "stars": 1, "defects": ["x""#,
        json!({"product": "a", "stars": 1, "defects": ["x"]}),
        &[MissingBracket, MissingBracket],
    );
}

#[test]
fn conversions_lose_nothing_and_are_noted_with_their_path() {
    let with = |more: &str| format!(r#"{{"product": "a", "stars": {more}}}"#);
    let cases: &[(&str, Value, &[RepairKind])] = &[
        ("4.0", json!({"stars": 4}), &[IntegerWithFraction]),
        ("4e0", json!({"stars": 4}), &[IntegerWithFraction]),
        (r#"" 4 ""#, json!({"stars": 4}), &[NumberAsText]),
        (r#""-4.0""#, json!({"stars": -4}), &[NumberAsText]),
        (r#"4, "sure": "0.5""#, json!({"stars": 4, "sure": 0.5}), &[NumberAsText]),
        (r#"4, "sure": 1"#, json!({"stars": 4, "sure": 1}), &[]),
        (r#"4, "bought": "True""#, json!({"stars": 4, "bought": true}), &[BooleanAsText]),
        (r#"4, "mood": " GOOD. ""#, json!({"stars": 4, "mood": "good"}), &[EnumCase]),
        (r#"4, "day": " 2024-02-29 ""#, json!({"stars": 4, "day": "2024-02-29"}), &[Blanks]),
        (r#"4, "defects": "[\"x\"]""#, json!({"stars": 4, "defects": ["x"]}), &[DoubleEncoded]),
        (r#"4, "seller": "{\"name\": \"s\"}""#, json!({"stars": 4, "seller": {"name": "s"}}), &[DoubleEncoded]),
        (r#"4, "mood": null, "day": null"#, json!({"stars": 4}), &[]),
        (r#"4, "extra": [1]"#, json!({"stars": 4, "extra": [1]}), &[]),
    ];
    for (more, rest, kinds) in cases {
        let mut expected = json!({"product": "a"});
        for (name, value) in rest.as_object().unwrap() {
            expected[name] = value.clone();
        }
        repaired(&review(), &with(more), expected, kinds);
    }
    let read = review().read(&with(r#"4, "seller": {"name": "s", "since": " 2024-01-01"}"#)).unwrap();
    assert_eq!(read.repairs[0].path, "/seller/since");
}

#[test]
fn a_bare_scalar_for_the_only_property() {
    let labels = Schema::labels(&["positive".to_owned(), "so so".to_owned(), "5".to_owned()]).unwrap();
    let label = |label: &str| json!({"label": label});
    repaired(&labels, "positive", label("positive"), &[BareText, Wrapped]);
    repaired(&labels, " Positive.\n", label("positive"), &[BareText, EnumCase, Wrapped]);
    repaired(&labels, "'so so'", label("so so"), &[SingleQuotes, Wrapped]);
    repaired(&labels, "\"SO SO\"", label("so so"), &[EnumCase, Wrapped]);
    repaired(&labels, "5", label("5"), &[LabelAsLiteral, Wrapped]);
    repaired(&labels, "{\"label\": 5}", label("5"), &[LabelAsLiteral]);
    repaired(&labels, "```text\npositive\n```", label("positive"), &[Fences, BareText, Wrapped]);
    repaired(&labels, "<think>hm {</think> positive", label("positive"), &[Prose, BareText, Wrapped]);
    let boolean = Schema::boolean("answer");
    repaired(&boolean, "true", json!({"answer": true}), &[Wrapped]);
    repaired(&boolean, "False.", json!({"answer": false}), &[BareText, BooleanAsText, Wrapped]);
    let list = Schema::from_text("names list<string>").unwrap();
    repaired(&list, "[\"a\", \"b\"]", json!({"names": ["a", "b"]}), &[Wrapped]);
    let number = Schema::from_text("int").unwrap();
    repaired(&number, "42", json!(42), &[]);
    repaired(&number, "```\n42\n```", json!(42), &[Fences, BareText, NumberAsText]);
}
