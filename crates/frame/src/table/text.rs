//! Files of text as rows: one file, one row, with its path, name, text, time of change and size. The text is read only
//! where the query wants it.

use std::io::Read;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, RecordBatch, RecordBatchOptions, StringBuilder, TimestampMicrosecondBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::TextFile;
use crate::error::FrameError;

const BATCH_FILES: usize = 1_024;
const BATCH_BYTES: usize = 8 << 20;

pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("path", DataType::Utf8, false),
        Field::new("name", DataType::Utf8, false),
        Field::new("text", DataType::Utf8, true),
        Field::new("modified", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("bytes", DataType::Int64, true),
    ]))
}

/// Reads files in batches of the wanted columns until `emit` wants no more. Bytes that are not UTF-8 become U+FFFD.
pub(super) fn read(
    files: &[TextFile],
    wanted: &[usize],
    schema: &SchemaRef,
    mut emit: impl FnMut(RecordBatch) -> Result<bool, FrameError>,
) -> Result<(), FrameError> {
    let all = self::schema();
    let names: Vec<&str> = wanted.iter().map(|index| all.field(*index).name().as_str()).collect();
    let mut columns: Vec<Column> = names.iter().map(|name| Column::of(name)).collect();
    let (mut rows, mut bytes) = (0, 0);
    for (index, file) in files.iter().enumerate() {
        for column in &mut columns {
            bytes += column.append(file)?;
        }
        rows += 1;
        if rows == BATCH_FILES || bytes >= BATCH_BYTES || index + 1 == files.len() {
            let arrays = columns.iter_mut().map(Column::finish).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let batch = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options);
            if !emit(batch.map_err(|error| FrameError::table(error.to_string()))?)? {
                return Ok(());
            }
            (rows, bytes) = (0, 0);
        }
    }
    Ok(())
}

enum Column {
    Path(StringBuilder),
    Name(StringBuilder),
    Text(StringBuilder),
    Modified(TimestampMicrosecondBuilder),
    Bytes(Int64Builder),
}

impl Column {
    fn of(name: &str) -> Column {
        match name {
            "path" => Column::Path(StringBuilder::new()),
            "name" => Column::Name(StringBuilder::new()),
            "modified" => Column::Modified(TimestampMicrosecondBuilder::new()),
            "bytes" => Column::Bytes(Int64Builder::new()),
            _ => Column::Text(StringBuilder::new()),
        }
    }

    /// Appends what a file has; gives the bytes of its text.
    fn append(&mut self, file: &TextFile) -> Result<usize, FrameError> {
        match self {
            Column::Path(builder) => builder.append_value(&file.shown),
            Column::Name(builder) => builder.append_value(file.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default()),
            Column::Text(builder) => {
                let cannot = |error: std::io::Error| FrameError::table(format!("{} cannot be read: {error}", file.shown));
                let mut bytes = Vec::new();
                file.open()?.read_to_end(&mut bytes).map_err(cannot)?;
                let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes));
                builder.append_value(&text);
                return Ok(text.len());
            }
            Column::Modified(builder) => builder.append_option(modified(file)),
            Column::Bytes(builder) => {
                builder.append_option(file.path.metadata().ok().and_then(|metadata| i64::try_from(metadata.len()).ok()));
            }
        }
        Ok(0)
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Path(builder) | Column::Name(builder) | Column::Text(builder) => Arc::new(builder.finish()),
            Column::Modified(builder) => Arc::new(builder.finish()),
            Column::Bytes(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Microseconds since 1970, in UTC.
fn modified(file: &TextFile) -> Option<i64> {
    let changed = file.path.metadata().ok()?.modified().ok()?;
    i64::try_from(changed.duration_since(std::time::UNIX_EPOCH).ok()?.as_micros()).ok()
}
