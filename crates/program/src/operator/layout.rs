//! Where the value stands in a built-in operator's answer, and the outputs by name that such an answer is to the signature.

use corsac_schema::Type;
use serde_json::{Map, Value};

use crate::{Field, FieldType, Member, Record};

/// How an answer holds an operator's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// The answer is the value.
    Alone,
    /// The answer is an object with the value under this name.
    Inside(&'static str),
    /// The answer is an object whose members are the outputs.
    Members,
}

impl Layout {
    /// The operator's value out of an answer.
    pub(super) fn value(self, answer: &Value) -> Value {
        match self {
            Layout::Inside(name) => answer.get(name).cloned().unwrap_or(Value::Null),
            Layout::Alone | Layout::Members => answer.clone(),
        }
    }

    /// An answer as the model writes it, for a value.
    pub(super) fn answer(self, value: Value) -> Value {
        match self {
            Layout::Inside(name) => Value::Object(Map::from_iter([(name.to_owned(), value)])),
            Layout::Alone | Layout::Members => value,
        }
    }

    /// A value as the outputs of a signature.
    pub(super) fn outputs(self, value: Value, fields: &[Field]) -> Record {
        match (self, value, fields) {
            (Layout::Members, Value::Object(object), _) => object,
            (Layout::Alone | Layout::Inside(_), value, [only, ..]) => Record::from_iter([(only.name.clone(), value)]),
            _ => Record::new(),
        }
    }

    /// The operator's value in a record of outputs, where it has one.
    pub(super) fn in_record(self, record: &Record, fields: &[Field]) -> Option<Value> {
        match self {
            Layout::Alone | Layout::Inside(_) => record.get(&fields.first()?.name).cloned(),
            Layout::Members => {
                let members = fields.iter().filter_map(|field| Some((field.name.clone(), record.get(&field.name)?.clone())));
                let members: Map<String, Value> = members.collect();
                (!members.is_empty()).then_some(Value::Object(members))
            }
        }
    }
}

/// A type of a schema as the type of a field.
impl From<&Type> for FieldType {
    fn from(ty: &Type) -> FieldType {
        match ty {
            Type::String => FieldType::Text,
            Type::Integer => FieldType::Integer,
            Type::Number => FieldType::Number,
            Type::Boolean => FieldType::Boolean,
            Type::Date => FieldType::Date,
            Type::DateTime => FieldType::DateTime,
            Type::Enum(labels) => FieldType::labels(labels.iter().map(String::as_str)),
            Type::List(item) => FieldType::list(item.as_ref().into()),
            Type::Struct(fields) => FieldType::Object { name: "object".to_owned(), members: fields.iter().map(member).collect() },
            Type::Json => FieldType::Any,
        }
    }
}

fn member(field: &corsac_schema::Field) -> Member {
    let ty = FieldType::from(&field.ty);
    let ty = if field.required { ty } else { FieldType::optional(ty) };
    Member { name: field.name.clone(), ty, description: field.description.clone(), constraints: crate::Constraints::default() }
}

/// The members of an object as fields of a signature.
pub(super) fn fields(members: &[corsac_schema::Field]) -> Vec<Field> {
    members
        .iter()
        .map(|one| {
            let Member { name, ty, description, .. } = member(one);
            Field { description, ..Field::new(name, ty) }
        })
        .collect()
}
