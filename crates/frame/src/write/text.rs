//! Tables for people: aligned columns for a terminal, and Markdown.

use std::io::Write;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::output::Output;
use crate::cell::cell_text;

/// So many rows decide the widths of the columns; those that follow are cut to them.
const MEASURED_ROWS: usize = 1_000;
/// No column is cut below this width to make a table fit.
const NARROWEST_COLUMN: usize = 8;
/// A column is never wider than this, since nobody reads further in a table.
const WIDEST_COLUMN: usize = 400;
const GAP: &str = "  ";
const NULL: &str = "NULL";

/// Writes aligned columns.
pub(super) struct TableWriter {
    output: Output,
    names: Vec<String>,
    right_aligned: Vec<bool>,
    width: Option<usize>,
    /// Rows that wait until the widths are decided.
    waiting: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl TableWriter {
    pub(super) fn new(output: Output, schema: &SchemaRef, width: Option<usize>) -> TableWriter {
        TableWriter {
            output,
            names: schema.fields().iter().map(|field| on_one_line(field.name())).collect(),
            right_aligned: schema.fields().iter().map(|field| field.data_type().is_numeric()).collect(),
            width,
            waiting: Vec::new(),
            widths: None,
        }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), DataFusionError> {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| shown(column.as_ref(), row)).collect::<Result<Vec<_>, _>>()?;
            match &self.widths {
                Some(widths) => write_row(&mut self.output, &cells, widths, &self.right_aligned)?,
                None => self.waiting.push(cells),
            }
            if self.widths.is_none() && self.waiting.len() == MEASURED_ROWS {
                self.begin()?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), DataFusionError> {
        if self.widths.is_none() {
            self.begin()?;
        }
        Ok(self.output.flush()?)
    }

    /// Decides the widths and writes the header and the rows that waited for it.
    fn begin(&mut self) -> Result<(), DataFusionError> {
        let widest = |column: usize| self.waiting.iter().map(|row| row[column].width()).chain([self.names[column].width()]).max();
        let natural: Vec<usize> = (0..self.names.len()).map(|column| widest(column).unwrap_or(0).clamp(1, WIDEST_COLUMN)).collect();
        let widths = fitted(natural, self.width);
        write_row(&mut self.output, &self.names, &widths, &self.right_aligned)?;
        let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        write_row(&mut self.output, &rule, &widths, &self.right_aligned)?;
        for row in std::mem::take(&mut self.waiting) {
            write_row(&mut self.output, &row, &widths, &self.right_aligned)?;
        }
        self.widths = Some(widths);
        Ok(())
    }
}

/// Takes width from the widest columns until the table fits.
fn fitted(mut widths: Vec<usize>, available: Option<usize>) -> Vec<usize> {
    let Some(available) = available else { return widths };
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > available {
        let Some(widest) = widths.iter_mut().max() else { break };
        if *widest <= NARROWEST_COLUMN {
            break;
        }
        *widest -= 1;
    }
    widths
}

fn write_row(output: &mut Output, cells: &[String], widths: &[usize], right_aligned: &[bool]) -> std::io::Result<()> {
    let mut line = String::new();
    for (index, ((cell, width), right)) in cells.iter().zip(widths).zip(right_aligned).enumerate() {
        if index > 0 {
            line.push_str(GAP);
        }
        let cell = cut(cell, *width);
        let padding = " ".repeat(width.saturating_sub(cell.width()));
        if *right {
            line.push_str(&padding);
            line.push_str(&cell);
        } else {
            line.push_str(&cell);
            line.push_str(&padding);
        }
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    output.write_all(line.as_bytes())
}

/// The text within a width, with … where something is missing.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let mut kept = String::new();
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used > width.saturating_sub(1) {
            break;
        }
        kept.push(character);
    }
    kept.push('…');
    kept
}

fn shown(column: &dyn Array, row: usize) -> Result<String, DataFusionError> {
    if column.is_null(row) { Ok(NULL.to_owned()) } else { Ok(on_one_line(&cell_text(column, row)?)) }
}

/// Line breaks as `\n`, other control characters as blanks, so that a cell can never break a table or steer a terminal.
fn on_one_line(text: &str) -> String {
    if !text.contains(|character: char| character.is_control()) {
        return text.to_owned();
    }
    text.replace("\r\n", "\\n").chars().fold(String::with_capacity(text.len()), |mut line, character| {
        match character {
            '\n' | '\r' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            other if other.is_control() => line.push(' '),
            other => line.push(other),
        }
        line
    })
}

/// Writes a Markdown table.
pub(super) struct MarkdownWriter {
    output: Output,
}

impl MarkdownWriter {
    pub(super) fn new(mut output: Output, schema: &SchemaRef) -> Result<MarkdownWriter, DataFusionError> {
        let names: Vec<String> = schema.fields().iter().map(|field| markdown(field.name())).collect();
        let rules: Vec<&str> = schema.fields().iter().map(|field| if field.data_type().is_numeric() { "---:" } else { "---" }).collect();
        writeln!(output, "| {} |\n| {} |", names.join(" | "), rules.join(" | "))?;
        Ok(MarkdownWriter { output })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), DataFusionError> {
        for row in 0..batch.num_rows() {
            let cell = |column: &arrow::array::ArrayRef| {
                if column.is_null(row) { Ok(String::new()) } else { cell_text(column.as_ref(), row).map(|text| markdown(&text)) }
            };
            let cells = batch.columns().iter().map(cell).collect::<Result<Vec<_>, _>>()?;
            writeln!(self.output, "| {} |", cells.join(" | "))?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), DataFusionError> {
        Ok(self.output.flush()?)
    }
}

fn markdown(text: &str) -> String {
    let line = text.replace('\\', "\\\\").replace('|', "\\|").replace("\r\n", "<br>").replace(['\n', '\r'], "<br>");
    on_one_line(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_on_their_line() {
        assert_eq!(on_one_line("a\r\nb\tc\u{1b}[31m"), "a\\nb\\tc [31m");
        assert_eq!(markdown("a|b\nc"), "a\\|b<br>c");
    }

    #[test]
    fn wide_cells_are_cut_at_a_character() {
        assert_eq!(cut("日本語テキスト", 7), "日本語…");
        assert_eq!(cut("short", 5), "short");
    }

    #[test]
    fn the_widest_columns_give_way() {
        assert_eq!(fitted(vec![5, 50, 20], Some(60)), [5, 31, 20]);
        assert_eq!(fitted(vec![50, 50], Some(4)), [8, 8]);
        assert_eq!(fitted(vec![50], None), [50]);
    }
}
