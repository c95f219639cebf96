//! What can be wrong with a schema, and what can be wrong with an answer, said so that a person can act on it.

use std::fmt;

use serde_json::Value;

/// A schema that cannot be used, with the place where it went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The short form does not parse.
    #[error("{0}")]
    ShortForm(Box<TextFault>),
    /// The text looks like JSON but is not.
    #[error("{0}")]
    Json(Box<TextFault>),
    /// The JSON parses but is not a JSON Schema.
    #[error("{} in the schema: {message}", place_name(pointer))]
    NotASchema {
        /// JSON Pointer into the schema; empty for the root.
        pointer: String,
        /// What is wrong there and what to write instead.
        message: String,
    },
    /// A `$ref` leads outside the document; nothing is ever fetched.
    #[error(
        "{} in the schema: `$ref` to \"{reference}\" leads outside the document; put that schema under \"$defs\" and refer to it as \"#/$defs/NAME\"",
        place_name(pointer)
    )]
    RemoteReference {
        /// JSON Pointer to the object that holds the `$ref`.
        pointer: String,
        /// The reference as written.
        reference: String,
    },
    /// The schema is deeper or larger than what is accepted.
    #[error("the schema is too large: {0}")]
    TooLarge(String),
    /// The list of labels cannot be turned into an enum.
    #[error("labels: {0}")]
    Labels(String),
    /// A type built in code cannot be turned into a schema.
    #[error("type: {0}")]
    Kind(String),
}

/// A fault at a place in a text: line and column count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFault {
    /// What was being read: "schema text" or "schema JSON".
    pub subject: &'static str,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The line itself and a second line with carets under the place.
    pub caret: String,
    /// What would have been accepted; empty when there is nothing to add.
    pub expected: String,
}

impl TextFault {
    /// Describes bytes `start..end` of `text`.
    pub(crate) fn at(subject: &'static str, text: &str, start: usize, end: usize, message: String, expected: &str) -> Box<TextFault> {
        let start = floor_boundary(text, start);
        let end = floor_boundary(text, end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[..start].matches('\n').count() + 1;
        let column = text[line_start..start].chars().count() + 1;
        let carets = text[start..end.min(line_end).max(start)].chars().count().max(1);
        TextFault {
            subject,
            line,
            column,
            message,
            caret: caret_lines(&text[line_start..line_end], column - 1, carets),
            expected: expected.to_owned(),
        }
        .into()
    }
}

impl fmt::Display for TextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}, column {}: {}\n{}", self.subject, self.line, self.column, self.message, self.caret)?;
        if !self.expected.is_empty() {
            write!(f, "\n{}", self.expected)?;
        }
        Ok(())
    }
}

/// The line (cut to a window when long) over a line of carets; control characters become blanks so that they stay aligned.
fn caret_lines(line: &str, before: usize, carets: usize) -> String {
    const WINDOW_CHARS: usize = 72;
    let skip = before.saturating_sub(WINDOW_CHARS / 2);
    let shown: String = line.chars().skip(skip).take(WINDOW_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let head = if skip > 0 { "…" } else { "" };
    let tail = if line.chars().count() > skip + WINDOW_CHARS { "…" } else { "" };
    let indent = before - skip + head.chars().count();
    let carets = carets.min(WINDOW_CHARS.saturating_sub(before - skip)).max(1);
    format!("  {head}{shown}{tail}\n  {}{}", " ".repeat(indent), "^".repeat(carets))
}

/// An answer that could not be taken. Its text is fit to be shown to the model in a second ask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing but blanks came back.
    #[error("the answer is empty: expected JSON")]
    Empty,
    /// The text is not JSON and no repair makes it JSON.
    #[error("the answer is not JSON at byte {at}: {why}, near {excerpt}")]
    NotJson {
        /// What stands in the way.
        why: String,
        /// Byte offset into the answer.
        at: usize,
        /// The text around that place, quoted and shortened.
        excerpt: String,
    },
    /// The text is JSON but not what the schema asks for.
    #[error("{message}")]
    Violation {
        /// JSON Pointer into the answer; empty for the root.
        path: String,
        /// What the schema asks for there.
        expected: String,
        /// What stood there, quoted and shortened.
        got: String,
        /// The whole finding in one line.
        message: String,
    },
}

impl ReadError {
    pub(crate) fn violation(path: String, expected: String, got: &Value) -> ReadError {
        ReadError::violation_because(path, expected, excerpt_of_value(got))
    }

    pub(crate) fn violation_because(path: String, expected: String, got: String) -> ReadError {
        let message = format!("{}: expected {expected}, got {got}", place_name(&path));
        ReadError::Violation { path, expected, got, message }
    }

    pub(crate) fn not_json(text: &str, at: usize, why: impl Into<String>) -> ReadError {
        let at = floor_boundary(text, at);
        let start = floor_boundary(text, at.saturating_sub(20));
        ReadError::NotJson { why: why.into(), at, excerpt: excerpt(&text[start..]) }
    }
}

const EXCERPT_CHARS: usize = 60;

/// The start of a word that is to stand inside a message.
pub(crate) fn clipped(text: &str) -> String {
    const WORD_CHARS: usize = 30;
    text.chars().take(WORD_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The start of a text in quotes, control characters escaped.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown = String::from("\"");
    for (count, c) in text.chars().enumerate() {
        if count == EXCERPT_CHARS {
            shown.push('…');
            break;
        }
        match c {
            '"' => shown.push_str("\\\""),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown.push('"');
    shown
}

/// A JSON value as one short line.
pub(crate) fn excerpt_of_value(value: &Value) -> String {
    match value {
        Value::String(text) => excerpt(text),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(map) if map.is_empty() => "an empty object".to_owned(),
        Value::Object(map) => {
            let names: Vec<String> = map.keys().take(4).map(|name| excerpt(name)).collect();
            let more = if map.len() > 4 { ", …" } else { "" };
            format!("an object with {}{more}", names.join(", "))
        }
        other => other.to_string(),
    }
}

fn place_name(pointer: &str) -> String {
    if pointer.is_empty() { "at the root".to_owned() } else { format!("at {pointer}") }
}

/// The largest character boundary not beyond `at`.
pub(crate) fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// One step of a JSON Pointer, escaped as RFC 6901 asks.
pub(crate) fn pointer_step(name: &str) -> String {
    if name.contains(['~', '/']) { name.replace('~', "~0").replace('/', "~1") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_under_the_place_even_in_a_long_line() {
        let text = format!("{}HERE tail", "x".repeat(200));
        let fault = TextFault::at("schema text", &text, 200, 204, "bad".into(), "");
        let lines: Vec<&str> = fault.caret.lines().collect();
        let caret_at = lines[1].chars().position(|c| c == '^').unwrap();
        let shown: String = lines[0].chars().skip(caret_at).take(4).collect();
        assert_eq!(shown, "HERE");
        assert_eq!(lines[1].matches('^').count(), 4);
    }

    #[test]
    fn an_excerpt_is_one_line_and_short() {
        let shown = excerpt(&"a\n\"".repeat(100));
        assert!(!shown.contains('\n'));
        assert!(shown.chars().count() < 140);
    }
}
