//! No form at all: the first of two steps, in which the model answers in its own words.

use super::values::plain;
use super::{Content, Form, LEFT_OUT, Unreadable};
use crate::{Record, Signature};

pub(crate) struct Free;

impl Form for Free {
    fn system(&self, signature: &Signature) -> String {
        let wanted = signature.outputs().iter().map(|field| match &field.description {
            Some(description) => format!("{} ({description})", field.name),
            None => field.name.clone(),
        });
        format!(
            "{}\n\nAnswer in your own words, in whatever form suits you. Your answer should settle: {}.",
            signature.instructions(),
            wanted.collect::<Vec<_>>().join(", ")
        )
    }

    fn input(&self, name: &str, content: Content) -> Content {
        let mut whole = Content::text(format!("[[ ## {name} ## ]]\n"));
        whole.push(content);
        whole
    }

    fn request(&self, _: &Signature) -> String {
        String::new()
    }

    fn answer(&self, signature: &Signature, outputs: &Record) -> String {
        let lines = signature.outputs().iter().map(|field| {
            let value = outputs.get(&field.name).map_or_else(|| LEFT_OUT.to_owned(), plain);
            format!("{}: {value}", field.name)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn read(&self, signature: &Signature, reply: &str) -> Result<Record, Unreadable> {
        super::json::Json.read(signature, reply)
    }
}
