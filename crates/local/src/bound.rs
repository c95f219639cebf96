//! Closes the open ends of a JSON Schema, so that a small model cannot ramble: longest strings, longest lists,
//! no invented properties, numbers of a sane size. What comes out accepts only values that the schema accepts.

use serde_json::{Map, Value, json};

/// How far open ends may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) string_characters: u64,
    pub(crate) list_items: u64,
}

impl Bounds {
    /// Shares an answer's tokens among the strings of a schema, at about three characters a token.
    pub(crate) fn for_tokens(schema: &Value, max_tokens: usize) -> Self {
        let list_items = (max_tokens as u64 / 24).clamp(1, 8);
        let strings = open_strings(schema, list_items).max(1);
        Self { string_characters: (max_tokens as u64 * 3 / strings).clamp(12, 400), list_items }
    }
}

/// The open strings of one answer, if every list were full.
fn open_strings(schema: &Value, list_items: u64) -> u64 {
    let Value::Object(object) = schema else { return 0 };
    let mut count = u64::from(is(object, "string") && !object.contains_key("enum"));
    for (key, value) in object {
        count = count.saturating_add(match (key.as_str(), value) {
            ("items", items) => open_strings(items, list_items).saturating_mul(list_items),
            ("properties" | "$defs" | "definitions", Value::Object(parts)) => {
                parts.values().map(|part| open_strings(part, list_items)).sum()
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(parts)) => {
                parts.iter().map(|part| open_strings(part, list_items)).sum()
            }
            _ => 0,
        });
    }
    count
}

fn is(schema: &Map<String, Value>, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|one| one == kind),
        _ => false,
    }
}

/// The schema with every open end closed.
pub(crate) fn bounded(schema: &Value, bounds: Bounds) -> Value {
    close(schema, bounds, true)
}

/// Largest magnitude of a number whose schema names none.
const LARGEST_NUMBER: i64 = 999_999_999_999;

fn close(schema: &Value, bounds: Bounds, may_seal: bool) -> Value {
    let Value::Object(object) = schema else { return schema.clone() };
    let mut closed = Map::new();
    for (key, value) in object {
        let value = match (key.as_str(), value) {
            ("properties" | "$defs" | "definitions" | "patternProperties", Value::Object(parts)) => {
                parts.iter().map(|(name, part)| (name.clone(), close(part, bounds, true))).collect::<Map<_, _>>().into()
            }
            ("anyOf" | "oneOf" | "prefixItems", Value::Array(parts)) => parts.iter().map(|part| close(part, bounds, may_seal)).collect(),
            // sealing one part of an intersection would shut out what the other parts require
            ("allOf", Value::Array(parts)) => parts.iter().map(|part| close(part, bounds, false)).collect(),
            ("items" | "additionalProperties", part) => close(part, bounds, true),
            _ => value.clone(),
        };
        closed.insert(key.clone(), value);
    }
    let fixed = closed.contains_key("enum") || closed.contains_key("const") || closed.contains_key("$ref");
    if fixed {
        return Value::Object(closed);
    }
    let has = |closed: &Map<String, Value>, keys: &[&str]| keys.iter().any(|key| closed.contains_key(*key));
    if is(&closed, "string") && !has(&closed, &["maxLength", "pattern", "format"]) {
        let least = closed.get("minLength").and_then(Value::as_u64).unwrap_or(0);
        closed.insert("maxLength".into(), json!(bounds.string_characters.max(least)));
    }
    if is(&closed, "array") && !has(&closed, &["maxItems"]) {
        let least = closed.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let listed = closed.get("prefixItems").and_then(Value::as_array).map_or(0, |parts| parts.len() as u64);
        closed.insert("maxItems".into(), json!(bounds.list_items.max(least).max(listed)));
    }
    if may_seal && is(&closed, "object") && !has(&closed, &["allOf", "anyOf", "oneOf"]) {
        if has(&closed, &["properties"]) && !has(&closed, &["additionalProperties", "patternProperties", "unevaluatedProperties"]) {
            closed.insert("additionalProperties".into(), json!(false));
        } else if !has(&closed, &["properties", "maxProperties"]) {
            let least = closed.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
            closed.insert("maxProperties".into(), json!(bounds.list_items.max(least)));
        }
    }
    if is(&closed, "integer") || is(&closed, "number") {
        if !has(&closed, &["minimum", "exclusiveMinimum"])
            && !beyond(&closed, &["maximum", "exclusiveMaximum"], |number| number <= -(LARGEST_NUMBER as f64))
        {
            closed.insert("minimum".into(), json!(-LARGEST_NUMBER));
        }
        if !has(&closed, &["maximum", "exclusiveMaximum"])
            && !beyond(&closed, &["minimum", "exclusiveMinimum"], |number| number >= LARGEST_NUMBER as f64)
        {
            closed.insert("maximum".into(), json!(LARGEST_NUMBER));
        }
    }
    Value::Object(closed)
}

fn beyond(schema: &Map<String, Value>, keys: &[&str], test: impl Fn(f64) -> bool) -> bool {
    keys.iter().filter_map(|key| schema.get(*key)?.as_f64()).any(test)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { string_characters: 50, list_items: 3 };

    #[test]
    fn open_ends_are_closed() {
        let schema = json!({"type": "object", "properties": {
            "name": {"type": "string"}, "tags": {"type": "array", "items": {"type": ["string", "null"]}}, "count": {"type": "integer", "minimum": 0}}});
        assert_eq!(
            bounded(&schema, BOUNDS),
            json!({"type": "object", "properties": {
                "name": {"type": "string", "maxLength": 50},
                "tags": {"type": "array", "items": {"type": ["string", "null"], "maxLength": 50}, "maxItems": 3},
                "count": {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}},
                "additionalProperties": false})
        );
    }

    #[test]
    fn what_the_schema_says_stays() {
        let schema = json!({"type": "string", "minLength": 80});
        assert_eq!(bounded(&schema, BOUNDS), json!({"type": "string", "minLength": 80, "maxLength": 80}));
        for schema in
            [json!({"type": "string", "maxLength": 5000}), json!({"type": "string", "format": "date"}), json!({"enum": ["a"]}), json!(true)]
        {
            assert_eq!(bounded(&schema, BOUNDS), schema);
        }
    }

    #[test]
    fn parts_of_an_intersection_stay_open() {
        let schema = json!({"allOf": [{"type": "object", "properties": {"a": {"type": "null"}}}, {"type": "object", "properties": {"b": {"type": "null"}}}]});
        assert_eq!(bounded(&schema, BOUNDS), schema);
    }

    #[test]
    fn many_strings_share_the_tokens() {
        let one = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        let listed = json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}});
        assert_eq!(Bounds::for_tokens(&one, 100).string_characters, 300);
        assert!(Bounds::for_tokens(&listed, 100).string_characters <= 75);
    }
}
