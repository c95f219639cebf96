//! Types as Python writes them: a name such as `"int64"`, or a tuple such as `("list", "string")` and
//! `("struct", [("a", "int64")])`. The classes of `corsac.types` are a dress of these.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

use crate::arrow::import_type;

/// Names of the types without parameters, in both directions.
const SIMPLE: [(&str, DataType); 33] = [
    ("null", DataType::Null),
    ("boolean", DataType::Boolean),
    ("int8", DataType::Int8),
    ("int16", DataType::Int16),
    ("int32", DataType::Int32),
    ("int64", DataType::Int64),
    ("uint8", DataType::UInt8),
    ("uint16", DataType::UInt16),
    ("uint32", DataType::UInt32),
    ("uint64", DataType::UInt64),
    ("float16", DataType::Float16),
    ("float32", DataType::Float32),
    ("float64", DataType::Float64),
    ("string", DataType::Utf8),
    ("large_string", DataType::LargeUtf8),
    ("string_view", DataType::Utf8View),
    ("binary", DataType::Binary),
    ("large_binary", DataType::LargeBinary),
    ("binary_view", DataType::BinaryView),
    ("date", DataType::Date32),
    ("date64", DataType::Date64),
    ("time32[s]", DataType::Time32(TimeUnit::Second)),
    ("time32[ms]", DataType::Time32(TimeUnit::Millisecond)),
    ("time64[us]", DataType::Time64(TimeUnit::Microsecond)),
    ("time64[ns]", DataType::Time64(TimeUnit::Nanosecond)),
    ("duration[s]", DataType::Duration(TimeUnit::Second)),
    ("duration[ms]", DataType::Duration(TimeUnit::Millisecond)),
    ("duration[us]", DataType::Duration(TimeUnit::Microsecond)),
    ("duration[ns]", DataType::Duration(TimeUnit::Nanosecond)),
    ("interval[month]", DataType::Interval(IntervalUnit::YearMonth)),
    ("interval[day]", DataType::Interval(IntervalUnit::DayTime)),
    ("interval", DataType::Interval(IntervalUnit::MonthDayNano)),
    ("timestamp", DataType::Timestamp(TimeUnit::Microsecond, None)),
];

/// A type as Python sees it.
pub(crate) fn type_tuple<'py>(py: Python<'py>, data_type: &DataType) -> PyResult<Bound<'py, PyAny>> {
    if let Some((name, _)) = SIMPLE.iter().find(|(_, known)| known == data_type) {
        return Ok(PyString::new(py, name).into_any());
    }
    let of = |field: &Field| type_tuple(py, field.data_type());
    let pair = |name: &str, inner: Bound<'py, PyAny>| Ok((name, inner).into_pyobject(py)?.into_any());
    match data_type {
        DataType::List(field) | DataType::ListView(field) => pair("list", of(field)?),
        DataType::LargeList(field) | DataType::LargeListView(field) => pair("large_list", of(field)?),
        DataType::FixedSizeList(field, size) => Ok(("fixed_list", of(field)?, *size).into_pyobject(py)?.into_any()),
        DataType::FixedSizeBinary(size) => Ok(("fixed_binary", *size).into_pyobject(py)?.into_any()),
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| Ok((field.name().as_str(), of(field)?))).collect::<PyResult<Vec<_>>>()?;
            pair("struct", PyList::new(py, fields)?.into_any())
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => Ok(("map", of(&fields[0])?, of(&fields[1])?).into_pyobject(py)?.into_any()),
            _ => pair("map", of(entries)?),
        },
        DataType::Dictionary(key, value) => Ok(("dictionary", type_tuple(py, key)?, type_tuple(py, value)?).into_pyobject(py)?.into_any()),
        DataType::RunEndEncoded(_, values) => pair("run_end_encoded", of(values)?),
        DataType::Timestamp(unit, zone) => Ok(("timestamp", unit_name(*unit), zone.as_deref()).into_pyobject(py)?.into_any()),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => Ok(("decimal", *precision, *scale).into_pyobject(py)?.into_any()),
        other => Ok(PyString::new(py, &other.to_string()).into_any()),
    }
}

fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}

/// Reads a type as Python writes it, or anything with `__arrow_c_schema__`, such as pyarrow's types.
pub(crate) fn read_type(written: &Bound<'_, PyAny>) -> PyResult<DataType> {
    if let Ok(name) = written.cast::<PyString>() {
        return named(name.to_str()?);
    }
    if written.hasattr("__arrow_c_schema__")? {
        return import_type(written);
    }
    let Ok(parts) = written.cast::<PyTuple>() else {
        return Err(PyTypeError::new_err(format!("{} is no type", written.repr()?)));
    };
    let kind: String = parts.get_item(0)?.extract()?;
    let inner = |place: usize| parts.get_item(place).and_then(|inner| read_type(&inner));
    let item = |place: usize| inner(place).map(|inner| Arc::new(Field::new_list_field(inner, true)));
    Ok(match kind.as_str() {
        "list" => DataType::List(item(1)?),
        "large_list" => DataType::LargeList(item(1)?),
        "fixed_list" => DataType::FixedSizeList(item(1)?, parts.get_item(2)?.extract()?),
        "fixed_binary" => DataType::FixedSizeBinary(parts.get_item(1)?.extract()?),
        "struct" => {
            let mut fields = Vec::new();
            for field in parts.get_item(1)?.try_iter()? {
                let (name, inner): (String, Bound<'_, PyAny>) = field?.extract()?;
                fields.push(Field::new(name, read_type(&inner)?, true));
            }
            DataType::Struct(Fields::from(fields))
        }
        "map" => {
            let entries = vec![Field::new("key", inner(1)?, false), Field::new("value", inner(2)?, true)];
            DataType::Map(Arc::new(Field::new("entries", DataType::Struct(Fields::from(entries)), false)), false)
        }
        "dictionary" => DataType::Dictionary(Box::new(inner(1)?), Box::new(inner(2)?)),
        "decimal" => {
            let (precision, scale): (u8, i8) = (parts.get_item(1)?.extract()?, parts.get_item(2)?.extract()?);
            if precision > 38 { DataType::Decimal256(precision, scale) } else { DataType::Decimal128(precision, scale) }
        }
        "timestamp" => {
            let unit = match parts.get_item(1)?.extract::<String>()?.as_str() {
                "s" => TimeUnit::Second,
                "ms" => TimeUnit::Millisecond,
                "us" => TimeUnit::Microsecond,
                "ns" => TimeUnit::Nanosecond,
                other => return Err(PyValueError::new_err(format!("{other:?} is no unit of time: s, ms, us, ns"))),
            };
            DataType::Timestamp(unit, parts.get_item(2)?.extract::<Option<String>>()?.map(Into::into))
        }
        other => return Err(PyValueError::new_err(format!("{other:?} is no type"))),
    })
}

fn named(name: &str) -> PyResult<DataType> {
    let plain = match name.trim().to_lowercase().as_str() {
        // texts with a meaning are texts
        "str" | "utf8" | "text" | "json" => "string",
        "bool" => "boolean",
        "int" | "bigint" | "integer" | "long" => "int64",
        "float" => "float32",
        "double" => "float64",
        "bytes" => "binary",
        "date32" => "date",
        "datetime" => "timestamp",
        other => return simple(other, name),
    };
    simple(plain, name)
}

fn simple(plain: &str, written: &str) -> PyResult<DataType> {
    let known = SIMPLE.iter().find(|(name, _)| *name == plain);
    // what has no name of its own here is known by Arrow's
    known.map(|(_, data_type)| data_type.clone()).or_else(|| written.parse().ok()).ok_or_else(|| {
        PyValueError::new_err(format!(
            "{written:?} is no type: there are boolean, int64, float64, string, binary, date, timestamp, lists, structs and others"
        ))
    })
}
