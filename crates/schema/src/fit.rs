//! Holds a JSON value against a [`Shape`]: a pure check for the common case, and a second look that makes the few
//! conversions which lose nothing, each of them recorded.

use serde_json::{Map, Number, Value};

use crate::calendar::{is_date, is_date_time};
use crate::error::{ReadError, pointer_step};
use crate::repair::{Repair, RepairKind};
use crate::shape::{Kind, Member, Object, Shape};

/// Whether the value fits as it stands. Allocates nothing.
pub(crate) fn conforms(shape: &Shape, value: &Value) -> bool {
    if value.is_null() && shape.nullable {
        return true;
    }
    match (&shape.kind, value) {
        (Kind::Any, _) => true,
        (Kind::String, Value::String(_)) | (Kind::Number, Value::Number(_)) | (Kind::Boolean, Value::Bool(_)) => true,
        (Kind::Integer, Value::Number(number)) => number.is_i64(),
        (Kind::Date, Value::String(text)) => is_date(text),
        (Kind::DateTime, Value::String(text)) => is_date_time(text),
        (Kind::Enum(labels), Value::String(text)) => labels.iter().any(|label| label == text),
        (Kind::List(item), Value::Array(values)) => values.iter().all(|value| conforms(item, value)),
        (Kind::Object(object), Value::Object(map)) => object_conforms(object, map),
        _ => false,
    }
}

fn object_conforms(object: &Object, map: &Map<String, Value>) -> bool {
    let mut known = 0;
    for member in &object.members {
        match map.get(&member.name) {
            // Null for a property that may be absent but not null has to be taken out first.
            Some(Value::Null) if !member.required && !member.shape.nullable => return false,
            Some(value) if conforms(&member.shape, value) => known += 1,
            None if !member.required => {}
            _ => return false,
        }
    }
    !object.closed || known == map.len()
}

/// Where in the value the walk is; borrowed from the callers' frames so that nothing is built unless something is wrong.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    Root,
    Name(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn pointer(&self) -> String {
        match self {
            Place::Root => String::new(),
            Place::Name(parent, name) => format!("{}/{}", parent.pointer(), pointer_step(name)),
            Place::Index(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }
}

/// What the conversions did, in order.
pub(crate) struct Record {
    /// Byte offset of the JSON in the answer; converted values have no offset of their own.
    pub(crate) at: usize,
    pub(crate) repairs: Vec<Repair>,
}

impl Record {
    fn note(&mut self, kind: RepairKind, place: Place<'_>) {
        self.repairs.push(Repair { kind, at: self.at, path: place.pointer() });
    }
}

/// Makes the value fit, or says what is in the way.
pub(crate) fn make_fit(shape: &Shape, value: &mut Value, place: Place<'_>, record: &mut Record) -> Result<(), ReadError> {
    if value.is_null() && shape.nullable {
        return Ok(());
    }
    match &shape.kind {
        Kind::List(item) => {
            undo_double_encoding(value, place, record);
            if let Value::Array(values) = value {
                for (index, value) in values.iter_mut().enumerate() {
                    make_fit(item, value, Place::Index(&place, index), record)?;
                }
                return Ok(());
            }
        }
        Kind::Object(object) => {
            undo_double_encoding(value, place, record);
            if let Value::Object(map) = value {
                return make_object_fit(object, map, place, record);
            }
        }
        _ if conforms(shape, value) => return Ok(()),
        kind => {
            if let Some((converted, repair)) = converted(kind, value) {
                *value = converted;
                record.note(repair, place);
                return Ok(());
            }
        }
    }
    Err(violation(shape, value, place))
}

fn make_object_fit(object: &Object, map: &mut Map<String, Value>, place: Place<'_>, record: &mut Record) -> Result<(), ReadError> {
    for member in &object.members {
        match map.get_mut(&member.name) {
            // A strict dialect asks for null where the schema lets a property be absent.
            Some(Value::Null) if !member.required && !member.shape.nullable => {
                map.shift_remove(&member.name);
            }
            Some(value) => make_fit(&member.shape, value, Place::Name(&place, &member.name), record)?,
            None if member.required => return Err(missing(member, place)),
            None => {}
        }
    }
    if object.closed
        && let Some(name) = map.keys().find(|name| !object.members.iter().any(|member| member.name == **name))
    {
        let shape = Shape { kind: Kind::Object(object.clone()), nullable: false };
        let expected = format!("{} and nothing else", shape.expectation());
        return Err(ReadError::violation_because(place.pointer(), expected, format!("the property \"{name}\" as well")));
    }
    Ok(())
}

fn missing(member: &Member, place: Place<'_>) -> ReadError {
    let expected = format!("the property \"{}\" ({})", member.name, member.shape.expectation());
    ReadError::violation_because(place.pointer(), expected, "an object without it".to_owned())
}

fn violation(shape: &Shape, value: &Value, place: Place<'_>) -> ReadError {
    let beyond = matches!((&shape.kind, value), (Kind::Integer, Value::Number(number))
        if number.as_f64().is_some_and(|number| number.fract() == 0.0));
    let expected = if beyond { "an integer within 64 bits".to_owned() } else { shape.expectation() };
    ReadError::violation(place.pointer(), expected, value)
}

/// A text that holds JSON where an array or object belongs.
fn undo_double_encoding(value: &mut Value, place: Place<'_>, record: &mut Record) {
    let Value::String(text) = value else { return };
    if !text.trim_start().starts_with(['{', '[']) {
        return;
    }
    if let Ok(inner) = serde_json::from_str::<Value>(text) {
        *value = inner;
        record.note(RepairKind::DoubleEncoded, place);
    }
}

/// The same content in the form the shape asks for.
fn converted(kind: &Kind, value: &Value) -> Option<(Value, RepairKind)> {
    match (kind, value) {
        (Kind::Integer, Value::Number(number)) => Some((Value::from(exact_integer(number)?), RepairKind::IntegerWithFraction)),
        (Kind::Integer, Value::String(text)) => {
            let number = number_in(text)?;
            let integer = number.as_i64().or_else(|| exact_integer(&number))?;
            Some((Value::from(integer), RepairKind::NumberAsText))
        }
        (Kind::Number, Value::String(text)) => Some((Value::Number(number_in(text)?), RepairKind::NumberAsText)),
        (Kind::Boolean, Value::String(text)) => {
            let boolean = match folded(text).as_str() {
                "true" => true,
                "false" => false,
                _ => return None,
            };
            Some((Value::Bool(boolean), RepairKind::BooleanAsText))
        }
        (Kind::Date | Kind::DateTime, Value::String(text)) => {
            let trimmed = text.trim();
            let good = if *kind == Kind::Date { is_date(trimmed) } else { is_date_time(trimmed) };
            (good && trimmed.len() < text.len()).then(|| (Value::from(trimmed), RepairKind::Blanks))
        }
        (Kind::Enum(labels), Value::String(text)) => {
            let label = matching_label(labels, text)?;
            Some((Value::from(label), RepairKind::EnumCase))
        }
        (Kind::Enum(labels), Value::Number(_) | Value::Bool(_)) => {
            let text = value.to_string();
            let label = labels.iter().find(|label| **label == text)?;
            Some((Value::from(label.as_str()), RepairKind::LabelAsLiteral))
        }
        _ => None,
    }
}

/// A JSON number written inside a text.
fn number_in(text: &str) -> Option<Number> {
    let trimmed = text.trim();
    let looks_like_number = trimmed.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    looks_like_number.then(|| serde_json::from_str(trimmed).ok()).flatten()
}

/// A floating-point number that is a whole one, as long as floating point tells whole numbers apart (below 2^53).
fn exact_integer(number: &Number) -> Option<i64> {
    const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
    if !number.is_f64() {
        return None;
    }
    let float = number.as_f64()?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53, so it fits exactly")]
    (float.fract() == 0.0 && float.abs() < LARGEST_EXACT).then_some(float as i64)
}

/// A word without what does not change it: case, surrounding blanks and a trailing dot.
fn folded(text: &str) -> String {
    text.trim().trim_end_matches('.').trim().to_lowercase()
}

/// The one label that differs from the text only in what [`folded`] takes away.
fn matching_label<'a>(labels: &'a [String], text: &str) -> Option<&'a str> {
    let wanted = folded(text);
    let mut matching = labels.iter().filter(|label| folded(label) == wanted);
    let label = matching.next()?;
    matching.next().is_none().then_some(label)
}
