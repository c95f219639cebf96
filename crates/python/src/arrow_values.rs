//! Values out of Arrow as Python's own: numbers, texts, dates, lists, dicts. For `to_pydict` and `to_pylist`; tables go
//! over Arrow's C interface instead.

use arrow::array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType, IntervalYearMonthType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, PrimitiveArray};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

type Values<'py> = PyResult<Vec<Bound<'py, PyAny>>>;

/// The values of a column, NULL as `None`.
///
/// # Errors
/// What the other side cannot hold, such as a date after the year 9999.
pub(crate) fn python_values<'py>(py: Python<'py>, array: &ArrayRef) -> Values<'py> {
    match array.data_type() {
        DataType::Null => Ok(vec![py.None().into_bound(py); array.len()]),
        DataType::Boolean => each(py, array, |row| Ok(array.as_boolean().value(row).into_pyobject(py)?.to_owned().into_any())),
        DataType::Int8 => numbers::<Int8Type>(py, array),
        DataType::Int16 => numbers::<Int16Type>(py, array),
        DataType::Int32 => numbers::<Int32Type>(py, array),
        DataType::Int64 => numbers::<Int64Type>(py, array),
        DataType::UInt8 => numbers::<UInt8Type>(py, array),
        DataType::UInt16 => numbers::<UInt16Type>(py, array),
        DataType::UInt32 => numbers::<UInt32Type>(py, array),
        DataType::UInt64 => numbers::<UInt64Type>(py, array),
        DataType::Float16 => {
            let floats = array.as_primitive::<Float16Type>();
            each(py, array, |row| Ok(f64::from(floats.value(row)).into_pyobject(py)?.into_any()))
        }
        DataType::Float32 => numbers::<Float32Type>(py, array),
        DataType::Float64 => numbers::<Float64Type>(py, array),
        DataType::Utf8 => each(py, array, |row| Ok(PyString::new(py, array.as_string::<i32>().value(row)).into_any())),
        DataType::LargeUtf8 => each(py, array, |row| Ok(PyString::new(py, array.as_string::<i64>().value(row)).into_any())),
        DataType::Utf8View => each(py, array, |row| Ok(PyString::new(py, array.as_string_view().value(row)).into_any())),
        DataType::Binary => each(py, array, |row| Ok(PyBytes::new(py, array.as_binary::<i32>().value(row)).into_any())),
        DataType::LargeBinary => each(py, array, |row| Ok(PyBytes::new(py, array.as_binary::<i64>().value(row)).into_any())),
        DataType::BinaryView => each(py, array, |row| Ok(PyBytes::new(py, array.as_binary_view().value(row)).into_any())),
        DataType::FixedSizeBinary(_) => each(py, array, |row| Ok(PyBytes::new(py, array.as_fixed_size_binary().value(row)).into_any())),
        DataType::Decimal32(..) => decimals::<Decimal32Type>(py, array, |array, row| array.value_as_string(row)),
        DataType::Decimal64(..) => decimals::<Decimal64Type>(py, array, |array, row| array.value_as_string(row)),
        DataType::Decimal128(..) => decimals::<Decimal128Type>(py, array, |array, row| array.value_as_string(row)),
        DataType::Decimal256(..) => decimals::<Decimal256Type>(py, array, |array, row| array.value_as_string(row)),
        DataType::Date32 => dates(py, array, |row| i64::from(array.as_primitive::<Date32Type>().value(row))),
        DataType::Date64 => dates(py, array, |row| array.as_primitive::<Date64Type>().value(row).div_euclid(86_400_000)),
        DataType::Time32(unit) | DataType::Time64(unit) => times(py, array, *unit),
        DataType::Timestamp(unit, zone) => moments(py, array, *unit, zone.as_deref()),
        DataType::Duration(unit) => {
            let delta = py.import("datetime")?.getattr("timedelta")?;
            let ticks = whole(array)?;
            let ticks = ticks.as_primitive::<Int64Type>();
            each(py, array, |row| delta.call1((0, 0, microseconds(ticks.value(row), *unit))))
        }
        DataType::Interval(unit) => intervals(py, array, *unit),
        DataType::List(_) => lists::<i32>(py, array),
        DataType::LargeList(_) => lists::<i64>(py, array),
        DataType::FixedSizeList(..) => each_list(py, array, |row| array.as_fixed_size_list().value(row)),
        DataType::ListView(_) => each_list(py, array, |row| array.as_list_view::<i32>().value(row)),
        DataType::LargeListView(_) => each_list(py, array, |row| array.as_list_view::<i64>().value(row)),
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns().iter().map(|column| python_values(py, column)).collect::<PyResult<Vec<_>>>()?;
            each(py, array, |row| {
                let values = PyDict::new(py);
                for (field, column) in fields.iter().zip(&columns) {
                    values.set_item(field.name(), &column[row])?;
                }
                Ok(values.into_any())
            })
        }
        DataType::Map(..) => {
            let map = array.as_map();
            each(py, array, |row| {
                let entries = map.value(row);
                let (keys, values) = (python_values(py, entries.column(0))?, python_values(py, entries.column(1))?);
                let dict = PyDict::new(py);
                for (key, value) in keys.into_iter().zip(values) {
                    dict.set_item(key, value)?;
                }
                Ok(dict.into_any())
            })
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let plain = take(dictionary.values(), dictionary.keys(), None).map_err(|error| unreadable(&error))?;
            python_values(py, &plain)
        }
        DataType::RunEndEncoded(_, values) => {
            let plain = cast(array, values.data_type()).map_err(|error| unreadable(&error))?;
            python_values(py, &plain)
        }
        DataType::Union(..) => {
            let union = array.as_union();
            (0..array.len())
                .map(|row| python_values(py, &union.value(row))?.pop().ok_or_else(|| PyValueError::new_err("an empty union")))
                .collect()
        }
    }
}

fn unreadable(error: &arrow::error::ArrowError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn each<'py>(py: Python<'py>, array: &ArrayRef, value: impl Fn(usize) -> PyResult<Bound<'py, PyAny>>) -> Values<'py> {
    (0..array.len()).map(|row| if array.is_null(row) { Ok(py.None().into_bound(py)) } else { value(row) }).collect()
}

fn numbers<'py, T>(py: Python<'py>, array: &ArrayRef) -> Values<'py>
where
    T: ArrowPrimitiveType,
    T::Native: IntoPyObject<'py>,
{
    let numbers = array.as_primitive::<T>();
    each(py, array, |row| numbers.value(row).into_bound_py_any(py))
}

fn decimals<'py, T: ArrowPrimitiveType>(
    py: Python<'py>,
    array: &ArrayRef,
    text: impl Fn(&PrimitiveArray<T>, usize) -> String,
) -> Values<'py> {
    let decimal = py.import("decimal")?.getattr("Decimal")?;
    each(py, array, |row| decimal.call1((text(array.as_primitive::<T>(), row),)))
}

/// Days from the first of January of the year 1 to that of 1970, with which Python counts.
const ORDINAL_OF_EPOCH: i64 = 719_163;

fn dates<'py>(py: Python<'py>, array: &ArrayRef, day: impl Fn(usize) -> i64) -> Values<'py> {
    let date = py.import("datetime")?.getattr("date")?;
    each(py, array, |row| date.call_method1("fromordinal", (day(row) + ORDINAL_OF_EPOCH,)))
}

/// Whole numbers of any temporal type.
fn whole(array: &ArrayRef) -> PyResult<ArrayRef> {
    cast(array, &DataType::Int64).map_err(|error| unreadable(&error))
}

fn microseconds(ticks: i64, unit: TimeUnit) -> i128 {
    let ticks = i128::from(ticks);
    match unit {
        TimeUnit::Second => ticks * 1_000_000,
        TimeUnit::Millisecond => ticks * 1_000,
        TimeUnit::Microsecond => ticks,
        TimeUnit::Nanosecond => ticks.div_euclid(1_000),
    }
}

fn times<'py>(py: Python<'py>, array: &ArrayRef, unit: TimeUnit) -> Values<'py> {
    let time = py.import("datetime")?.getattr("time")?;
    let narrow = matches!(array.data_type(), DataType::Time32(_));
    let ticks = if narrow { cast(array, &DataType::Int32).map_err(|error| unreadable(&error))? } else { whole(array)? };
    let ticks = whole(&ticks)?;
    let ticks = ticks.as_primitive::<Int64Type>();
    each(py, array, |row| {
        let micros = microseconds(ticks.value(row), unit);
        let seconds = micros.div_euclid(1_000_000);
        time.call1((seconds / 3_600, seconds / 60 % 60, seconds % 60, micros.rem_euclid(1_000_000)))
    })
}

fn moments<'py>(py: Python<'py>, array: &ArrayRef, unit: TimeUnit, zone: Option<&str>) -> Values<'py> {
    let datetime = py.import("datetime")?;
    let delta = datetime.getattr("timedelta")?;
    let utc = datetime.getattr("timezone")?.getattr("utc")?;
    let zone = zone.map(|name| zone_of(py, name)).transpose()?;
    let epoch = match &zone {
        Some(_) => datetime.getattr("datetime")?.call1((1970, 1, 1, 0, 0, 0, 0, &utc))?,
        None => datetime.getattr("datetime")?.call1((1970, 1, 1))?,
    };
    let ticks = whole(array)?;
    let ticks = ticks.as_primitive::<Int64Type>();
    each(py, array, |row| {
        let moment = epoch.add(delta.call1((0, 0, microseconds(ticks.value(row), unit)))?)?;
        match &zone {
            Some(zone) => moment.call_method1("astimezone", (zone,)),
            None => Ok(moment),
        }
    })
}

/// `UTC`, a name such as `Europe/Paris`, or an offset such as `+02:00`.
fn zone_of<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let datetime = py.import("datetime")?;
    if name.eq_ignore_ascii_case("utc") || name == "Z" {
        return datetime.getattr("timezone")?.getattr("utc");
    }
    if name.starts_with(['+', '-']) {
        let written = format!("2000-01-01T00:00:00{name}");
        return datetime.getattr("datetime")?.call_method1("fromisoformat", (written,))?.getattr("tzinfo");
    }
    py.import("zoneinfo")?.getattr("ZoneInfo")?.call1((name,))
}

fn intervals<'py>(py: Python<'py>, array: &ArrayRef, unit: IntervalUnit) -> Values<'py> {
    each(py, array, |row| match unit {
        IntervalUnit::YearMonth => array.as_primitive::<IntervalYearMonthType>().value(row).into_bound_py_any(py),
        IntervalUnit::DayTime => {
            let value = array.as_primitive::<IntervalDayTimeType>().value(row);
            (value.days, value.milliseconds).into_bound_py_any(py)
        }
        IntervalUnit::MonthDayNano => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            (value.months, value.days, value.nanoseconds).into_bound_py_any(py)
        }
    })
}

fn lists<'py, O: OffsetSizeTrait>(py: Python<'py>, array: &ArrayRef) -> Values<'py> {
    let list = array.as_list::<O>();
    let offsets = list.offsets();
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return Ok(Vec::new()) };
    let (first, last) = (first.as_usize(), last.as_usize());
    // all items at once: a Python list for each row is then a copy of pointers
    let items = python_values(py, &list.values().slice(first, last - first))?;
    each(py, array, |row| {
        let (from, to) = (offsets[row].as_usize() - first, offsets[row + 1].as_usize() - first);
        Ok(PyList::new(py, &items[from..to])?.into_any())
    })
}

fn each_list<'py>(py: Python<'py>, array: &ArrayRef, value: impl Fn(usize) -> ArrayRef) -> Values<'py> {
    each(py, array, |row| Ok(PyList::new(py, python_values(py, &value(row))?)?.into_any()))
}
