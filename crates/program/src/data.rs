//! Examples from files: CSV and JSON lines, read into the types of a signature.

use std::path::Path;

use serde_json::Value;

use crate::{Example, Field, FieldType, Record, Side, Signature};

/// A file that gives no examples.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file cannot be read.
    #[error("{file} cannot be read: {why}")]
    File {
        /// Its path.
        file: String,
        /// What happened.
        why: String,
    },
    /// A row cannot be read.
    #[error("{file}, row {row}: {why}")]
    Row {
        /// Its path.
        file: String,
        /// The row, from 1.
        row: usize,
        /// What is wrong.
        why: String,
    },
    /// A column is missing.
    #[error("{file} has no column `{column}`, which is an input of the program; it has {known}")]
    Column {
        /// Its path.
        file: String,
        /// The column.
        column: String,
        /// The columns it has.
        known: String,
    },
    /// The ending of the name says neither.
    #[error("{file}: examples are read from .csv, .tsv, .jsonl, .ndjson and .json files")]
    Format {
        /// Its path.
        file: String,
    },
}

/// Reads examples for a signature: its inputs are the examples' inputs; everything else a row has is kept as label.
///
/// # Errors
/// The file cannot be read, or lacks an input.
pub fn read_examples(path: &Path, signature: &Signature) -> Result<Vec<Example>, DataError> {
    let file = path.display().to_string();
    let fails = |why: String| DataError::File { file: file.clone(), why };
    let records = match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "csv" => delimited(path, b',', signature, &file)?,
        "tsv" => delimited(path, b'\t', signature, &file)?,
        "jsonl" | "ndjson" => lines(&std::fs::read_to_string(path).map_err(|error| fails(error.to_string()))?, &file)?,
        "json" => {
            let text = std::fs::read_to_string(path).map_err(|error| fails(error.to_string()))?;
            serde_json::from_str(&text).map_err(|error| fails(format!("it should be a list of objects: {error}")))?
        }
        _ => return Err(DataError::Format { file }),
    };
    let inputs: Vec<&str> = signature.inputs().iter().filter(|field| !field.is_optional()).map(|field| field.name.as_str()).collect();
    if let Some(first) = records.first()
        && let Some(missing) = inputs.iter().find(|name| !first.contains_key(**name))
    {
        let known = first.keys().cloned().collect::<Vec<_>>().join(", ");
        return Err(DataError::Column { file, column: (*missing).to_owned(), known });
    }
    let names: Vec<&str> = signature.inputs().iter().map(|field| field.name.as_str()).collect();
    Ok(records.into_iter().map(|record| Example::new(record, names.iter().copied())).collect())
}

fn lines(text: &str, file: &str) -> Result<Vec<Record>, DataError> {
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(row, line)| {
            serde_json::from_str(line).map_err(|error| DataError::Row { file: file.to_owned(), row: row + 1, why: error.to_string() })
        })
        .collect()
}

fn delimited(path: &Path, delimiter: u8, signature: &Signature, file: &str) -> Result<Vec<Record>, DataError> {
    let fails = |why: String| DataError::File { file: file.to_owned(), why };
    let reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_path(path);
    let mut reader = reader.map_err(|error| fails(error.to_string()))?;
    let headers = reader.headers().map_err(|error| fails(error.to_string()))?.clone();
    let names: Vec<&str> = headers.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
    let mut records = Vec::new();
    for (row, cells) in reader.records().enumerate() {
        let cells = cells.map_err(|error| DataError::Row { file: file.to_owned(), row: row + 1, why: error.to_string() })?;
        let pairs = names.iter().zip(cells.iter()).filter_map(|(name, cell)| {
            let field = signature.field(name);
            // a label that nobody gave is none, and no wrong one
            let is_missing = |(side, field): (Side, &Field)| side == Side::Output && !field.ty.is_text() && cell.trim().is_empty();
            let ty = field.map(|(_, field)| &field.ty);
            let value = ty.map_or_else(|| cell.into(), |ty| read_cell(ty, cell));
            (!field.is_some_and(is_missing) || value.is_null()).then(|| ((*name).to_owned(), value))
        });
        records.push(pairs.collect());
    }
    Ok(records)
}

/// A cell, or an argument, as its field's type has it; what does not fit stays text and is judged where it is used.
pub fn read_cell(ty: &FieldType, cell: &str) -> Value {
    if cell.is_empty() && matches!(ty, FieldType::Optional(_)) {
        return Value::Null;
    }
    let lower = || cell.trim().to_lowercase();
    match ty.without_null() {
        FieldType::Text | FieldType::Image | FieldType::Date | FieldType::DateTime => cell.into(),
        FieldType::Literal(values) => values
            .iter()
            .find(|value| !value.is_string() && serde_json::from_str::<Value>(cell.trim()).is_ok_and(|cell| cell == **value))
            .cloned()
            .unwrap_or_else(|| cell.into()),
        FieldType::Boolean => match lower().as_str() {
            "true" | "yes" | "1" => true.into(),
            "false" | "no" | "0" => false.into(),
            _ => cell.into(),
        },
        _ => serde_json::from_str(cell.trim()).unwrap_or_else(|_| cell.into()),
    }
}

/// What is wrong with a value for a field, where that can be told before anything is asked.
pub fn misfit(ty: &FieldType, value: &Value) -> Option<String> {
    let fits = match ty.without_null() {
        _ if value.is_null() => true,
        FieldType::Integer => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        FieldType::Number => value.is_number(),
        FieldType::Boolean => value.is_boolean(),
        FieldType::Literal(values) => values.contains(value),
        FieldType::Map(_) | FieldType::Object { .. } => value.is_object(),
        _ => true,
    };
    (!fits).then(|| format!("{value} is no {ty}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(name: &str, text: &str) -> Result<Vec<Example>, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read_examples(&path, &Signature::parse("text, tags: list[str] -> stars: int, label").unwrap())
    }

    #[test]
    fn cells_take_the_types_of_their_fields() {
        let examples = read("a.csv", "text,tags,stars,label,lang\n\"12, or so\",\"[\"\"a\"\"]\",4,7,en\n").unwrap();
        assert_eq!(Value::Object(examples[0].inputs()), json!({"text": "12, or so", "tags": ["a"]}));
        assert_eq!(Value::Object(examples[0].labels()), json!({"stars": 4, "label": "7", "lang": "en"}));
    }

    #[test]
    fn a_blank_label_is_none_and_a_blank_text_is_one() {
        let examples = read("a.csv", "text,tags,stars,label\nx,[],,\n").unwrap();
        assert_eq!(Value::Object(examples[0].labels()), json!({"label": ""}));
    }

    #[test]
    fn what_cannot_be_an_input_is_told() {
        let wrong = |ty: &str, value: &str| {
            let signature = Signature::parse(&format!("a: {ty} -> b")).unwrap();
            let ty = &signature.inputs()[0].ty;
            misfit(ty, &read_cell(ty, value))
        };
        assert_eq!(wrong("int", "x").as_deref(), Some("\"x\" is no int"));
        assert_eq!(wrong("Literal['a', 'b']", "c").as_deref(), Some("\"c\" is no Literal['a', 'b']"));
        for (ty, value) in [
            ("int", "-3"),
            ("float", "1e3"),
            ("bool", "Yes"),
            ("Literal['a', 1]", "1"),
            ("Optional[int]", ""),
            ("list[str]", "a"),
            ("dict[str, int]", "{}"),
        ] {
            assert_eq!(wrong(ty, value), None, "{ty} {value}");
        }
    }

    #[test]
    fn lines_of_json_and_what_is_wrong_with_them() {
        assert_eq!(read("a.jsonl", "{\"text\": \"x\", \"tags\": []}\n\n{\"text\": \"y\", \"tags\": []}\n").unwrap().len(), 2);
        let error = read("a.jsonl", "{\"text\": \"x\", \"tags\": []}\n{oops\n").unwrap_err().to_string();
        assert!(error.contains("row 2"), "{error}");
        let error = read("a.csv", "words,tags\nx,[]\n").unwrap_err().to_string();
        assert!(error.contains("no column `text`") && error.contains("words, tags"), "{error}");
    }
}
