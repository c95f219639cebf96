//! One JSON object, its form shown beside the fields as an outline: names, types and descriptions in the places of the values. It takes a
//! part of the tokens of a JSON Schema, and small models follow it better where outputs are nested.

use super::json::Json;
use super::{Content, Form, Unreadable, introduction};
use crate::{Record, Signature};

pub(crate) struct Baml;

impl Form for Baml {
    fn system(&self, signature: &Signature) -> String {
        format!(
            "{}\nThe inputs stand under lines that name them. Your reply is one JSON object of this form:\n{}\n\nThe task:\n{}",
            introduction(signature),
            signature.output_schema().outline().trim(),
            signature.instructions()
        )
    }

    fn input(&self, name: &str, content: Content) -> Content {
        Json.input(name, content)
    }

    fn request(&self, signature: &Signature) -> String {
        Json.request(signature)
    }

    fn answer(&self, signature: &Signature, outputs: &Record) -> String {
        Json.answer(signature, outputs)
    }

    fn read(&self, signature: &Signature, reply: &str) -> Result<Record, Unreadable> {
        Json.read(signature, reply)
    }
}
