//! Puts into words what a schema's keywords demand, for places where a keyword cannot be sent.

use serde_json::{Map, Value};

/// The demands of this one schema (not of what is nested in it), joined by semicolons; empty when there are none.
pub(crate) fn in_words(schema: &Map<String, Value>) -> String {
    let mut demands: Vec<String> = Vec::new();
    for (keyword, value) in schema {
        if let Some(demand) = demand(keyword, value) {
            demands.push(demand);
        }
    }
    demands.join("; ")
}

fn demand(keyword: &str, value: &Value) -> Option<String> {
    Some(match keyword {
        "minimum" => format!("at least {value}"),
        "maximum" => format!("at most {value}"),
        "exclusiveMinimum" => format!("more than {value}"),
        "exclusiveMaximum" => format!("less than {value}"),
        "multipleOf" => format!("a multiple of {value}"),
        "minLength" => format!("at least {value} characters"),
        "maxLength" => format!("at most {value} characters"),
        "minItems" => format!("at least {value} items"),
        "maxItems" => format!("at most {value} items"),
        "uniqueItems" if *value == Value::Bool(true) => "no item twice".to_owned(),
        "minProperties" => format!("at least {value} properties"),
        "maxProperties" => format!("at most {value} properties"),
        "pattern" => format!("matches the regular expression {}", value.as_str()?),
        "format" => match value.as_str()? {
            "date" => "a date such as 2024-01-31".to_owned(),
            "date-time" => "a date and time with its offset, such as 2024-01-31T09:30:00Z".to_owned(),
            other => format!("in the format {other}"),
        },
        "default" if !value.is_null() => format!("{value} when nothing else is known"),
        "examples" => {
            let shown: Vec<String> = value.as_array()?.iter().take(3).map(Value::to_string).collect();
            format!("for example {}", shown.join(", "))
        }
        _ => return None,
    })
}

/// The schema's description followed by its demands in brackets.
pub(crate) fn described(schema: &Map<String, Value>) -> Option<String> {
    let words = in_words(schema);
    match (schema.get("description").and_then(Value::as_str), words.is_empty()) {
        (Some(text), true) => Some(text.to_owned()),
        (Some(text), false) => Some(format!("{text} ({words})")),
        (None, false) => Some(words),
        (None, true) => None,
    }
}
