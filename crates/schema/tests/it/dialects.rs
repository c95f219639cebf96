//! What is sent: the strict subset, draft 7 for tools, and the outline for a prompt.

use corsac_schema::{Dialect, Schema};
use serde_json::{Value, json};

#[track_caller]
fn strict(schema: Value, expected: Value) {
    let schema = Schema::from_json(schema).unwrap();
    assert_eq!(schema.strict_possible(), Ok(()));
    let written = schema.dialect(Dialect::Strict);
    assert_eq!(*written, expected, "{written:#}");
    if expected.get("$defs").is_some() {
        return;
    }
    // A strict schema is its own strict form; a recursive one is unrolled by one more level.
    assert_eq!(*Schema::from_json(expected.clone()).unwrap().dialect(Dialect::Strict), expected);
}

#[test]
fn every_object_is_closed_and_every_property_required() {
    strict(
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Review",
            "type": "object",
            "properties": {
                "product": {"type": "string", "title": "Product", "minLength": 1},
                "stars": {"type": "integer", "minimum": 1, "maximum": 5, "description": "as given"},
                "mood": {"enum": ["good", "bad"]},
                "home": {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": true},
                "day": {"type": "string", "format": "date"}
            },
            "required": ["product"]
        }),
        json!({
            "type": "object",
            "properties": {
                "product": {"description": "at least 1 characters", "type": "string"},
                "stars": {"description": "as given (at least 1; at most 5)", "type": ["integer", "null"]},
                "mood": {"type": ["string", "null"], "enum": ["good", "bad", null]},
                "home": {
                    "type": ["object", "null"],
                    "properties": {"city": {"type": ["string", "null"]}},
                    "required": ["city"],
                    "additionalProperties": false
                },
                "day": {"description": "a date such as 2024-01-31", "type": ["string", "null"]}
            },
            "required": ["product", "stars", "mood", "home", "day"],
            "additionalProperties": false
        }),
    );
}

#[test]
fn unions_and_references() {
    strict(
        json!({
            "type": "object",
            "properties": {
                "a": {"oneOf": [{"type": "string"}, {"type": "integer"}], "description": "either"},
                "b": {"const": 3},
                "c": {"$ref": "#/definitions/Word"}
            },
            "required": ["b", "c"],
            "definitions": {"Word": {"type": "string", "pattern": "^[a-z]+$"}}
        }),
        json!({
            "type": "object",
            "properties": {
                "a": {"description": "either", "anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
                "b": {"type": "integer", "enum": [3]},
                "c": {"description": "matches the regular expression ^[a-z]+$", "type": "string"}
            },
            "required": ["a", "b", "c"],
            "additionalProperties": false
        }),
    );
}

#[test]
fn recursion_keeps_its_definition() {
    strict(
        json!({
            "type": "object",
            "properties": {"next": {"$ref": "#"}, "name": {"type": "string"}},
            "required": ["name"]
        }),
        json!({
            "type": "object",
            "properties": {
                "next": {"anyOf": [{"$ref": "#/$defs/root"}, {"type": "null"}]},
                "name": {"type": "string"}
            },
            "required": ["next", "name"],
            "additionalProperties": false,
            "$defs": {"root": {
                "type": "object",
                "properties": {
                    "next": {"anyOf": [{"$ref": "#/$defs/root"}, {"type": "null"}]},
                    "name": {"type": "string"}
                },
                "required": ["next", "name"],
                "additionalProperties": false
            }}
        }),
    );
}

#[test]
fn a_root_that_is_no_object_is_wrapped_and_unwrapped() {
    let schema = Schema::from_text("list<int>").unwrap();
    assert_eq!(
        *schema.dialect(Dialect::Strict),
        json!({
            "type": "object",
            "properties": {"value": {"type": "array", "items": {"type": "integer"}}},
            "required": ["value"],
            "additionalProperties": false
        })
    );
    for answer in ["{\"value\": [1, 2]}", "[1, 2]"] {
        let read = schema.read(answer).unwrap();
        assert_eq!((read.value, read.repairs.len()), (json!([1, 2]), 0));
    }
}

#[test]
fn what_strict_cannot_say_is_said_to_the_caller() {
    let reasons = |schema: Value| {
        let schema = Schema::from_json(schema).unwrap();
        schema.strict_possible().unwrap_err().join("\n")
    };
    let free = json!({"type": "object", "properties": {"map": {"type": "object"}}});
    assert!(reasons(free.clone()).starts_with("at /properties/map: an object with free keys"));
    let written = Schema::from_json(free).unwrap().dialect(Dialect::Strict);
    assert_eq!(written["properties"]["map"].get("additionalProperties"), None, "it would forbid every key");
    assert!(reasons(json!({"type": "object", "properties": {"a": {}}})).contains("needs a type"));
    assert!(reasons(json!({"type": "array"})).contains("needs a type"));
    assert!(reasons(json!({"type": "array", "prefixItems": [{"type": "string"}]})).contains("prefixItems"));
    assert!(reasons(json!({"allOf": [{"type": "string"}, {"type": "integer"}]})).contains("allOf"));
    let mut deep = json!({"type": "string"});
    for _ in 0..12 {
        deep = json!({"type": "object", "properties": {"a": deep}, "required": ["a"]});
    }
    assert!(reasons(deep).contains("nests deeper"));
    assert!(Schema::from_text("a json, b string").unwrap().strict_possible().is_err());
    assert!(Schema::from_text("a struct{b date?}[], c enum(x, y)?").unwrap().strict_possible().is_ok());
}

#[test]
fn draft_7_for_tools() {
    let schema = Schema::from_json(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "array",
        "prefixItems": [{"type": "string"}],
        "items": {"$ref": "#/$defs/Tree"},
        "$defs": {"Tree": {"type": "object", "properties": {"kid": {"$ref": "#/$defs/Tree"}, "prefixItems": {"type": "string"}}}}
    }))
    .unwrap();
    let tree = json!({"type": "object", "properties": {"kid": {"$ref": "#/definitions/Tree"}, "prefixItems": {"type": "string"}}});
    assert_eq!(
        *schema.dialect(Dialect::Draft7Tool),
        json!({
            "type": "object",
            "properties": {"value": {"type": "array", "items": [{"type": "string"}], "additionalItems": tree}},
            "required": ["value"],
            "definitions": {"Tree": tree}
        })
    );
    let flat = Schema::from_text("a int, b string?").unwrap();
    assert_eq!(*flat.dialect(Dialect::Draft7Tool), *flat.original());
    assert_eq!(*flat.dialect(Dialect::Original), *flat.original());
}

#[test]
fn the_outline_shows_the_json_to_write() {
    let schema = Schema::from_text(
        "product string 'what was\n bought', stars int, mood enum(good, 'so so')?, parts list<struct{name string, at date}>, more json",
    )
    .unwrap();
    assert_eq!(
        schema.outline(),
        r#"{
  "product": text,  // what was bought
  "stars": whole number,
  "mood": "good" | "so so" or null,
  "parts": [{
    "name": text,
    "at": "YYYY-MM-DD"  // a date such as 2024-01-31
  }, …],
  "more": any JSON
}"#
    );
    let bounded = Schema::from_json(json!({"type": ["number", "null"], "maximum": 1, "description": "how sure"})).unwrap();
    assert_eq!(bounded.outline(), "number or null  // how sure (at most 1)");
}

#[test]
fn the_estimate_follows_its_formula() {
    assert_eq!(Schema::boolean("answer").estimated_tokens(), 2 + 2 + 4 + 2);
    let labels: Vec<String> = ["good".to_owned(), "mediocre!".to_owned()].into();
    assert_eq!(Schema::labels(&labels).unwrap().estimated_tokens(), 2 + 2 + 4 + 3 + 2);
    assert_eq!(Schema::from_text("list<int>").unwrap().estimated_tokens(), 8 * 5 + 2);
}
