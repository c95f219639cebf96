//! Holds what was written against the tables of settings: unknown names, values that do not fit, settings that exclude each
//! other. All that is wrong is said at once, in the order of the file.

use corsac_policy::nearest;
use corsac_wire::Usd;

use super::node::{Content, Entry, Node};
use super::schema::{Shape, Table, any_of};
use super::tables::TABLES;
use super::values::{PDF_ENGINES, PLUGINS, Span};

/// Something that is wrong, and where.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    pub(crate) line: Option<usize>,
    pub(crate) what: String,
}

/// What is wrong with a tree that should be a table of these settings.
pub(crate) fn check(root: &Node, table: &'static Table) -> Vec<Problem> {
    let mut checker = Checker { problems: Vec::new() };
    checker.table(root, table, &Place::top());
    checker.problems.sort();
    checker.problems
}

/// All problems on lines of their own.
pub(crate) fn told(problems: &[Problem]) -> String {
    let lines = problems.iter().map(|problem| match problem.line {
        Some(line) => format!("line {line}: {}", problem.what),
        None => problem.what.clone(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where the checker stands: the path of tables as a person writes it.
#[derive(Clone)]
struct Place(String);

impl Place {
    fn top() -> Place {
        Place(String::new())
    }

    fn below(&self, name: &str) -> Place {
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let name = if plain { name.to_owned() } else { format!("{name:?}") };
        Place(if self.0.is_empty() { name } else { format!("{}.{name}", self.0) })
    }

    /// ` in [profiles.careful]`, or nothing at the top.
    fn inside(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!(" in [{}]", self.0) }
    }
}

struct Checker {
    problems: Vec<Problem>,
}

impl Checker {
    fn problem(&mut self, line: Option<usize>, what: impl Into<String>) {
        self.problems.push(Problem { line, what: what.into() });
    }

    fn table(&mut self, node: &Node, table: &'static Table, place: &Place) {
        let Content::Table(entries) = &node.content else {
            return self.problem(node.line, format!("[{}] is {}, but must be a table", place.0, shown(node, false)));
        };
        for entry in entries {
            match table.find(&entry.name) {
                Some(setting) => self.value(&entry.node, &setting.shape, &entry.name, place),
                None => self.problem(entry.line, unknown(&entry.name, table, place)),
            }
        }
        let given = |name: &str| table.find(name).and_then(|setting| entries.iter().find(|entry| is(entry, setting.name, setting.alias)));
        for setting in table.all() {
            let second = setting.alias.and_then(|alias| node.entry(alias));
            if let (Some(first), Some(second)) = (node.entry(setting.name), second) {
                self.problem(first.line.max(second.line), both(setting.name, &second.name, place));
            }
        }
        for (one, other) in table.either.iter().chain(table.also.iter().flat_map(|(also, _)| also.either)) {
            if let (Some(first), Some(second)) = (given(one), given(other)) {
                self.problem(first.line.max(second.line), both(one, other, place));
            }
        }
        for (needy, needed) in table.needs.iter().chain(table.also.iter().flat_map(|(also, _)| also.needs)) {
            if let (Some(entry), None) = (given(needy), given(needed).filter(|entry| !matches!(entry.node.content, Content::Flag(false)))) {
                self.problem(entry.line, format!("{needy}{} means nothing without {needed} = true", place.inside()));
            }
        }
    }

    fn value(&mut self, node: &Node, shape: &'static Shape, name: &str, place: &Place) {
        let below = place.below(name);
        match (shape, &node.content) {
            (Shape::Table(table), _) => self.table(node, table, &below),
            (Shape::Named(table), Content::Table(entries)) => {
                entries.iter().for_each(|entry| self.table(&entry.node, table, &below.below(&entry.name)));
            }
            (Shape::Tables(table), Content::List(items)) => items.iter().for_each(|item| self.table(item, table, &below)),
            (Shape::OneOrMore(_, most) | Shape::List(_, most), Content::List(items)) if items.len() > *most => {
                self.problem(node.line, format!("{name}{} has {} items, but at most {most} are taken", place.inside(), items.len()));
            }
            (Shape::OneOrMore(item, _) | Shape::List(item, _), Content::List(items)) => {
                items.iter().for_each(|one| self.value(one, item, name, place));
            }
            (Shape::OneOrMore(item, _), _) => self.value(node, item, name, place),
            (Shape::Either(_, Shape::Table(table)), Content::Table(_)) => self.table(node, table, &below),
            (Shape::Either(Shape::OneOf(words), _), Content::Text(text)) if !words.contains(&text.as_str()) => {
                self.problem(node.line, wrong_word(text, words, name, place));
            }
            (Shape::Either(one, _), Content::Text(_) | Content::Whole(_) | Content::Number(_)) if one.takes(node) => {}
            (Shape::OneOf(words), Content::Text(text)) if !words.contains(&text.as_str()) => {
                self.problem(node.line, wrong_word(text, words, name, place));
            }
            (Shape::Headers, Content::Table(entries)) => entries.iter().for_each(|entry| self.header(entry, &below)),
            (Shape::Bias, Content::Table(entries)) => entries.iter().for_each(|entry| self.bias(entry, &below)),
            (Shape::Plugin, Content::Text(id)) if !PLUGINS.contains(&id.as_str()) => {
                let near = hint(id, &PLUGINS).map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                let known = format!("no plugin is known as {}{}{near}", quoted(id), place.inside());
                self.problem(node.line, format!("{known} One that Corsac does not know is written {{ id = \"…\" }}"));
            }
            (Shape::Plugin | Shape::Anything, Content::Table(_)) if node.foreign().is_some() => {
                let part = node.foreign().unwrap_or(node);
                let what = shown(part, false);
                self.problem(part.line, format!("{name}{} holds what no request can carry: {what}", place.inside()));
            }
            (Shape::Plugin, Content::Table(_)) => self.plugin(node, place),
            _ if shape.takes(node) => {}
            _ => {
                let value = shown(node, matches!(shape, Shape::Key));
                self.problem(node.line, format!("{name}{} is {value}, but must be {shape}", place.inside()));
            }
        }
    }

    fn header(&mut self, entry: &Entry, place: &Place) {
        let sendable = match &entry.node.content {
            Content::Text(text) => http::HeaderValue::from_bytes(text.as_bytes()).is_ok(),
            _ => false,
        };
        if http::HeaderName::from_bytes(entry.name.as_bytes()).is_err() {
            self.problem(entry.line, format!("{}{} is no name of a header", quoted(&entry.name), place.inside()));
        } else if !sendable {
            self.problem(entry.node.line, format!("{}{} must be text without line breaks", entry.name, place.inside()));
        }
    }

    fn bias(&mut self, entry: &Entry, place: &Place) {
        if entry.name.parse::<u32>().is_err() {
            let what =
                format!("{}{} is no token id: ids are whole numbers of the model's own tokenizer", quoted(&entry.name), place.inside());
            self.problem(entry.line, what);
        } else if !Shape::Number(-100.0, 100.0).takes(&entry.node) {
            let value = shown(&entry.node, false);
            self.problem(entry.node.line, format!("{}{} is {value}, but must be a number from -100 to 100", entry.name, place.inside()));
        }
    }

    fn plugin(&mut self, node: &Node, place: &Place) {
        let text = |name: &str| match node.entry(name).map(|entry| &entry.node.content) {
            Some(Content::Text(text)) if !text.is_empty() => Some(text.as_str()),
            _ => None,
        };
        let Some(id) = text("id") else {
            return self.problem(node.line, format!("a plugin{} needs an id, such as {{ id = \"response-healing\" }}", place.inside()));
        };
        if let ("file-parser", Some(entry)) = (id, node.entry("engine"))
            && !text("engine").is_some_and(|engine| PDF_ENGINES.contains(&engine))
        {
            let value = shown(&entry.node, false);
            let engines = any_of(&PDF_ENGINES);
            self.problem(entry.node.line, format!("engine of file-parser{} is {value}, but must be {engines}", place.inside()));
        }
    }
}

impl Shape {
    /// Whether a value without parts of its own fits.
    fn takes(&self, node: &Node) -> bool {
        let number = match node.content {
            Content::Whole(number) => Some(number as f64),
            Content::Number(number) => Some(number),
            _ => None,
        };
        let text = match &node.content {
            Content::Text(text) => Some(text.as_str()),
            _ => None,
        };
        match self {
            Self::Text | Self::Key => text.is_some_and(|text| !text.trim().is_empty()),
            Self::TextUpTo(most) => text.is_some_and(|text| !text.is_empty() && text.chars().count() <= *most),
            Self::Url => text.is_some_and(is_address),
            Self::Flag => matches!(node.content, Content::Flag(_)),
            Self::Whole(least, most) => matches!(node.content, Content::Whole(number) if (*least..=*most).contains(&number)),
            Self::Number(least, most) => number.is_some_and(|number| (*least..=*most).contains(&number)),
            Self::Above(bound, most) => number.is_some_and(|number| number > *bound && number <= *most),
            Self::Dollars => {
                let amount = text.map_or_else(|| number.and_then(Usd::from_f64), |text| Usd::parse(text).ok());
                amount.is_some_and(|amount| amount >= Usd::ZERO)
            }
            Self::Span(most) => {
                let span = text.map_or_else(|| number.and_then(Span::seconds), Span::parse);
                span.is_some_and(|Span(span)| !span.is_zero() && span.as_secs_f64() <= *most as f64)
            }
            Self::OneOf(words) => text.is_some_and(|text| words.contains(&text)),
            Self::Category => text.is_some_and(is_category),
            Self::Plugin => text.is_some_and(|text| PLUGINS.contains(&text)),
            Self::Either(one, other) => one.takes(node) || other.takes(node),
            Self::Anything => matches!(node.content, Content::Table(_)),
            Self::List(..) | Self::OneOrMore(..) | Self::Headers | Self::Bias | Self::Table(_) | Self::Named(_) | Self::Tables(_) => false,
        }
    }
}

/// Whether requests can be sent there.
pub(crate) fn is_address(text: &str) -> bool {
    let rest = text.trim().strip_prefix("https://").or_else(|| text.trim().strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

/// Whether OpenRouter takes a category of this form; unknown ones it drops without a word.
pub(crate) fn is_category(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= 30 && text.chars().all(plain)
}

fn is(entry: &Entry, name: &str, alias: Option<&str>) -> bool {
    entry.name == name || alias == Some(entry.name.as_str())
}

fn both(one: &str, other: &str, place: &Place) -> String {
    format!("{one} and {other}{} say the same in two ways: keep one of them", place.inside())
}

fn unknown(name: &str, table: &'static Table, place: &Place) -> String {
    let here = format!("there is no setting {}{}", quoted(name), place.inside());
    let elsewhere = TABLES.iter().find(|other| other.settings.iter().any(|setting| setting.name == name));
    match (hint(name, &table.names().collect::<Vec<_>>()), elsewhere) {
        (_, Some(other)) if other.heading.is_empty() => format!("{here}; it stands above all tables"),
        (_, Some(other)) => format!("{here}; it belongs in {}", other.heading),
        (Some(near), None) => format!("{here}; did you mean {near}?"),
        (None, None) => format!("{here}; there are {}", table.all().map(|setting| setting.name).collect::<Vec<_>>().join(", ")),
    }
}

fn wrong_word(text: &str, words: &[&str], name: &str, place: &Place) -> String {
    let hint = hint(text, words).map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
    format!("{name}{} is {}, but must be {}{hint}", place.inside(), quoted(text), any_of(words))
}

/// The name most like a wrong one.
fn hint(wrong: &str, names: &[&str]) -> Option<String> {
    nearest(wrong, names.iter().copied(), 1).into_iter().next()
}

/// A value as it may be shown.
fn shown(node: &Node, secret: bool) -> String {
    match &node.content {
        Content::Text(text) if text.trim().is_empty() => "empty".to_owned(),
        _ if secret => "something else".to_owned(),
        Content::Text(text) => quoted(text),
        Content::Whole(number) => number.to_string(),
        Content::Number(number) => number.to_string(),
        Content::Flag(flag) => flag.to_string(),
        Content::List(_) => "a list".to_owned(),
        Content::Table(_) => "a table".to_owned(),
        Content::Other(what) => (*what).to_owned(),
    }
}

/// A text in quotes, unless it could be a key that was put in the wrong place.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let key = ["sk-", "Bearer ", "eyJ"].iter().any(|start| text.trim_start().starts_with(start));
    let key = key || (text.len() >= 24 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    match text.char_indices().nth(LONGEST) {
        _ if key => "[hidden]".to_owned(),
        Some((end, _)) => format!("{:?}", format!("{}…", &text[..end])),
        None => format!("{text:?}"),
    }
}
