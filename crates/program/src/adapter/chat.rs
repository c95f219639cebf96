//! Fields under lines that name them: `[[ ## answer ## ]]`, closed by `[[ ## completed ## ]]`.

use super::values::plain;
use super::{Content, Form, LEFT_OUT, Unreadable, introduction, read_value, value_note};
use crate::{Record, Signature};

pub(crate) struct Chat;

pub(super) const COMPLETED: &str = "completed";

fn marker(name: &str) -> String {
    format!("[[ ## {name} ## ]]")
}

/// The name on a line that begins with a marker, and what follows it.
pub(super) fn read_marker(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.trim_start().strip_prefix("[[ ## ")?.split_once(" ## ]]")?;
    (!name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')).then_some((name, rest))
}

impl Form for Chat {
    fn system(&self, signature: &Signature) -> String {
        let mut text = introduction(signature);
        text.push_str("\nEvery field stands under a line of its own that names it, in this order:\n\n");
        for field in signature.inputs() {
            text.push_str(&format!("{}\n{{{}}}\n\n", marker(&field.name), field.name));
        }
        for (place, field) in signature.outputs().iter().enumerate() {
            let note = value_note(signature, place).map_or(String::new(), |note| format!("        # {note}"));
            text.push_str(&format!("{}\n{{{}}}{note}\n\n", marker(&field.name), field.name));
        }
        text.push_str(&format!("{}\n\nThe task:\n{}", marker(COMPLETED), signature.instructions()));
        text
    }

    fn input(&self, name: &str, content: Content) -> Content {
        let mut whole = Content::text(format!("{}\n", marker(name)));
        whole.push(content);
        whole
    }

    fn request(&self, signature: &Signature) -> String {
        let lines = signature.outputs().iter().map(|field| match field.ty {
            crate::FieldType::Text => format!("`{}`", marker(&field.name)),
            _ => format!("`{}` ({})", marker(&field.name), field.ty),
        });
        format!("Now write {}, then close with `{}`.", lines.collect::<Vec<_>>().join(", then "), marker(COMPLETED))
    }

    fn answer(&self, signature: &Signature, outputs: &Record) -> String {
        let mut text = String::new();
        for field in signature.outputs() {
            let value = outputs.get(&field.name).map_or_else(|| LEFT_OUT.to_owned(), plain);
            text.push_str(&format!("{}\n{value}\n\n", marker(&field.name)));
        }
        text + &marker(COMPLETED) + "\n"
    }

    fn read(&self, signature: &Signature, reply: &str) -> Result<Record, Unreadable> {
        let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in reply.lines() {
            match read_marker(line) {
                Some((name, rest)) => sections.push((name, vec![rest.trim()])),
                None => sections.last_mut().into_iter().for_each(|(_, lines)| lines.push(line)),
            }
        }
        let mut outputs = Record::new();
        let mut missing = Vec::new();
        for (place, field) in signature.outputs().iter().enumerate() {
            match sections.iter().find(|(name, _)| *name == field.name) {
                Some((_, lines)) => {
                    outputs.insert(field.name.clone(), read_value(signature, place, &lines.join("\n"))?);
                }
                None if field.is_optional() => {}
                None => missing.push(field.name.as_str()),
            }
        }
        match (missing.as_slice(), signature.outputs()) {
            ([], _) => Ok(outputs),
            // a whole reply to the only question of plain text needs no marker to be understood
            ([_], [only]) if sections.is_empty() && only.ty.is_text() && !reply.trim().is_empty() => {
                outputs.insert(only.name.clone(), read_value(signature, 0, reply)?);
                Ok(outputs)
            }
            _ => {
                let lines = missing.iter().map(|name| format!("`{}`", marker(name))).collect::<Vec<_>>().join(", ");
                Err(Unreadable { why: format!("it has no line {lines}") })
            }
        }
    }
}
