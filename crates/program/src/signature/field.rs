//! One named thing of a signature, with its type and what a value must satisfy.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value, json};

use super::FieldType;

/// A field of a signature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it holds.
    #[serde(rename = "type", default)]
    pub ty: FieldType,
    /// What it is, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The label in DSPy's saved state, where it differs from the name's words. No prompt shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// What a value must satisfy beyond its type.
    #[serde(default, skip_serializing_if = "Constraints::is_empty")]
    pub constraints: Constraints,
    /// The value where none is given or written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// What a value must satisfy beyond its type: said to the model in the schema, and enforced on the answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Constraints {
    /// At least this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Number>,
    /// At most this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Number>,
    /// More than this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<Number>,
    /// Less than this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<Number>,
    /// A multiple of this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiple_of: Option<Number>,
    /// At least so many characters, items or entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u64>,
    /// At most so many characters, items or entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// A regular expression that a text matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

impl Constraints {
    /// Whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        *self == Constraints::default()
    }

    /// The demands as keywords of JSON Schema, for a place that holds a type.
    pub(crate) fn keywords(&self, ty: &FieldType) -> Map<String, Value> {
        let (shortest, longest) = match ty.without_null() {
            FieldType::List(_) | FieldType::Tuple(_) => ("minItems", "maxItems"),
            FieldType::Map(_) => ("minProperties", "maxProperties"),
            _ => ("minLength", "maxLength"),
        };
        let pairs = [
            ("minimum", self.minimum.as_ref().map(|number| json!(number))),
            ("maximum", self.maximum.as_ref().map(|number| json!(number))),
            ("exclusiveMinimum", self.above.as_ref().map(|number| json!(number))),
            ("exclusiveMaximum", self.below.as_ref().map(|number| json!(number))),
            ("multipleOf", self.multiple_of.as_ref().map(|number| json!(number))),
            (shortest, self.min_length.map(Value::from)),
            (longest, self.max_length.map(Value::from)),
            ("pattern", self.pattern.clone().map(Value::from)),
        ];
        pairs.into_iter().filter_map(|(keyword, value)| Some((keyword.to_owned(), value?))).collect()
    }

    /// The demands in words, for a prompt; empty where there are none.
    pub(crate) fn in_words(&self, ty: &FieldType) -> String {
        let unit = match ty.without_null() {
            FieldType::List(_) | FieldType::Tuple(_) => "items",
            FieldType::Map(_) => "entries",
            _ => "characters",
        };
        let parts = [
            self.minimum.as_ref().map(|number| format!("at least {number}")),
            self.maximum.as_ref().map(|number| format!("at most {number}")),
            self.above.as_ref().map(|number| format!("more than {number}")),
            self.below.as_ref().map(|number| format!("less than {number}")),
            self.multiple_of.as_ref().map(|number| format!("a multiple of {number}")),
            self.min_length.map(|length| format!("at least {length} {unit}")),
            self.max_length.map(|length| format!("at most {length} {unit}")),
            self.pattern.as_ref().map(|pattern| format!("matching the regular expression {pattern}")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl Field {
    /// A field of a type.
    pub fn new(name: impl Into<String>, ty: FieldType) -> Field {
        Field { name: name.into(), ty, description: None, prefix: None, constraints: Constraints::default(), default: None }
    }

    /// A field of text.
    pub fn text(name: impl Into<String>) -> Field {
        Field::new(name, FieldType::Text)
    }

    /// With a description.
    #[must_use]
    pub fn described(self, description: impl Into<String>) -> Field {
        Field { description: Some(description.into()), ..self }
    }

    /// With constraints.
    #[must_use]
    pub fn constrained(self, constraints: Constraints) -> Field {
        Field { constraints, ..self }
    }

    /// With a default.
    #[must_use]
    pub fn or(self, default: impl Into<Value>) -> Field {
        Field { default: Some(default.into()), ..self }
    }

    /// Whether a reply may leave it out.
    pub fn is_optional(&self) -> bool {
        self.default.is_some() || matches!(self.ty, FieldType::Optional(_))
    }

    /// Its schema, with description and constraints.
    pub(crate) fn json_schema(&self) -> Value {
        let mut schema = self.ty.json_schema_with(&self.constraints);
        if let (Some(text), Some(map)) = (&self.description, schema.as_object_mut()) {
            map.insert("description".to_owned(), text.as_str().into());
        }
        schema
    }
}
