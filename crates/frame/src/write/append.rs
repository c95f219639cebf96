//! Rows after those that a file has already. What can be compared is compared before anything is asked; then the old rows
//! and the new ones become a new file, which takes the old one's place.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader as IpcReader;
use arrow::ipc::writer::FileWriter as IpcWriter;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Format, ROW_GROUP_BYTES, parquet_properties};
use crate::error::FrameError;

/// Whether rows with these columns can follow those of a file.
pub(super) fn check(path: &Path, format: Format, schema: &SchemaRef) -> Result<(), FrameError> {
    let refused = |message: String| FrameError::Write { path: path.to_owned(), message };
    let cannot = |error: String| refused(format!("nothing can be appended to it: {error}"));
    let open = || File::open(path).map_err(|error| cannot(error.to_string()));
    let there = match format {
        Format::Csv | Format::Tsv => {
            let delimiter = if format == Format::Tsv { b'\t' } else { b',' };
            let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(BufReader::new(open()?));
            let header = reader.headers().map_err(|error| cannot(error.to_string()))?;
            let there: Vec<&str> = header.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
            let new: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            if there == new {
                return Ok(());
            }
            return Err(refused(format!("its columns are {}, and the new rows have {}", there.join(", "), new.join(", "))));
        }
        // a line stands for itself
        Format::JsonLines => return Ok(()),
        Format::Json => {
            let mut text = String::new();
            open()?.read_to_string(&mut text).map_err(|error| cannot(error.to_string()))?;
            let array = text.trim_start().starts_with('[') && text.trim_end().ends_with(']');
            return if array {
                Ok(())
            } else {
                Err(cannot("it is not one JSON array. For lines of JSON, end its name in .jsonl".to_owned()))
            };
        }
        Format::Parquet => {
            Arc::clone(ParquetRecordBatchReaderBuilder::try_new(open()?).map_err(|error| cannot(error.to_string()))?.schema())
        }
        Format::Arrow => IpcReader::try_new(open()?, None).map_err(|error| cannot(error.to_string()))?.schema(),
        Format::Table { .. } | Format::Markdown => {
            return Err(refused("nothing is appended to text for reading: take csv, tsv, jsonl, json, parquet or arrow".to_owned()));
        }
    };
    if shape(&there) == shape(schema) {
        return Ok(());
    }
    Err(refused(format!("its columns are {}, and the new rows have {}", shape(&there), shape(schema))))
}

/// Names and types; whether a column may be NULL is no matter.
fn shape(schema: &Schema) -> String {
    schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect::<Vec<_>>().join(", ")
}

/// Writes the rows of one file and then those of the other into a third.
pub(super) fn join(there: &Path, new: &Path, joined: &Path, format: Format) -> Result<(), FrameError> {
    let done = match format {
        Format::Csv | Format::Tsv | Format::JsonLines => join_lines(there, new, joined),
        Format::Json => join_arrays(there, new, joined),
        Format::Parquet => join_parquet(there, new, joined),
        Format::Arrow => join_arrow(there, new, joined),
        Format::Table { .. } | Format::Markdown => Err(io::Error::other("nothing is appended to text for reading").into()),
    };
    done.map_err(|error| FrameError::Write { path: there.to_owned(), message: format!("the rows could not be appended: {error}") })
}

type Joined = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn join_lines(there: &Path, new: &Path, joined: &Path) -> Joined {
    let mut out = File::create(joined)?;
    let mut old = File::open(there)?;
    let length = io::copy(&mut old, &mut out)?;
    if length > 0 {
        let mut last = [0];
        old.seek(SeekFrom::End(-1))?;
        old.read_exact(&mut last)?;
        if last != *b"\n" {
            out.write_all(b"\n")?;
        }
    }
    io::copy(&mut File::open(new)?, &mut out)?;
    Ok(())
}

fn join_arrays(there: &Path, new: &Path, joined: &Path) -> Joined {
    let (old, new) = (std::fs::read_to_string(there)?, std::fs::read_to_string(new)?);
    let inner = |text: &str| text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']')).map(|text| text.trim().to_owned());
    let (Some(old), Some(new)) = (inner(&old), inner(&new)) else { return Err("it is not one JSON array".into()) };
    let comma = if old.is_empty() || new.is_empty() { "" } else { "," };
    Ok(std::fs::write(joined, format!("[{old}{comma}{new}]\n"))?)
}

fn join_parquet(there: &Path, new: &Path, joined: &Path) -> Joined {
    let first = ParquetRecordBatchReaderBuilder::try_new(File::open(there)?)?;
    let second = ParquetRecordBatchReaderBuilder::try_new(File::open(new)?)?;
    let schema = Arc::clone(second.schema());
    let mut writer = ArrowWriter::try_new(File::create(joined)?, Arc::clone(&schema), Some(parquet_properties()))?;
    for batch in first.build()?.chain(second.build()?) {
        writer.write(&with_schema(batch?, &schema)?)?;
        if writer.in_progress_size() > ROW_GROUP_BYTES {
            writer.flush()?;
        }
    }
    writer.close()?;
    Ok(())
}

fn join_arrow(there: &Path, new: &Path, joined: &Path) -> Joined {
    let (first, second) = (IpcReader::try_new(File::open(there)?, None)?, IpcReader::try_new(File::open(new)?, None)?);
    let schema = second.schema();
    let mut writer = IpcWriter::try_new(BufWriter::new(File::create(joined)?), &schema)?;
    for batch in first.chain(second) {
        writer.write(&with_schema(batch?, &schema)?)?;
    }
    writer.finish()?;
    writer.get_mut().flush()?;
    Ok(())
}

/// The same rows under the schema in which every column may be NULL.
fn with_schema(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec())
}
