//! The reader: what has to be refused, and what it says then.

use corsac_schema::RepairKind::*;
use corsac_schema::{ReadError, Schema};
use serde_json::json;

use crate::reading::{repaired, review};

#[track_caller]
fn violation(schema: &Schema, answer: &str, message: &str) {
    match schema.read(answer) {
        Err(error @ ReadError::Violation { .. }) => {
            assert_eq!(error.to_string(), message, "{answer}")
        }
        other => panic!("{answer}: {other:?}"),
    }
}

#[test]
fn violations_say_where_and_what() {
    let schema = review();
    let with = |more: &str| format!(r#"{{"product": "a", "stars": {more}}}"#);
    violation(&schema, &with("\"five\""), "at /stars: expected an integer, got \"five\"");
    violation(&schema, &with("4.5"), "at /stars: expected an integer, got 4.5");
    violation(&schema, &with("null"), "at /stars: expected an integer, got null");
    violation(&schema, &with("9223372036854775808"), "at /stars: expected an integer within 64 bits, got 9223372036854775808");
    violation(&schema, &with("1e300"), "at /stars: expected an integer within 64 bits, got 1e+300");
    violation(&schema, &with("\"1,000\""), "at /stars: expected an integer, got \"1,000\"");
    violation(&schema, &with("1, \"bought\": \"yes\""), "at /bought: expected true or false, got \"yes\"");
    violation(&schema, &with("1, \"mood\": \"goodish\""), "at /mood: expected one of \"good\", \"so so\", got \"goodish\"");
    violation(&schema, &with("1, \"defects\": \"lid\""), "at /defects: expected an array, got \"lid\"");
    violation(&schema, &with("1, \"defects\": [\"lid\", 3]"), "at /defects/1: expected a string, got 3");
    violation(&schema, &with("1, \"day\": \"2023-02-29\""), "at /day: expected a date such as \"2024-01-31\", got \"2023-02-29\"");
    violation(&schema, &with("1, \"seller\": {}"), "at /seller: expected the property \"name\" (a string), got an object without it");
    violation(&schema, r#"{"stars": 1}"#, "at the root: expected the property \"product\" (a string), got an object without it");
    violation(&Schema::boolean("answer"), "[true, false]", "at the root: expected an object with \"answer\", got an array of 2");
    let closed =
        Schema::from_json(json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false})).unwrap();
    violation(
        &closed,
        r#"{"a": "x", "b": 1}"#,
        "at the root: expected an object with \"a\" and nothing else, got the property \"b\" as well",
    );
    let twins = Schema::labels(&["Good".to_owned(), "good".to_owned()]).unwrap();
    assert!(matches!(twins.read("GOOD"), Err(ReadError::NotJson { .. })), "either could be meant");
}

#[test]
fn keywords_beyond_the_view_are_checked() {
    let schema = Schema::from_json(json!({
        "type": "object",
        "properties": {
            "stars": {"type": "integer", "minimum": 1, "maximum": 5},
            "code": {"type": "string", "pattern": "^[A-Z]{2}$"},
            "mail": {"type": "string", "format": "email"},
            "size": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
            "level": {"enum": [1, 2]}
        },
        "required": ["stars"]
    }))
    .unwrap();
    violation(&schema, r#"{"stars": 7}"#, "at /stars: expected at most 5, got 7");
    violation(&schema, r#"{"stars": "7"}"#, "at /stars: expected at most 5, got 7");
    violation(&schema, r#"{"stars": 1, "code": "abc"}"#, "at /code: expected a text matching the pattern ^[A-Z]{2}$, got \"abc\"");
    violation(&schema, r#"{"stars": 1, "mail": "nobody"}"#, "at /mail: expected a text in the format email, got \"nobody\"");
    violation(&schema, r#"{"stars": 1, "size": true}"#, "at /size: expected one of the alternatives the schema lists, got true");
    violation(&schema, r#"{"stars": 1, "tags": ["a", "a"]}"#, "at /tags: expected items that all differ, got an array of 2");
    violation(&schema, r#"{"stars": 1, "level": 3}"#, "at /level: expected one of [1,2], got 3");
    repaired(
        &schema,
        r#"{"stars": "5", "size": null, "level": "2", "tags": null}"#,
        json!({"stars": 5, "level": 2}),
        &[NumberAsText, NumberAsText],
    );
}

#[test]
fn recursion_is_validated() {
    let schema = Schema::from_json(json!({
        "type": "object",
        "properties": {"name": {"type": "string"}, "kids": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["name"]
    }))
    .unwrap();
    repaired(
        &schema,
        r#"{"name": "a", "kids": [{"name": "b", "kids": []}]}"#,
        json!({"name": "a", "kids": [{"name": "b", "kids": []}]}),
        &[],
    );
    violation(
        &schema,
        r#"{"name": "a", "kids": [{"kids": []}]}"#,
        "at /kids/0: expected the property \"name\", got an object with \"kids\"",
    );
}

#[track_caller]
fn not_json(answer: &str, says: &str) {
    match review().read(answer) {
        Err(ReadError::NotJson { why, at, .. }) => {
            assert!(why.contains(says), "{answer}: {why}");
            assert!(answer.is_char_boundary(at));
        }
        other => panic!("{answer}: {other:?}"),
    }
}

#[test]
fn what_would_be_a_guess_is_refused() {
    not_json("I cannot help with that.", "no JSON");
    not_json("{\"product\": \"a\", \"stars\": ", "where a value belongs");
    not_json("{\"product\": \"a", "inside a string");
    not_json("{\"product\": \"he said \"hi\" to me\", \"stars\": 1}", "expected `,` or `}`");
    not_json("{\"product\": 'it's', \"stars\": 1}", "expected `,` or `}`");
    not_json("{\"product\": \"a\", \"stars\": NaN}", "the word `NaN`");
    not_json("{\"product\": \"a\", \"stars\": four}", "the word `four`");
    not_json("{\"product\": \"a\", \"stars\": 1_000}", "not a JSON number");
    not_json("{\"product\" \"a\"}", "expected `:`");
    not_json("{\"product\": \"a\", \"stars\": 1} or {\"product\": \"a\", \"stars\": 2}", "two different answers");
    not_json("{\"product\": \"a\", \"stars\": 1}\n{\"product\": \"b\", \"stars\": 1}", "two different answers");
    not_json("{\"product\": \"a\", \"stars\": 1, oops {\"product\": \"b\", \"stars\": 2}}", "expected `:`");
    not_json("[{\"product\": \"a\", \"stars\": 1}, oops {\"product\": \"b\", \"stars\": 2}]", "the word `oops`");
    assert_eq!(review().read(" \n\u{feff}"), Err(ReadError::Empty));
    assert_eq!(review().read(""), Err(ReadError::Empty));
    let error = review().read("Fine.\n{\"product\": bad}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the answer is not JSON at byte 18: expected a value, found the word `bad`, near \"Fine.\\n{\\\"product\\\": bad}\""
    );
}

#[test]
fn a_truncated_answer_is_taken_whole_or_not_at_all() {
    let schema = review();
    assert!(schema.read_truncated("{\"product\": \"a\", \"stars\": 4} ").is_ok());
    assert!(schema.read_truncated("{\"product\": \"a\", \"stars\": 4, \"mood\": null}").is_ok());
    for answer in [
        "{\"product\": \"a\", \"stars\": 4",
        "{\"product\": \"a\", \"stars\": 4,}",
        "{\"product\": \"a\", \"stars\": \"4\"}",
        "```json\n{\"product\": \"a\", \"stars\": 4}",
    ] {
        assert!(matches!(schema.read_truncated(answer), Err(ReadError::NotJson { .. })), "{answer}");
        assert!(schema.read(answer).is_ok(), "{answer}");
    }
    assert!(Schema::from_text("int").unwrap().read_truncated("12").is_err(), "it may have been on its way to 123");
    assert!(Schema::labels(&["a".to_owned()]).unwrap().read_truncated("a").is_err());
}

#[test]
fn depth_and_length_are_limited() {
    let schema = Schema::from_json(json!({})).unwrap();
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(schema.read(&nested(127)).is_ok());
    assert!(schema.read(&nested(128)).unwrap_err().to_string().contains("deep"));
    assert!(schema.read(&nested(1_000_000)).is_err());
    assert!(schema.read(&"[{\"a\":".repeat(100_000)).is_err());
    assert!(schema.read(&"{a:[".repeat(100_000)).is_err());
    assert!(schema.read(&"/*".repeat(100_000)).is_err());
    let long = format!("\"{}\"", "a".repeat(8 * 1024 * 1024));
    assert!(schema.read(&long).unwrap_err().to_string().contains("bytes long"));
    let many = format!("[{}]", "'a',".repeat(10_000));
    assert_eq!(schema.read(&many).unwrap().repairs.len(), 256);
}
