//! Python's values as Arrow's columns, for data that comes as lists and dicts and for literals: first the type that holds
//! all values of a column, then the column.

use std::sync::Arc;

use arrow::array::builder::{BinaryBuilder, BooleanBuilder, StringBuilder};
use arrow::array::{ArrayRef, Decimal128Array, ListArray, NullArray, PrimitiveArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType, Date32Type, DurationMicrosecondType, Field, Fields, Float64Type, Int64Type, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType, UInt64Type,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

use crate::frame_error::type_mismatch;

/// What a value is, as far as it has been seen.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Nothing,
    Boolean,
    Integer { fits_i64: bool, negative: bool },
    Decimal { whole: u8, scale: u8 },
    Float,
    Text,
    Bytes,
    Date,
    Moment { zoned: bool },
    Time,
    Span,
    List(Box<Kind>),
    Struct(Vec<(String, Kind)>),
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Kind::Nothing => "None",
            Kind::Boolean => "bool",
            Kind::Integer { .. } => "int",
            Kind::Decimal { .. } => "Decimal",
            Kind::Float => "float",
            Kind::Text => "str",
            Kind::Bytes => "bytes",
            Kind::Date => "date",
            Kind::Moment { zoned: false } => "datetime",
            Kind::Moment { zoned: true } => "datetime with a time zone",
            Kind::Time => "time",
            Kind::Span => "timedelta",
            Kind::List(_) => "list",
            Kind::Struct(_) => "dict",
        }
    }

    /// The kind that holds both.
    fn with(self, other: Kind) -> Result<Kind, (Kind, Kind)> {
        Ok(match (self, other) {
            (Kind::Nothing, kind) | (kind, Kind::Nothing) => kind,
            (Kind::Integer { fits_i64: a, negative: m }, Kind::Integer { fits_i64: b, negative: n }) => {
                Kind::Integer { fits_i64: a && b, negative: m || n }
            }
            (Kind::Integer { .. } | Kind::Decimal { .. }, Kind::Float) | (Kind::Float, Kind::Integer { .. } | Kind::Decimal { .. }) => {
                Kind::Float
            }
            (Kind::Decimal { whole: a, scale: s }, Kind::Decimal { whole: b, scale: t }) => {
                Kind::Decimal { whole: a.max(b), scale: s.max(t) }
            }
            (Kind::Decimal { whole, scale }, Kind::Integer { .. }) | (Kind::Integer { .. }, Kind::Decimal { whole, scale }) => {
                Kind::Decimal { whole: whole.max(20), scale }
            }
            (Kind::Date, moment @ Kind::Moment { .. }) | (moment @ Kind::Moment { .. }, Kind::Date) => moment,
            (Kind::List(a), Kind::List(b)) => Kind::List(Box::new(a.with(*b)?)),
            (Kind::Struct(mut fields), Kind::Struct(others)) => {
                for (name, kind) in others {
                    match fields.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, known)) => *known = std::mem::replace(known, Kind::Nothing).with(kind)?,
                        None => fields.push((name, kind)),
                    }
                }
                Kind::Struct(fields)
            }
            (a, b) if a == b => a,
            (a, b) => return Err((a, b)),
        })
    }

    fn data_type(&self) -> PyResult<DataType> {
        Ok(match self {
            Kind::Nothing => DataType::Null,
            Kind::Boolean => DataType::Boolean,
            Kind::Integer { fits_i64: true, .. } => DataType::Int64,
            Kind::Integer { negative: false, .. } => DataType::UInt64,
            Kind::Integer { negative: true, .. } => DataType::Decimal128(38, 0),
            Kind::Decimal { whole, scale } if whole + scale <= 38 => {
                DataType::Decimal128(38.min(whole + scale).max(1), i8::try_from(*scale).unwrap_or(0))
            }
            Kind::Decimal { .. } => return Err(PyValueError::new_err("the decimals need more than 38 digits: give them as text or float")),
            Kind::Float => DataType::Float64,
            Kind::Text => DataType::Utf8,
            Kind::Bytes => DataType::Binary,
            Kind::Date => DataType::Date32,
            Kind::Moment { zoned } => DataType::Timestamp(TimeUnit::Microsecond, zoned.then(|| "UTC".into())),
            Kind::Time => DataType::Time64(TimeUnit::Microsecond),
            Kind::Span => DataType::Duration(TimeUnit::Microsecond),
            Kind::List(item) => DataType::List(Arc::new(Field::new_list_field(item.data_type()?, true))),
            Kind::Struct(fields) => {
                let fields =
                    fields.iter().map(|(name, kind)| Ok(Field::new(name, kind.data_type()?, true))).collect::<PyResult<Vec<_>>>()?;
                DataType::Struct(Fields::from(fields))
            }
        })
    }
}

/// Classes of Python's library that values are told by.
struct Classes {
    date: Py<PyType>,
    datetime: Py<PyType>,
    time: Py<PyType>,
    timedelta: Py<PyType>,
    decimal: Py<PyType>,
}

fn classes(py: Python<'_>) -> PyResult<&Classes> {
    static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();
    CLASSES.get_or_try_init(py, || {
        let of = |module: &str, name: &str| PyResult::Ok(py.import(module)?.getattr(name)?.cast_into::<PyType>()?.unbind());
        Ok(Classes {
            date: of("datetime", "date")?,
            datetime: of("datetime", "datetime")?,
            time: of("datetime", "time")?,
            timedelta: of("datetime", "timedelta")?,
            decimal: of("decimal", "Decimal")?,
        })
    })
}

/// A column of values. `None` is NULL.
///
/// # Errors
/// `TypeError` for values without a common type, naming both; `ValueError` for numbers that fit nowhere.
pub(crate) fn column_of(name: &str, values: &[Bound<'_, PyAny>]) -> PyResult<ArrayRef> {
    let values = values.iter().map(plain).collect::<PyResult<Vec<_>>>()?;
    let mut kind = Kind::Nothing;
    for (row, value) in values.iter().enumerate() {
        let next = kind_of(value).map_err(|error| placed(value.py(), &error, name, row))?;
        kind = kind.with(next).map_err(|(a, b)| {
            type_mismatch(&format!("column {name:?} holds {} and {} (row {row}): give it one type", a.name(), b.name()))
        })?;
    }
    let values: Vec<Option<Bound<'_, PyAny>>> = values.into_iter().map(|value| Some(value).filter(|value| !value.is_none())).collect();
    build(&kind, &values)
}

fn placed(py: Python<'_>, error: &PyErr, name: &str, row: usize) -> PyErr {
    type_mismatch(&format!("column {name:?}, row {row}: {}", error.value(py)))
}

/// A scalar of NumPy or pandas as Python's own value.
fn plain<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let known = value.is_none()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>();
    if known {
        return Ok(value.clone());
    }
    let module = value.get_type().module()?;
    match module.to_str()? {
        "numpy" if value.hasattr("tolist")? => value.call_method0("tolist"),
        "pandas" | "pandas._libs.missing" | "pandas._libs.tslibs.nattype" => {
            let name = value.get_type().name()?;
            if matches!(name.to_str()?, "NAType" | "NaTType") { Ok(value.py().None().into_bound(value.py())) } else { Ok(value.clone()) }
        }
        _ => Ok(value.clone()),
    }
}

fn kind_of(value: &Bound<'_, PyAny>) -> PyResult<Kind> {
    let py = value.py();
    if value.is_none() {
        return Ok(Kind::Nothing);
    }
    if value.is_instance_of::<PyBool>() {
        return Ok(Kind::Boolean);
    }
    if value.is_instance_of::<PyInt>() {
        return if value.extract::<i64>().is_ok() {
            Ok(Kind::Integer { fits_i64: true, negative: value.lt(0)? })
        } else if value.extract::<u64>().is_ok() {
            Ok(Kind::Integer { fits_i64: false, negative: false })
        } else if value.str()?.to_str()?.trim_start_matches('-').len() <= 38 {
            Ok(Kind::Integer { fits_i64: false, negative: true })
        } else {
            Err(PyValueError::new_err("the integer has more than 38 digits: give it as text or float"))
        };
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(Kind::Float);
    }
    if value.is_instance_of::<PyString>() {
        return Ok(Kind::Text);
    }
    if value.is_instance_of::<PyBytes>() {
        return Ok(Kind::Bytes);
    }
    if let Ok(fields) = value.cast::<PyDict>() {
        let mut kinds = Vec::with_capacity(fields.len());
        for (name, value) in fields.iter() {
            let name = name.cast::<PyString>().map_err(|_| PyTypeError::new_err("the keys of a dict must be texts"))?.to_str()?.to_owned();
            kinds.push((name, kind_of(&plain(&value)?)?));
        }
        return Ok(Kind::Struct(kinds));
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let mut kind = Kind::Nothing;
        for item in value.try_iter()? {
            let next = kind_of(&plain(&item?)?)?;
            kind = kind.with(next).map_err(|(a, b)| type_mismatch(&format!("a list holds {} and {}", a.name(), b.name())))?;
        }
        return Ok(Kind::List(Box::new(kind)));
    }
    let classes = classes(py)?;
    if value.is_instance(classes.datetime.bind(py))? {
        return Ok(Kind::Moment { zoned: !value.getattr("tzinfo")?.is_none() });
    }
    if value.is_instance(classes.date.bind(py))? {
        return Ok(Kind::Date);
    }
    if value.is_instance(classes.time.bind(py))? {
        return Ok(Kind::Time);
    }
    if value.is_instance(classes.timedelta.bind(py))? {
        return Ok(Kind::Span);
    }
    if value.is_instance(classes.decimal.bind(py))? {
        return decimal_kind(value);
    }
    Err(type_mismatch(&format!("a value of {} is no table's: give a text, a number, a date, a list or a dict", value.get_type().name()?)))
}

fn decimal_kind(value: &Bound<'_, PyAny>) -> PyResult<Kind> {
    if !value.call_method0("is_finite")?.extract::<bool>()? {
        return Ok(Kind::Float);
    }
    let (_, digits, exponent): (u8, Vec<u8>, i64) = value.call_method0("as_tuple")?.extract()?;
    let scale = exponent.min(0).unsigned_abs();
    let whole = (i64::try_from(digits.len()).unwrap_or(i64::MAX).saturating_add(exponent)).max(1);
    let fit = |count: u64| u8::try_from(count).ok().filter(|count| *count <= 38);
    match (fit(whole.unsigned_abs()), fit(scale)) {
        (Some(whole), Some(scale)) => Ok(Kind::Decimal { whole, scale }),
        _ => Err(PyValueError::new_err("the decimal needs more than 38 digits: give it as text or float")),
    }
}

type Cells<'a, 'py> = &'a [Option<Bound<'py, PyAny>>];

fn build(kind: &Kind, values: Cells<'_, '_>) -> PyResult<ArrayRef> {
    Ok(match kind {
        Kind::Nothing => Arc::new(NullArray::new(values.len())),
        Kind::Boolean => {
            let mut builder = BooleanBuilder::with_capacity(values.len());
            for value in values {
                builder.append_option(value.as_ref().map(|value| value.is_truthy()).transpose()?);
            }
            Arc::new(builder.finish())
        }
        Kind::Integer { fits_i64: true, .. } => Arc::new(PrimitiveArray::<Int64Type>::from(each(values, |value| value.extract())?)),
        Kind::Integer { negative: false, .. } => Arc::new(PrimitiveArray::<UInt64Type>::from(each(values, |value| value.extract())?)),
        Kind::Integer { negative: true, .. } => decimals(values, 38, 0)?,
        Kind::Decimal { .. } => match kind.data_type()? {
            DataType::Decimal128(precision, scale) => decimals(values, precision, scale)?,
            other => return Err(PyValueError::new_err(format!("{other} is no decimal"))),
        },
        Kind::Float => Arc::new(PrimitiveArray::<Float64Type>::from(each(values, |value| value.call_method0("__float__")?.extract())?)),
        Kind::Text => {
            let mut builder = StringBuilder::with_capacity(values.len(), 0);
            for value in values {
                match value {
                    // a lone surrogate is no text that could be written anywhere
                    Some(value) => builder.append_value(value.cast::<PyString>()?.to_string_lossy()),
                    None => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        Kind::Bytes => {
            let mut builder = BinaryBuilder::with_capacity(values.len(), 0);
            for value in values {
                match value {
                    Some(value) => builder.append_value(value.cast::<PyBytes>()?.as_bytes()),
                    None => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        Kind::Date => {
            let day = |value: &Bound<'_, PyAny>| value.call_method0("toordinal")?.extract::<i32>().map(|day| day - 719_163);
            Arc::new(PrimitiveArray::<Date32Type>::from(each(values, day)?))
        }
        Kind::Moment { zoned } => {
            let moments = PrimitiveArray::<TimestampMicrosecondType>::from(each(values, |value| moment(value, *zoned))?);
            Arc::new(if *zoned { moments.with_timezone("UTC") } else { moments })
        }
        Kind::Time => {
            let micros = |value: &Bound<'_, PyAny>| {
                let part = |name: &str| value.getattr(name)?.extract::<i64>();
                Ok(((part("hour")? * 60 + part("minute")?) * 60 + part("second")?) * 1_000_000 + part("microsecond")?)
            };
            Arc::new(PrimitiveArray::<Time64MicrosecondType>::from(each(values, micros)?))
        }
        Kind::Span => Arc::new(PrimitiveArray::<DurationMicrosecondType>::from(each(values, span)?)),
        Kind::List(item) => {
            let mut lengths = Vec::with_capacity(values.len());
            let mut items = Vec::new();
            for value in values {
                let before = items.len();
                if let Some(list) = value {
                    for value in list.try_iter()? {
                        items.push(Some(plain(&value?)?).filter(|value| !value.is_none()));
                    }
                }
                lengths.push(items.len() - before);
            }
            let nulls = NullBuffer::from_iter(values.iter().map(Option::is_some));
            let items = build(item, &items)?;
            let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
            let list = ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), items, Some(nulls));
            Arc::new(list.map_err(|error| PyValueError::new_err(error.to_string()))?)
        }
        Kind::Struct(fields) => {
            let mut columns = Vec::with_capacity(fields.len());
            for (name, kind) in fields {
                let mut cells = Vec::with_capacity(values.len());
                for value in values {
                    let found = value.as_ref().map(|value| value.cast::<PyDict>()?.get_item(name)).transpose()?.flatten();
                    let found = found.map(|value| plain(&value)).transpose()?;
                    cells.push(found.filter(|value| !value.is_none()));
                }
                let column = build(kind, &cells)?;
                columns.push((Field::new(name, column.data_type().clone(), true), column));
            }
            let nulls = NullBuffer::from_iter(values.iter().map(Option::is_some));
            let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
            let array = if fields.is_empty() {
                StructArray::new_empty_fields(values.len(), Some(nulls))
            } else {
                StructArray::try_new(Fields::from(fields), columns, Some(nulls))
                    .map_err(|error| PyValueError::new_err(error.to_string()))?
            };
            Arc::new(array)
        }
    })
}

fn each<T>(values: Cells<'_, '_>, read: impl Fn(&Bound<'_, PyAny>) -> PyResult<T>) -> PyResult<Vec<Option<T>>> {
    values.iter().map(|value| value.as_ref().map(&read).transpose()).collect()
}

fn span(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let part = |name: &str| value.getattr(name)?.extract::<i64>();
    let seconds = part("days")? * 86_400 + part("seconds")?;
    seconds
        .checked_mul(1_000_000)
        .and_then(|micros| micros.checked_add(part("microseconds").ok()?))
        .ok_or_else(|| PyValueError::new_err("a timedelta of more than 292 thousand years"))
}

/// Microseconds since 1970; a date alone is its midnight, a moment without a zone is taken as it stands.
fn moment(value: &Bound<'_, PyAny>, zoned: bool) -> PyResult<i64> {
    let py = value.py();
    let datetime = py.import("datetime")?;
    let class = datetime.getattr("datetime")?;
    let whole = if value.is_instance(&class)? {
        value.clone()
    } else {
        class.call_method1("combine", (value, datetime.getattr("time")?.call0()?))?
    };
    let utc = datetime.getattr("timezone")?.getattr("utc")?;
    let since = if zoned {
        let epoch = class.call1((1970, 1, 1, 0, 0, 0, 0, &utc))?;
        let aware = if whole.getattr("tzinfo")?.is_none() {
            let with = PyDict::new(py);
            with.set_item("tzinfo", &utc)?;
            whole.call_method("replace", (), Some(&with))?
        } else {
            whole
        };
        aware.sub(epoch)?
    } else {
        whole.sub(class.call1((1970, 1, 1))?)?
    };
    span(&since)
}

fn decimals(values: Cells<'_, '_>, precision: u8, scale: i8) -> PyResult<ArrayRef> {
    let read = |value: &Bound<'_, PyAny>| {
        let is_whole = value.is_instance_of::<PyInt>();
        let text = if is_whole { value.str()?.into_any() } else { value.call_method1("__format__", ("f",))? };
        let text: String = text.extract()?;
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        let digits = usize::from(scale.unsigned_abs());
        let shifted = format!("{whole}{part:0<digits$}");
        shifted.parse::<i128>().map_err(|_| PyValueError::new_err(format!("{text} is no decimal number of 38 digits")))
    };
    let array = Decimal128Array::from(each(values, read)?).with_precision_and_scale(precision, scale);
    Ok(Arc::new(array.map_err(|error| PyValueError::new_err(error.to_string()))?))
}
