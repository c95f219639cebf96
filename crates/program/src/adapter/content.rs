//! What a message says: text, and pictures between stretches of text.

use serde_json::{Value, json};

/// Stretches of text and pictures in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Content {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Picture(String),
}

impl Content {
    pub(crate) fn text(text: impl Into<String>) -> Content {
        let text = text.into();
        Content { parts: if text.is_empty() { Vec::new() } else { vec![Part::Text(text)] } }
    }

    pub(crate) fn picture(url: &str) -> Content {
        Content { parts: vec![Part::Picture(url.to_owned())] }
    }

    pub(crate) fn push_text(&mut self, more: &str) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push_str(more),
            _ if more.is_empty() => {}
            _ => self.parts.push(Part::Text(more.to_owned())),
        }
    }

    pub(crate) fn push(&mut self, more: Content) {
        for part in more.parts {
            match part {
                Part::Text(text) => self.push_text(&text),
                picture @ Part::Picture(_) => self.parts.push(picture),
            }
        }
    }

    /// Adds a paragraph; an empty one adds nothing.
    pub(crate) fn paragraph(&mut self, more: Content) {
        if more.parts.is_empty() {
            return;
        }
        if !self.parts.is_empty() {
            self.push_text("\n\n");
        }
        self.push(more);
    }

    /// As the API words it.
    pub(crate) fn into_value(self) -> Value {
        if let [Part::Text(text)] = self.parts.as_slice() {
            return Value::String(text.clone());
        }
        if self.parts.is_empty() {
            return Value::String(String::new());
        }
        let parts = self.parts.into_iter().map(|part| match part {
            Part::Text(text) => json!({"type": "text", "text": text}),
            Part::Picture(url) => json!({"type": "image_url", "image_url": {"url": url}}),
        });
        Value::Array(parts.collect())
    }
}
