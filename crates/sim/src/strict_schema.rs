//! The schema subsets that some endpoints insist on when `strict` is set.

use serde_json::{Map, Value};

use crate::catalog::SchemaDialect;

/// Why an endpoint of this dialect refuses the schema; none if it takes it.
pub(crate) fn refusal(schema: &Value, dialect: SchemaDialect) -> Option<String> {
    match dialect {
        SchemaDialect::Any => None,
        SchemaDialect::ClosedObjects => walk(schema, false),
        SchemaDialect::ClosedAndRequired => {
            if schema.get("type").and_then(Value::as_str) != Some("object") {
                return Some("schema must be a JSON Schema of 'type: \"object\"' at its root.".to_owned());
            }
            walk(schema, true)
        }
    }
}

fn walk(schema: &Value, all_required: bool) -> Option<String> {
    let fields = schema.as_object()?;
    own_refusal(fields, all_required).or_else(|| inner(fields).find_map(|schema| walk(schema, all_required)))
}

fn own_refusal(fields: &Map<String, Value>, all_required: bool) -> Option<String> {
    let properties = fields.get("properties").and_then(Value::as_object);
    let is_object = fields.get("type").and_then(Value::as_str) == Some("object") || properties.is_some();
    if is_object && fields.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Some("'additionalProperties' is required to be supplied and to be false.".to_owned());
    }
    let properties = properties.filter(|_| all_required)?;
    let required = fields.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
    let missing = properties.keys().find(|name| !is_required(name))?;
    Some(format!("'required' is required to be supplied and to be an array including every key in properties. Missing '{missing}'."))
}

/// Every schema directly inside this one.
fn inner(fields: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let named = ["properties", "$defs", "definitions"].into_iter().filter_map(|keyword| fields.get(keyword)?.as_object());
    let listed = ["anyOf", "oneOf", "allOf", "prefixItems"].into_iter().filter_map(|keyword| fields.get(keyword)?.as_array());
    named.flat_map(Map::values).chain(listed.flatten()).chain(fields.get("items"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::refusal;
    use crate::catalog::SchemaDialect;

    #[test]
    fn dialects_differ() {
        let open = json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] });
        let optional = json!({ "type": "object", "properties": { "a": { "type": "string" } }, "additionalProperties": false });
        let strict =
            json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"], "additionalProperties": false });
        let list = json!({ "type": "array", "items": strict });
        for (schema, any, closed, required) in
            [(&open, true, false, false), (&optional, true, true, false), (&strict, true, true, true), (&list, true, true, false)]
        {
            assert_eq!(refusal(schema, SchemaDialect::Any).is_none(), any, "{schema}");
            assert_eq!(refusal(schema, SchemaDialect::ClosedObjects).is_none(), closed, "{schema}");
            assert_eq!(refusal(schema, SchemaDialect::ClosedAndRequired).is_none(), required, "{schema}");
        }
    }

    #[test]
    fn nested_objects_are_looked_at() {
        let schema = json!({ "type": "object", "additionalProperties": false, "required": ["list"], "properties": {
            "list": { "type": "array", "items": { "$ref": "#/$defs/item" } } },
            "$defs": { "item": { "type": "object", "properties": {} } } });
        assert!(refusal(&schema, SchemaDialect::ClosedObjects).is_some());
    }
}
