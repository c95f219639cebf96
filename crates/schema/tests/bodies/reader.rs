//! Any text as an answer and as a schema: what is read satisfies its schema, and what satisfies it needs no repair.
//!
//! Run by a property test of this crate and by a fuzz target.

use std::sync::OnceLock;

use corsac_schema::{Dialect, Schema};

/// Schemas with every kind of field, each once.
fn schemas() -> &'static [Schema] {
    static SCHEMAS: OnceLock<Vec<Schema>> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        [
            "product string, stars int, mood enum(good, bad), day date?, tags list<string>?",
            "spans list<struct{from int, to float}>, note string?",
            "anything json",
            "sure bool, at datetime?",
        ]
        .into_iter()
        .filter_map(|text| Schema::from_text(text).ok())
        .collect()
    })
}

/// The first byte chooses the schema, the rest is the text.
pub(crate) fn run(data: &[u8]) {
    let [choice, text @ ..] = data else { return };
    let text = String::from_utf8_lossy(text);
    let schemas = schemas();
    assert_eq!(schemas.len(), 4, "all of them are schemas");
    judge(&schemas[usize::from(*choice) % schemas.len()], &text);
    if let Ok(schema) = Schema::from_text(&text) {
        make(&schema);
    }
    if let Ok(schema) = Schema::from_json_text(&text) {
        make(&schema);
    }
}

fn judge(schema: &Schema, text: &str) {
    let _ = schema.read_truncated(text);
    let Ok(read) = schema.read(text) else { return };
    let written = read.value.to_string();
    match schema.read(&written) {
        // what is right is not repaired; a number with a fraction may lose its last bit on the way
        Ok(again) => assert!(again.repairs.is_empty() && alike(&again.value, &read.value), "{written} became {again:?}"),
        Err(error) => panic!("{text:?} was read as {written}, which does not satisfy its schema: {error}"),
    }
}

fn alike(one: &serde_json::Value, other: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64().zip(other.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= a.abs() * 1e-12)
        }
        (Value::Array(one), Value::Array(other)) => one.len() == other.len() && one.iter().zip(other).all(|(a, b)| alike(a, b)),
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(key, value)| other.get(key).is_some_and(|there| alike(value, there)))
        }
        (one, other) => one == other,
    }
}

/// Everything a schema is made into.
fn make(schema: &Schema) {
    for dialect in [Dialect::Original, Dialect::Strict, Dialect::Draft7Tool] {
        let _ = schema.dialect(dialect);
    }
    let _ = (schema.strict_possible(), schema.outline(), schema.short_form(), schema.estimated_tokens());
}
