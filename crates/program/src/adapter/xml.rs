//! Fields between tags that name them: `<answer>…</answer>`. A value that is not plain text stands inside as JSON, or as
//! nested tags where the model writes it so.

use serde_json::{Map, Value};

use super::values::plain;
use super::{Content, Form, LEFT_OUT, Unreadable, introduction, read_value, value_note};
use crate::{FieldType, Record, Signature};

pub(crate) struct Xml;

impl Form for Xml {
    fn system(&self, signature: &Signature) -> String {
        let mut text = introduction(signature);
        text.push_str("\nEvery field stands between tags of its name, in this order:\n\n");
        for field in signature.inputs() {
            text.push_str(&format!("<{0}>\n{{{0}}}\n</{0}>\n\n", field.name));
        }
        for (place, field) in signature.outputs().iter().enumerate() {
            let note = value_note(signature, place).map_or(String::new(), |note| format!("        # {note}"));
            text.push_str(&format!("<{0}>\n{{{0}}}{note}\n</{0}>\n\n", field.name));
        }
        text.push_str(&format!("The task:\n{}", signature.instructions()));
        text
    }

    fn input(&self, name: &str, content: Content) -> Content {
        let mut whole = Content::text(format!("<{name}>\n"));
        whole.push(content);
        whole.push_text(&format!("\n</{name}>"));
        whole
    }

    fn request(&self, signature: &Signature) -> String {
        let tags = signature.outputs().iter().map(|field| match field.ty {
            FieldType::Text => format!("`<{}>`", field.name),
            _ => format!("`<{}>` ({})", field.name, field.ty),
        });
        format!("Now write {}, each closed by its end tag.", tags.collect::<Vec<_>>().join(", then "))
    }

    fn answer(&self, signature: &Signature, outputs: &Record) -> String {
        let blocks = signature.outputs().iter().map(|field| {
            let value = outputs.get(&field.name).map_or_else(|| LEFT_OUT.to_owned(), plain);
            format!("<{0}>\n{value}\n</{0}>", field.name)
        });
        blocks.collect::<Vec<_>>().join("\n\n")
    }

    fn read(&self, signature: &Signature, reply: &str) -> Result<Record, Unreadable> {
        let mut outputs = Record::new();
        for (place, field) in signature.outputs().iter().enumerate() {
            let (opening, closing) = (format!("<{}>", field.name), format!("</{}>", field.name));
            let Some((_, after)) = reply.split_once(&opening) else {
                if field.is_optional() {
                    continue;
                }
                return Err(Unreadable { why: format!("there is no `{opening}`") });
            };
            let Some(end) = end_of(after, &opening, &closing) else {
                return Err(Unreadable { why: format!("`{opening}` is not closed by `{closing}`") });
            };
            outputs.insert(field.name.clone(), value_of(signature, place, &after[..end])?);
        }
        Ok(outputs)
    }
}

/// Where the tag that was opened is closed, tags of the same name inside counted.
fn end_of(text: &str, opening: &str, closing: &str) -> Option<usize> {
    let mut depth = 1;
    let mut from = 0;
    loop {
        let close = from + text[from..].find(closing)?;
        depth += text[from..close].matches(opening).count();
        depth -= 1;
        if depth == 0 {
            return Some(close);
        }
        from = close + closing.len();
    }
}

fn value_of(signature: &Signature, place: usize, text: &str) -> Result<Value, Unreadable> {
    let plain = read_value(signature, place, text);
    let ty = signature.outputs().get(place).map(|field| field.ty.without_null());
    match (plain, ty) {
        (Err(error), Some(ty @ (FieldType::List(_) | FieldType::Map(_) | FieldType::Object { .. })))
            if text.trim_start().starts_with('<') =>
        {
            let Some(value) = nested(ty, text, 0) else { return Err(error) };
            read_value(signature, place, &value.to_string())
        }
        // entities are undone where the text as it stands is no value, and in plain text
        (Ok(Value::String(held)), Some(FieldType::Text)) if held.contains('&') => Ok(Value::String(unescaped(&held))),
        (plain, _) => plain,
    }
}

/// `<item>a</item><item>b</item>` and the like, as JSON of a type.
fn nested(ty: &FieldType, text: &str, depth: usize) -> Option<Value> {
    if depth > 32 {
        return None;
    }
    match ty.without_null() {
        FieldType::List(item) => {
            Some(Value::Array(elements(text)?.into_iter().map(|(_, inner)| nested(item, inner, depth + 1)).collect::<Option<_>>()?))
        }
        FieldType::Map(item) => {
            let pairs = elements(text)?.into_iter().map(|(name, inner)| Some((name.to_owned(), nested(item, inner, depth + 1)?)));
            Some(Value::Object(pairs.collect::<Option<Map<_, _>>>()?))
        }
        FieldType::Object { members, .. } => {
            let mut object = Map::new();
            for (name, inner) in elements(text)? {
                let member = members.iter().find(|member| member.name == name)?;
                object.insert(name.to_owned(), nested(&member.ty, inner, depth + 1)?);
            }
            Some(Value::Object(object))
        }
        FieldType::Text | FieldType::Date | FieldType::DateTime | FieldType::Literal(_) => Some(unescaped(text.trim()).into()),
        _ => serde_json::from_str(text.trim()).ok().or_else(|| super::python_scalar(text.trim())),
    }
}

/// The elements of a text by name, `<entry key="a b">` by its key; nothing but blanks may stand between them.
fn elements(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (tag, after) = rest.strip_prefix('<')?.split_once('>')?;
        let (name, key) = match tag.split_once(' ') {
            Some((name, attributes)) => (name, attributes.trim().strip_prefix("key=\"").and_then(|key| key.strip_suffix('"'))),
            None => (tag, None),
        };
        let closing = format!("</{name}>");
        let end = end_of(after, &format!("<{name}>"), &closing)?;
        found.push((key.unwrap_or(name), &after[..end]));
        rest = after[end + closing.len()..].trim_start();
    }
    Some(found)
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}
