//! Inputs under lines that name them, outputs as one JSON object.

use serde_json::Value;

use super::{Content, Form, LEFT_OUT, Unreadable, introduction};
use crate::{Record, Signature};

pub(crate) struct Json;

impl Form for Json {
    fn system(&self, signature: &Signature) -> String {
        let names = signature.outputs().iter().map(|field| format!("`{}`", field.name)).collect::<Vec<_>>().join(", ");
        format!(
            "{}\nThe inputs stand under lines that name them. Your reply is one JSON object with {names}, in this order.\n\nThe task:\n{}",
            introduction(signature),
            signature.instructions()
        )
    }

    fn input(&self, name: &str, content: Content) -> Content {
        let mut whole = Content::text(format!("[[ ## {name} ## ]]\n"));
        whole.push(content);
        whole
    }

    fn request(&self, signature: &Signature) -> String {
        let lines = signature.outputs().iter().map(|field| match field.ty {
            crate::FieldType::Text => format!("`{}`", field.name),
            _ => format!("`{}` ({})", field.name, field.ty),
        });
        format!("Now write the JSON object: {}.", lines.collect::<Vec<_>>().join(", then "))
    }

    fn answer(&self, signature: &Signature, outputs: &Record) -> String {
        let mut object = Record::new();
        for field in signature.outputs() {
            let value = outputs.get(&field.name).cloned().unwrap_or_else(|| LEFT_OUT.into());
            object.insert(field.name.clone(), value);
        }
        serde_json::to_string_pretty(&object).unwrap_or_default()
    }

    fn read(&self, signature: &Signature, reply: &str) -> Result<Record, Unreadable> {
        match signature.output_schema().read(reply) {
            Ok(read) => match read.value {
                Value::Object(outputs) => Ok(outputs),
                _ => Err(Unreadable { why: "it is no JSON object".to_owned() }),
            },
            Err(error) => Err(Unreadable { why: error.to_string() }),
        }
    }
}
