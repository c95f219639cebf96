//! A schema as a few lines of text for a prompt, for models that are asked for JSON without being held to it.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::constraint::described;

/// The outline of a resolved schema: the JSON to be written, with what goes where and why in the place of the values.
pub(crate) fn outline(resolved: &Value) -> String {
    if resolved.get("$defs").is_some() {
        // Recursion has no picture; the schema itself is then the shortest exact text.
        return format!("JSON that satisfies this JSON Schema: {resolved}");
    }
    let mut text = String::new();
    write_schema(&mut text, resolved, 0);
    if let Some(remark) = resolved.as_object().and_then(described) {
        let _ = write!(text, "  // {}", one_line(&remark));
    }
    text
}

fn write_schema(text: &mut String, schema: &Value, indent: usize) {
    let Some(map) = schema.as_object() else {
        text.push_str("any JSON");
        return;
    };
    if let Some(values) = map.get("enum").and_then(Value::as_array) {
        let values: Vec<String> = values.iter().map(Value::to_string).collect();
        text.push_str(&values.join(" | "));
        return;
    }
    if let Some(value) = map.get("const") {
        text.push_str(&value.to_string());
        return;
    }
    if let Some(branches) = ["anyOf", "oneOf"].iter().find_map(|keyword| map.get(*keyword)?.as_array()) {
        for (position, branch) in branches.iter().enumerate() {
            if position > 0 {
                text.push_str(" or ");
            }
            write_schema(text, branch, indent);
        }
        return;
    }
    match map.get("type") {
        Some(Value::Array(names)) => {
            for (position, name) in names.iter().enumerate() {
                if position > 0 {
                    text.push_str(" or ");
                }
                write_named(text, name.as_str(), map, indent);
            }
        }
        Some(Value::String(name)) => write_named(text, Some(name), map, indent),
        _ if map.contains_key("properties") => write_named(text, Some("object"), map, indent),
        _ if map.contains_key("items") => write_named(text, Some("array"), map, indent),
        _ if map.contains_key("allOf") => {
            let _ = write!(text, "JSON that satisfies {schema}");
        }
        _ => text.push_str("any JSON"),
    }
}

fn write_named(text: &mut String, name: Option<&str>, map: &Map<String, Value>, indent: usize) {
    match name {
        Some("string") => text.push_str(match map.get("format").and_then(Value::as_str) {
            Some("date") => "\"YYYY-MM-DD\"",
            Some("date-time") => "\"YYYY-MM-DDThh:mm:ssZ\"",
            _ => "text",
        }),
        Some("integer") => text.push_str("whole number"),
        Some("number") => text.push_str("number"),
        Some("boolean") => text.push_str("true | false"),
        Some("null") => text.push_str("null"),
        Some("array") => {
            text.push('[');
            write_schema(text, map.get("items").unwrap_or(&Value::Bool(true)), indent);
            text.push_str(", …]");
        }
        Some("object") => match map.get("properties").and_then(Value::as_object).filter(|map| !map.is_empty()) {
            Some(properties) => write_object(text, properties, map.get("required"), indent),
            None => text.push_str("{name: value, …}"),
        },
        _ => text.push_str("any JSON"),
    }
}

fn write_object(text: &mut String, properties: &Map<String, Value>, required: Option<&Value>, indent: usize) {
    let required = required.and_then(Value::as_array);
    text.push_str("{\n");
    for (position, (name, schema)) in properties.iter().enumerate() {
        let _ = write!(text, "{:width$}{}: ", "", Value::String(name.clone()), width = indent + 2);
        write_schema(text, schema, indent + 2);
        let may_lack = !required.is_some_and(|names| names.iter().any(|known| known == name));
        if may_lack && !text.ends_with(" or null") {
            text.push_str(" or null");
        }
        if position + 1 < properties.len() {
            text.push(',');
        }
        if let Some(remark) = schema.as_object().and_then(described) {
            let _ = write!(text, "  // {}", one_line(&remark));
        }
        text.push('\n');
    }
    let _ = write!(text, "{:indent$}}}", "");
}

/// A remark must not break out of its line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
