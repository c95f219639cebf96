//! A JSON parser that reads on over the slips models make and notes each one. On valid JSON it gives what `serde_json`
//! gives and notes nothing.

use serde_json::{Map, Value};

use crate::error::clipped;
use crate::repair::{Repair, RepairKind};

/// Deepest nesting read; the same as `serde_json`'s.
pub(crate) const NESTING_LIMIT: usize = 127;
/// Repairs noted in one answer; what goes beyond is put right without a further note.
pub(crate) const REPAIR_LIMIT: usize = 256;

/// A value read from the start of a text.
pub(crate) struct Parsed {
    pub(crate) value: Value,
    /// Byte offset behind the value.
    pub(crate) end: usize,
    pub(crate) repairs: Vec<Repair>,
}

/// Why reading stopped.
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) why: String,
    /// Whether what was read up to there was evidently meant as JSON and not a bracket in prose.
    pub(crate) was_json: bool,
}

/// Reads one value beginning at `start`; what follows it is not looked at.
pub(crate) fn parse_prefix(text: &str, start: usize) -> Result<Parsed, Fault> {
    let mut parser = Parser { text, at: start, arrays: 0, objects: 0, was_json: false, repairs: Vec::new() };
    let value = parser.value()?;
    Ok(Parsed { value, end: parser.at, repairs: parser.repairs })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// Arrays open at this point.
    arrays: usize,
    /// Objects open at this point.
    objects: usize,
    /// Set by a complete property, an item other than a number, or great depth.
    was_json: bool,
    repairs: Vec<Repair>,
}

impl Parser<'_> {
    fn value(&mut self) -> Result<Value, Fault> {
        self.skip_blanks()?;
        match self.peek() {
            None => self.fault("the text ends where a value belongs"),
            Some('{') => self.nested(Self::object),
            Some('[') => self.nested(Self::array),
            Some(quote) if closing_quote(quote).is_some() => self.string().map(Value::String),
            Some(c) if c == '-' || c.is_ascii_digit() => self.number(),
            Some(c) if c.is_alphabetic() => self.literal(),
            Some(c) => self.fault(format!("expected a value, found `{c}`")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Fault>) -> Result<Value, Fault> {
        if self.arrays + self.objects >= NESTING_LIMIT {
            self.was_json = true;
            return self.fault(format!("it is nested more than {NESTING_LIMIT} deep"));
        }
        self.at += 1;
        read(self)
    }

    fn object(&mut self) -> Result<Value, Fault> {
        self.objects += 1;
        let mut map = Map::new();
        let mut comma = None;
        loop {
            self.skip_blanks()?;
            if self.closes('}', comma) {
                break;
            }
            let name = self.property_name()?;
            self.skip_blanks()?;
            if self.peek() != Some(':') {
                return self.fault(format!("expected `:` after the property's name \"{}\"", clipped(&name)));
            }
            self.at += 1;
            map.insert(name, self.value()?);
            self.was_json = true;
            self.skip_blanks()?;
            comma = None;
            match self.peek() {
                Some(',') => {
                    comma = Some(self.at);
                    self.at += 1;
                }
                Some('}') | None => {}
                Some(']') if self.arrays > 0 => {}
                Some(quote) if closing_quote(quote).is_some() => self.note(RepairKind::MissingComma, self.at),
                Some(c) => {
                    return self.fault(format!("expected `,` or `}}` after the property, found `{c}`"));
                }
            }
        }
        self.objects -= 1;
        Ok(Value::Object(map))
    }

    fn array(&mut self) -> Result<Value, Fault> {
        self.arrays += 1;
        let mut items = Vec::new();
        let mut comma = None;
        loop {
            self.skip_blanks()?;
            if self.closes(']', comma) {
                break;
            }
            let item = self.value()?;
            self.was_json |= !item.is_number();
            items.push(item);
            self.skip_blanks()?;
            comma = None;
            match self.peek() {
                Some(',') => {
                    comma = Some(self.at);
                    self.at += 1;
                }
                Some(']') | None => {}
                Some('}') if self.objects > 0 => {}
                Some(c) => {
                    return self.fault(format!("expected `,` or `]` after the item, found `{c}`"));
                }
            }
        }
        self.arrays -= 1;
        Ok(Value::Array(items))
    }

    /// Whether the object or array ends here: with its bracket, or without it at the end of the text or where an outer
    /// one is closed.
    fn closes(&mut self, bracket: char, comma: Option<usize>) -> bool {
        let outer_is_open = if bracket == '}' { self.arrays > 0 } else { self.objects > 0 };
        let outer_bracket = if bracket == '}' { ']' } else { '}' };
        let closed = match self.peek() {
            Some(found) if found == bracket => true,
            Some(found) if found == outer_bracket && outer_is_open => false,
            None => false,
            Some(_) => return false,
        };
        if let Some(comma) = comma {
            self.note(RepairKind::TrailingComma, comma);
        }
        if closed {
            self.at += 1;
        } else {
            self.note(RepairKind::MissingBracket, self.at);
        }
        true
    }

    fn property_name(&mut self) -> Result<String, Fault> {
        match self.peek() {
            Some(quote) if closing_quote(quote).is_some() => self.string(),
            Some(c) if c.is_alphabetic() || c == '_' || c == '$' => {
                let start = self.at;
                let rest = &self.text[start..];
                let length = rest.find(|c: char| !(c.is_alphanumeric() || "_-$".contains(c))).unwrap_or(rest.len());
                self.at += length;
                self.note(RepairKind::UnquotedKey, start);
                Ok(rest[..length].to_owned())
            }
            Some(c) => self.fault(format!("expected a property's name, found `{c}`")),
            None => self.fault("the text ends where a property's name belongs"),
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        let start = self.at;
        let Some(quote) = self.peek() else {
            return self.fault("the text ends where a string belongs");
        };
        let close = closing_quote(quote).unwrap_or(quote);
        if quote != '"' {
            self.note(RepairKind::SingleQuotes, start);
        }
        self.at += quote.len_utf8();
        let mut content = String::new();
        let mut control_noted = false;
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == close || c == '\\' || c < ' ').unwrap_or(rest.len());
            content.push_str(&rest[..plain]);
            self.at += plain;
            match rest[plain..].chars().next() {
                None => return self.fault("the text ends inside a string"),
                Some('\\') => self.escape(close, &mut content)?,
                Some(c) if c == close => {
                    self.at += close.len_utf8();
                    return Ok(content);
                }
                Some(c) => {
                    if !control_noted {
                        self.note(RepairKind::ControlCharacter, self.at);
                        control_noted = true;
                    }
                    content.push(c);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self, close: char, content: &mut String) -> Result<(), Fault> {
        let start = self.at;
        let Some(c) = self.text[start + 1..].chars().next() else {
            self.at = self.text.len();
            return self.fault("the text ends inside a string");
        };
        self.at = start + 1 + c.len_utf8();
        let plain = match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode_escape(start, content),
            _ => {
                // `\'` can only mean the quote; anything else keeps its backslash.
                let quote = c == '\'' || c == close;
                if !(quote && close != '"') {
                    self.note(RepairKind::InvalidEscape, start);
                }
                if !quote {
                    content.push('\\');
                }
                c
            }
        };
        content.push(plain);
        Ok(())
    }

    fn unicode_escape(&mut self, start: usize, content: &mut String) -> Result<(), Fault> {
        let Some(first) = self.four_digits(self.at) else {
            self.note(RepairKind::InvalidEscape, start);
            content.push_str("\\u");
            return Ok(());
        };
        self.at += 4;
        let second = (0xD800..0xDC00)
            .contains(&first)
            .then(|| self.text[self.at..].strip_prefix("\\u").and_then(|_| self.four_digits(self.at + 2)))
            .flatten()
            .filter(|second| (0xDC00..0xE000).contains(second));
        let code = match second {
            Some(second) => {
                self.at += 6;
                0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            None => first,
        };
        content.push(char::from_u32(code).unwrap_or_else(|| {
            // Half of a surrogate pair stands for no character.
            self.note(RepairKind::InvalidEscape, start);
            char::REPLACEMENT_CHARACTER
        }));
        Ok(())
    }

    fn four_digits(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c))).unwrap_or(rest.len());
        match serde_json::from_str::<Value>(&rest[..length]) {
            Ok(number) => {
                self.at += length;
                Ok(number)
            }
            Err(_) => self.fault(format!("\"{}\" is not a JSON number", clipped(&rest[..length]))),
        }
    }

    fn literal(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        let rest = &self.text[start..];
        let length = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let (value, python) = match &rest[..length] {
            "true" => (Value::Bool(true), false),
            "false" => (Value::Bool(false), false),
            "null" => (Value::Null, false),
            "True" => (Value::Bool(true), true),
            "False" => (Value::Bool(false), true),
            "None" => (Value::Null, true),
            other => {
                return self.fault(format!("expected a value, found the word `{}`", clipped(other)));
            }
        };
        self.at += length;
        if python {
            self.note(RepairKind::PythonLiteral, start);
        }
        Ok(value)
    }

    fn skip_blanks(&mut self) -> Result<(), Fault> {
        loop {
            let rest = &self.text[self.at..];
            self.at += rest.find(|c: char| !c.is_whitespace() && c != '\u{feff}').unwrap_or(rest.len());
            let rest = &self.text[self.at..];
            let length = if rest.starts_with("//") || rest.starts_with('#') {
                rest.find('\n').unwrap_or(rest.len())
            } else if let Some(comment) = rest.strip_prefix("/*") {
                match comment.find("*/") {
                    Some(end) => end + 4,
                    None => return self.fault("a comment is never closed"),
                }
            } else {
                return Ok(());
            };
            self.note(RepairKind::Comments, self.at);
            self.at += length;
        }
    }

    /// The next character; a closing code fence counts as the end of the text.
    fn peek(&self) -> Option<char> {
        let rest = &self.text[self.at..];
        if rest.starts_with("```") { None } else { rest.chars().next() }
    }

    fn note(&mut self, kind: RepairKind, at: usize) {
        if self.repairs.len() < REPAIR_LIMIT {
            self.repairs.push(Repair { kind, at, path: String::new() });
        }
    }

    fn fault<T>(&self, why: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { at: self.at, why: why.into(), was_json: self.was_json })
    }
}

fn closing_quote(quote: char) -> Option<char> {
    match quote {
        '"' | '\'' => Some(quote),
        '“' => Some('”'),
        '‘' => Some('’'),
        _ => None,
    }
}
