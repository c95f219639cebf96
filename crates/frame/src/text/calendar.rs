//! `timestamp_diff`: how many whole units lie between two moments.

use std::hash::Hash;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Datelike, NaiveDateTime};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_datafusion_err, plan_datafusion_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

const USAGE: &str = "timestamp_diff('day', start, end)";
const MOMENT: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    Months(i64),
    Microseconds(i64),
}

impl FromStr for Span {
    type Err = String;

    fn from_str(unit: &str) -> Result<Span, String> {
        Ok(match unit.to_ascii_lowercase().as_str() {
            "year" => Span::Months(12),
            "quarter" => Span::Months(3),
            "month" => Span::Months(1),
            "week" => Span::Microseconds(7 * 86_400_000_000),
            "day" => Span::Microseconds(86_400_000_000),
            "hour" => Span::Microseconds(3_600_000_000),
            "minute" => Span::Microseconds(60_000_000),
            "second" => Span::Microseconds(1_000_000),
            "millisecond" => Span::Microseconds(1_000),
            "microsecond" => Span::Microseconds(1),
            other => {
                return Err(format!(
                    "{other:?} is no unit: write year, quarter, month, week, day, hour, minute, second, millisecond or microsecond"
                ));
            }
        })
    }
}

impl Span {
    /// Whole units from one moment to another, both in microseconds; negative if the second is the earlier one.
    fn between(self, start: i64, end: i64) -> Option<i64> {
        match self {
            Span::Microseconds(unit) => Some(end.checked_sub(start)? / unit),
            Span::Months(unit) => {
                let (start, end) = (moment(start)?, moment(end)?);
                let months = |moment: NaiveDateTime| i64::from(moment.year()) * 12 + i64::from(moment.month());
                let within = |moment: NaiveDateTime| (moment.day(), moment.time());
                let begun = months(end) - months(start);
                // a month that is begun and not over does not count
                let open = match begun.signum() {
                    1 if within(end) < within(start) => 1,
                    -1 if within(end) > within(start) => -1,
                    _ => 0,
                };
                Some((begun - open) / unit)
            }
        }
    }
}

fn moment(microseconds: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(microseconds).map(|moment| moment.naive_utc())
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TimestampDiff {
    signature: Signature,
}

impl TimestampDiff {
    pub(super) fn new() -> TimestampDiff {
        TimestampDiff { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TimestampDiff {
    fn name(&self) -> &str {
        "timestamp_diff"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [unit, start, end] = types else {
            return plan_err!("timestamp_diff takes 3 arguments, not {}. Write {USAGE}", types.len());
        };
        if !(unit.is_string() || unit.is_null()) {
            return plan_err!("the unit of timestamp_diff must be a text, not {unit}. Write {USAGE}");
        }
        for given in [start, end] {
            let fits =
                given.is_string() || given.is_null() || matches!(given, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..));
            if !fits {
                return plan_err!("timestamp_diff compares dates and timestamps, not {given}. Write {USAGE}");
            }
        }
        Ok(vec![DataType::Utf8, MOMENT, MOMENT])
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<arrow::datatypes::FieldRef> {
        if let Some(Some(Some(Some(unit)))) = arguments.scalar_arguments.first().map(|given| given.map(ScalarValue::try_as_str)) {
            unit.parse::<Span>().map_err(|error| plan_datafusion_err!("timestamp_diff: {error}"))?;
        }
        Ok(Arc::new(arrow::datatypes::Field::new(self.name(), DataType::Int64, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { arguments.number_rows };
        let columns: Vec<ArrayRef> = arguments
            .args
            .iter()
            .zip([DataType::Utf8, MOMENT, MOMENT])
            .map(|(argument, read_as)| Ok(cast(&one_or_many(argument)?, &read_as)?))
            .collect::<Result<_, DataFusionError>>()?;
        let [units, starts, ends] = columns.as_slice() else { return plan_err!("timestamp_diff takes 3 arguments. Write {USAGE}") };
        let place = |array: &ArrayRef, row: usize| if array.len() == 1 { 0 } else { row };
        let moment = |array: &ArrayRef, row: usize| {
            let at = place(array, row);
            (!array.is_null(at)).then(|| array.as_primitive::<TimestampMicrosecondType>().value(at))
        };
        let mut spans: Vec<Option<i64>> = Vec::with_capacity(rows);
        for row in 0..rows {
            let at = place(units, row);
            let (Some(start), Some(end), false) = (moment(starts, row), moment(ends, row), units.is_null(at)) else {
                spans.push(None);
                continue;
            };
            let span: Span = units.as_string::<i32>().value(at).parse().map_err(|error| exec_datafusion_err!("timestamp_diff: {error}"))?;
            spans.push(span.between(start, end));
        }
        let built: ArrayRef = Arc::new(Int64Array::from(spans));
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&built, 0)?));
        }
        Ok(ColumnarValue::Array(built))
    }
}

/// A scalar stays one value.
fn one_or_many(argument: &ColumnarValue) -> Result<ArrayRef> {
    match argument {
        ColumnarValue::Scalar(scalar) => scalar.to_array(),
        ColumnarValue::Array(array) => Ok(Arc::clone(array)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(unit: &str, start: &str, end: &str) -> i64 {
        let micros = |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc().timestamp_micros();
        unit.parse::<Span>().unwrap().between(micros(start), micros(end)).unwrap()
    }

    #[test]
    fn whole_units_alone_count() {
        assert_eq!(between("day", "2024-01-01 12:00", "2024-01-03 11:59"), 1);
        assert_eq!(between("day", "2024-01-03 11:59", "2024-01-01 12:00"), -1);
        assert_eq!(between("month", "2024-01-31 00:00", "2024-02-29 23:59"), 0);
        assert_eq!(between("month", "2024-01-15 10:00", "2024-03-15 10:00"), 2);
        assert_eq!(between("month", "2024-03-15 10:00", "2024-01-15 11:00"), -1);
        assert_eq!(between("year", "2020-02-29 00:00", "2024-02-28 00:00"), 3);
        assert_eq!(between("quarter", "2024-01-01 00:00", "2024-12-31 00:00"), 3);
        assert_eq!(Span::Microseconds(1).between(i64::MIN, 1), None);
        assert_eq!(Span::Months(1).between(i64::MIN, i64::MAX), None);
        assert!("fortnight".parse::<Span>().is_err());
    }
}
