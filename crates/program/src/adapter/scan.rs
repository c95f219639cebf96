//! Takes a reply apart while it comes: which piece belongs to which output. What might be the beginning of a marker or
//! tag is held back until it is known.

use std::collections::VecDeque;

use super::chat::{COMPLETED, read_marker};

/// The next piece of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The output.
    pub field: String,
    /// The next piece of its text. What is not text comes as the model writes it.
    pub text: String,
}

/// Takes a reply apart.
#[derive(Debug)]
pub struct Scanner {
    names: Vec<String>,
    held: String,
    state: State,
}

#[derive(Debug)]
enum State {
    Chat { field: Option<Told>, at_line_start: bool },
    Xml { field: Option<Told> },
    Json(Json),
}

/// A field that is being told. Blanks at its beginning and end are no part of it: they wait until something follows.
#[derive(Debug)]
struct Told {
    name: String,
    began: bool,
    blanks: String,
}

#[derive(Debug, Default)]
struct Json {
    depth: u32,
    /// Inside a text.
    text: Option<Text>,
    /// The property at the top that is being read, once its colon came.
    key: Option<String>,
    /// A text at the top that may turn out to be a property's name.
    name: Option<String>,
    escape: VecDeque<char>,
    escaping: bool,
    surrogate: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Text {
    Name,
    Value,
    Nested,
}

impl Scanner {
    pub(super) fn chat(names: Vec<String>) -> Scanner {
        Scanner { names, held: String::new(), state: State::Chat { field: None, at_line_start: true } }
    }

    pub(super) fn xml(names: Vec<String>) -> Scanner {
        Scanner { names, held: String::new(), state: State::Xml { field: None } }
    }

    pub(super) fn json(names: Vec<String>) -> Scanner {
        Scanner { names, held: String::new(), state: State::Json(Json::default()) }
    }

    /// Takes the next piece of a reply in; gives what is certain by now.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        match &mut self.state {
            State::Chat { .. } => {
                self.held.push_str(text);
                self.chat_pieces(&mut pieces, false);
            }
            State::Xml { .. } => {
                self.held.push_str(text);
                self.xml_pieces(&mut pieces);
            }
            State::Json(json) => {
                for c in text.chars() {
                    if let Some((field, text)) = json.push(c)
                        && self.names.contains(&field)
                    {
                        add(&mut pieces, &field, &text);
                    }
                }
            }
        }
        pieces
    }

    /// What was held back, when the reply has ended.
    pub fn finish(mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if matches!(self.state, State::Chat { .. }) {
            self.chat_pieces(&mut pieces, true);
        }
        pieces
    }

    fn chat_pieces(&mut self, pieces: &mut Vec<Piece>, ended: bool) {
        let State::Chat { field, at_line_start } = &mut self.state else { return };
        loop {
            if *at_line_start {
                let line = self.held.trim_start_matches([' ', '\t']);
                let could_be = "[[ ## ".starts_with(line) || line.starts_with("[[ ## ");
                let whole = self.held.find('\n');
                if could_be && whole.is_none() && !line.contains(" ## ]]") && !ended {
                    return;
                }
                let line_end = whole.unwrap_or(self.held.len());
                if let Some((name, rest)) = read_marker(&self.held[..line_end]) {
                    let is_output = name != COMPLETED && self.names.iter().any(|known| known == name);
                    *field = is_output.then(|| Told::new(name));
                    let rest_at = line_end - rest.len();
                    self.held.drain(..rest_at);
                    if self.held.starts_with('\n') {
                        self.held.drain(..1);
                    } else {
                        *at_line_start = false;
                    }
                    if self.held.is_empty() {
                        return;
                    }
                    continue;
                }
                *at_line_start = false;
            }
            if self.held.is_empty() {
                return;
            }
            let line_end = self.held.find('\n').map(|at| at + 1);
            let piece: String = self.held.drain(..line_end.unwrap_or(self.held.len())).collect();
            if let Some(field) = field {
                field.push(&piece, pieces);
            }
            *at_line_start = line_end.is_some();
        }
    }

    fn xml_pieces(&mut self, pieces: &mut Vec<Piece>) {
        let State::Xml { field } = &mut self.state else { return };
        loop {
            let Some(told) = field else {
                let first = self.names.iter().filter_map(|name| Some((self.held.find(&format!("<{name}>"))?, name))).min();
                let Some((at, name)) = first else {
                    let longest = self.names.iter().map(String::len).max().unwrap_or_default() + 2;
                    let keep = floor_boundary(&self.held, self.held.len().saturating_sub(longest));
                    self.held.drain(..keep);
                    return;
                };
                self.held.drain(..at + name.len() + 2);
                *field = Some(Told::new(name));
                continue;
            };
            let tag = format!("</{}>", told.name);
            match self.held.find(&tag) {
                Some(at) => {
                    let piece: String = self.held.drain(..at).collect();
                    self.held.drain(..tag.len());
                    told.push(&piece, pieces);
                    *field = None;
                }
                None => {
                    let certain = self.held.rfind('<').filter(|at| tag.starts_with(&self.held[*at..])).unwrap_or(self.held.len());
                    let piece: String = self.held.drain(..certain).collect();
                    told.push(&piece, pieces);
                    return;
                }
            }
        }
    }
}

impl Told {
    fn new(name: &str) -> Told {
        Told { name: name.to_owned(), began: false, blanks: String::new() }
    }

    fn push(&mut self, piece: &str, pieces: &mut Vec<Piece>) {
        let body = if self.began { piece } else { piece.trim_start() };
        let kept = body.trim_end();
        if !kept.is_empty() {
            add(pieces, &self.name, &(std::mem::take(&mut self.blanks) + kept));
            self.began = true;
        }
        if self.began {
            self.blanks.push_str(&body[kept.len()..]);
        }
    }
}

fn add(pieces: &mut Vec<Piece>, field: &str, text: &str) {
    match pieces.last_mut() {
        Some(last) if last.field == field => last.text.push_str(text),
        _ => pieces.push(Piece { field: field.to_owned(), text: text.to_owned() }),
    }
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl Json {
    /// The next character; gives what belongs to a value at the top.
    fn push(&mut self, c: char) -> Option<(String, String)> {
        if let Some(kind) = self.text {
            return self.in_text(kind, c);
        }
        match c {
            '"' => {
                let kind = match (self.depth, &self.key) {
                    (1, None) => Text::Name,
                    (1, Some(_)) => Text::Value,
                    _ => Text::Nested,
                };
                if kind == Text::Name {
                    self.name = Some(String::new());
                }
                self.text = Some(kind);
                return (kind == Text::Nested).then(|| self.raw(c)).flatten();
            }
            ':' if self.depth == 1 && self.key.is_none() => {
                self.key = self.name.take();
                return None;
            }
            ',' if self.depth == 1 => {
                self.key = None;
                return None;
            }
            '{' | '[' => {
                self.depth += 1;
                return if self.depth > 1 { self.raw(c) } else { None };
            }
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.key = None;
                    return None;
                }
            }
            c if c.is_whitespace() && self.depth <= 1 => return None,
            _ => {}
        }
        self.raw(c)
    }

    fn raw(&self, c: char) -> Option<(String, String)> {
        Some((self.key.clone()?, c.to_string()))
    }

    fn in_text(&mut self, kind: Text, c: char) -> Option<(String, String)> {
        if kind == Text::Nested {
            let ends = c == '"' && !self.escaping;
            self.escaping = c == '\\' && !self.escaping;
            if ends {
                self.text = None;
            }
            return self.raw(c);
        }
        if self.escaping {
            self.escape.push_back(c);
            let decoded = self.decoded()?;
            return self.written(kind, &decoded);
        }
        match c {
            '\\' => {
                self.escaping = true;
                None
            }
            '"' => {
                self.text = None;
                None
            }
            other => self.written(kind, &other.to_string()),
        }
    }

    /// The character an escape stands for, once it is whole.
    fn decoded(&mut self) -> Option<String> {
        let decoded = match self.escape.front()? {
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            'r' => "\r".to_owned(),
            'b' => "\u{8}".to_owned(),
            'f' => "\u{c}".to_owned(),
            'u' if self.escape.len() < 5 => return None,
            'u' => {
                let digits: String = self.escape.iter().skip(1).collect();
                let unit = u16::from_str_radix(&digits, 16).unwrap_or(0xFFFD);
                match (self.surrogate.take(), unit) {
                    (None, 0xD800..=0xDBFF) => {
                        self.surrogate = Some(unit);
                        String::new()
                    }
                    (Some(high), _) => String::from_utf16_lossy(&[high, unit]),
                    (None, _) => String::from_utf16_lossy(&[unit]),
                }
            }
            other => other.to_string(),
        };
        self.escape.clear();
        self.escaping = false;
        Some(decoded)
    }

    fn written(&mut self, kind: Text, text: &str) -> Option<(String, String)> {
        if kind == Text::Name {
            self.name.iter_mut().for_each(|name| name.push_str(text));
            return None;
        }
        (!text.is_empty()).then(|| Some((self.key.clone()?, text.to_owned()))).flatten()
    }
}
