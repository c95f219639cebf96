//! One text for schemas that mean the same to a model, for fingerprints.

use serde_json::{Map, Value};

use crate::document::{ONE_SCHEMA, SCHEMA_LIST, SCHEMA_MAP};

/// Keywords in alphabetical order, but properties in theirs: a model writes them in that order, so it can change the
/// answer.
pub(crate) fn text(schema: &Value) -> String {
    of_schema(schema).to_string()
}

fn of_schema(schema: &Value) -> Value {
    let Some(map) = schema.as_object() else {
        return schema.clone();
    };
    let mut keywords: Vec<&String> = map.keys().collect();
    keywords.sort();
    let mut written = Map::new();
    for keyword in keywords {
        let value = match &map[keyword] {
            Value::Object(schemas) if SCHEMA_MAP.contains(&keyword.as_str()) => {
                Value::Object(schemas.iter().map(|(name, schema)| (name.clone(), of_schema(schema))).collect())
            }
            Value::Array(schemas) if SCHEMA_LIST.contains(&keyword.as_str()) => Value::Array(schemas.iter().map(of_schema).collect()),
            value if ONE_SCHEMA.contains(&keyword.as_str()) => of_schema(value),
            value => value.clone(),
        };
        written.insert(keyword.clone(), value);
    }
    Value::Object(written)
}
