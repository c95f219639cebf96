//! What the cells of a text column are: the narrowest type that holds all of them, and the column built of it. The same
//! functions decide and convert, so that what was inferred can always be read.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use arrow::datatypes::{DataType, Date32Type, TimeUnit};
use chrono::Utc;

/// The type of a text column, from what was seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellType {
    /// Nothing but empty cells so far.
    Empty,
    Boolean,
    Integer,
    Number,
    Day,
    Moment,
    Text,
}

impl CellType {
    /// The narrowest type for what was seen before and this cell, which is not empty.
    pub(super) fn widened(self, cell: &str) -> CellType {
        match self {
            CellType::Text => CellType::Text,
            CellType::Empty => CellType::of(cell),
            known if known.holds(cell) => known,
            known => known.merged(CellType::of(cell)),
        }
    }

    /// The narrowest type for the cells of both.
    pub(super) fn merged(self, other: CellType) -> CellType {
        match (self, other) {
            (one, two) if one == two => one,
            (CellType::Empty, other) | (other, CellType::Empty) => other,
            (CellType::Integer, CellType::Number) | (CellType::Number, CellType::Integer) => CellType::Number,
            (CellType::Day, CellType::Moment) | (CellType::Moment, CellType::Day) => CellType::Moment,
            _ => CellType::Text,
        }
    }

    fn of(cell: &str) -> CellType {
        let candidates = [CellType::Integer, CellType::Number, CellType::Boolean, CellType::Day, CellType::Moment];
        candidates.into_iter().find(|candidate| candidate.holds(cell)).unwrap_or(CellType::Text)
    }

    fn holds(self, cell: &str) -> bool {
        match self {
            CellType::Empty => cell.is_empty(),
            CellType::Boolean => boolean(cell).is_some(),
            CellType::Integer => integer(cell).is_some(),
            CellType::Number => number(cell).is_some(),
            CellType::Day => day(cell).is_some(),
            CellType::Moment => moment(cell).is_some(),
            CellType::Text => true,
        }
    }

    pub(super) fn data_type(self) -> DataType {
        match self {
            CellType::Empty | CellType::Text => DataType::Utf8,
            CellType::Boolean => DataType::Boolean,
            CellType::Integer => DataType::Int64,
            CellType::Number => DataType::Float64,
            CellType::Day => DataType::Date32,
            CellType::Moment => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }

    /// The type in plain words.
    pub(super) fn words(self) -> &'static str {
        match self {
            CellType::Empty | CellType::Text => "a text",
            CellType::Boolean => "true or false",
            CellType::Integer => "a whole number",
            CellType::Number => "a number",
            CellType::Day => "a date",
            CellType::Moment => "a time",
        }
    }
}

fn boolean(cell: &str) -> Option<bool> {
    match cell {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A whole number as a person would count with it: `007` is a name, not a number, and stays text.
fn integer(cell: &str) -> Option<i64> {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let canonical = digits == "0" || !digits.starts_with(['0', '+']);
    if canonical { cell.parse().ok() } else { None }
}

fn number(cell: &str) -> Option<f64> {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'-' | b'+'));
    // an integer too long for 64 bits is an identifier: as a float it would lose digits
    let long = digits.len() > 18 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if padded || !plain || long || digits.starts_with('+') { None } else { cell.parse().ok().filter(|value: &f64| value.is_finite()) }
}

fn day(cell: &str) -> Option<i32> {
    if cell.len() == 10 { Date32Type::parse(cell) } else { None }
}

fn moment(cell: &str) -> Option<i64> {
    // shorter than a date or without separators it is no time; the check keeps the parser away from most texts
    let bytes = cell.as_bytes();
    if bytes.len() < 10 || bytes.len() > 40 || bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    string_to_datetime(&Utc, cell).ok().map(|moment| moment.timestamp_micros())
}

/// Collects the cells of a column.
pub(super) enum CellColumn {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Day(Date32Builder),
    Moment(TimestampMicrosecondBuilder),
    Text(StringBuilder),
}

/// A cell that is not of its column's type.
#[derive(Debug)]
pub(super) struct NotOfType;

impl CellColumn {
    pub(super) fn new(cell_type: CellType) -> CellColumn {
        match cell_type {
            CellType::Boolean => CellColumn::Boolean(BooleanBuilder::new()),
            CellType::Integer => CellColumn::Integer(Int64Builder::new()),
            CellType::Number => CellColumn::Number(Float64Builder::new()),
            CellType::Day => CellColumn::Day(Date32Builder::new()),
            CellType::Moment => CellColumn::Moment(TimestampMicrosecondBuilder::new()),
            CellType::Empty | CellType::Text => CellColumn::Text(StringBuilder::new()),
        }
    }

    /// Adds a cell; an empty one is NULL.
    pub(super) fn append(&mut self, cell: &str) -> Result<(), NotOfType> {
        if cell.is_empty() {
            self.append_null();
            return Ok(());
        }
        match self {
            CellColumn::Boolean(builder) => builder.append_value(boolean(cell).ok_or(NotOfType)?),
            CellColumn::Integer(builder) => builder.append_value(integer(cell).ok_or(NotOfType)?),
            CellColumn::Number(builder) => builder.append_value(number(cell).ok_or(NotOfType)?),
            CellColumn::Day(builder) => builder.append_value(day(cell).ok_or(NotOfType)?),
            CellColumn::Moment(builder) => builder.append_value(moment(cell).ok_or(NotOfType)?),
            CellColumn::Text(builder) => builder.append_value(cell),
        }
        Ok(())
    }

    pub(super) fn append_null(&mut self) {
        match self {
            CellColumn::Boolean(builder) => builder.append_null(),
            CellColumn::Integer(builder) => builder.append_null(),
            CellColumn::Number(builder) => builder.append_null(),
            CellColumn::Day(builder) => builder.append_null(),
            CellColumn::Moment(builder) => builder.append_null(),
            CellColumn::Text(builder) => builder.append_null(),
        }
    }

    /// The cells collected so far; the column is empty afterwards.
    pub(super) fn take(&mut self) -> ArrayRef {
        match self {
            CellColumn::Boolean(builder) => Arc::new(builder.finish()),
            CellColumn::Integer(builder) => Arc::new(builder.finish()),
            CellColumn::Number(builder) => Arc::new(builder.finish()),
            CellColumn::Day(builder) => Arc::new(builder.finish()),
            CellColumn::Moment(builder) => Arc::new(builder.finish()),
            CellColumn::Text(builder) => Arc::new(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cells: &[&str]) -> CellType {
        cells.iter().fold(CellType::Empty, |known, cell| known.widened(cell))
    }

    #[test]
    fn the_narrowest_type_that_holds_all() {
        let cases: [(&[&str], CellType); 14] = [
            (&["1", "-20"], CellType::Integer),
            (&["1", "2.5"], CellType::Number),
            (&["2.5", "1", "1e3"], CellType::Number),
            (&["1", "n/a"], CellType::Text),
            (&["01234", "56789"], CellType::Text),
            (&["0.5", "0"], CellType::Number),
            (&["12345678901234567890"], CellType::Text),
            (&["true", "False"], CellType::Boolean),
            (&["true", "1"], CellType::Text),
            (&["2024-01-31"], CellType::Day),
            (&["2024-01-31", "2024-01-31 10:00:00"], CellType::Moment),
            (&["2024-02-31"], CellType::Text),
            (&["NaN", "inf"], CellType::Text),
            (&["+5"], CellType::Text),
        ];
        for (cells, expected) in cases {
            assert_eq!(of(cells), expected, "{cells:?}");
        }
    }
}
