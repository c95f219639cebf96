//! CSV and TSV. A file is looked through once before the query runs: that gives the types of its columns, the number of
//! its rows, and every line that cannot be read, by its number.

use std::io::{BufReader, Read};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use csv::{ByteRecord, ReaderBuilder};

use super::TextFile;
use super::cell_type::{CellColumn, CellType};
use super::locate::Format;
use crate::answer_type::excerpt;
use crate::error::FrameError;

/// Files up to this size are looked through entirely; of a larger one, the beginning decides the types.
const LOOKED_THROUGH_BYTES: u64 = 1 << 30;
const SAMPLED_BYTES: u64 = 256 << 20;
/// Rows per batch, unless their text grows beyond [`BATCH_BYTES`] first.
const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 8 << 20;

/// What is known of delimited files before they are read.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    delimiter: u8,
    names: Vec<String>,
    types: Vec<CellType>,
    /// The number of rows of all files, if all were looked through.
    pub(super) rows: Option<usize>,
}

impl Layout {
    /// Looks through the files; gives the layout and what was read leniently.
    pub(super) fn of(files: &[TextFile], delimiter: u8) -> Result<(Layout, Vec<String>), FrameError> {
        let mut warnings = Vec::new();
        let mut layout: Option<(Layout, &TextFile)> = None;
        for file in files {
            let own = look_through(file, delimiter, &mut warnings)?;
            match &mut layout {
                None => layout = Some((own, file)),
                Some((layout, first)) => layout.add(own, file, first)?,
            }
        }
        let layout = layout.map(|(layout, _)| layout);
        let empty = Layout { delimiter, names: Vec::new(), types: Vec::new(), rows: Some(0) };
        Ok((layout.unwrap_or(empty), warnings))
    }

    fn add(&mut self, other: Layout, file: &TextFile, first: &TextFile) -> Result<(), FrameError> {
        if other.names.is_empty() {
            return Ok(());
        }
        if self.names.is_empty() {
            *self = other;
            return Ok(());
        }
        if self.names != other.names {
            return Err(FrameError::table(format!(
                "{} has other columns than {}: {} and {}. Read them as two tables",
                file.shown,
                first.shown,
                other.names.join(", "),
                self.names.join(", ")
            )));
        }
        for (known, seen) in self.types.iter_mut().zip(other.types) {
            *known = known.merged(seen);
        }
        self.rows = self.rows.zip(other.rows).map(|(own, more)| own + more);
        Ok(())
    }

    pub(super) fn schema(&self) -> SchemaRef {
        let fields = self.names.iter().zip(&self.types).map(|(name, kind)| Field::new(name, kind.data_type(), true));
        Schema::new(fields.collect::<Vec<_>>()).into()
    }

    /// Reads a file in batches of the wanted columns until `emit` wants no more.
    pub(super) fn read(
        &self,
        file: &TextFile,
        wanted: &[usize],
        schema: &SchemaRef,
        mut emit: impl FnMut(RecordBatch) -> Result<bool, FrameError>,
    ) -> Result<bool, FrameError> {
        let mut records = Records::open(file, self.delimiter, None)?;
        if !records.next()? {
            return Ok(true);
        }
        if header(&records.record, file)?.0 != self.names {
            return Err(FrameError::table(format!("{} has changed since the query was planned: run it again", file.shown)));
        }
        let mut columns: Vec<CellColumn> = wanted.iter().map(|index| CellColumn::new(self.types[*index])).collect();
        let (mut rows, mut bytes) = (0, 0);
        while records.next()? {
            for (column, index) in columns.iter_mut().zip(wanted) {
                let cell = records.record.get(*index).unwrap_or_default();
                bytes += cell.len();
                let cell = String::from_utf8_lossy(cell);
                if column.append(&cell).is_err() {
                    return Err(self.not_of_type(file, records.line, *index, &cell));
                }
            }
            rows += 1;
            if rows == BATCH_ROWS || bytes >= BATCH_BYTES {
                if !emit(batch(&mut columns, rows, schema)?)? {
                    return Ok(false);
                }
                (rows, bytes) = (0, 0);
            }
        }
        if rows > 0 { emit(batch(&mut columns, rows, schema)?) } else { Ok(true) }
    }

    fn not_of_type(&self, file: &TextFile, line: u64, index: usize, cell: &str) -> FrameError {
        FrameError::table(format!(
            "{}, line {line}: {:?} in column {} is not {}, as all cells were in the first {} MB, which decide the type of a column in a file \
             larger than {} GB. Correct the cell, or split the file",
            file.shown,
            excerpt(cell, 40),
            self.names[index],
            self.types[index].words(),
            SAMPLED_BYTES >> 20,
            LOOKED_THROUGH_BYTES >> 30,
        ))
    }
}

fn batch(columns: &mut [CellColumn], rows: usize, schema: &SchemaRef) -> Result<RecordBatch, FrameError> {
    let columns = columns.iter_mut().map(CellColumn::take).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(SchemaRef::clone(schema), columns, &options).map_err(|error| FrameError::table(error.to_string()))
}

/// Whether a file ends, white space aside, with something other than a quote.
fn ends_unquoted(file: &TextFile) -> Result<bool, FrameError> {
    // an end that cannot be read is met again, and told, when the rows are read
    let tail = file.open()?.tail(64).unwrap_or_default();
    Ok(!tail.trim_ascii_end().is_empty() && !tail.trim_ascii_end().ends_with(b"\""))
}

/// The character between the fields, and what to tell of it: a file named .csv may have semicolons or bars, as some
/// programs and countries write it.
pub(super) fn delimiter(format: Format, first: Option<&TextFile>) -> Result<(u8, Option<String>), FrameError> {
    let Some(file) = first.filter(|_| format != Format::TabSeparated) else { return Ok((b'\t', None)) };
    let mut beginning = Vec::new();
    file.open()?
        .take(64 * 1_024)
        .read_to_end(&mut beginning)
        .map_err(|error| FrameError::table(format!("{} cannot be read: {error}", file.shown)))?;
    let found = delimiter_of(beginning.split(|byte| *byte == b'\n').next().unwrap_or_default());
    let name = match found {
        b';' => "semicolons",
        b'|' => "bars",
        b'\t' => "tabs",
        _ => return Ok((b',', None)),
    };
    Ok((found, Some(format!("{}: the header has {name} and no comma, so {name} stand between the fields", file.shown))))
}

/// What stands between the names of a header, outside of quotes.
fn delimiter_of(header: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'|', 0), (b'\t', 0)];
    for byte in header {
        quoted ^= *byte == b'"';
        if let (false, Some((_, count))) = (quoted, counts.iter_mut().find(|(delimiter, _)| delimiter == byte)) {
            *count += 1;
        }
    }
    if counts[0].1 > 0 {
        return b',';
    }
    counts.iter().rev().max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 0).map_or(b',', |(delimiter, _)| *delimiter)
}

fn look_through(file: &TextFile, delimiter: u8, warnings: &mut Vec<String>) -> Result<Layout, FrameError> {
    let whole = file.open()?.about_bytes <= LOOKED_THROUGH_BYTES;
    let mut records = Records::open(file, delimiter, (!whole).then_some(SAMPLED_BYTES))?;
    if !records.next()? {
        warnings.push(format!("{} is empty", file.shown));
        return Ok(Layout { delimiter, names: Vec::new(), types: Vec::new(), rows: Some(0) });
    }
    let (names, mut lenient) = header(&records.record, file)?;
    warnings.append(&mut lenient);
    let mut types = vec![CellType::Empty; names.len()];
    let (mut rows, mut runs_on, mut short, mut not_utf8) = (0, false, Lenient::default(), Lenient::default());
    while records.next()? {
        let line = records.line;
        let fields = records.record.len();
        if fields > names.len() && records.record.iter().skip(names.len()).any(|extra| !extra.is_empty()) {
            return Err(too_many_fields(file, line, fields, names.len(), delimiter));
        }
        if fields < names.len() {
            short.note(line);
        }
        runs_on = records.record.iter().next_back().is_some_and(|cell| cell.contains(&b'\n'));
        for (cell, kind) in records.record.iter().zip(&mut types) {
            if cell.is_empty() {
                continue;
            }
            match std::str::from_utf8(cell) {
                Ok(cell) => *kind = kind.widened(cell),
                Err(_) => {
                    not_utf8.note(line);
                    *kind = CellType::Text;
                }
            }
        }
        rows += 1;
    }
    let cut = short.last == Some(records.line) || (whole && runs_on && ends_unquoted(file)?);
    if cut && records.last_spans_lines() {
        return Err(FrameError::table(format!(
            "{}: a quote opened at line {} is never closed. Close it, or write \"\" for a quote inside a text",
            file.shown, records.line
        )));
    }
    warnings.extend(short.warning(file, "fewer fields than the header", "the missing ones are NULL"));
    warnings.extend(not_utf8.warning(file, "bytes that are not UTF-8", "they were replaced by \u{fffd}"));
    Ok(Layout { delimiter, names, types, rows: whole.then_some(rows) })
}

fn too_many_fields(file: &TextFile, line: u64, fields: usize, columns: usize, delimiter: u8) -> FrameError {
    let separator = match delimiter {
        b'\t' => "tab",
        b';' => "semicolon",
        b'|' => "bar",
        _ => "comma",
    };
    FrameError::table(format!(
        "{}, line {line}: {fields} fields where the header has {columns}. A text with a {separator} in it must stand in double quotes; \
         correct the line and run again",
        file.shown
    ))
}

/// Lines that were read although something was wrong with them.
#[derive(Default)]
struct Lenient {
    lines: usize,
    first: Option<u64>,
    last: Option<u64>,
}

impl Lenient {
    fn note(&mut self, line: u64) {
        if self.last != Some(line) {
            self.lines += 1;
            self.first.get_or_insert(line);
            self.last = Some(line);
        }
    }

    fn warning(&self, file: &TextFile, what: &str, done: &str) -> Option<String> {
        let first = self.first?;
        let lines = if self.lines == 1 { "1 line has".to_owned() } else { format!("{} lines have", self.lines) };
        Some(format!("{}: {lines} {what} (first: line {first}); {done}", file.shown))
    }
}

/// The names of the columns, each one usable and given once.
fn header(record: &ByteRecord, file: &TextFile) -> Result<(Vec<String>, Vec<String>), FrameError> {
    let mut names: Vec<String> = Vec::with_capacity(record.len());
    let mut warnings = Vec::new();
    for (index, field) in record.iter().enumerate() {
        let Ok(text) = std::str::from_utf8(field) else {
            return Err(FrameError::table(format!("{}, line 1: the header is not UTF-8. Convert the file to UTF-8", file.shown)));
        };
        let written = text.trim();
        let mut name = if written.is_empty() { format!("column_{}", index + 1) } else { written.to_owned() };
        let mut count = 1;
        while names.contains(&name) {
            count += 1;
            name = format!("{written}_{count}");
        }
        if name != written && !written.is_empty() {
            warnings.push(format!("{}: the column {written} stands twice in the header; the second is called {name}", file.shown));
        }
        names.push(name);
    }
    Ok((names, warnings))
}

/// The records of a file, with the line of the last one read.
struct Records<'a> {
    file: &'a TextFile,
    reader: csv::Reader<Box<dyn Read>>,
    record: ByteRecord,
    /// The line on which the last record began, from 1.
    line: u64,
}

impl<'a> Records<'a> {
    fn open(file: &'a TextFile, delimiter: u8, most_bytes: Option<u64>) -> Result<Records<'a>, FrameError> {
        refuse_other_encodings(file)?;
        let reader: Box<dyn Read> = match most_bytes {
            Some(most) => Box::new(BufReader::with_capacity(1 << 18, file.open()?.take(most))),
            None => Box::new(BufReader::with_capacity(1 << 18, file.open()?)),
        };
        let reader = ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(reader);
        Ok(Records { file, reader, record: ByteRecord::new(), line: 0 })
    }

    fn next(&mut self) -> Result<bool, FrameError> {
        let read = self.reader.read_byte_record(&mut self.record);
        match read {
            Ok(true) => {
                self.line = self.record.position().map_or(self.line, csv::Position::line);
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) => Err(FrameError::table(format!("{} cannot be read further than line {}: {error}", self.file.shown, self.line))),
        }
    }

    fn last_spans_lines(&self) -> bool {
        self.reader.position().line() > self.line + 1
    }
}

fn refuse_other_encodings(file: &TextFile) -> Result<(), FrameError> {
    let mut beginning = Vec::new();
    let read = file.open()?.take(4_096).read_to_end(&mut beginning);
    read.map_err(|error| FrameError::table(format!("{} cannot be read: {error}", file.shown)))?;
    let wide = beginning.starts_with(&[0xff, 0xfe]) || beginning.starts_with(&[0xfe, 0xff]);
    if wide {
        return Err(FrameError::table(format!(
            "{} is written in UTF-16: convert it to UTF-8, as with iconv -f UTF-16 -t UTF-8",
            file.shown
        )));
    }
    if beginning.contains(&0) {
        return Err(FrameError::table(format!("{} is not text: it holds zero bytes", file.shown)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_what_stands_between_fields() {
        for (header, delimiter) in [
            ("a,b", b','),
            ("a;b;c", b';'),
            ("a|b", b'|'),
            ("a\tb", b'\t'),
            ("a, why; b", b','),
            ("\"a,b\";c", b';'),
            ("text", b','),
            ("", b','),
        ] {
            assert_eq!(delimiter_of(header.as_bytes()), delimiter, "{header}");
        }
    }
}
