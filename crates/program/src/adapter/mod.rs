//! Between a signature and a model: an adapter writes inputs and demos as messages and reads a reply back into outputs.
//!
//! The forms (markers, tags, JSON) are those that DSPy uses, so that demos and replies look the same to a model; what is
//! said around them is Corsac's own.

mod baml;
mod chat;
mod content;
mod free;
mod json;
mod scan;
mod values;
mod xml;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{FieldType, Record, Signature};

pub(crate) use self::content::Content;
pub use self::scan::{Piece, Scanner};
pub(crate) use self::values::shown;

/// How a signature is put to a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adapter {
    /// JSON. The engine finds in the catalog how the model's endpoints take a schema: as response format, as a forced tool,
    /// or in the prompt with the answer validated here.
    #[default]
    Auto,
    /// Each output under a line that names it: `[[ ## answer ## ]]`.
    Chat,
    /// All outputs as one JSON object under a schema.
    Json,
    /// All outputs as one JSON object under a schema, whose outline stands in the prompt.
    Baml,
    /// Each output between tags: `<answer>…</answer>`.
    Xml,
    /// The model answers freely, then the outputs are taken from what it wrote, as JSON.
    TwoStep {
        /// The model that takes them out, by id or alias; `None` is the one that answered.
        extractor: Option<String>,
    },
}

/// A prompt, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// What stands before the conversation: fields, form and instructions. Byte-identical for all inputs.
    pub system: String,
    /// Demos, earlier turns and the question, as the API words messages.
    pub messages: Vec<Value>,
}

/// A reply that does not give the outputs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unreadable {
    /// What is wrong, fit to be shown to the model.
    pub why: String,
}

/// One way to write and read.
pub(crate) trait Form {
    /// Fields, form and task.
    fn system(&self, signature: &Signature) -> String;
    /// One value of an input.
    fn input(&self, name: &str, content: Content) -> Content;
    /// What is said after the inputs when an answer is wanted.
    fn request(&self, signature: &Signature) -> String;
    /// Outputs as the model should have written them. Those that are not there are marked as left out.
    fn answer(&self, signature: &Signature, outputs: &Record) -> String;
    /// The outputs of a reply, each of its type, none missing.
    fn read(&self, signature: &Signature, reply: &str) -> Result<Record, Unreadable>;
}

/// What stands for a value that a demo does not have.
pub(crate) const LEFT_OUT: &str = "(left out in this example)";

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Adapter::Auto => "auto",
            Adapter::Chat => "chat",
            Adapter::Json => "json",
            Adapter::Baml => "baml",
            Adapter::Xml => "xml",
            Adapter::TwoStep { .. } => "two_step",
        })
    }
}

impl Adapter {
    pub(crate) fn form(&self) -> &'static dyn Form {
        match self {
            Adapter::Chat => &chat::Chat,
            Adapter::Xml => &xml::Xml,
            Adapter::Baml => &baml::Baml,
            Adapter::Auto | Adapter::Json => &json::Json,
            Adapter::TwoStep { .. } => &free::Free,
        }
    }

    /// Whether the engine validates the answer under the outputs' schema.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self, Adapter::Auto | Adapter::Json | Adapter::Baml)
    }

    /// Writes the prompt. Demos that lack some fields come first; those without any output or input are not shown. Inputs
    /// of the type history become turns.
    pub fn render(&self, signature: &Signature, demos: &[Record], inputs: &Record) -> Rendered {
        let form = self.form();
        let mut messages = Vec::new();
        let (whole, partial): (Vec<&Record>, Vec<&Record>) =
            demos.iter().filter(|demo| is_usable(signature, demo)).partition(|demo| is_whole(signature, demo));
        for (demo, lacks) in partial.into_iter().map(|demo| (demo, true)).chain(whole.into_iter().map(|demo| (demo, false))) {
            let opening = if lacks { "An example of the task, with some of its fields left out." } else { "" };
            messages.push(user(asked(form, signature, demo, opening, "")));
            messages.push(json!({"role": "assistant", "content": form.answer(signature, demo)}));
        }
        for turn in earlier_turns(signature, inputs) {
            messages.push(user(asked(form, signature, turn, "", &form.request(signature))));
            messages.push(json!({"role": "assistant", "content": form.answer(signature, turn)}));
        }
        messages.push(user(asked(form, signature, inputs, "", &form.request(signature))));
        Rendered { system: form.system(signature), messages }
    }

    /// Writes outputs as a model that keeps to this form would.
    pub fn write(&self, signature: &Signature, outputs: &Record) -> String {
        self.form().answer(signature, outputs)
    }

    /// Reads a reply: every output of its type, defaults filled in, in the signature's order.
    ///
    /// # Errors
    /// What is missing or wrong, in words for the model.
    pub fn read(&self, signature: &Signature, reply: &str) -> Result<Record, Unreadable> {
        let mut outputs = self.form().read(signature, reply)?;
        signature.complete(&mut outputs);
        Ok(outputs)
    }

    /// What takes a reply apart while it comes.
    pub fn scanner(&self, signature: &Signature) -> Scanner {
        let names = signature.outputs().iter().map(|field| field.name.clone()).collect();
        match self {
            Adapter::Chat => Scanner::chat(names),
            Adapter::Xml => Scanner::xml(names),
            Adapter::Auto | Adapter::Json | Adapter::Baml | Adapter::TwoStep { .. } => Scanner::json(names),
        }
    }
}

/// What is said to a model whose reply could not be read.
pub(crate) fn correction(unreadable: &Unreadable, form: &dyn Form, signature: &Signature) -> String {
    format!(
        "Your reply cannot be used: {}. Write the whole reply again with this put right.\n\n{}",
        unreadable.why.trim_end_matches('.'),
        form.request(signature)
    )
}

fn user(content: Content) -> Value {
    json!({"role": "user", "content": content.into_value()})
}

fn asked(form: &dyn Form, signature: &Signature, values: &Record, opening: &str, request: &str) -> Content {
    let mut whole = Content::default();
    whole.paragraph(Content::text(opening));
    for field in signature.inputs() {
        if matches!(field.ty.without_null(), FieldType::History) {
            continue;
        }
        let content = match values.get(&field.name) {
            Some(value) => shown(&field.ty, value),
            None if matches!(field.ty, FieldType::Optional(_)) => shown(&field.ty, &Value::Null),
            None => Content::text(LEFT_OUT),
        };
        whole.paragraph(form.input(&field.name, content));
    }
    whole.paragraph(Content::text(request));
    whole
}

fn is_usable(signature: &Signature, demo: &Record) -> bool {
    let has = |fields: &[crate::Field]| fields.iter().any(|field| demo.contains_key(&field.name));
    has(signature.outputs()) && (signature.inputs().is_empty() || has(signature.inputs()))
}

fn is_whole(signature: &Signature, demo: &Record) -> bool {
    let may_lack = |input: &crate::Field| matches!(input.ty, FieldType::Optional(_) | FieldType::History);
    let has = |field: &crate::Field| demo.contains_key(&field.name);
    signature.inputs().iter().all(|input| has(input) || may_lack(input)) && signature.outputs().iter().all(has)
}

/// The turns that inputs of the type history hold.
fn earlier_turns<'a>(signature: &'a Signature, inputs: &'a Record) -> impl Iterator<Item = &'a Record> {
    let histories = signature.inputs().iter().filter(|field| matches!(field.ty.without_null(), FieldType::History));
    let values = histories.filter_map(|field| inputs.get(&field.name));
    let lists = values.filter_map(|value| value.get("messages").unwrap_or(value).as_array());
    lists.flatten().filter_map(Value::as_object)
}

/// A numbered list of fields, as every form introduces them.
pub(crate) fn field_list(fields: &[crate::Field]) -> String {
    let mut list = String::new();
    for (place, field) in fields.iter().enumerate() {
        list.push_str(&format!("{}. `{}` ({})", place + 1, field.name, field.ty));
        if let Some(description) = &field.description {
            list.push_str(&format!(": {description}"));
        }
        let demands = field.constraints.in_words(&field.ty);
        if !demands.is_empty() {
            list.push_str(&format!(" [{demands}]"));
        }
        list.push('\n');
    }
    list
}

/// Both lists of fields.
pub(crate) fn introduction(signature: &Signature) -> String {
    let given = if signature.inputs().is_empty() { String::new() } else { format!("You are given:\n{}\n", field_list(signature.inputs())) };
    format!("{given}You write:\n{}", field_list(signature.outputs()))
}

/// How the value of an output has to look, where that is not plain text.
pub(crate) fn value_note(signature: &Signature, place: usize) -> Option<String> {
    let field = signature.outputs().get(place)?;
    let ty = field.ty.without_null();
    let note = match ty {
        FieldType::Text => return matches!(field.ty, FieldType::Optional(_)).then(|| "or None".to_owned()),
        FieldType::Boolean => "True or False".to_owned(),
        FieldType::Integer => "a whole number, nothing else".to_owned(),
        FieldType::Number => "a number, nothing else".to_owned(),
        FieldType::Date => "a date such as 2024-01-31".to_owned(),
        FieldType::DateTime => "a date and time with its offset, such as 2024-01-31T09:30:00Z".to_owned(),
        FieldType::Literal(values) => {
            let plain = values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            format!("exactly one of: {}", plain.collect::<Vec<_>>().join("; "))
        }
        _ => format!("JSON of this form: {}", signature.schema_at(place)?.outline().trim()),
    };
    Some(if matches!(field.ty, FieldType::Optional(_)) { format!("{note}; or None") } else { note })
}

/// The value of one output from the text a reply has for it.
pub(crate) fn read_value(signature: &Signature, place: usize, text: &str) -> Result<Value, Unreadable> {
    let (Some(field), Some(schema)) = (signature.outputs().get(place), signature.schema_at(place)) else { return Ok(Value::Null) };
    let text = text.trim();
    let fails = |why: String| Unreadable { why: format!("`{}`: {why}", field.name) };
    let optional = matches!(field.ty, FieldType::Optional(_));
    if optional && matches!(text, "None" | "null" | "") {
        return Ok(Value::Null);
    }
    if field.ty.is_text() {
        // in quotes, so that constraints are held against the text as it is
        let read = schema.read(&Value::from(text).to_string()).map_err(|error| fails(error.to_string()))?;
        return Ok(read.value);
    }
    let unquoted = match field.ty.without_null() {
        FieldType::Literal(_) => unquoted_literal(text),
        _ => text,
    };
    if text.is_empty() {
        return Err(fails("it is empty".to_owned()));
    }
    match schema.read(unquoted) {
        Ok(read) => Ok(read.value),
        Err(error) => {
            // dates, labels and texts of a union stand without quotes; `True` is Python's
            let quoted = schema.read(&Value::from(unquoted).to_string()).map(|read| read.value);
            quoted
                .or_else(|_| {
                    python_scalar(unquoted).and_then(|value| schema.read(&value.to_string()).ok()).map(|read| read.value).ok_or(())
                })
                .map_err(|()| fails(error.to_string()))
        }
    }
}

fn python_scalar(text: &str) -> Option<Value> {
    match text {
        "True" => Some(Value::Bool(true)),
        "False" => Some(Value::Bool(false)),
        "None" => Some(Value::Null),
        _ => None,
    }
}

/// `'yes'`, `"yes"` and `Literal[yes]` are `yes`.
fn unquoted_literal(text: &str) -> &str {
    let text = text.strip_prefix("Literal[").and_then(|inner| inner.strip_suffix(']')).unwrap_or(text).trim();
    let quoted = ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    quoted.unwrap_or(text)
}
