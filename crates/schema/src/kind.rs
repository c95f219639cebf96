//! The typed view of a schema: what an answer's columns are, in the order the schema names them.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::error::SchemaError;

/// What a place in an answer holds. Any place may also be null where the schema allows it, so a column made from it
/// should be nullable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// A whole number that fits 64 bits, signed.
    Integer,
    /// A number, read as 64-bit floating point.
    Number,
    /// True or false.
    Boolean,
    /// A calendar day, `2024-01-31`.
    Date,
    /// A moment with an offset, RFC 3339: `2024-01-31T09:30:00Z`.
    DateTime,
    /// One of these texts.
    Enum(Vec<String>),
    /// A list of equal things.
    List(Box<Type>),
    /// Named things in order; never empty.
    Struct(Vec<Field>),
    /// Anything else (unions, free-form maps, recursion): kept as JSON.
    Json,
}

/// One named thing in a [`Type::Struct`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The property's name in the JSON.
    pub name: String,
    /// What it holds.
    pub ty: Type,
    /// Whether an answer must have it.
    pub required: bool,
    /// What the schema says about it.
    pub description: Option<String>,
}

impl Field {
    /// A required field without a description.
    pub fn new(name: impl Into<String>, ty: Type) -> Field {
        Field { name: name.into(), ty, required: true, description: None }
    }
}

impl Type {
    /// The JSON Schema of this type; the inverse of reading the typed view.
    pub(crate) fn to_json_schema(&self) -> Result<Value, SchemaError> {
        Ok(match self {
            Type::String => json!({"type": "string"}),
            Type::Integer => json!({"type": "integer"}),
            Type::Number => json!({"type": "number"}),
            Type::Boolean => json!({"type": "boolean"}),
            Type::Date => json!({"type": "string", "format": "date"}),
            Type::DateTime => json!({"type": "string", "format": "date-time"}),
            Type::Enum(labels) => {
                check_labels(labels).map_err(SchemaError::Kind)?;
                json!({"type": "string", "enum": labels})
            }
            Type::List(item) => json!({"type": "array", "items": item.to_json_schema()?}),
            Type::Struct(fields) => struct_schema(fields)?,
            Type::Json => json!({}),
        })
    }

    /// Whether a single scalar stands here.
    pub fn is_scalar(&self) -> bool {
        !matches!(self, Type::List(_) | Type::Struct(_) | Type::Json)
    }
}

fn struct_schema(fields: &[Field]) -> Result<Value, SchemaError> {
    if fields.is_empty() {
        return Err(SchemaError::Kind("a struct needs at least one field".to_owned()));
    }
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        let mut schema = field.ty.to_json_schema()?;
        if let (Some(text), Some(object)) = (&field.description, schema.as_object_mut()) {
            object.insert("description".to_owned(), Value::String(text.clone()));
        }
        if field.required {
            required.push(Value::String(field.name.clone()));
        }
        if properties.insert(field.name.clone(), schema).is_some() {
            return Err(SchemaError::Kind(format!("the field `{}` is named twice", field.name)));
        }
    }
    Ok(json!({"type": "object", "properties": properties, "required": required}))
}

/// At least one label, none blank, none twice.
pub(crate) fn check_labels(labels: &[String]) -> Result<(), String> {
    if labels.is_empty() {
        return Err("none given; give at least one".to_owned());
    }
    let mut seen = std::collections::HashSet::with_capacity(labels.len());
    for (position, label) in labels.iter().enumerate() {
        if label.trim().is_empty() {
            return Err(format!("number {} is blank; give it a text or leave it out", position + 1));
        }
        if !seen.insert(label.as_str()) {
            return Err(format!("\"{label}\" is given twice; leave one out"));
        }
    }
    Ok(())
}

/// Renders the short form, which reads back to an equal type.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::String => f.write_str("string"),
            Type::Integer => f.write_str("int"),
            Type::Number => f.write_str("float"),
            Type::Boolean => f.write_str("bool"),
            Type::Date => f.write_str("date"),
            Type::DateTime => f.write_str("datetime"),
            Type::Json => f.write_str("json"),
            Type::List(item) => write!(f, "list<{item}>"),
            Type::Enum(labels) => {
                f.write_str("enum(")?;
                for (position, label) in labels.iter().enumerate() {
                    if position > 0 {
                        f.write_str(", ")?;
                    }
                    if is_plain_name(label) { f.write_str(label)? } else { write_quoted(f, label)? }
                }
                f.write_str(")")
            }
            Type::Struct(fields) => {
                f.write_str("struct{")?;
                write_fields(f, fields)?;
                f.write_str("}")
            }
        }
    }
}

/// The fields of a struct as short form, without the braces.
pub(crate) struct Fields<'a>(pub(crate) &'a [Field]);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_fields(f, self.0)
    }
}

fn write_fields(f: &mut fmt::Formatter<'_>, fields: &[Field]) -> fmt::Result {
    for (position, field) in fields.iter().enumerate() {
        if position > 0 {
            f.write_str(", ")?;
        }
        if is_plain_name(&field.name) {
            f.write_str(&field.name)?
        } else {
            write_quoted(f, &field.name)?
        }
        write!(f, " {}{}", field.ty, if field.required { "" } else { "?" })?;
        if let Some(text) = &field.description {
            f.write_str(" ")?;
            write_quoted(f, text)?;
        }
    }
    Ok(())
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "'{}'", text.replace('\'', "''"))
}

/// A name the short form takes without quotes.
pub(crate) fn is_plain_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(starts_name) && chars.all(continues_name)
}

pub(crate) fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

pub(crate) fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}
