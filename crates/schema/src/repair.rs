//! The names of what the reader put right, so that a ledger can count them and a person can see them.

use std::fmt;

use serde::Serialize;

/// One thing that was not as it should have been and could be put right without losing or inventing content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repair {
    /// What was put right.
    pub kind: RepairKind,
    /// Byte offset into the answer. For a conversion of a value (`path` not empty, or a kind that is about a value) it
    /// is where the JSON begins.
    pub at: usize,
    /// JSON Pointer to the converted value; empty for the root and for repairs of syntax.
    pub path: String,
}

/// What kind of thing was put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RepairKind {
    /// The JSON stood in a Markdown code fence.
    Fences,
    /// Other text stood before or after the JSON.
    Prose,
    /// A comma stood before a closing bracket or at the end.
    TrailingComma,
    /// No comma stood between two properties.
    MissingComma,
    /// Text in single or typographic quotes.
    SingleQuotes,
    /// A property's name without quotes.
    UnquotedKey,
    /// A closing bracket was missing.
    MissingBracket,
    /// `True`, `False` or `None`.
    PythonLiteral,
    /// A comment.
    Comments,
    /// A line break or another control character inside a text.
    ControlCharacter,
    /// An escape JSON does not know; its characters were kept.
    InvalidEscape,
    /// A scalar without JSON's quotes (`positive`).
    BareText,
    /// JSON inside a JSON text.
    DoubleEncoded,
    /// The answer came in one layer too many (`[{…}]`, `{"answer": {…}}`) or without its only property (`positive`).
    Wrapped,
    /// A number in quotes.
    NumberAsText,
    /// `4.0` for the integer 4.
    IntegerWithFraction,
    /// `"true"` for true.
    BooleanAsText,
    /// A label that differed in case, surrounding blanks or a trailing dot.
    EnumCase,
    /// A label that is a number or a truth value, written without quotes.
    LabelAsLiteral,
    /// Blanks around a date.
    Blanks,
}

impl RepairKind {
    /// The name used in reports and in serialised form.
    pub fn name(self) -> &'static str {
        match self {
            RepairKind::Fences => "fences",
            RepairKind::Prose => "prose",
            RepairKind::TrailingComma => "trailing_comma",
            RepairKind::MissingComma => "missing_comma",
            RepairKind::SingleQuotes => "single_quotes",
            RepairKind::UnquotedKey => "unquoted_key",
            RepairKind::MissingBracket => "missing_bracket",
            RepairKind::PythonLiteral => "python_literal",
            RepairKind::Comments => "comments",
            RepairKind::ControlCharacter => "control_character",
            RepairKind::InvalidEscape => "invalid_escape",
            RepairKind::BareText => "bare_text",
            RepairKind::DoubleEncoded => "double_encoded",
            RepairKind::Wrapped => "wrapped",
            RepairKind::NumberAsText => "number_as_text",
            RepairKind::IntegerWithFraction => "integer_with_fraction",
            RepairKind::BooleanAsText => "boolean_as_text",
            RepairKind::EnumCase => "enum_case",
            RepairKind::LabelAsLiteral => "label_as_literal",
            RepairKind::Blanks => "blanks",
        }
    }
}

impl fmt::Display for RepairKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
