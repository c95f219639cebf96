//! The text form of a signature, with the types that DSPy's grammar has: Python annotations, read without Python.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::{Field, FieldType, SignatureError};

/// Types of one's own by name.
pub type Types = BTreeMap<String, FieldType>;

/// Types nested deeper than this are refused.
const DEPTH_LIMIT: usize = 32;
/// Stands for any number more in a tuple.
const ELLIPSIS: &str = "...";

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(Number),
    Mark(char),
    Arrow,
}

struct Placed {
    token: Token,
    /// In characters, from 0.
    at: usize,
}

/// Inputs and outputs of a text.
pub(super) fn parse(text: &str, types: &Types) -> Result<(Vec<Field>, Vec<Field>), SignatureError> {
    let tokens = tokens(text)?;
    let arrows: Vec<usize> = tokens.iter().enumerate().filter(|(_, placed)| placed.token == Token::Arrow).map(|(place, _)| place).collect();
    let arrow = match arrows.as_slice() {
        [one] => *one,
        [] => return Err(wrong(text, text.chars().count(), "there is no `->`; write inputs, an arrow and outputs: `question -> answer`")),
        [_, second, ..] => return Err(wrong(text, tokens[*second].at, "there is a second `->`; a signature has one")),
    };
    let side = |from: usize, to: usize| Parser { text, tokens: &tokens[..to], at: from, types, depth: 0 }.fields();
    Ok((side(0, arrow)?, side(arrow + 1, tokens.len())?))
}

fn wrong(text: &str, at: usize, message: &str) -> SignatureError {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let caret = " ".repeat(at.min(line.chars().count())) + "^";
    SignatureError::Text { text: line, column: at + 1, message: message.to_owned(), caret }
}

fn tokens(text: &str) -> Result<Vec<Placed>, SignatureError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        let start = at;
        at += 1;
        let token = match c {
            c if c.is_whitespace() => continue,
            '-' if chars.get(at) == Some(&'>') => {
                at += 1;
                Token::Arrow
            }
            '\'' | '"' => {
                let mut held = String::new();
                loop {
                    match chars.get(at) {
                        None => return Err(wrong(text, start, "this quotation mark is not closed")),
                        Some(end) if *end == c => break,
                        Some('\\') => {
                            at += 1;
                            held.extend(chars.get(at).map(|escaped| match escaped {
                                'n' => '\n',
                                'r' => '\r',
                                't' => '\t',
                                other => *other,
                            }));
                        }
                        Some(other) => held.push(*other),
                    }
                    at += 1;
                }
                at += 1;
                Token::Text(held)
            }
            c if c.is_ascii_digit() || c == '-' && chars.get(at).is_some_and(char::is_ascii_digit) => {
                while chars.get(at).is_some_and(|c| c.is_ascii_digit() || *c == '.') {
                    at += 1;
                }
                let written: String = chars[start..at].iter().collect();
                match serde_json::from_str(&written) {
                    Ok(number) => Token::Number(number),
                    Err(_) => return Err(wrong(text, start, "this is no number")),
                }
            }
            c if c.is_alphabetic() || c == '_' => {
                while chars.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_' || *c == '.') {
                    at += 1;
                }
                Token::Name(chars[start..at].iter().collect())
            }
            ',' | ':' | '[' | ']' | '|' | '(' | ')' | '=' => Token::Mark(c),
            '.' if chars.get(at..at + 2) == Some(&['.', '.']) => {
                at += 2;
                Token::Name(ELLIPSIS.to_owned())
            }
            _ => return Err(wrong(text, start, "this character has no place in a signature")),
        };
        tokens.push(Placed { token, at: start });
    }
    Ok(tokens)
}

struct Parser<'a> {
    text: &'a str,
    /// Up to the end of this side.
    tokens: &'a [Placed],
    at: usize,
    types: &'a Types,
    depth: usize,
}

impl Parser<'_> {
    fn fields(&mut self) -> Result<Vec<Field>, SignatureError> {
        let mut fields = Vec::new();
        while self.at < self.tokens.len() {
            let Some(Token::Name(name)) = self.next().cloned() else {
                return self.fails_before("a field begins with its name");
            };
            let ty = if self.takes(':') { self.type_or_union()? } else { FieldType::Text };
            if self.peeks('=') {
                return self.fails("a default cannot be written here; give the field one with `Signature::with_field`");
            }
            fields.push(Field::new(name, ty));
            if self.at < self.tokens.len() && !self.takes(',') {
                return self.fails("a comma belongs between two fields");
            }
        }
        Ok(fields)
    }

    fn type_or_union(&mut self) -> Result<FieldType, SignatureError> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return self.fails("types are nested too deep here");
        }
        let mut branches = vec![self.one_type()?];
        while self.takes('|') {
            branches.push(self.one_type()?);
        }
        self.depth -= 1;
        self.union(branches)
    }

    /// `None` among the branches makes the others optional.
    fn union(&self, branches: Vec<Option<FieldType>>) -> Result<FieldType, SignatureError> {
        let has_null = branches.iter().any(Option::is_none);
        let mut others: Vec<FieldType> = Vec::new();
        for branch in branches.into_iter().flatten() {
            if !others.contains(&branch) {
                others.push(branch);
            }
        }
        let joined = match others.len() {
            0 => return self.fails_before("`None` alone holds nothing; write `Optional[str]`, for example"),
            1 => others.remove(0),
            _ => FieldType::Union(others),
        };
        Ok(if has_null { FieldType::optional(joined) } else { joined })
    }

    /// A type, or nothing for `None`.
    fn one_type(&mut self) -> Result<Option<FieldType>, SignatureError> {
        let name = match self.next().cloned() {
            Some(Token::Name(name)) => name,
            // a name in quotes is a name that Python looks up later
            Some(Token::Text(name)) => name,
            Some(_) => return self.fails_before("a type is expected here"),
            None => return self.fails("a type is expected here"),
        };
        let bare = ["typing.", "dspy.", "datetime.", "builtins."].iter().find_map(|module| name.strip_prefix(module)).unwrap_or(&name);
        if matches!(bare, "None" | "NoneType") {
            return Ok(None);
        }
        if bare == "Literal" {
            return self.literal().map(Some);
        }
        if let Some(own) = self.types.get(&name) {
            return Ok(Some(own.clone()));
        }
        let simple = match bare {
            "str" | "bytes" | "bytearray" | "Reasoning" => Some(FieldType::Text),
            "int" => Some(FieldType::Integer),
            "float" => Some(FieldType::Number),
            "bool" => Some(FieldType::Boolean),
            "date" => Some(FieldType::Date),
            "datetime" => Some(FieldType::DateTime),
            "Any" | "object" => Some(FieldType::Any),
            "Image" => Some(FieldType::Image),
            "History" => Some(FieldType::History),
            "Code" => {
                if self.takes('[') {
                    self.skip_brackets()?;
                }
                Some(FieldType::Text)
            }
            _ => None,
        };
        if let Some(simple) = simple {
            return if self.peeks('[') { self.fails(&format!("`{bare}` takes no types in brackets")) } else { Ok(Some(simple)) };
        }
        if matches!(bare, "tuple" | "Tuple" | "Annotated")
            && let Some(ty) = self.of_one_type(bare == "Annotated")?
        {
            return Ok(Some(ty));
        }
        let arguments = if self.takes('[') { Some(self.arguments()?) } else { None };
        self.composed(bare, arguments).map(Some)
    }

    /// `tuple[int, ...]`, which is a list, and `Annotated[int, …]`, which is its first type. Nothing is read of anything else.
    fn of_one_type(&mut self, annotated: bool) -> Result<Option<FieldType>, SignatureError> {
        let start = self.at;
        if !self.takes('[') {
            return Ok(None);
        }
        let ty = self.type_or_union()?;
        if annotated {
            self.skip_brackets()?;
            return Ok(Some(ty));
        }
        let is_open = self.takes(',') && self.next() == Some(&Token::Name(ELLIPSIS.to_owned())) && self.takes(']');
        if !is_open {
            self.at = start;
        }
        Ok(is_open.then(|| FieldType::list(ty)))
    }

    fn composed(&self, name: &str, arguments: Option<Vec<Option<FieldType>>>) -> Result<FieldType, SignatureError> {
        let present =
            |arguments: Vec<Option<FieldType>>| arguments.into_iter().map(|one| one.unwrap_or(FieldType::Any)).collect::<Vec<_>>();
        match (name, arguments) {
            ("list" | "List" | "set" | "Set" | "frozenset" | "FrozenSet" | "Sequence" | "Iterable" | "tuple" | "Tuple", None) => {
                Ok(FieldType::list(FieldType::Any))
            }
            ("list" | "List" | "set" | "Set" | "frozenset" | "FrozenSet" | "Sequence" | "Iterable", Some(of)) if of.len() == 1 => {
                Ok(FieldType::list(present(of).remove(0)))
            }
            ("tuple" | "Tuple", Some(of)) => Ok(FieldType::Tuple(present(of))),
            ("dict" | "Dict" | "Mapping", None) => Ok(FieldType::map(FieldType::Any)),
            ("dict" | "Dict" | "Mapping", Some(of)) if of.len() == 2 => {
                let mut of = present(of);
                if of[0] != FieldType::Text {
                    return self.fails_before("the keys of a dict are text here: `dict[str, …]`");
                }
                Ok(FieldType::map(of.remove(1)))
            }
            ("Optional", Some(mut of)) if of.len() == 1 => {
                of.push(None);
                self.union(of)
            }
            ("Union", Some(of)) => self.union(of),
            ("list" | "List" | "dict" | "Dict" | "Optional" | "Union" | "set" | "Set" | "Mapping" | "Sequence", _) => {
                self.fails_before(&format!("`{name}` takes another number of types in its brackets"))
            }
            _ => {
                let known = "str, int, float, bool, date, datetime, list[…], dict[str, …], Optional[…], Literal[…], Union[…], tuple[…], Any, dspy.Image, dspy.History";
                self.fails_before(&format!("the type `{name}` is not known; there are {known}, and types given by name"))
            }
        }
    }

    fn arguments(&mut self) -> Result<Vec<Option<FieldType>>, SignatureError> {
        let mut arguments = Vec::new();
        loop {
            if matches!(self.tokens.get(self.at).map(|placed| &placed.token), Some(Token::Name(name)) if name == "None")
                && !matches!(self.tokens.get(self.at + 1).map(|placed| &placed.token), Some(Token::Mark('|')))
            {
                self.at += 1;
                arguments.push(None);
            } else {
                arguments.push(Some(self.type_or_union()?));
            }
            if self.takes(']') {
                return Ok(arguments);
            }
            if !self.takes(',') {
                return self.fails("a comma or `]` is expected here");
            }
            if self.takes(']') {
                return Ok(arguments);
            }
        }
    }

    fn literal(&mut self) -> Result<FieldType, SignatureError> {
        if !self.takes('[') {
            return self.fails("`Literal` needs its values: `Literal['yes', 'no']`");
        }
        let mut values = Vec::new();
        loop {
            let value = match self.next().cloned() {
                Some(Token::Text(text)) => Value::String(text),
                Some(Token::Number(number)) => Value::Number(number),
                Some(Token::Name(name)) if name == "True" => Value::Bool(true),
                Some(Token::Name(name)) if name == "False" => Value::Bool(false),
                Some(Token::Name(name)) if name == "None" => Value::Null,
                _ => return self.fails_before("a value of `Literal` is a text in quotes, a number, True, False or None"),
            };
            if !values.contains(&value) {
                values.push(value);
            }
            if self.takes(']') {
                break;
            }
            if !self.takes(',') {
                return self.fails("a comma or `]` is expected here");
            }
            if self.takes(']') {
                break;
            }
        }
        let optional = values.contains(&Value::Null);
        values.retain(|value| !value.is_null());
        if values.is_empty() {
            return self.fails_before("`Literal` needs a value besides None");
        }
        let literal = FieldType::Literal(values);
        Ok(if optional { FieldType::optional(literal) } else { literal })
    }

    /// Up to the end of the brackets that are open.
    fn skip_brackets(&mut self) -> Result<(), SignatureError> {
        let mut depth = 1;
        while let Some(token) = self.next() {
            match token {
                Token::Mark('[') => depth += 1,
                Token::Mark(']') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
        self.fails("`]` is missing")
    }

    fn next(&mut self) -> Option<&Token> {
        let placed = self.tokens.get(self.at)?;
        self.at += 1;
        Some(&placed.token)
    }

    fn peeks(&self, mark: char) -> bool {
        self.tokens.get(self.at).is_some_and(|placed| placed.token == Token::Mark(mark))
    }

    fn takes(&mut self, mark: char) -> bool {
        let is = self.peeks(mark);
        self.at += usize::from(is);
        is
    }

    fn fails<T>(&self, message: &str) -> Result<T, SignatureError> {
        let end = self.text.chars().count();
        Err(wrong(self.text, self.tokens.get(self.at).map_or(end, |placed| placed.at), message))
    }

    /// About the token that was read last.
    fn fails_before<T>(&self, message: &str) -> Result<T, SignatureError> {
        let at = self.tokens.get(self.at.saturating_sub(1)).map_or(0, |placed| placed.at);
        Err(wrong(self.text, at, message))
    }
}
