//! Examples of questions with their answers, as a call is given them: a list of structs in the query, or a file.

use std::path::Path;

use corsac_program::Demo;
use datafusion::common::{Result, ScalarValue, plan_datafusion_err, plan_err};
use serde_json::{Map, Value};

use crate::cell::json_value;

const WRITE: &str = "Write examples => [{input: 'a text', output: 'its answer'}], or name a .csv or .jsonl file, a table or a view with the columns input and output";

/// Reads the examples that a constant gives.
pub(crate) fn read(function: &str, value: &ScalarValue) -> Result<Vec<Demo>> {
    let rows = match value.try_as_str() {
        Some(Some(path)) => from_file(path.trim()).map_err(|why| plan_datafusion_err!("the examples of {function}: {why}. {WRITE}"))?,
        _ => from_list(function, value)?,
    };
    let examples = rows
        .into_iter()
        .enumerate()
        .map(|(place, row)| example(row).ok_or_else(|| plan_datafusion_err!("example {} of {function} has no output. {WRITE}", place + 1)));
    examples.collect()
}

fn example(mut row: Map<String, Value>) -> Option<Demo> {
    let output = row.remove("output").filter(|output| !output.is_null())?;
    let inputs = match row.remove("input") {
        Some(Value::Object(inputs)) => inputs,
        Some(input) => Map::from_iter([(Demo::INPUT.to_owned(), input)]),
        None => row,
    };
    Some(Demo { inputs, output })
}

fn from_list(function: &str, value: &ScalarValue) -> Result<Vec<Map<String, Value>>> {
    let items = match value {
        ScalarValue::List(list) => list.value(0),
        ScalarValue::LargeList(list) => list.value(0),
        ScalarValue::FixedSizeList(list) => list.value(0),
        _ => {
            return plan_err!(
                "the examples of {function} must be a list of structs or the path of a file, not {}. {WRITE}",
                value.data_type()
            );
        }
    };
    let row = |place| match json_value(items.as_ref(), place)? {
        Value::Object(row) => Ok(row),
        other => plan_err!("example {} of {function} is {other}, but must be a struct. {WRITE}", place + 1),
    };
    (0..items.len()).map(row).collect()
}

/// The rows of a file. A path counts from the working directory.
fn from_file(path: &str) -> Result<Vec<Map<String, Value>>, String> {
    let unread = |error: &dyn std::fmt::Display| format!("{path} cannot be read: {error}");
    match Path::new(path).extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => {
            let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_path(path).map_err(|error| unread(&error))?;
            let rows = reader.deserialize::<std::collections::BTreeMap<String, String>>();
            let text = |(name, value): (String, String)| (name, Value::String(value));
            rows.map(|row| Ok(row.map_err(|error| unread(&error))?.into_iter().map(text).collect())).collect()
        }
        Some("jsonl" | "ndjson") => {
            let content = std::fs::read_to_string(path).map_err(|error| unread(&error))?;
            let lines = content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            let row = |(place, line): (usize, &str)| {
                serde_json::from_str(line).map_err(|error| format!("line {} of {path} is no JSON object: {error}", place + 1))
            };
            lines.map(row).collect()
        }
        _ => Err(format!("{path} is neither a .csv nor a .jsonl file, nor a table that is known here")),
    }
}
