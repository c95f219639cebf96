//! The short form: `product string, stars int 'one to five', mood enum(good, bad)` read into a [`Type`].

use crate::error::{SchemaError, TextFault};
use crate::kind::{Field, Type, check_labels, continues_name, starts_name};

const SUBJECT: &str = "schema text";
const TYPES: &str = "types: string, int, float, bool, date, datetime, json, list<TYPE>, enum(a, b), struct{name TYPE, …}; `?` after a type makes the field optional";
const NESTING_LIMIT: usize = 32;

/// Every spelling of a type's name, with the word for what it means.
const TYPE_NAMES: &[(&str, Word)] = &[
    ("string", Word::Plain(Type::String)),
    ("str", Word::Plain(Type::String)),
    ("text", Word::Plain(Type::String)),
    ("int", Word::Plain(Type::Integer)),
    ("integer", Word::Plain(Type::Integer)),
    ("bigint", Word::Plain(Type::Integer)),
    ("float", Word::Plain(Type::Number)),
    ("double", Word::Plain(Type::Number)),
    ("number", Word::Plain(Type::Number)),
    ("bool", Word::Plain(Type::Boolean)),
    ("boolean", Word::Plain(Type::Boolean)),
    ("date", Word::Plain(Type::Date)),
    ("datetime", Word::Plain(Type::DateTime)),
    ("timestamp", Word::Plain(Type::DateTime)),
    ("json", Word::Plain(Type::Json)),
    ("list", Word::List),
    ("array", Word::List),
    ("enum", Word::Enum),
    ("struct", Word::Struct),
];

/// Names from other languages that no spelling distance would lead home.
const FOREIGN_NAMES: &[(&str, &str)] = &[
    ("varchar", "string"),
    ("char", "string"),
    ("long", "int"),
    ("decimal", "float"),
    ("real", "float"),
    ("object", "struct{name TYPE, …}` or `json"),
    ("dict", "json"),
    ("map", "json"),
    ("any", "json"),
    ("literal", "enum(a, b)"),
    ("choice", "enum(a, b)"),
];

enum Word {
    Plain(Type),
    List,
    Enum,
    Struct,
}

/// Reads a whole schema text: fields of a struct, or one type alone.
pub(crate) fn parse(text: &str) -> Result<Type, SchemaError> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    parser.skip_blanks();
    if parser.at == text.len() {
        return parser.fault(0, 0, "it is empty", "write at least one field, such as `product string`");
    }
    if let Some(root) = parser.lone_type()? {
        return Ok(root);
    }
    let fields = parser.fields(None)?;
    Ok(Type::Struct(fields))
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    /// The text as one type with nothing after it; `None` when it has to be read as fields.
    fn lone_type(&mut self) -> Result<Option<Type>, SchemaError> {
        let start = self.at;
        // A word that is followed by a bracket can only be a type: its own fault is the one to report.
        let word_end = self.word_end();
        let opens = self.text[word_end..].trim_start().starts_with(['<', '(', '[', '{']);
        match self.type_expression() {
            Ok(root) if self.peek().is_none() => Ok(Some(root)),
            Err(fault) if opens => Err(fault),
            _ => {
                self.at = start;
                self.depth = 0;
                Ok(None)
            }
        }
    }

    /// Fields up to the closing bracket, or to the end of the text.
    fn fields(&mut self, close: Option<char>) -> Result<Vec<Field>, SchemaError> {
        let mut fields: Vec<Field> = Vec::new();
        loop {
            match self.peek() {
                None if close.is_none() && !fields.is_empty() => return Ok(fields),
                next if next.is_some() && next == close && !fields.is_empty() => {
                    self.bump();
                    return Ok(fields);
                }
                _ => {}
            }
            let start = self.at;
            let field = self.field()?;
            if fields.iter().any(|earlier| earlier.name == field.name) {
                let message = format!("the field `{}` is named twice", field.name);
                return self.fault(start, start + field.name.len(), &message, "give each field its own name");
            }
            fields.push(field);
            match self.peek() {
                Some(',') => self.bump(),
                None if close.is_none() => return Ok(fields),
                next if next.is_some() && next == close => {}
                next => {
                    let wanted = close.map_or("`,` or the end".to_owned(), |c| format!("`,` or `{c}`"));
                    return self.unexpected(next, &format!("{wanted} after the field"), "");
                }
            }
        }
    }

    fn field(&mut self) -> Result<Field, SchemaError> {
        let name = self.name()?;
        let mut optional = self.take('?');
        self.take(':');
        if matches!(self.peek(), None | Some(',' | '}' | '>' | ')')) {
            let message = format!("the field `{name}` has no type");
            return self.fault(self.at, self.at + 1, &message, &format!("write for example `{name} string`; {TYPES}"));
        }
        let ty = self.type_expression()?;
        optional |= self.take('?');
        let description = match self.peek() {
            Some('\'' | '"') => Some(self.quoted()?),
            _ => None,
        };
        Ok(Field { name, ty, required: !optional, description })
    }

    fn name(&mut self) -> Result<String, SchemaError> {
        match self.peek() {
            Some('\'' | '"' | '`') => {
                let start = self.at;
                let name = self.quoted()?;
                if name.trim().is_empty() {
                    return self.fault(start, self.at, "the field's name is blank", "");
                }
                Ok(name)
            }
            Some(c) if starts_name(c) => Ok(self.word()),
            next => self.unexpected(next, "a field's name", "quote a name with other characters: \"delivery days\" int"),
        }
    }

    fn type_expression(&mut self) -> Result<Type, SchemaError> {
        self.depth += 1;
        if self.depth > NESTING_LIMIT {
            return self.too_deep();
        }
        let mut ty = match self.peek() {
            Some('{') => self.structure()?,
            Some(c) if starts_name(c) => self.named_type()?,
            next => return self.unexpected(next, "a type", TYPES),
        };
        let mut lists = 0;
        while self.peek() == Some('[') {
            lists += 1;
            if self.depth + lists > NESTING_LIMIT {
                return self.too_deep();
            }
            self.bump();
            if !self.take(']') {
                let next = self.peek();
                return self.unexpected(next, "`]`: TYPE[] is a list", "");
            }
            ty = Type::List(Box::new(ty));
        }
        self.depth -= 1;
        Ok(ty)
    }

    fn named_type(&mut self) -> Result<Type, SchemaError> {
        let start = self.at;
        let word = self.word();
        let lower = word.to_lowercase();
        let Some((_, meaning)) = TYPE_NAMES.iter().find(|(name, _)| *name == lower) else {
            return self.fault(start, self.at, &unknown_type(&word, &lower), TYPES);
        };
        match meaning {
            Word::Plain(ty) => Ok(ty.clone()),
            Word::List => {
                let close = self.open(&['<', '['], "the type of its items, such as `list<string>`")?;
                let item = self.type_expression()?;
                if self.peek() == Some('?') {
                    let message = "an item of a list cannot be optional";
                    return self.fault(self.at, self.at + 1, message, "leave the `?` out, or put it after the list");
                }
                self.close(close, "the item's type")?;
                Ok(Type::List(Box::new(item)))
            }
            Word::Enum => self.enumeration(),
            Word::Struct => self.structure(),
        }
    }

    fn structure(&mut self) -> Result<Type, SchemaError> {
        let close = self.open(&['{', '<', '('], "its fields, such as `struct{name string}`")?;
        if self.peek() == Some(close) {
            return self.fault(self.at, self.at + 1, "a struct needs at least one field", "for free-form JSON write `json`");
        }
        Ok(Type::Struct(self.fields(Some(close))?))
    }

    fn enumeration(&mut self) -> Result<Type, SchemaError> {
        let start = self.at;
        let close = self.open(&['(', '<', '['], "its values, such as `enum(good, bad)`")?;
        let mut labels = Vec::new();
        loop {
            match self.peek() {
                Some(c) if c == close => {
                    self.bump();
                    break;
                }
                Some('\'' | '"') => labels.push(self.quoted()?),
                Some(',') => return self.unexpected(Some(','), "a value of the enum", ""),
                Some(_) => labels.push(self.bare_label(close)),
                None => return self.unexpected(None, &format!("`{close}` after the values"), ""),
            }
            match self.peek() {
                Some(',') => self.bump(),
                Some(c) if c == close => {}
                next => {
                    return self.unexpected(next, &format!("`,` or `{close}` after the value"), "");
                }
            }
        }
        match check_labels(&labels) {
            Ok(()) => Ok(Type::Enum(labels)),
            Err(why) => self.fault(start, self.at, &format!("values of the enum: {why}"), ""),
        }
    }

    /// A value without quotes: everything up to the comma or the closing bracket, inner blanks kept.
    fn bare_label(&mut self, close: char) -> String {
        let rest = &self.text[self.at..];
        let length = rest.find([',', close, '\n', '\'', '"']).unwrap_or(rest.len());
        self.at += length;
        rest[..length].trim().to_owned()
    }

    /// A text in quotes; the quote itself is written twice.
    fn quoted(&mut self) -> Result<String, SchemaError> {
        let start = self.at;
        let quote = self.text[start..].chars().next().unwrap_or('"');
        self.at += 1;
        let mut content = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(length) = rest.find(quote) else {
                return self.fault(start, start + 1, "this quote is never closed", "a quote inside the text is written twice");
            };
            content.push_str(&rest[..length]);
            self.at += length + 1;
            if !self.text[self.at..].starts_with(quote) {
                return Ok(content);
            }
            content.push(quote);
            self.at += 1;
        }
    }

    fn open(&mut self, brackets: &[char], what: &str) -> Result<char, SchemaError> {
        match self.peek() {
            Some(c) if brackets.contains(&c) => {
                self.bump();
                Ok(match c {
                    '<' => '>',
                    '[' => ']',
                    '{' => '}',
                    _ => ')',
                })
            }
            next => self.unexpected(next, what, ""),
        }
    }

    fn close(&mut self, bracket: char, after: &str) -> Result<(), SchemaError> {
        if self.take(bracket) {
            return Ok(());
        }
        let next = self.peek();
        self.unexpected(next, &format!("`{bracket}` after {after}"), "")
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_blanks();
        self.text[self.at..].chars().next()
    }

    fn bump(&mut self) {
        self.at += self.text[self.at..].chars().next().map_or(0, char::len_utf8);
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.bump();
        }
        found
    }

    fn word_end(&self) -> usize {
        let rest = &self.text[self.at..];
        self.at + rest.find(|c| !continues_name(c)).unwrap_or(rest.len())
    }

    fn word(&mut self) -> String {
        let start = self.at;
        self.at = self.word_end();
        self.text[start..self.at].to_owned()
    }

    fn skip_blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.find(|c: char| !c.is_whitespace() && c != '\u{feff}').unwrap_or(rest.len());
    }

    fn unexpected<T>(&self, found: Option<char>, wanted: &str, expected: &str) -> Result<T, SchemaError> {
        let found = found.map_or("the end of the text".to_owned(), |c| format!("`{c}`"));
        self.fault(self.at, self.at + 1, &format!("expected {wanted}, found {found}"), expected)
    }

    fn too_deep<T>(&self) -> Result<T, SchemaError> {
        self.fault(self.at, self.at + 1, &format!("nested more than {NESTING_LIMIT} deep"), "")
    }

    fn fault<T>(&self, start: usize, end: usize, message: &str, expected: &str) -> Result<T, SchemaError> {
        Err(SchemaError::ShortForm(TextFault::at(SUBJECT, self.text, start, end, message.to_owned(), expected)))
    }
}

fn unknown_type(word: &str, lower: &str) -> String {
    let foreign = FOREIGN_NAMES.iter().find(|(name, _)| *name == lower).map(|(_, ours)| *ours);
    let nearest = foreign.or_else(|| {
        let distance = |name: &str| strsim::damerau_levenshtein(name, lower);
        let (name, _) = TYPE_NAMES.iter().min_by_key(|(name, _)| distance(name))?;
        (distance(name) <= 2 && distance(name) < name.len()).then_some(*name)
    });
    match nearest {
        Some(name) => format!("`{word}` is not a type; did you mean `{name}`?"),
        None => format!("`{word}` is not a type"),
    }
}
