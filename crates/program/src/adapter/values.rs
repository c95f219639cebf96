//! Values as text in a prompt, laid out as DSPy lays them out.

use std::fmt::Write;

use serde_json::Value;

use super::Content;
use crate::FieldType;

/// A value under its field.
pub(crate) fn shown(ty: &FieldType, value: &Value) -> Content {
    match (ty.without_null(), value) {
        (FieldType::Image, value) => picture(value),
        (FieldType::List(item), Value::Array(items)) if **item == FieldType::Image => {
            let mut content = Content::default();
            items.iter().map(picture).for_each(|one| content.push(one));
            content
        }
        (FieldType::Text, Value::Array(items)) => Content::text(numbered(items)),
        _ => Content::text(plain(value)),
    }
}

fn picture(value: &Value) -> Content {
    match value.as_str().or_else(|| value.get("url").and_then(Value::as_str)) {
        Some(url) => Content::picture(url),
        None => Content::text(plain(value)),
    }
}

/// A value as text: texts as they are, truth values and nothing as Python writes them, the rest as JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(_) | Value::Object(_) => spaced_json(value),
    }
}

/// Passages in a field of text: numbered, each in brackets that a text seldom has.
fn numbered(items: &[Value]) -> String {
    if items.is_empty() {
        return "N/A".to_owned();
    }
    let passage = |text: String| match text.contains('\n') {
        false => format!("«{text}»"),
        true => format!("«««\n    {}\n»»»", text.replace('\n', "\n    ")),
    };
    let lines = items.iter().enumerate().map(|(place, item)| format!("[{}] {}", place + 1, passage(plain(item))));
    if items.len() == 1 { lines.collect::<String>().trim_start_matches("[1] ").to_owned() } else { lines.collect::<Vec<_>>().join("\n") }
}

/// JSON with a blank after each comma and colon.
pub(crate) fn spaced_json(value: &Value) -> String {
    let mut text = String::new();
    write_spaced(value, &mut text);
    text
}

fn write_spaced(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    text.push_str(", ");
                }
                write_spaced(item, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            text.push('{');
            for (place, (name, item)) in map.iter().enumerate() {
                if place > 0 {
                    text.push_str(", ");
                }
                // writing to a text cannot fail
                let _ = write!(text, "{}: ", Value::from(name.as_str()));
                write_spaced(item, text);
            }
            text.push('}');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}
