//! Looking into JSON that stands in a text: its type, what it contains, and queries in jq's language or as JSONPath.

mod bounds;
mod jq;
mod natives;
mod path;

pub use jq::{MOST_RESULTS, Query};

use serde_json::{Number, Value};

use crate::TextError;

/// Reads a text as JSON.
///
/// # Errors
/// [`TextError::Malformed`] with the line and column.
pub fn parse(text: &str) -> Result<Value, TextError> {
    serde_json::from_str(text).map_err(|error| {
        // the place stands at the end of the sentence, too
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
        TextError::malformed("JSON", format!("line {}, column {}", error.line(), error.column()), reason)
    })
}

/// The type of a JSON text: `object`, `array`, `string`, `number`, `boolean` or `null`.
///
/// # Errors
/// [`TextError::Malformed`] when it is not JSON.
pub fn type_of(text: &str) -> Result<&'static str, TextError> {
    Ok(match parse(text)? {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    })
}

/// Whether a value stands anywhere in another one. An object is found in one that has all its members and perhaps more;
/// everything else must be equal. Numbers are equal by value, so 1 is 1.0.
pub fn contains(value: &Value, sought: &Value) -> bool {
    matches(value, sought)
        || match value {
            Value::Array(items) => items.iter().any(|item| contains(item, sought)),
            Value::Object(members) => members.values().any(|member| contains(member, sought)),
            _ => false,
        }
}

fn matches(value: &Value, sought: &Value) -> bool {
    match (value, sought) {
        (Value::Object(members), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| members.get(name).is_some_and(|member| matches(member, wanted)))
        }
        (Value::Array(items), Value::Array(wanted)) => {
            items.len() == wanted.len() && items.iter().zip(wanted).all(|(item, wanted)| matches(item, wanted))
        }
        (Value::Number(number), Value::Number(wanted)) => same_number(number, wanted),
        _ => value == sought,
    }
}

fn same_number(left: &Number, right: &Number) -> bool {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => left == right,
        _ => left.as_f64() == right.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn types() {
        let cases = [("{}", "object"), (" [1]", "array"), ("\"\"", "string"), ("-1e3", "number"), ("true", "boolean"), ("null", "null")];
        for (text, wanted) in cases {
            assert_eq!(type_of(text).unwrap(), wanted, "{text}");
        }
        let error = type_of("{\"a\":\n 1,}").unwrap_err();
        assert!(error.is_malformed());
        assert_eq!(error.to_string(), "JSON cannot be read: trailing comma (line 2, column 4)");
        assert!(type_of(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn containment() {
        let text = r#"{"user": {"name": "Ada", "roles": ["read", "write"], "age": 42}, "n": null}"#;
        let value = parse(text).unwrap();
        let found = |sought: &str| contains(&value, &parse(sought).unwrap());
        for sought in [r#"{"name": "Ada"}"#, r#"["read","write"]"#, "42", "42.0", "null", r#""write""#, r#"{"user": {"age": 42}}"#, "{}"] {
            assert!(found(sought), "{sought}");
        }
        for sought in [r#"{"name": "Eva"}"#, r#"["read"]"#, r#""42""#, r#""wri""#, "43", r#"{"name": "Ada", "n": null}"#, "[]"] {
            assert!(!found(sought), "{sought}");
        }
    }

    proptest! {
        #![proptest_config(crate::laws())]
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,60}|[\\[\\]{}\",:0-9a-e ]{0,60}") {
            if let Ok(value) = parse(&text) {
                prop_assert!(contains(&value, &value));
            }
        }
    }
}
