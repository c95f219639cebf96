//! Reads one cell of an Arrow array as a JSON value or as text, whatever its type. Nothing here depends on a program.

use arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Result;
use serde_json::{Map, Number, Value};

/// One argument's values for a batch, prepared for reading row by row.
pub(crate) enum Cells<'a> {
    /// Text, which needs no conversion.
    Text(&'a arrow::array::StringArray),
    /// Text with 64-bit offsets.
    LargeText(&'a arrow::array::LargeStringArray),
    /// Text behind views.
    TextView(&'a arrow::array::StringViewArray),
    /// Anything else.
    Other(&'a ArrayRef),
}

impl<'a> Cells<'a> {
    /// Chooses the way to read an array.
    pub(crate) fn of(array: &'a ArrayRef) -> Cells<'a> {
        match array.data_type() {
            DataType::Utf8 => Cells::Text(array.as_string()),
            DataType::LargeUtf8 => Cells::LargeText(array.as_string()),
            DataType::Utf8View => Cells::TextView(array.as_string_view()),
            _ => Cells::Other(array),
        }
    }

    /// Whether the row holds nothing.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            Cells::Text(array) => array.is_null(row),
            Cells::LargeText(array) => array.is_null(row),
            Cells::TextView(array) => array.is_null(row),
            Cells::Other(array) => array.is_null(row),
        }
    }

    /// The row's text, where the column holds text.
    pub(crate) fn text(&self, row: usize) -> Option<&'a str> {
        match self {
            Cells::Text(array) => Some(array.value(row)),
            Cells::LargeText(array) => Some(array.value(row)),
            Cells::TextView(array) => Some(array.value(row)),
            Cells::Other(_) => None,
        }
    }

    /// The row's value as JSON.
    pub(crate) fn value(&self, row: usize) -> Result<Value> {
        match self {
            _ if self.is_null(row) => Ok(Value::Null),
            Cells::Other(array) => json_value(array.as_ref(), row),
            _ => Ok(Value::String(self.text(row).unwrap_or_default().to_owned())),
        }
    }
}

/// Gives an array a form in which every row says for itself whether it is NULL.
pub(crate) fn readable(array: ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Dictionary(_, values) => cast(&array, values)?,
        DataType::RunEndEncoded(_, values) => cast(&array, values.data_type())?,
        DataType::Null => new_null_array(&DataType::Utf8, array.len()),
        _ => array,
    })
}

/// A cell as a JSON value: numbers and booleans stay what they are, lists and structs become arrays and objects, and
/// everything else becomes the text SQL would show.
pub(crate) fn json_value(array: &dyn Array, row: usize) -> Result<Value> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float16 => number(array.as_primitive::<Float16Type>().value(row).to_f64()),
        DataType::Float32 => number(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => number(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Value::String(array.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 => Value::String(array.as_string::<i64>().value(row).to_owned()),
        DataType::Utf8View => Value::String(array.as_string_view().value(row).to_owned()),
        DataType::List(_) => list(&array.as_list::<i32>().value(row))?,
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row))?,
        DataType::FixedSizeList(..) => list(&array.as_fixed_size_list().value(row))?,
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let mut object = Map::with_capacity(fields.len());
            for (field, column) in fields.iter().zip(columns) {
                object.insert(field.name().clone(), json_value(column.as_ref(), row)?);
            }
            Value::Object(object)
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let mut object = Map::with_capacity(entries.len());
            for entry in 0..entries.len() {
                object.insert(shown(keys.as_ref(), entry)?, json_value(values.as_ref(), entry)?);
            }
            Value::Object(object)
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            match dictionary.normalized_keys().get(row) {
                Some(key) => json_value(dictionary.values().as_ref(), *key)?,
                None => Value::Null,
            }
        }
        _ => Value::String(shown(array, row)?),
    })
}

/// A cell as text: strings as they are, lists and structs as JSON, everything else as SQL would show it.
pub(crate) fn cell_text(array: &dyn Array, row: usize) -> Result<String> {
    Ok(match json_value(array, row)? {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

fn list(items: &ArrayRef) -> Result<Value> {
    (0..items.len()).map(|row| json_value(items.as_ref(), row)).collect::<Result<Vec<_>>>().map(Value::Array)
}

fn number(value: f64) -> Value {
    // JSON has no NaN and no infinity: they are shown as text
    Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number)
}

fn shown(array: &dyn Array, row: usize) -> Result<String, ArrowError> {
    ArrayFormatter::try_new(array, &FormatOptions::default())?.value(row).try_to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        DictionaryArray, Float64Array, Int32Array, ListArray, StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::{Field, Int32Type};
    use serde_json::json;
    use std::sync::Arc;

    fn read(array: impl Array + 'static) -> Vec<Value> {
        let array = readable(Arc::new(array)).unwrap();
        let cells = Cells::of(&array);
        (0..array.len()).map(|row| cells.value(row).unwrap()).collect()
    }

    #[test]
    fn scalars_keep_their_kind() {
        assert_eq!(read(Int32Array::from(vec![Some(4), None])), [json!(4), Value::Null]);
        assert_eq!(read(Float64Array::from(vec![1.5, f64::NAN])), [json!(1.5), json!("NaN")]);
        assert_eq!(read(StringViewArray::from(vec!["a"])), [json!("a")]);
        assert_eq!(read(TimestampMicrosecondArray::from(vec![0])), [json!("1970-01-01T00:00:00")]);
    }

    #[test]
    fn a_dictionary_reads_as_its_values() {
        assert_eq!(read(arrow::array::NullArray::new(1)), [Value::Null]);
        let dictionary: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("y"), Some("x")].into_iter().collect();
        assert_eq!(read(dictionary), [json!("x"), Value::Null, json!("y"), json!("x")]);
    }

    #[test]
    fn nested_values_become_json() {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None])]);
        assert_eq!(read(list), [json!([1, null])]);
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["q"]));
        let pair = StructArray::from(vec![(Arc::new(Field::new("name", DataType::Utf8, true)), texts)]);
        assert_eq!(cell_text(&pair, 0).unwrap(), r#"{"name":"q"}"#);
    }
}
