//! How an answer's type looks in Arrow, and how answers in JSON become Arrow columns. Every field is nullable, because
//! any row may end without an answer.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, FixedSizeListBuilder, Float32Builder, Float64Builder, Int64Builder, ListArray, ListBuilder,
    NullBufferBuilder, StringBuilder, StructArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use arrow::datatypes::{DataType, Date32Type, Field, Fields, TimeUnit};
use chrono::Utc;
use corsac_program::Output;
use corsac_schema::Type;
use datafusion::common::Result;
use serde_json::Value;

/// The Arrow type of a program's value.
pub(crate) fn output_type(output: Output<'_>) -> DataType {
    match output {
        Output::Text => DataType::Utf8,
        Output::Boolean => DataType::Boolean,
        Output::Json(kind) => data_type(kind),
        Output::Vector { dimensions } => vector_type(dimensions),
    }
}

/// The Arrow type of vectors: lists of a fixed size where it is known.
pub(crate) fn vector_type(dimensions: Option<u32>) -> DataType {
    match dimensions.and_then(|count| i32::try_from(count).ok()) {
        Some(count) => DataType::FixedSizeList(number_field(), count),
        None => DataType::List(number_field()),
    }
}

fn number_field() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Float32, true))
}

/// Whether an answer is a vector of the size that is wanted.
pub(crate) fn check_vector(dimensions: Option<u32>, value: &Value) -> Result<(), Misfit> {
    let numbers = value.as_array().filter(|numbers| numbers.iter().all(Value::is_number));
    match (numbers.map(Vec::len), dimensions) {
        (None, _) => Err(Misfit("the answer is not a list of numbers".to_owned())),
        (Some(count), Some(wanted)) if count != wanted as usize => Err(Misfit(format!("the vector has {count} numbers, not {wanted}"))),
        (Some(_), _) => Ok(()),
    }
}

/// The Arrow type of a schema's type.
pub(crate) fn data_type(kind: &Type) -> DataType {
    match kind {
        Type::String | Type::Enum(_) | Type::Json => DataType::Utf8,
        Type::Integer => DataType::Int64,
        Type::Number => DataType::Float64,
        Type::Boolean => DataType::Boolean,
        Type::Date => DataType::Date32,
        Type::DateTime => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::List(item) => DataType::List(item_field(item)),
        Type::Struct(fields) => DataType::Struct(struct_fields(fields)),
    }
}

fn item_field(item: &Type) -> Arc<Field> {
    Arc::new(Field::new_list_field(data_type(item), true))
}

fn struct_fields(fields: &[corsac_schema::Field]) -> Fields {
    fields.iter().map(|field| Field::new(&field.name, data_type(&field.ty), true)).collect()
}

/// A value that does not fit its column, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit(String);

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether an answer can stand in a column of this type. Answers are validated against their schema before they come
/// here; this catches what JSON can say and a column cannot hold, such as a year beyond the calendar.
pub(crate) fn check(kind: &Type, value: &Value) -> Result<(), Misfit> {
    let fits = match (kind, value) {
        (_, Value::Null) | (Type::Json, _) => true,
        (Type::List(item), Value::Array(values)) => return values.iter().try_for_each(|value| check(item, value)),
        (Type::Struct(fields), Value::Object(object)) => {
            return fields.iter().filter_map(|field| Some((field, object.get(&field.name)?))).try_for_each(|(field, value)| {
                check(&field.ty, value).map_err(|Misfit(inner)| Misfit(format!("{}: {inner}", field.name)))
            });
        }
        (Type::String | Type::Enum(_), Value::String(_)) | (Type::Boolean, Value::Bool(_)) => true,
        (Type::Integer, value) => integer(value).is_some(),
        (Type::Number, value) => value.as_f64().is_some(),
        (Type::Date, Value::String(text)) => day(text).is_some(),
        (Type::DateTime, Value::String(text)) => microsecond(text).is_some(),
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(Misfit(format!("{} does not fit a column of type {}", excerpt(&value.to_string(), 60), data_type(kind))))
    }
}

fn integer(value: &Value) -> Option<i64> {
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 9.0e18).then_some(number as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(whole))
}

fn day(text: &str) -> Option<i32> {
    Date32Type::parse(text.trim())
}

fn microsecond(text: &str) -> Option<i64> {
    string_to_datetime(&Utc, text.trim()).ok().map(|moment| moment.timestamp_micros())
}

/// The beginning of a text, cut at a character, with … where something is missing.
pub(crate) fn excerpt(text: &str, most_characters: usize) -> String {
    match text.char_indices().nth(most_characters) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Collects one operator's values into a column.
pub(crate) enum ColumnBuilder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    /// Lists of 32-bit floats.
    Vector(ListBuilder<Float32Builder>),
    /// The same with so many numbers in each.
    FixedVector(FixedSizeListBuilder<Float32Builder>),
    Day(Date32Builder),
    Moment(TimestampMicrosecondBuilder),
    /// Any JSON, kept as its text.
    Json(StringBuilder),
    List {
        item: Arc<Field>,
        items: Box<ColumnBuilder>,
        ends: Vec<i32>,
        length: i32,
        present: NullBufferBuilder,
    },
    Struct {
        fields: Fields,
        columns: Vec<ColumnBuilder>,
        present: NullBufferBuilder,
        rows: usize,
    },
}

impl ColumnBuilder {
    /// An empty column for a program's values.
    pub(crate) fn for_output(output: Output<'_>, rows: usize) -> ColumnBuilder {
        match output {
            Output::Text => ColumnBuilder::Text(StringBuilder::with_capacity(rows, rows * 16)),
            Output::Boolean => ColumnBuilder::Boolean(BooleanBuilder::with_capacity(rows)),
            Output::Json(kind) => ColumnBuilder::new(kind, rows),
            Output::Vector { .. } => match output_type(output) {
                DataType::FixedSizeList(field, count) => {
                    ColumnBuilder::FixedVector(FixedSizeListBuilder::new(Float32Builder::new(), count).with_field(field))
                }
                _ => ColumnBuilder::Vector(ListBuilder::with_capacity(Float32Builder::new(), rows).with_field(number_field())),
            },
        }
    }

    fn new(kind: &Type, rows: usize) -> ColumnBuilder {
        match kind {
            Type::String | Type::Enum(_) => ColumnBuilder::Text(StringBuilder::with_capacity(rows, rows * 16)),
            Type::Json => ColumnBuilder::Json(StringBuilder::with_capacity(rows, rows * 16)),
            Type::Integer => ColumnBuilder::Integer(Int64Builder::with_capacity(rows)),
            Type::Number => ColumnBuilder::Number(Float64Builder::with_capacity(rows)),
            Type::Boolean => ColumnBuilder::Boolean(BooleanBuilder::with_capacity(rows)),
            Type::Date => ColumnBuilder::Day(Date32Builder::with_capacity(rows)),
            Type::DateTime => ColumnBuilder::Moment(TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC")),
            Type::List(item) => ColumnBuilder::List {
                item: item_field(item),
                items: Box::new(ColumnBuilder::new(item, rows)),
                ends: vec![0],
                length: 0,
                present: NullBufferBuilder::new(rows),
            },
            Type::Struct(fields) => ColumnBuilder::Struct {
                fields: struct_fields(fields),
                columns: fields.iter().map(|field| ColumnBuilder::new(&field.ty, rows)).collect(),
                present: NullBufferBuilder::new(rows),
                rows: 0,
            },
        }
    }

    /// Adds a value, or NULL for `None` and for anything that does not fit.
    pub(crate) fn append(&mut self, value: Option<&Value>) {
        let value = value.filter(|value| !value.is_null());
        match self {
            ColumnBuilder::Text(builder) => builder.append_option(value.and_then(Value::as_str)),
            ColumnBuilder::Json(builder) => builder.append_option(value.map(Value::to_string)),
            ColumnBuilder::Integer(builder) => builder.append_option(value.and_then(integer)),
            ColumnBuilder::Number(builder) => builder.append_option(value.and_then(Value::as_f64)),
            ColumnBuilder::Boolean(builder) => builder.append_option(value.and_then(Value::as_bool)),
            ColumnBuilder::Vector(builder) => {
                let numbers = value.and_then(Value::as_array);
                for number in numbers.into_iter().flatten() {
                    builder.values().append_option(number.as_f64().map(|number| number as f32));
                }
                builder.append(numbers.is_some());
            }
            ColumnBuilder::FixedVector(builder) => {
                let size = builder.value_length() as usize;
                let numbers = value.and_then(Value::as_array).filter(|numbers| numbers.len() == size);
                match numbers {
                    Some(numbers) => {
                        numbers.iter().for_each(|number| builder.values().append_option(number.as_f64().map(|number| number as f32)));
                    }
                    None => builder.values().append_nulls(size),
                }
                builder.append(numbers.is_some());
            }
            ColumnBuilder::Day(builder) => builder.append_option(value.and_then(Value::as_str).and_then(day)),
            ColumnBuilder::Moment(builder) => builder.append_option(value.and_then(Value::as_str).and_then(microsecond)),
            ColumnBuilder::List { items, ends, length, present, .. } => {
                let values = value.and_then(Value::as_array);
                present.append(values.is_some());
                for value in values.into_iter().flatten() {
                    items.append(Some(value));
                    *length += 1;
                }
                ends.push(*length);
            }
            ColumnBuilder::Struct { fields, columns, present, rows } => {
                let object = value.and_then(Value::as_object);
                present.append(object.is_some());
                for (field, column) in fields.iter().zip(columns) {
                    column.append(object.and_then(|object| object.get(field.name())));
                }
                *rows += 1;
            }
        }
    }

    /// The finished column.
    pub(crate) fn finish(self) -> Result<ArrayRef> {
        Ok(match self {
            ColumnBuilder::Text(mut builder) | ColumnBuilder::Json(mut builder) => Arc::new(builder.finish()),
            ColumnBuilder::Integer(mut builder) => Arc::new(builder.finish()),
            ColumnBuilder::Number(mut builder) => Arc::new(builder.finish()),
            ColumnBuilder::Boolean(mut builder) => Arc::new(builder.finish()),
            ColumnBuilder::Vector(mut builder) => Arc::new(builder.finish()),
            ColumnBuilder::FixedVector(mut builder) => Arc::new(builder.finish()),
            ColumnBuilder::Day(mut builder) => Arc::new(builder.finish()),
            ColumnBuilder::Moment(mut builder) => Arc::new(builder.finish()),
            ColumnBuilder::List { item, items, ends, mut present, .. } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
                Arc::new(ListArray::try_new(item, offsets, items.finish()?, present.finish())?)
            }
            ColumnBuilder::Struct { fields, columns, mut present, rows } => {
                let columns = columns.into_iter().map(ColumnBuilder::finish).collect::<Result<Vec<_>>>()?;
                Arc::new(StructArray::try_new_with_length(fields, columns, present.finish(), rows)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::json_value;
    use corsac_schema::Field as SchemaField;
    use serde_json::json;

    fn product() -> Type {
        Type::Struct(vec![
            SchemaField::new("name", Type::String),
            SchemaField::new("stars", Type::Integer),
            SchemaField::new("price", Type::Number),
            SchemaField::new("bought", Type::Date),
            SchemaField::new("seen", Type::DateTime),
            SchemaField::new("defects", Type::List(Box::new(Type::String))),
            SchemaField::new("more", Type::Json),
        ])
    }

    #[test]
    fn answers_become_columns_and_come_back() {
        let kind = product();
        let answer = json!({
            "name": "lamp", "stars": 4, "price": 9.5, "bought": "2024-02-29", "seen": "2024-02-29T10:00:00+02:00",
            "defects": ["loose", null], "more": {"a": [1]}
        });
        check(&kind, &answer).unwrap();
        let mut builder = ColumnBuilder::for_output(Output::Json(&kind), 3);
        for value in [Some(&answer), None, Some(&json!({"name": "bulb"}))] {
            builder.append(value);
        }
        let column = builder.finish().unwrap();
        assert_eq!(column.data_type(), &data_type(&kind));
        assert_eq!(
            json_value(column.as_ref(), 0).unwrap(),
            json!({
                "name": "lamp", "stars": 4, "price": 9.5, "bought": "2024-02-29", "seen": "2024-02-29T08:00:00Z",
                "defects": ["loose", null], "more": "{\"a\":[1]}"
            })
        );
        assert!(column.is_null(1));
        assert_eq!(json_value(column.as_ref(), 2).unwrap()["stars"], Value::Null);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let misfit = |value: Value| check(&product(), &value).unwrap_err().to_string();
        assert_eq!(misfit(json!({"stars": "five"})), "stars: \"five\" does not fit a column of type Int64");
        assert_eq!(misfit(json!({"bought": "2024-13-45"})), "bought: \"2024-13-45\" does not fit a column of type Date32");
        assert_eq!(misfit(json!(3)).split(" does").next(), Some("3"));
        assert_eq!(check(&Type::Integer, &json!(4.0)), Ok(()));
        assert!(check(&Type::Integer, &json!(1e300)).is_err());
    }
}
