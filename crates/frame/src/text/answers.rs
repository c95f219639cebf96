//! What functions give back, row by row, and the column that comes of it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Builder, Float64Array, Float64Builder, Int64Array, Int64Builder, ListArray, ListBuilder, StringArray,
    StringBuilder, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, internal_err};

/// What a function gives for a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Text(String),
    Whole(i64),
    Number(f64),
    Truth(bool),
    Texts(Vec<Option<String>>),
    Vector(Vec<f32>),
    /// Records with the columns of [`Output::Rows`].
    Rows(Vec<Vec<Leaf>>),
    /// One record of texts.
    Record(Vec<String>),
}

/// One value of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Leaf {
    Text(Option<String>),
    Whole(Option<i64>),
    Number(Option<f64>),
}

/// The type of a record's column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeafType {
    Text,
    Whole,
    Number,
}

/// What a function gives for every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Text,
    Whole,
    Number,
    Truth,
    Texts,
    Vector,
    /// A list of records with these columns.
    Rows(&'static [(&'static str, LeafType)]),
    /// A record whose columns the constants name.
    Record,
}

impl Output {
    pub(super) fn data_type(&self, record: &[String]) -> DataType {
        match self {
            Output::Text => DataType::Utf8,
            Output::Whole => DataType::Int64,
            Output::Number => DataType::Float64,
            Output::Truth => DataType::Boolean,
            Output::Texts => DataType::new_list(DataType::Utf8, true),
            Output::Vector => DataType::new_list(DataType::Float32, true),
            Output::Rows(columns) => {
                let field = |(name, leaf): &(&str, LeafType)| {
                    let data_type = match leaf {
                        LeafType::Text => DataType::Utf8,
                        LeafType::Whole => DataType::Int64,
                        LeafType::Number => DataType::Float64,
                    };
                    Field::new(*name, data_type, true)
                };
                DataType::new_list(DataType::Struct(columns.iter().map(field).collect()), true)
            }
            Output::Record => DataType::Struct(record.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect()),
        }
    }
}

/// Makes a column of the answers.
pub(super) fn build(data_type: &DataType, answers: Vec<Option<Answer>>) -> Result<ArrayRef> {
    Ok(match data_type {
        DataType::Utf8 => Arc::new(StringArray::from_iter(answers.into_iter().map(|answer| match answer {
            Some(Answer::Text(text)) => Some(text),
            _ => None,
        }))),
        DataType::Int64 => Arc::new(Int64Array::from_iter(answers.into_iter().map(|answer| match answer {
            Some(Answer::Whole(number)) => Some(number),
            _ => None,
        }))),
        DataType::Float64 => Arc::new(Float64Array::from_iter(answers.into_iter().map(|answer| match answer {
            Some(Answer::Number(number)) => Some(number),
            _ => None,
        }))),
        DataType::Boolean => Arc::new(BooleanArray::from_iter(answers.into_iter().map(|answer| match answer {
            Some(Answer::Truth(truth)) => Some(truth),
            _ => None,
        }))),
        DataType::List(item) => match item.data_type() {
            DataType::Utf8 => texts(answers),
            DataType::Float32 => vectors(answers),
            DataType::Struct(fields) => rows(item, fields, answers)?,
            other => return internal_err!("no text function gives lists of {other}"),
        },
        DataType::Struct(fields) => record(fields, &answers),
        other => return internal_err!("no text function gives {other}"),
    })
}

fn texts(answers: Vec<Option<Answer>>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for answer in answers {
        match answer {
            Some(Answer::Texts(texts)) => builder.append_value(texts),
            _ => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

fn vectors(answers: Vec<Option<Answer>>) -> ArrayRef {
    let mut builder = ListBuilder::new(Float32Builder::new());
    for answer in answers {
        match answer {
            Some(Answer::Vector(numbers)) => builder.append_value(numbers.into_iter().map(Some)),
            _ => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

fn rows(item: &Arc<Field>, fields: &Fields, answers: Vec<Option<Answer>>) -> Result<ArrayRef> {
    let mut columns: Vec<LeafColumn> = fields.iter().map(|field| LeafColumn::of(field.data_type())).collect();
    let (mut lengths, mut present) = (Vec::with_capacity(answers.len()), Vec::with_capacity(answers.len()));
    let mut count = 0;
    for answer in answers {
        let records = match answer {
            Some(Answer::Rows(records)) => {
                present.push(true);
                records
            }
            _ => {
                present.push(false);
                Vec::new()
            }
        };
        lengths.push(records.len());
        count += records.len();
        for record in records {
            for (column, leaf) in columns.iter_mut().zip(record) {
                column.push(leaf);
            }
        }
    }
    let columns: Vec<ArrayRef> = columns.into_iter().map(LeafColumn::finish).collect();
    let values = StructArray::try_new_with_length(fields.clone(), columns, None, count)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, Arc::new(values), Some(NullBuffer::from(present)))?))
}

fn record(fields: &Fields, answers: &[Option<Answer>]) -> ArrayRef {
    let column = |index: usize| -> ArrayRef {
        Arc::new(StringArray::from_iter(answers.iter().map(|answer| match answer {
            Some(Answer::Record(values)) => values.get(index),
            _ => None,
        })))
    };
    let columns = (0..fields.len()).map(column).collect();
    let present: Vec<bool> = answers.iter().map(Option::is_some).collect();
    Arc::new(StructArray::new(fields.clone(), columns, Some(NullBuffer::from(present))))
}

enum LeafColumn {
    Text(StringBuilder),
    Whole(Int64Builder),
    Number(Float64Builder),
}

impl LeafColumn {
    fn of(data_type: &DataType) -> LeafColumn {
        match data_type {
            DataType::Int64 => LeafColumn::Whole(Int64Builder::new()),
            DataType::Float64 => LeafColumn::Number(Float64Builder::new()),
            _ => LeafColumn::Text(StringBuilder::new()),
        }
    }

    fn push(&mut self, leaf: Leaf) {
        match (self, leaf) {
            (LeafColumn::Text(builder), Leaf::Text(text)) => builder.append_option(text),
            (LeafColumn::Whole(builder), Leaf::Whole(number)) => builder.append_option(number),
            (LeafColumn::Number(builder), Leaf::Number(number)) => builder.append_option(number),
            // a definition whose records do not fit its columns; every one of them has a test
            (LeafColumn::Text(builder), _) => builder.append_null(),
            (LeafColumn::Whole(builder), _) => builder.append_null(),
            (LeafColumn::Number(builder), _) => builder.append_null(),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            LeafColumn::Text(mut builder) => Arc::new(builder.finish()),
            LeafColumn::Whole(mut builder) => Arc::new(builder.finish()),
            LeafColumn::Number(mut builder) => Arc::new(builder.finish()),
        }
    }
}
