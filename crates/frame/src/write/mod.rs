//! Results into files and streams. A file appears whole or not at all: rows go into a temporary file beside it, which
//! takes its name only after the last byte is on the disk.

mod append;
mod file;
mod format;
mod output;
#[cfg(feature = "s3")]
mod remote;
mod text;

use std::io::Write;
use std::path::PathBuf;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringBuilder};
use arrow::csv::WriterBuilder as CsvBuilder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::writer::FileWriter as IpcWriter;
use arrow::json::writer::{JsonArray, LineDelimited, Writer as JsonWriter, WriterBuilder as JsonBuilder};
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use futures::StreamExt;
use std::sync::Arc;

use crate::cell::{cell_text, readable};
use crate::error::FrameError;
use crate::table::is_remote;
use file::PendingFile;
pub use format::Format;
use output::Output;
use text::{MarkdownWriter, TableWriter};

/// Parquet row groups are closed at this size, so that memory stays bounded.
const ROW_GROUP_BYTES: usize = 32 << 20;
const ROW_GROUP_ROWS: usize = 256 * 1_024;

/// Where rows are written.
pub enum Target {
    /// A stream such as standard output, flushed after every batch.
    Writer(Box<dyn Write + Send>),
    /// A file, replaced as a whole when all rows are written.
    File(PathBuf),
    /// A file, with what becomes of one that is there already.
    Place {
        /// The file.
        path: PathBuf,
        /// What becomes of one that is there.
        existing: Existing,
    },
}

/// What becomes of a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// The new one takes its place when all rows are written.
    #[default]
    Replace,
    /// The rows come after those that are there; the columns must be the same.
    Append,
    /// It stays, and writing fails before anything is asked.
    Refuse,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Writer(_) => f.write_str("Writer"),
            Target::File(path) => f.debug_tuple("File").field(path).finish(),
            Target::Place { path, existing } => f.debug_struct("Place").field("path", path).field("existing", existing).finish(),
        }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Rows, without headers.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Writes all rows of a stream. When it fails or is dropped, a file that was there before is left as it was.
///
/// # Errors
/// Whatever the stream fails with, [`FrameError::Write`] for a file, [`FrameError::Output`] for a writer.
pub async fn write(mut rows: SendableRecordBatchStream, format: Format, target: Target) -> Result<Written, FrameError> {
    let place = match &target {
        Target::Writer(_) => None,
        Target::File(path) => Some((path, Existing::Replace)),
        Target::Place { path, existing } => Some((path, *existing)),
    };
    if let Some((path, existing)) = place.filter(|(path, _)| is_remote(&path.to_string_lossy())) {
        #[cfg(feature = "s3")]
        return remote::put(rows, format, path, existing).await;
        #[cfg(not(feature = "s3"))]
        {
            let _ = existing;
            return Err(FrameError::Write { path: path.clone(), message: crate::table::without_s3("an object") });
        }
    }
    let schema = writable_schema(&rows.schema(), format);
    let mut continues = false;
    let pending_file =
        |path: &PathBuf, existing| PendingFile::create(path, existing).map(|(pending, file)| (Some(pending), Box::new(file)));
    let (pending, writer): (Option<PendingFile>, Box<dyn Write + Send>) = match target {
        Target::Writer(writer) => (None, writer),
        Target::File(path) => pending_file(&path, Existing::Replace).map(|(pending, file)| (pending, file as _))?,
        Target::Place { path, existing } => {
            continues = existing == Existing::Append && path.is_file();
            if continues {
                append::check(&path, format, &schema)?;
            }
            // where nothing was to append to, what comes there meanwhile is somebody else's
            let existing = if existing == Existing::Append && !continues { Existing::Refuse } else { existing };
            pending_file(&path, existing).map(|(pending, file)| (pending, file as _))?
        }
    };
    let output = Output::new(writer);
    let failed = |error: DataFusionError| match (output.take_error(), &pending) {
        (Some(error), Some(pending)) => pending.cannot(&error),
        (Some(error), None) => FrameError::Output(error),
        (None, _) => FrameError::from_execution(error),
    };
    // the first rows before the header: a query that fails as a whole prints nothing
    let mut next = rows.next().await.transpose().map_err(FrameError::from_execution)?;
    let headless = schema.fields().is_empty() && matches!(format, Format::Csv | Format::Tsv | Format::Table { .. } | Format::Markdown);
    if headless && next.is_none() && pending.is_none() {
        return Ok(Written { rows: 0, bytes: 0 });
    }
    let mut sink = Sink::new(format, &schema, output.clone(), !continues).map_err(&failed)?;
    let mut written = 0;
    while let Some(batch) = next {
        written += batch.num_rows() as u64;
        sink.write(&writable(&batch, &schema)?).map_err(&failed)?;
        if pending.is_none() {
            sink.flush().map_err(&failed)?;
        }
        next = rows.next().await.transpose().map_err(FrameError::from_execution)?;
    }
    sink.finish().map_err(&failed)?;
    drop(rows);
    let bytes = output.bytes();
    drop(output);
    if let Some(pending) = pending {
        pending.keep(format)?;
    }
    Ok(Written { rows: written, bytes })
}

/// Names are unique in every format, columns of nothing are text, and CSV holds text where a column is nested.
fn writable_schema(schema: &SchemaRef, format: Format) -> SchemaRef {
    let mut names: Vec<String> = Vec::with_capacity(schema.fields().len());
    let mut fields = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let mut name = field.name().clone();
        let mut count = 1;
        while names.contains(&name) {
            count += 1;
            name = format!("{}_{count}", field.name());
        }
        names.push(name.clone());
        let is_binary = matches!(field.data_type(), DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
        let data_type = match field.data_type() {
            // views are a form for memory: in files, one kind of text and one of bytes is enough
            DataType::Null | DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
            nested if matches!(format, Format::Csv | Format::Tsv) && (nested.is_nested() || is_binary) => DataType::Utf8,
            DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
            other => other.clone(),
        };
        fields.push(Field::new(name, data_type, true));
    }
    Arc::new(Schema::new(fields))
}

fn writable(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, FrameError> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| match column.data_type() {
        same if same == field.data_type() => Ok(Arc::clone(column)),
        DataType::Null => readable(Arc::clone(column)),
        DataType::Utf8View | DataType::LargeUtf8 | DataType::BinaryView | DataType::LargeBinary
            if field.data_type() != &DataType::Utf8 || !is_bytes(column) =>
        {
            Ok(arrow::compute::cast(column, field.data_type())?)
        }
        _ => as_text(column),
    });
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(FrameError::from_execution)?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(|error| FrameError::from_execution(error.into()))
}

fn is_bytes(column: &ArrayRef) -> bool {
    matches!(column.data_type(), DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

fn as_text(column: &ArrayRef) -> Result<ArrayRef, DataFusionError> {
    let mut texts = StringBuilder::new();
    for row in 0..column.len() {
        if column.is_null(row) {
            texts.append_null();
        } else {
            texts.append_value(cell_text(column.as_ref(), row)?);
        }
    }
    Ok(Arc::new(texts.finish()))
}

fn parquet_properties() -> WriterProperties {
    WriterProperties::builder().set_max_row_group_row_count(Some(ROW_GROUP_ROWS)).set_compression(Compression::SNAPPY).build()
}

/// A writer for each format.
enum Sink {
    Table(TableWriter),
    Markdown(MarkdownWriter),
    Csv(Box<arrow::csv::Writer<Output>>),
    Json(JsonWriter<Output, JsonArray>),
    JsonLines(JsonWriter<Output, LineDelimited>),
    Parquet(Box<ArrowWriter<Output>>),
    Arrow(Box<IpcWriter<Output>>),
}

impl Sink {
    fn new(format: Format, schema: &SchemaRef, output: Output, header: bool) -> Result<Sink, DataFusionError> {
        let json = || JsonBuilder::new().with_explicit_nulls(true);
        Ok(match format {
            Format::Table { width } => Sink::Table(TableWriter::new(output, schema, width)),
            Format::Markdown => Sink::Markdown(MarkdownWriter::new(output, schema)?),
            Format::Csv | Format::Tsv => {
                let delimiter = if format == Format::Tsv { b'\t' } else { b',' };
                let mut writer = CsvBuilder::new().with_header(header).with_delimiter(delimiter).build(output);
                // the header stands there even if no row follows
                writer.write(&RecordBatch::new_empty(Arc::clone(schema)))?;
                Sink::Csv(Box::new(writer))
            }
            Format::Json => Sink::Json(json().build(output)),
            Format::JsonLines => Sink::JsonLines(json().build(output)),
            Format::Parquet => Sink::Parquet(Box::new(ArrowWriter::try_new(output, Arc::clone(schema), Some(parquet_properties()))?)),
            Format::Arrow => Sink::Arrow(Box::new(IpcWriter::try_new(output, schema)?)),
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), DataFusionError> {
        match self {
            Sink::Table(writer) => writer.write(batch)?,
            Sink::Markdown(writer) => writer.write(batch)?,
            Sink::Csv(writer) => writer.write(batch)?,
            Sink::Json(writer) => writer.write(batch)?,
            Sink::JsonLines(writer) => writer.write(batch)?,
            Sink::Parquet(writer) => {
                writer.write(batch)?;
                if writer.in_progress_size() > ROW_GROUP_BYTES {
                    writer.flush()?;
                }
            }
            Sink::Arrow(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    /// Hands on what can be handed on before the end.
    fn flush(&mut self) -> Result<(), DataFusionError> {
        match self {
            Sink::Csv(_) | Sink::Parquet(_) | Sink::Arrow(_) | Sink::Table(_) => Ok(()),
            Sink::Markdown(writer) => writer.flush(),
            Sink::Json(writer) => Ok(writer.get_mut().flush()?),
            Sink::JsonLines(writer) => Ok(writer.get_mut().flush()?),
        }
    }

    fn finish(self) -> Result<(), DataFusionError> {
        match self {
            Sink::Table(writer) => writer.finish()?,
            Sink::Markdown(mut writer) => writer.flush()?,
            Sink::Csv(writer) => writer.into_inner().flush()?,
            Sink::Json(mut writer) => {
                writer.finish()?;
                let mut output = writer.into_inner();
                output.write_all(b"\n")?;
                output.flush()?;
            }
            Sink::JsonLines(mut writer) => {
                writer.finish()?;
                writer.into_inner().flush()?;
            }
            Sink::Parquet(writer) => {
                writer.into_inner()?.flush()?;
            }
            Sink::Arrow(mut writer) => {
                writer.finish()?;
                writer.get_mut().flush()?;
            }
        }
        Ok(())
    }
}
