//! A signature: what a model is given, what it is to write, and what it should do. Never changed in place: every edit
//! gives a new one.

mod field;
mod field_type;
mod grammar;
mod prefix;

use std::fmt;
use std::sync::Arc;

use corsac_schema::{Schema, SchemaError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use self::field::{Constraints, Field};
pub use self::field_type::{FieldType, Member};
pub use self::grammar::Types;
pub use self::prefix::inferred_prefix;

use crate::Record;

/// Inputs, outputs and instructions. Cloning is cheap.
#[derive(Clone)]
pub struct Signature {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    name: Arc<str>,
    instructions: Arc<str>,
    inputs: Arc<[Field]>,
    outputs: Arc<[Field]>,
    schemas: Arc<Schemas>,
}

/// The outputs as JSON Schema: all of them as one object, and each by itself.
struct Schemas {
    whole: Schema,
    each: Vec<Schema>,
}

/// A signature that cannot be read or built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SignatureError {
    /// The text form does not parse.
    #[error("the signature cannot be read at column {column}: {message}\n  {text}\n  {caret}")]
    Text {
        /// The text, on one line.
        text: String,
        /// Where, in characters from 1.
        column: usize,
        /// What is wrong and what to write.
        message: String,
        /// Blanks and a caret under the place.
        caret: String,
    },
    /// A field's name is used twice.
    #[error("the signature names the field `{0}` twice; every input and output needs a name of its own")]
    Twice(String),
    /// A field's name cannot stand in a reply.
    #[error("`{0}` cannot name a field: use letters, digits and underscores, and begin with no digit")]
    Name(String),
    /// Nothing to write.
    #[error("the signature has no output; write at least one after `->`")]
    NoOutput,
    /// There is no such field.
    #[error("the signature has no field `{name}`; it has {known}")]
    NoField {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A type that only an input can have.
    #[error("the output `{name}` has the type {kind}, which a model cannot write; make it an input")]
    InputOnly {
        /// The field.
        name: String,
        /// Its type.
        kind: String,
    },
    /// A constraint or type that makes no schema.
    #[error("the output `{name}`: {why}")]
    Schema {
        /// The field.
        name: String,
        /// What is wrong.
        why: SchemaError,
    },
}

/// Which side of a signature a field stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Given to the model.
    Input,
    /// Written by the model.
    Output,
}

impl Signature {
    /// Reads the text form: names with optional types on both sides of one arrow, as in
    /// `"context: list[str], question -> answer, confidence: float"`. A field without a type is text.
    ///
    /// # Errors
    /// The place where the text cannot be read, and what would have been.
    pub fn parse(text: &str) -> Result<Signature, SignatureError> {
        Signature::parse_with(text, &Types::new())
    }

    /// Reads the text form, in which types of one's own may be named.
    ///
    /// # Errors
    /// As for [`Signature::parse`].
    pub fn parse_with(text: &str, types: &Types) -> Result<Signature, SignatureError> {
        let (inputs, outputs) = grammar::parse(text, types)?;
        Signature::new("signature", "", inputs, outputs)
    }

    /// A signature of these fields. Empty instructions become a plain sentence that names the fields.
    ///
    /// # Errors
    /// A name that is used twice or cannot be one, no output, or an output whose type makes no schema.
    pub fn new(name: &str, instructions: &str, inputs: Vec<Field>, outputs: Vec<Field>) -> Result<Signature, SignatureError> {
        if outputs.is_empty() {
            return Err(SignatureError::NoOutput);
        }
        let mut names: Vec<&str> = Vec::new();
        for field in inputs.iter().chain(&outputs) {
            if !is_name(&field.name) {
                return Err(SignatureError::Name(field.name.clone()));
            }
            if names.contains(&field.name.as_str()) {
                return Err(SignatureError::Twice(field.name.clone()));
            }
            names.push(&field.name);
        }
        let schemas = Schemas::of(&outputs)?;
        let instructions = instructions.trim();
        let instructions = if instructions.is_empty() { plain_instructions(&inputs, &outputs) } else { instructions.to_owned() };
        let inner = Inner {
            name: name.into(),
            instructions: instructions.into(),
            inputs: inputs.into(),
            outputs: outputs.into(),
            schemas: Arc::new(schemas),
        };
        Ok(Signature { inner: Arc::new(inner) })
    }

    /// Its name, for reports and the ledger.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What the model should do.
    pub fn instructions(&self) -> &str {
        &self.inner.instructions
    }

    /// What the model is given, in order.
    pub fn inputs(&self) -> &[Field] {
        &self.inner.inputs
    }

    /// What the model writes, in order.
    pub fn outputs(&self) -> &[Field] {
        &self.inner.outputs
    }

    /// All fields, inputs first.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.inputs().iter().chain(self.outputs())
    }

    /// A field of either side.
    pub fn field(&self, name: &str) -> Option<(Side, &Field)> {
        let input = self.inputs().iter().find(|field| field.name == name).map(|field| (Side::Input, field));
        input.or_else(|| self.outputs().iter().find(|field| field.name == name).map(|field| (Side::Output, field)))
    }

    /// All outputs as one JSON object: names, types, descriptions and constraints.
    pub fn output_schema(&self) -> &Schema {
        &self.inner.schemas.whole
    }

    /// The schema of one output, by its place.
    pub(crate) fn schema_at(&self, place: usize) -> Option<&Schema> {
        self.inner.schemas.each.get(place)
    }

    /// With another name.
    #[must_use]
    pub fn named(&self, name: &str) -> Signature {
        self.changed(|inner| inner.name = name.into())
    }

    /// With other instructions.
    #[must_use]
    pub fn with_instructions(&self, instructions: &str) -> Signature {
        self.changed(|inner| inner.instructions = instructions.into())
    }

    /// With a paragraph more.
    #[must_use]
    pub fn append_instructions(&self, more: &str) -> Signature {
        self.with_instructions(&format!("{}\n\n{more}", self.instructions()))
    }

    /// With a field changed.
    ///
    /// # Errors
    /// There is no such field, or it cannot be built any more.
    pub fn with_field(&self, name: &str, change: impl FnOnce(Field) -> Field) -> Result<Signature, SignatureError> {
        let (mut inputs, mut outputs) = (self.inputs().to_vec(), self.outputs().to_vec());
        let Some(field) = inputs.iter_mut().chain(&mut outputs).find(|field| field.name == name) else {
            return Err(self.no_field(name));
        };
        *field = change(field.clone());
        self.rebuilt(inputs, outputs)
    }

    /// With a field at the beginning of a side.
    ///
    /// # Errors
    /// As for [`Signature::insert`].
    pub fn prepend(&self, side: Side, field: Field) -> Result<Signature, SignatureError> {
        self.insert(side, 0, field)
    }

    /// With a field at the end of a side.
    ///
    /// # Errors
    /// As for [`Signature::insert`].
    pub fn append(&self, side: Side, field: Field) -> Result<Signature, SignatureError> {
        self.insert(side, -1, field)
    }

    /// With a field at a place of a side, counted from the end where it is negative (−1 is behind the last).
    ///
    /// # Errors
    /// The name is taken, or the field makes no schema.
    pub fn insert(&self, side: Side, place: isize, field: Field) -> Result<Signature, SignatureError> {
        let (mut inputs, mut outputs) = (self.inputs().to_vec(), self.outputs().to_vec());
        let fields = if side == Side::Input { &mut inputs } else { &mut outputs };
        let length = fields.len();
        let at = if place < 0 { (length + 1).saturating_sub(place.unsigned_abs()) } else { place.unsigned_abs().min(length) };
        fields.insert(at, field);
        self.rebuilt(inputs, outputs)
    }

    /// Without a field.
    ///
    /// # Errors
    /// There is no such field, or it was the last output.
    pub fn delete(&self, name: &str) -> Result<Signature, SignatureError> {
        if self.field(name).is_none() {
            return Err(self.no_field(name));
        }
        let keep = |fields: &[Field]| fields.iter().filter(|field| field.name != name).cloned().collect();
        self.rebuilt(keep(self.inputs()), keep(self.outputs()))
    }

    fn no_field(&self, name: &str) -> SignatureError {
        let known: Vec<&str> = self.fields().map(|field| field.name.as_str()).collect();
        SignatureError::NoField { name: name.to_owned(), known: known.join(", ") }
    }

    fn rebuilt(&self, inputs: Vec<Field>, outputs: Vec<Field>) -> Result<Signature, SignatureError> {
        Signature::new(self.name(), self.instructions(), inputs, outputs)
    }

    fn changed(&self, change: impl FnOnce(&mut Inner)) -> Signature {
        let mut inner = Inner::clone(&self.inner);
        change(&mut inner);
        Signature { inner: Arc::new(inner) }
    }

    /// The state that DSPy keeps of a signature: instructions, and prefix and description of each field by its place.
    pub fn state(&self) -> Value {
        let fields = self.fields().map(|field| {
            json!({
                "prefix": field.prefix.clone().unwrap_or_else(|| inferred_prefix(&field.name)),
                "description": field.description.clone().unwrap_or_else(|| format!("${{{}}}", field.name)),
            })
        });
        json!({"instructions": self.instructions(), "fields": fields.collect::<Vec<_>>()})
    }

    /// This signature with the instructions, prefixes and descriptions of a state; what the state does not say stays, and
    /// DSPy's `${name}` says nothing.
    #[must_use]
    pub fn with_state(&self, state: &Value) -> Signature {
        let told = state.get("fields").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let text = |told: &Value, key: &str| told.get(key).and_then(Value::as_str).map(str::to_owned);
        let updated = |fields: &[Field], from: usize| -> Vec<Field> {
            let pairs = fields.iter().enumerate().map(|(place, field)| (field, told.get(from + place)));
            let changed = pairs.map(|(field, told)| match told {
                None => field.clone(),
                Some(told) => {
                    let hidden = format!("${{{}}}", field.name);
                    let description = match text(told, "description") {
                        Some(said) if said != hidden => Some(said),
                        _ => field.description.clone(),
                    };
                    let prefix = text(told, "prefix").or_else(|| field.prefix.clone());
                    let prefix = prefix.filter(|prefix| *prefix != inferred_prefix(&field.name));
                    Field { description, prefix, ..field.clone() }
                }
            });
            changed.collect()
        };
        let instructions = state.get("instructions").and_then(Value::as_str);
        let (inputs, outputs) = (updated(self.inputs(), 0), updated(self.outputs(), self.inputs().len()));
        let same = |signature: &Signature| instructions.map_or_else(|| signature.clone(), |text| signature.with_instructions(text));
        // descriptions change no name and no type, so what could be built can be built again
        self.rebuilt(inputs, outputs).map_or_else(|_| same(self), |signature| same(&signature))
    }

    /// What an answer may leave out, put in: a default, or null.
    pub(crate) fn complete(&self, outputs: &mut Record) {
        for field in self.outputs() {
            if field.is_optional() && !outputs.contains_key(&field.name) {
                outputs.insert(field.name.clone(), field.default.clone().unwrap_or(Value::Null));
            }
        }
        // in the signature's order, whatever order they came in
        let mut ordered = Map::new();
        for field in self.outputs() {
            if let Some(value) = outputs.remove(&field.name) {
                ordered.insert(field.name.clone(), value);
            }
        }
        *outputs = ordered;
    }
}

/// The text form, without descriptions and constraints; types of one's own stand by their names.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (side, fields) in [("", self.inputs()), (" -> ", self.outputs())] {
            f.write_str(side)?;
            for (place, field) in fields.iter().enumerate() {
                let comma = if place > 0 { ", " } else { "" };
                match field.ty {
                    FieldType::Text => write!(f, "{comma}{}", field.name)?,
                    _ => write!(f, "{comma}{}: {}", field.name, field.ty)?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}: {self})", self.name())
    }
}

impl PartialEq for Signature {
    fn eq(&self, other: &Signature) -> bool {
        self.instructions() == other.instructions() && self.inputs() == other.inputs() && self.outputs() == other.outputs()
    }
}

impl Schemas {
    fn of(outputs: &[Field]) -> Result<Schemas, SignatureError> {
        let mut properties = Map::new();
        let mut required = Vec::new();
        let mut each = Vec::with_capacity(outputs.len());
        for field in outputs {
            if let Some(kind) = field.ty.input_only() {
                return Err(SignatureError::InputOnly { name: field.name.clone(), kind: kind.to_string() });
            }
            let schema = field.json_schema();
            let fails = |why| SignatureError::Schema { name: field.name.clone(), why };
            each.push(Schema::from_json(schema.clone()).map_err(fails)?);
            properties.insert(field.name.clone(), schema);
            if !field.is_optional() {
                required.push(field.name.clone());
            }
        }
        let whole = json!({"type": "object", "properties": properties, "required": required});
        let fails = |why| SignatureError::Schema { name: "all outputs together".to_owned(), why };
        Ok(Schemas { whole: Schema::from_json(whole).map_err(fails)?, each })
    }
}

fn plain_instructions(inputs: &[Field], outputs: &[Field]) -> String {
    let list = |fields: &[Field]| fields.iter().map(|field| format!("`{}`", field.name)).collect::<Vec<_>>().join(", ");
    if inputs.is_empty() { format!("Write {}.", list(outputs)) } else { format!("From {}, work out {}.", list(inputs), list(outputs)) }
}

/// Whether a text can name a field: what a marker, an XML tag and a JSON property can all carry.
pub(crate) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_') && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// How a signature stands in a saved program: as text, or field by field.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Fields {
        #[serde(default)]
        name: String,
        #[serde(default)]
        instructions: String,
        inputs: Vec<Field>,
        outputs: Vec<Field>,
    },
}

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = Written::Fields {
            name: self.name().to_owned(),
            instructions: self.instructions().to_owned(),
            inputs: self.inputs().to_vec(),
            outputs: self.outputs().to_vec(),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Signature, D::Error> {
        let built = match Written::deserialize(deserializer)? {
            Written::Text(text) => Signature::parse(&text),
            Written::Fields { name, instructions, inputs, outputs } => Signature::new(&name, &instructions, inputs, outputs),
        };
        built.map_err(serde::de::Error::custom)
    }
}
