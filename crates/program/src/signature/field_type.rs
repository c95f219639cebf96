//! What a field can hold, in the terms of DSPy's signatures, and how it looks as JSON Schema and as text.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Constraints;

/// The type of a field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Text (`str`).
    #[default]
    Text,
    /// A whole number (`int`).
    Integer,
    /// A number (`float`).
    Number,
    /// True or false (`bool`).
    Boolean,
    /// A calendar day (`date`), as in `2024-01-31`.
    Date,
    /// A moment with an offset (`datetime`), as in `2024-01-31T09:30:00Z`.
    DateTime,
    /// One of these texts, numbers or truth values (`Literal['a', 'b']`).
    Literal(Vec<Value>),
    /// Equal things in order (`list[T]`).
    List(Box<FieldType>),
    /// Things by name (`dict[str, T]`).
    Map(Box<FieldType>),
    /// Something or nothing (`Optional[T]`).
    Optional(Box<FieldType>),
    /// One of several types (`Union[A, B]`).
    Union(Vec<FieldType>),
    /// Things of different types in a fixed order (`tuple[A, B]`).
    Tuple(Vec<FieldType>),
    /// Named things: a struct of one's own.
    Object {
        /// Its name.
        name: String,
        /// What it holds, in order.
        members: Vec<Member>,
    },
    /// Any JSON (`Any`).
    Any,
    /// A picture (`dspy.Image`), as an address, a `data:` URL or `{"url": …}`. Only an input.
    Image,
    /// Earlier turns (`dspy.History`): `{"messages": [{field: value, …}, …]}`. Only an input.
    History,
}

/// A part of a [`FieldType::Object`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub ty: FieldType,
    /// What it is, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What a value must satisfy beyond its type.
    #[serde(default, skip_serializing_if = "Constraints::is_empty")]
    pub constraints: Constraints,
}

impl FieldType {
    /// A list of these.
    pub fn list(of: FieldType) -> FieldType {
        FieldType::List(Box::new(of))
    }

    /// These by name.
    pub fn map(of: FieldType) -> FieldType {
        FieldType::Map(Box::new(of))
    }

    /// This or nothing.
    pub fn optional(of: FieldType) -> FieldType {
        match of {
            FieldType::Optional(_) | FieldType::Any => of,
            other => FieldType::Optional(Box::new(other)),
        }
    }

    /// One of these texts.
    pub fn labels<'a>(labels: impl IntoIterator<Item = &'a str>) -> FieldType {
        FieldType::Literal(labels.into_iter().map(Value::from).collect())
    }

    /// The type without `Optional` around it.
    pub fn without_null(&self) -> &FieldType {
        match self {
            FieldType::Optional(inner) => inner.without_null(),
            other => other,
        }
    }

    /// Whether a reply carries it as it stands, without JSON.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.without_null(), FieldType::Text)
    }

    /// The first type inside that no model can write.
    pub(crate) fn input_only(&self) -> Option<&FieldType> {
        match self {
            FieldType::Image | FieldType::History => Some(self),
            FieldType::List(inner) | FieldType::Map(inner) | FieldType::Optional(inner) => inner.input_only(),
            FieldType::Union(several) | FieldType::Tuple(several) => several.iter().find_map(FieldType::input_only),
            FieldType::Object { members, .. } => members.iter().find_map(|member| member.ty.input_only()),
            _ => None,
        }
    }

    /// The type as JSON Schema.
    pub fn json_schema(&self) -> Value {
        match self {
            FieldType::Text | FieldType::Image => json!({"type": "string"}),
            FieldType::Integer => json!({"type": "integer"}),
            FieldType::Number => json!({"type": "number"}),
            FieldType::Boolean => json!({"type": "boolean"}),
            FieldType::Date => json!({"type": "string", "format": "date"}),
            FieldType::DateTime => json!({"type": "string", "format": "date-time"}),
            FieldType::Literal(values) if values.iter().all(Value::is_string) => json!({"type": "string", "enum": values}),
            FieldType::Literal(values) => json!({"enum": values}),
            FieldType::List(item) => json!({"type": "array", "items": item.json_schema()}),
            FieldType::Map(item) if **item == FieldType::Any => json!({"type": "object"}),
            FieldType::Map(item) => json!({"type": "object", "additionalProperties": item.json_schema()}),
            FieldType::Optional(inner) => json!({"anyOf": [inner.json_schema(), {"type": "null"}]}),
            FieldType::Union(several) => json!({"anyOf": several.iter().map(FieldType::json_schema).collect::<Vec<_>>()}),
            FieldType::Tuple(parts) => json!({
                "type": "array",
                "prefixItems": parts.iter().map(FieldType::json_schema).collect::<Vec<_>>(),
                "minItems": parts.len(),
                "maxItems": parts.len(),
            }),
            FieldType::Object { members, .. } => object_schema(members),
            FieldType::Any | FieldType::History => json!({}),
        }
    }

    /// The type as JSON Schema under constraints, which hold for what is there and not for null.
    pub(crate) fn json_schema_with(&self, constraints: &Constraints) -> Value {
        if let FieldType::Optional(inner) = self {
            return json!({"anyOf": [inner.json_schema_with(constraints), {"type": "null"}]});
        }
        let mut schema = self.json_schema();
        if let Some(map) = schema.as_object_mut() {
            map.extend(constraints.keywords(self));
        }
        schema
    }
}

fn object_schema(members: &[Member]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for member in members {
        let mut schema = member.ty.json_schema_with(&member.constraints);
        if let (Some(text), Some(map)) = (&member.description, schema.as_object_mut()) {
            map.insert("description".to_owned(), text.as_str().into());
        }
        if !matches!(member.ty, FieldType::Optional(_)) {
            required.push(member.name.clone());
        }
        properties.insert(member.name.clone(), schema);
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// As a signature's text form writes it.
impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldType::Text => f.write_str("str"),
            FieldType::Integer => f.write_str("int"),
            FieldType::Number => f.write_str("float"),
            FieldType::Boolean => f.write_str("bool"),
            FieldType::Date => f.write_str("date"),
            FieldType::DateTime => f.write_str("datetime"),
            FieldType::Literal(values) => several(f, "Literal", values.iter().map(python_literal)),
            FieldType::List(item) if **item == FieldType::Any => f.write_str("list"),
            FieldType::List(item) => write!(f, "list[{item}]"),
            FieldType::Map(item) => write!(f, "dict[str, {item}]"),
            FieldType::Optional(inner) => write!(f, "Optional[{inner}]"),
            FieldType::Union(types) => several(f, "Union", types.iter().map(ToString::to_string)),
            FieldType::Tuple(types) => several(f, "tuple", types.iter().map(ToString::to_string)),
            FieldType::Object { name, .. } => f.write_str(name),
            FieldType::Any => f.write_str("Any"),
            FieldType::Image => f.write_str("dspy.Image"),
            FieldType::History => f.write_str("dspy.History"),
        }
    }
}

fn several(f: &mut fmt::Formatter<'_>, name: &str, parts: impl Iterator<Item = String>) -> fmt::Result {
    write!(f, "{name}[{}]", parts.collect::<Vec<_>>().join(", "))
}

/// A value as Python writes it: `'a'`, `1`, `True`, `None`.
pub(crate) fn python_literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => {
            let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
            let mut written = String::with_capacity(text.len() + 2);
            written.push(quote);
            for c in text.chars() {
                match c {
                    '\n' => written.push_str("\\n"),
                    '\r' => written.push_str("\\r"),
                    '\t' => written.push_str("\\t"),
                    c if c == quote || c == '\\' => written.extend(['\\', c]),
                    c => written.push(c),
                }
            }
            written.push(quote);
            written
        }
        other => other.to_string(),
    }
}
