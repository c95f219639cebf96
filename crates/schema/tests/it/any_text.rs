//! The body of the fuzz target over texts made of what answers and schemas are made of, and over random bytes.

use proptest::prelude::*;

#[path = "../bodies/reader.rs"]
mod reader;

/// Texts of the reader's own words, in any order and number.
fn wordy() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "'",
        "\\",
        " ",
        "\n",
        "```",
        "```json\n",
        "//",
        "/*",
        "*/",
        "null",
        "None",
        "True",
        "false",
        "1",
        "-2",
        "0.5",
        "1e3",
        "1e999",
        "NaN",
        "\"product\"",
        "product",
        "\"stars\":",
        "'mood': 'Good'",
        "\"tags\":[",
        "\"spans\":",
        "\"from\":1",
        "\"to\":2.5",
        "\"anything\"",
        "\"sure\":",
        "yes",
        "2024-02-29",
        "\"day\":\"2024-02-30\"",
        "\"at\":\"2024-02-29T10:00:00Z\"",
        "Here:",
        "ü",
        "\u{0}",
        "\\u00e9",
        "\\ud800",
        "string",
        "int?",
        "enum(",
        "list<",
        "struct{",
        ")",
        ">",
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"integer\",\"null\"]}}}",
        "{\"type\":\"array\",\"items\":",
        "{\"$ref\":\"#\"}",
        "\"required\":[\"a\"]",
        "\"value\":",
    ]);
    proptest::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

/// A right answer, damaged in a few places.
fn damaged() -> impl Strategy<Value = String> {
    let answer = prop::sample::select(vec![
        r#"{"product": "kettle", "stars": 4, "mood": "good", "day": "2024-02-29", "tags": ["a", "b"]}"#,
        r#"{"spans": [{"from": 1, "to": 2.5}, {"from": -3, "to": 4}], "note": "it's \"so\""}"#,
        r#"{"anything": {"deep": [1, null, {"x": "y"}], "n": 1.5e300}}"#,
        r#"{"sure": true, "at": "2024-02-29T10:00:00.5+01:00"}"#,
    ]);
    let edits = proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..6, "[{}\\[\\]\",:'\\\\`a-z0-9 \n]{0,3}"), 0..5);
    (answer, edits).prop_map(|(answer, edits)| {
        let mut letters: Vec<char> = answer.chars().collect();
        for (place, gone, put) in edits {
            let from = place.index(letters.len() + 1);
            let to = (from + gone).min(letters.len());
            letters.splice(from..to, put.chars());
        }
        letters.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_answers(choice in any::<u8>(), text in damaged()) {
        reader::run(&[&[choice], text.as_bytes()].concat());
    }

    #[test]
    fn wordy_texts(choice in any::<u8>(), text in wordy()) {
        reader::run(&[&[choice], text.as_bytes()].concat());
    }

    #[test]
    fn random_bytes(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        reader::run(&data);
    }
}
