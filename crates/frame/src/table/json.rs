//! JSON lines, JSON objects one after the other, and one array of objects. Like delimited text, a file is looked through
//! once before the query runs.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use arrow::json::reader::infer_json_schema_from_iterator;
use serde_json::Value;

use super::TextFile;
use super::unpack::Unpacked;
use crate::answer_type::excerpt;
use crate::error::FrameError;

const BATCH_ROWS: usize = 1_024;

/// What is known of JSON files before they are read.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    schema: SchemaRef,
    pub(super) rows: usize,
}

impl Layout {
    pub(super) fn of(files: &[TextFile]) -> Result<Layout, FrameError> {
        let mut rows = 0;
        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut order: Vec<String> = Vec::new();
        let mut schemas = Vec::with_capacity(files.len());
        for file in files {
            // the iterator hands out what can be read; what cannot is kept and reported afterwards
            let mut broken = None;
            let mut records = Records::open(file)?;
            let objects = std::iter::from_fn(|| match records.next()? {
                Ok(object) => {
                    rows += 1;
                    note_names(&object, &mut names, &mut order);
                    Some(Ok(object))
                }
                Err(error) => {
                    broken = Some(error);
                    None
                }
            });
            let inferred = infer_json_schema_from_iterator(objects);
            if let Some(error) = broken {
                return Err(error);
            }
            schemas.push(inferred.map_err(|error| mixed(file, &error))?);
        }
        let merged = Schema::try_merge(schemas).map_err(|error| {
            FrameError::table(format!("the files do not have the same columns: {error}. Read them as tables of their own"))
        })?;
        // arrow sorts the names of what it infers; people expect them as they stand in the file
        let fields: Vec<Field> = order
            .iter()
            .filter_map(|name| merged.field_with_name(name).ok())
            .map(|field| field.as_ref().clone())
            .map(with_known_type)
            .collect();
        Ok(Layout { schema: Arc::new(Schema::new(fields)), rows })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Reads a file in batches with this schema until `emit` wants no more.
    pub(super) fn read(
        &self,
        file: &TextFile,
        schema: &SchemaRef,
        mut emit: impl FnMut(RecordBatch) -> Result<bool, FrameError>,
    ) -> Result<bool, FrameError> {
        let cannot = |error: ArrowError| FrameError::table(format!("{} cannot be read: {error}", file.shown));
        let mut records = Records::open(file)?;
        let builder = ReaderBuilder::new(SchemaRef::clone(schema)).with_coerce_primitive(true).with_batch_size(BATCH_ROWS);
        let mut decoder = builder.build_decoder().map_err(cannot)?;
        loop {
            let objects = records.by_ref().take(BATCH_ROWS).collect::<Result<Vec<_>, _>>()?;
            if objects.is_empty() {
                return Ok(true);
            }
            decoder.serialize(&objects).map_err(cannot)?;
            if let Some(batch) = decoder.flush().map_err(cannot)?
                && !emit(batch)?
            {
                return Ok(false);
            }
        }
    }
}

fn note_names(object: &Value, names: &mut BTreeSet<String>, order: &mut Vec<String>) {
    for name in object.as_object().into_iter().flat_map(serde_json::Map::keys) {
        if !names.contains(name) {
            names.insert(name.clone());
            order.push(name.clone());
        }
    }
}

fn mixed(file: &TextFile, error: &ArrowError) -> FrameError {
    FrameError::table(format!(
        "a field of {} holds different kinds of values in different rows, such as a text in one and an object in another: {error}",
        file.shown
    ))
}

/// A field that is null everywhere is text, since nothing says otherwise.
fn with_known_type(field: Field) -> Field {
    let known = known_type(field.data_type());
    field.with_data_type(known).with_nullable(true)
}

fn known_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Null => DataType::Utf8,
        DataType::List(item) => DataType::List(Arc::new(with_known_type(item.as_ref().clone()))),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| with_known_type(field.as_ref().clone())).collect::<Fields>())
        }
        other => other.clone(),
    }
}

/// The objects of a file.
enum Records<'a> {
    /// One object per line.
    Lines { file: &'a TextFile, lines: BufReader<Unpacked>, buffer: Vec<u8>, line: usize },
    /// The objects of an array, or objects that span lines.
    Parsed(std::vec::IntoIter<Value>),
}

impl<'a> Records<'a> {
    fn open(file: &'a TextFile) -> Result<Records<'a>, FrameError> {
        let mut lines = BufReader::with_capacity(1 << 18, file.open()?);
        let mut buffer = Vec::new();
        let cannot = |error: std::io::Error| FrameError::table(format!("{} cannot be read: {error}", file.shown));
        let beginning = lines.fill_buf().map_err(cannot)?;
        if beginning.starts_with(b"\xef\xbb\xbf") {
            lines.consume(3);
        }
        // a line that holds a whole object is a sign of JSON lines; anything else is parsed as one text
        loop {
            buffer.clear();
            let read = lines.read_until(b'\n', &mut buffer).map_err(cannot)?;
            let line = buffer.trim_ascii();
            if read == 0
                || line.first() == Some(&b'[')
                || (!line.is_empty() && serde_json::from_slice::<Value>(line).is_err() && opens_object(line))
            {
                return Ok(Records::Parsed(parse_whole(file)?.into_iter()));
            }
            if !line.is_empty() {
                break;
            }
        }
        let mut lines = BufReader::with_capacity(1 << 18, file.open()?);
        if lines.fill_buf().map_err(cannot)?.starts_with(b"\xef\xbb\xbf") {
            lines.consume(3);
        }
        Ok(Records::Lines { file, lines, buffer, line: 0 })
    }
}

/// Whether a line is the first of an object written over several lines.
fn opens_object(line: &[u8]) -> bool {
    line.first() == Some(&b'{') && line.last() != Some(&b'}')
}

fn parse_whole(file: &TextFile) -> Result<Vec<Value>, FrameError> {
    let mut text = Vec::new();
    let read = file.open()?.read_to_end(&mut text);
    read.map_err(|error| FrameError::table(format!("{} cannot be read: {error}", file.shown)))?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let mut objects = Vec::new();
    for value in serde_json::Deserializer::from_slice(text).into_iter::<Value>() {
        let value = value.map_err(|error| FrameError::table(format!("{} is not JSON: {error}", file.shown)))?;
        match value {
            Value::Array(items) => objects.extend(items),
            other => objects.push(other),
        }
    }
    match objects.iter().position(|object| !object.is_object()) {
        Some(index) => Err(FrameError::table(format!(
            "{}, record {}: every record must be an object, not {}",
            file.shown,
            index + 1,
            excerpt(&objects[index].to_string(), 40)
        ))),
        None => Ok(objects),
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Value, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (file, lines, buffer, line) = match self {
            Records::Parsed(objects) => return objects.next().map(Ok),
            Records::Lines { file, lines, buffer, line } => (file, lines, buffer, line),
        };
        loop {
            buffer.clear();
            match lines.read_until(b'\n', buffer) {
                Ok(0) => return None,
                Ok(_) => *line += 1,
                Err(error) => return Some(Err(FrameError::table(format!("{} cannot be read: {error}", file.shown)))),
            }
            let text = buffer.trim_ascii();
            if text.is_empty() {
                continue;
            }
            return Some(object_of(text).map_err(|message| FrameError::table(format!("{}, line {line}: {message}", file.shown))));
        }
    }
}

fn object_of(text: &[u8]) -> Result<Value, String> {
    let shown = || excerpt(&String::from_utf8_lossy(text), 40);
    match serde_json::from_slice::<Value>(text) {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err(format!("every line must be a JSON object, not {}", shown())),
        Err(error) => {
            let column = error.column();
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            Err(match std::str::from_utf8(text) {
                Ok(_) => format!("not JSON ({reason} at column {column}): {}. Correct the line and run again", shown()),
                Err(_) => format!("not UTF-8 ({reason} at column {column}). Convert the file to UTF-8"),
            })
        }
    }
}
