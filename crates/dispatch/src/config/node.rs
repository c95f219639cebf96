//! What was written, as a tree that knows its lines: the text of a file, or JSON from a program.

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

/// Tables and lists within each other: more than any setting needs, and few enough to walk through.
const DEEPEST: usize = 64;

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    /// The line it begins in, counted from 1; none for what was not read from a file.
    pub(crate) line: Option<usize>,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Text(String),
    Whole(i64),
    Number(f64),
    Flag(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// What no setting takes, in words: a date, a number out of range, too deep a nest.
    Other(&'static str),
}

/// A name in a table, with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// The line of the name.
    pub(crate) line: Option<usize>,
    pub(crate) node: Node,
}

/// Where a text is no TOML, and why.
pub(crate) struct Broken {
    pub(crate) line: usize,
    pub(crate) why: String,
}

impl Node {
    /// Reads TOML.
    pub(crate) fn from_toml(text: &str) -> Result<Node, Broken> {
        let lines = Lines::of(text);
        let table = DeTable::parse(text).map_err(|error| Broken {
            line: error.span().map_or(1, |span| lines.of_byte(span.start)),
            // the library's own picture of the place would show the line, and a line may hold a key
            why: error.message().to_owned(),
        })?;
        Ok(Node { line: Some(1), content: Content::Table(entries(table.get_ref(), &lines, 0)) })
    }

    /// Takes JSON over. `null` counts as not given.
    pub(crate) fn from_json(value: &Value) -> Node {
        Node::below_json(value, 0)
    }

    fn below_json(value: &Value, depth: usize) -> Node {
        let below = |value| Node::below_json(value, depth + 1);
        let content = match value {
            _ if depth > DEEPEST => Content::Other("nested too deep"),
            Value::Null => Content::Other("nothing"),
            Value::Bool(flag) => Content::Flag(*flag),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Content::Whole(whole),
                (None, Some(number)) => Content::Number(number),
                (None, None) => Content::Other("a number out of range"),
            },
            Value::String(text) => Content::Text(text.clone()),
            Value::Array(items) => Content::List(items.iter().map(below).collect()),
            Value::Object(fields) => Content::Table(
                fields
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(name, value)| Entry { name: name.clone(), line: None, node: below(value) })
                    .collect(),
            ),
        };
        Node { line: None, content }
    }

    /// As JSON.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Text(text) => Value::from(text.as_str()),
            Content::Whole(number) => Value::from(*number),
            Content::Number(number) => Value::from(*number),
            Content::Flag(flag) => Value::from(*flag),
            Content::List(items) => items.iter().map(Node::to_json).collect(),
            Content::Table(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.name.clone(), entry.node.to_json())).collect::<Map<_, _>>())
            }
            Content::Other(_) => Value::Null,
        }
    }

    /// The first part of it that cannot be passed on as JSON.
    pub(crate) fn foreign(&self) -> Option<&Node> {
        match &self.content {
            Content::Other(_) => Some(self),
            Content::List(items) => items.iter().find_map(Node::foreign),
            Content::Table(entries) => entries.iter().find_map(|entry| entry.node.foreign()),
            _ => None,
        }
    }

    /// The entry of a name, if this is a table that has it.
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        match &self.content {
            Content::Table(entries) => entries.iter().find(|entry| entry.name == name),
            _ => None,
        }
    }
}

fn entries(table: &DeTable<'_>, lines: &Lines, depth: usize) -> Vec<Entry> {
    let mut entries: Vec<(usize, Entry)> = table
        .iter()
        .map(|(name, value)| {
            let start = name.span().start;
            let entry = Entry {
                name: name.get_ref().clone().into_owned(),
                line: Some(lines.of_byte(start)),
                node: node(value.get_ref(), lines.of_byte(value.span().start), lines, depth + 1),
            };
            (start, entry)
        })
        .collect();
    // in the order of the file: the order of headers is the user's
    entries.sort_by_key(|(start, _)| *start);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn node(value: &DeValue<'_>, line: usize, lines: &Lines, depth: usize) -> Node {
    let content = match value {
        _ if depth > DEEPEST => Content::Other("nested too deep"),
        DeValue::String(text) => Content::Text(text.clone().into_owned()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Content::Other("a number out of range"), Content::Whole)
        }
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Content::Number(number),
            _ => Content::Other("no finite number"),
        },
        DeValue::Boolean(flag) => Content::Flag(*flag),
        DeValue::Datetime(_) => Content::Other("a date"),
        DeValue::Array(items) => {
            Content::List(items.iter().map(|item| node(item.get_ref(), lines.of_byte(item.span().start), lines, depth + 1)).collect())
        }
        DeValue::Table(table) => Content::Table(entries(table, lines, depth)),
    };
    Node { line: Some(line), content }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        Lines(std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1)).collect())
    }

    fn of_byte(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte)
    }
}
