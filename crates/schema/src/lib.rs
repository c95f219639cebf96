//! JSON Schema for answers: read from a short form or from JSON, sent in the dialect an endpoint accepts, and held
//! against what comes back by a reader that repairs syntax and keeps a record of every repair.
//!
//! It never guesses silently: a conversion that loses nothing is made and noted, everything else is an error whose text
//! can be shown to the model. It sends nothing, fetches nothing and knows no model; columns are made from its typed
//! view elsewhere.
//!
//! ```
//! use corsac_schema::{RepairKind, Schema};
//!
//! let schema = Schema::from_text("product string, stars int 'one to five', mood enum(good, bad)")?;
//! let answer = "Sure!\n```json\n{\"product\": \"kettle\", \"stars\": \"4\", \"mood\": \"Good\",}\n```";
//! let read = schema.read(answer)?;
//! assert_eq!(read.value, serde_json::json!({"product": "kettle", "stars": 4, "mood": "good"}));
//!
//! let repairs: Vec<RepairKind> = read.repairs.iter().map(|repair| repair.kind).collect();
//! assert_eq!(
//!     repairs,
//!     [RepairKind::Fences, RepairKind::Prose, RepairKind::TrailingComma, RepairKind::NumberAsText, RepairKind::EnumCase]
//! );
//!
//! let refused = schema.read(r#"{"product": "kettle", "stars": "five", "mood": "good"}"#);
//! assert_eq!(refused.unwrap_err().to_string(), r#"at /stars: expected an integer, got "five""#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod calendar;
mod canonical;
mod constraint;
mod dialect;
mod document;
mod error;
mod fit;
mod kind;
mod outline;
mod reader;
mod references;
mod repair;
mod shape;
mod short_form;
mod size;
mod syntax;

use std::fmt;
use std::sync::{Arc, OnceLock};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

pub use crate::dialect::Dialect;
pub use crate::error::{ReadError, SchemaError, TextFault};
pub use crate::kind::{Field, Type};
pub use crate::reader::Read;
pub use crate::repair::{Repair, RepairKind};

use crate::reader::Reader;
use crate::shape::Shape;

/// Longest schema text read, in bytes.
const TEXT_BYTES_LIMIT: usize = 1024 * 1024;

/// A checked schema. Cloning is cheap; everything that takes time is computed once.
#[derive(Clone)]
pub struct Schema {
    inner: Arc<Inner>,
}

struct Inner {
    original: Arc<Value>,
    /// The original with references followed.
    resolved: Value,
    shape: Shape,
    kind: Type,
    canonical: String,
    /// Present where the shape alone does not say all that the schema says.
    validator: Option<Validator>,
    strict: OnceLock<(Arc<Value>, Vec<String>)>,
    draft7_tool: OnceLock<Arc<Value>>,
}

impl Schema {
    /// Reads a schema text: JSON Schema where it begins as JSON (`{"`, `[`, `"`), otherwise the short form, such as
    /// `product string, stars int 'one to five', defects list<string>, mood enum(good, bad), note string?`.
    ///
    /// Fields of the short form are required; a `?` after the type or the name makes one optional.
    ///
    /// # Errors
    /// With line, column and a line of carets where the text cannot be read; with a JSON Pointer where the JSON is not
    /// a schema.
    pub fn from_text(text: &str) -> Result<Schema, SchemaError> {
        let start = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let inside = start.strip_prefix('{').map(str::trim_start);
        let is_json = start.starts_with(['[', '"']) && !is_quoted_name(start)
            || inside.is_some_and(|inside| inside.is_empty() || inside.starts_with(['"', '}']));
        if is_json { Schema::from_json_text(text) } else { Schema::from_short_form(text) }
    }

    /// Reads a schema from JSON text, such as the content of a `.json` file.
    ///
    /// # Errors
    /// As for [`Schema::from_text`].
    pub fn from_json_text(text: &str) -> Result<Schema, SchemaError> {
        check_length(text)?;
        let text = text.trim_start_matches('\u{feff}');
        let value = serde_json::from_str(text).map_err(|error| {
            let at = reader::byte_offset(text, &error);
            let whole = error.to_string();
            let message = whole.split(" at line ").next().unwrap_or(&whole).to_owned();
            SchemaError::Json(TextFault::at("schema JSON", text, at, at + 1, message, ""))
        })?;
        Schema::from_json(value)
    }

    fn from_short_form(text: &str) -> Result<Schema, SchemaError> {
        check_length(text)?;
        Schema::from_type(&short_form::parse(text)?)
    }

    /// Takes a JSON Schema document.
    ///
    /// # Errors
    /// Where the document is not a schema, refers outside itself, or is larger than 20,000 subschemas or 64 levels.
    pub fn from_json(value: Value) -> Result<Schema, SchemaError> {
        document::check(&value)?;
        let resolved = references::resolve(&value)?;
        let (shape, complete) = shape::compile(&resolved);
        let validator = if complete { None } else { Some(full_validator(&value)?) };
        Ok(Schema::assemble(value, resolved, shape, validator))
    }

    /// Builds the schema of a type.
    ///
    /// # Errors
    /// Where the type holds an empty struct, a name twice, or an enum without values or with a blank or repeated one.
    pub fn from_type(kind: &Type) -> Result<Schema, SchemaError> {
        Schema::from_json(kind.to_json_schema()?)
    }

    /// The schema of a classification: `{"label": one of the labels}`.
    ///
    /// # Errors
    /// Without labels, or with a blank or repeated one.
    pub fn labels(labels: &[String]) -> Result<Schema, SchemaError> {
        kind::check_labels(labels).map_err(SchemaError::Labels)?;
        Ok(Schema::of_one_property("label", json!({"type": "string", "enum": labels})))
    }

    /// The schema of a yes-or-no question: `{NAME: true or false}`; `answer` is the usual name.
    pub fn boolean(name: &str) -> Schema {
        Schema::of_one_property(name, json!({"type": "boolean"}))
    }

    /// For schemas that are right by construction and complete as a shape.
    fn of_one_property(name: &str, schema: Value) -> Schema {
        let properties = Map::from_iter([(name.to_owned(), schema)]);
        let value = json!({
            "type": "object",
            "properties": properties,
            "required": [name]
        });
        let (shape, _) = shape::compile(&value);
        Schema::assemble(value.clone(), value, shape, None)
    }

    fn assemble(original: Value, resolved: Value, shape: Shape, validator: Option<Validator>) -> Schema {
        let kind = shape.to_type();
        let canonical = canonical::text(&original);
        Schema {
            inner: Arc::new(Inner {
                original: Arc::new(original),
                resolved,
                shape,
                kind,
                canonical,
                validator,
                strict: OnceLock::new(),
                draft7_tool: OnceLock::new(),
            }),
        }
    }

    /// The schema as it was given (the short form: as the JSON Schema it stands for).
    pub fn original(&self) -> &Value {
        &self.inner.original
    }

    /// The typed view, properties in the schema's order.
    pub fn kind(&self) -> &Type {
        &self.inner.kind
    }

    /// The typed view as short form; for an object its fields without braces.
    pub fn short_form(&self) -> String {
        match self.kind() {
            Type::Struct(fields) => kind::Fields(fields).to_string(),
            other => other.to_string(),
        }
    }

    /// A text equal for schemas that are equal but for the order of their keywords.
    pub fn fingerprint_text(&self) -> &str {
        &self.inner.canonical
    }

    /// The schema in the form to send. Check [`Schema::strict_possible`] before sending the strict one.
    pub fn dialect(&self, dialect: Dialect) -> Arc<Value> {
        match dialect {
            Dialect::Original => Arc::clone(&self.inner.original),
            Dialect::Strict => Arc::clone(&self.strict().0),
            Dialect::Draft7Tool => Arc::clone(
                self.inner.draft7_tool.get_or_init(|| Arc::new(dialect::draft7_tool(&self.inner.resolved, self.inner.shape.is_object()))),
            ),
        }
    }

    /// Whether the strict dialect can say what this schema says.
    ///
    /// # Errors
    /// Every reason why not, each with its place.
    pub fn strict_possible(&self) -> Result<(), Vec<String>> {
        let (_, reasons) = self.strict();
        if reasons.is_empty() { Ok(()) } else { Err(reasons.clone()) }
    }

    fn strict(&self) -> &(Arc<Value>, Vec<String>) {
        self.inner.strict.get_or_init(|| {
            let (schema, reasons) = dialect::strict(&self.inner.resolved, self.inner.shape.is_object());
            (Arc::new(schema), reasons)
        })
    }

    /// Reads an answer that came to its own end, repairing its syntax and undoing what a dialect changed: null for an
    /// optional property counts as absent, and `{"value": …}` around a root that is not an object is taken off.
    ///
    /// # Errors
    /// Where the answer is empty, is not JSON and cannot be repaired without guessing, holds two different answers, is
    /// longer than 8 MB or deeper than 127 levels, or violates the schema.
    pub fn read(&self, text: &str) -> Result<Read, ReadError> {
        self.reader().read(text)
    }

    /// Reads an answer that was cut off at a length limit: it is taken only if it is complete and valid all the same,
    /// and never repaired.
    ///
    /// # Errors
    /// As for [`Schema::read`], and wherever a repair would be needed.
    pub fn read_truncated(&self, text: &str) -> Result<Read, ReadError> {
        self.reader().read_truncated(text)
    }

    fn reader(&self) -> Reader<'_> {
        Reader { shape: &self.inner.shape, validator: self.inner.validator.as_ref() }
    }

    /// The schema as a few lines for a prompt: the JSON to write, with types, descriptions and allowed values.
    pub fn outline(&self) -> String {
        outline::outline(&self.inner.resolved)
    }

    /// Rough length of an answer in tokens: integer 4, number 6, boolean 2, date 8, date-time 16, text 64, free JSON
    /// 128, an enum its longest label (three bytes a token) plus 2, a list eight items, an object its names and values.
    pub fn estimated_tokens(&self) -> u32 {
        size::estimated_tokens(&self.inner.shape)
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({})", self.short_form())
    }
}

/// Schemas are equal when their fingerprint texts are.
impl PartialEq for Schema {
    fn eq(&self, other: &Schema) -> bool {
        self.inner.canonical == other.inner.canonical
    }
}

impl Eq for Schema {}

fn full_validator(schema: &Value) -> Result<Validator, SchemaError> {
    jsonschema::options().should_validate_formats(true).build(schema).map_err(|error| SchemaError::NotASchema {
        pointer: error.instance_path().to_string(),
        message: error.masked_with("the value").to_string(),
    })
}

fn check_length(text: &str) -> Result<(), SchemaError> {
    if text.len() > TEXT_BYTES_LIMIT {
        return Err(SchemaError::TooLarge(format!("{} bytes, at most {TEXT_BYTES_LIMIT} are read", text.len())));
    }
    Ok(())
}

/// Whether a text beginning with `"` goes on like a field of the short form: `"delivery days" int`.
fn is_quoted_name(start: &str) -> bool {
    let rest = start.strip_prefix('"').and_then(|rest| rest.split_once('"')).map(|(_, rest)| rest.trim_start());
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_alphabetic() || c == ':' || c == '?'))
}
