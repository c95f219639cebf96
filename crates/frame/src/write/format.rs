//! The formats that are written, by name and by a file's ending.

use std::path::Path;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns for reading. Cells are cut to fit a width in characters, if one is given.
    Table {
        /// The width of the terminal.
        width: Option<usize>,
    },
    /// Comma-separated values with a header.
    Csv,
    /// Tab-separated values with a header.
    Tsv,
    /// One JSON array.
    Json,
    /// One JSON object per line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, the file form, which others call Feather.
    Arrow,
    /// A Markdown table.
    Markdown,
}

impl Format {
    /// The names that are known, for messages.
    pub(crate) const NAMES: &str = "csv, tsv, json, jsonl, parquet, arrow and markdown";

    /// The format of a name such as `csv`, in any case.
    pub fn of_name(name: &str) -> Option<Format> {
        match name.to_ascii_lowercase().as_str() {
            "csv" => Some(Format::Csv),
            "tsv" | "tab" => Some(Format::Tsv),
            "json" => Some(Format::Json),
            "jsonl" | "ndjson" => Some(Format::JsonLines),
            "parquet" | "pq" => Some(Format::Parquet),
            "arrow" | "feather" | "ipc" => Some(Format::Arrow),
            "md" | "markdown" => Some(Format::Markdown),
            _ => None,
        }
    }

    /// The format that the ending of a file names.
    pub fn of_path(path: &Path) -> Option<Format> {
        path.extension().and_then(|ending| Format::of_name(&ending.to_string_lossy()))
    }

    /// The usual ending of such files.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Format::Table { .. } => "txt",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Json => "json",
            Format::JsonLines => "jsonl",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
            Format::Markdown => "md",
        }
    }
}
