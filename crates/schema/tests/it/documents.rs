//! JSON Schema documents: the typed view they give and what is said about those that are none.

use corsac_schema::{Schema, SchemaError, Type};
use serde_json::{Value, json};

#[track_caller]
fn view(schema: Value, expected: &str) {
    let schema = Schema::from_json(schema).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(schema.short_form(), expected);
}

#[test]
fn views() {
    view(json!({}), "json");
    view(json!({"type": "string", "format": "date"}), "date");
    view(json!({"type": ["integer", "null"]}), "int");
    view(json!({"type": ["integer", "number"]}), "float");
    view(json!({"type": ["integer", "string"]}), "json");
    view(json!({"enum": ["a", "b", null]}), "enum(a, b)");
    view(json!({"enum": [1, 2]}), "int");
    view(json!({"const": "a"}), "enum(a)");
    view(json!({"type": "null"}), "json");
    view(json!({"type": "array"}), "list<json>");
    view(json!({"items": {"type": "boolean"}}), "list<bool>");
    view(json!({"type": "array", "prefixItems": [{"type": "string"}]}), "list<json>");
    view(json!({"type": "object"}), "json");
    view(json!({"type": "object", "additionalProperties": {"type": "string"}}), "json");
    view(json!({"anyOf": [{"type": "number"}, {"type": "null"}]}), "float");
    view(json!({"oneOf": [{"const": "A", "description": "first"}, {"const": "B"}]}), "enum(A, B)");
    view(json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}), "json");
}

#[test]
fn order_of_properties_and_their_descriptions_are_kept() {
    view(
        json!({
            "type": "object",
            "properties": {
                "zebra": {"type": "string", "description": "stripes"},
                "apple": {"type": "integer", "minimum": 1},
                "mango": {"$ref": "#/$defs/Fruit"}
            },
            "required": ["apple", "zebra"],
            "$defs": {"Fruit": {"type": "object", "properties": {"ripe": {"type": "boolean"}}}}
        }),
        "zebra string 'stripes', apple int, mango struct{ripe bool?}?",
    );
}

#[test]
fn recursion_ends_as_json() {
    view(
        json!({
            "$ref": "#/$defs/Node",
            "$defs": {"Node": {"type": "object", "properties": {
                "name": {"type": "string"},
                "kids": {"type": "array", "items": {"$ref": "#/$defs/Node"}}
            }, "required": ["name"]}}
        }),
        "name string, kids list<json>?",
    );
}

#[track_caller]
fn refused(schema: Value, pointer: &str, says: &str) {
    match Schema::from_json(schema.clone()) {
        Err(SchemaError::NotASchema { pointer: found, message }) => {
            assert_eq!(found, pointer, "{message}");
            assert!(message.contains(says), "{message}");
        }
        other => panic!("{schema}: {other:?}"),
    }
}

#[test]
fn what_is_not_a_schema_is_named_with_its_place() {
    refused(json!({"type": "strin"}), "/type", "did you mean \"string\"?");
    refused(json!({"properties": {"a": {"type": "int"}}}), "/properties/a/type", "\"integer\"");
    refused(json!({"properties": {"a/b": {"type": "list"}}}), "/properties/a~1b/type", "\"array\"");
    refused(json!({"type": 3}), "/type", "found 3");
    refused(json!({"type": "object", "properties": ["a"]}), "/properties", "an object of named schemas");
    refused(json!({"properties": {"a": "string"}}), "/properties/a", "expected a schema");
    refused(json!({"properties": {"stars": {}}, "required": ["star"]}), "/required", "did you mean \"stars\"?");
    refused(json!({"required": "a"}), "/required", "a list of property names");
    refused(json!({"enum": []}), "/enum", "at least one");
    refused(json!({"type": "array", "items": 3}), "/items", "expected a schema");
    refused(json!({"anyOf": []}), "/anyOf", "at least one");
    refused(json!({"type": "integer", "minimum": "1"}), "/minimum", "a number");
    refused(json!({"type": "string", "maxLength": -1}), "/maxLength", "a whole number");
    refused(json!({"type": "string", "description": 1}), "/description", "a text");
    refused(json!([1]), "", "a schema is a JSON object");
    refused(json!({"name": "kettle", "price": 3}), "", "no JSON Schema keyword");
    refused(json!({"type": "string", "pattern": "("}), "/pattern", "");
    refused(json!({"properties": {"a": {"$ref": "#/$defs/Nope"}}}), "/properties/a", "names nothing");
    refused(
        json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}),
        "/properties/a",
        "back to itself",
    );
}

#[test]
fn references_that_move_with_their_place_are_refused() {
    refused(json!({"type": "object", "properties": {"a": {"$dynamicRef": "#a"}}}), "/properties/a/$dynamicRef", "`$ref`");
    refused(json!({"type": "object", "properties": {"a": {"$id": "b", "type": "string"}}}), "/properties/a/$id", "at the root");
    refused(json!({"$schema": "http://json-schema.org/draft-04/schema#", "type": "object"}), "/$schema", "draft 7");
    refused(json!({"type": "object", "dependencies": {"a": {"$ref": "#"}}}), "/dependencies/a", "back to itself");
    let schema = Schema::from_json(json!({"$id": "https://example.com/a.json", "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object", "properties": {"a": {"$ref": "#/definitions/w"}}, "definitions": {"w": {"type": "string", "maxLength": 1}}}))
    .unwrap();
    assert!(schema.read("{\"a\": \"xy\"}").is_err());
}

#[test]
fn nothing_is_fetched() {
    let error = Schema::from_json(json!({"properties": {"a": {"$ref": "https://example.com/a.json"}}})).unwrap_err();
    assert!(matches!(&error, SchemaError::RemoteReference { pointer, .. } if pointer == "/properties/a"));
    assert!(error.to_string().contains("$defs"), "{error}");
}

#[test]
fn json_that_does_not_parse_has_line_and_column() {
    let error = Schema::from_text("{\n  \"type\": object\n}").unwrap_err();
    let SchemaError::Json(fault) = &error else { panic!("{error}") };
    assert_eq!((fault.line, fault.column), (2, 11));
    assert!(fault.caret.ends_with("            ^"), "{error}");
    for text in ["{", "{\"", "[", "\"a\"", "[]", "{}x"] {
        assert!(matches!(Schema::from_text(text), Err(SchemaError::Json(_) | SchemaError::NotASchema { .. })), "{text}");
    }
}

#[test]
fn deep_and_large_documents_are_errors() {
    let mut deep = json!({"type": "string"});
    for _ in 0..100 {
        deep = json!({"type": "array", "items": deep});
    }
    assert!(matches!(Schema::from_json(deep), Err(SchemaError::TooLarge(_))));
    let text = "{\"items\":".repeat(50_000);
    assert!(Schema::from_text(&text).is_err());
    assert!(matches!(Schema::from_text(&"a".repeat(2_000_000)), Err(SchemaError::TooLarge(_))));
}

#[test]
fn labels_are_checked() {
    let labels = |labels: &[&str]| Schema::labels(&labels.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>());
    assert_eq!(labels(&["good", "bad"]).unwrap().short_form(), "label enum(good, bad)");
    for (bad, says) in [(&[][..], "at least one"), (&["a", " "], "number 2 is blank"), (&["a", "a"], "twice")] {
        assert!(labels(bad).unwrap_err().to_string().contains(says));
    }
    assert_eq!(*Schema::boolean("answer").kind(), Type::Struct(vec![corsac_schema::Field::new("answer", Type::Boolean)]));
}

#[test]
fn the_fingerprint_ignores_keyword_order_and_minds_property_order() {
    let text = |schema: Value| Schema::from_json(schema).unwrap().fingerprint_text().to_owned();
    let first = text(json!({"type": "object", "properties": {"b": {"type": "string", "title": "B"}, "a": {}}}));
    let same = text(json!({"properties": {"b": {"title": "B", "type": "string"}, "a": {}}, "type": "object"}));
    let other = text(json!({"type": "object", "properties": {"a": {}, "b": {"type": "string", "title": "B"}}}));
    assert_eq!(first, same);
    assert_ne!(first, other);
}
