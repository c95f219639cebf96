//! A document as a tree in JSON, for queries: blocks under the heading they belong to, text with its markup as nodes.
//!
//! `{"type": "root", "children": [...]}`; blocks are `heading` (`level`, `text`, `content`, `children`), `paragraph`
//! (`content`), `list` (`ordered`, `start`, `children`), `list_item` (`checked`, `children`), `blockquote` (`children`),
//! `code_block` (`language`, `text`), `table` (`alignments`, `header`, `rows`), `html` (`text`), `thematic_break`.
//! What stands in a line is `text`, `code` (`text`), `strong`, `emphasis`, `strikethrough` (`content`), `link` (`url`,
//! `title`, `content`), `image` (`url`, `title`, `alt`), `html` (`text`), `break`.

use pulldown_cmark::{Alignment, Event, Tag, TagEnd};
use serde_json::{Map, Value, json};

use super::code::language_of;
use super::events;

/// Deeper than this, a container's content goes into the one around it, so that no text makes a tree too deep to walk.
const DEEPEST: usize = 48;

/// The document as a tree.
pub fn to_json(text: &str) -> Value {
    let mut builder = Builder { open: vec![Open::new("root", Holds::Children)], left_out: 0 };
    for (event, _) in events(text) {
        builder.take(event);
    }
    while builder.open.len() > 1 {
        builder.close();
    }
    let blocks = builder.open.pop().map(|root| root.held).unwrap_or_default();
    json!({"type": "root", "children": under_headings(blocks)})
}

/// What a node's parts are.
#[derive(Clone, Copy, PartialEq)]
enum Holds {
    Children,
    Content,
    /// Text alone, under this name.
    Text(&'static str),
    Rows,
}

struct Open {
    node: Map<String, Value>,
    holds: Holds,
    held: Vec<Value>,
    text: String,
}

impl Open {
    fn new(kind: &str, holds: Holds) -> Open {
        Open { node: Map::from_iter([("type".to_owned(), kind.into())]), holds, held: Vec::new(), text: String::new() }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Open {
        self.node.insert(name.to_owned(), value.into());
        self
    }
}

struct Builder {
    open: Vec<Open>,
    /// Containers open now that were left out for depth.
    left_out: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => match node(&tag) {
                Some(_) if self.open.len() >= DEEPEST || self.left_out > 0 => self.left_out += 1,
                Some(open) => self.open.push(open),
                None => {}
            },
            Event::End(end) if has_node(end) => match self.left_out.checked_sub(1) {
                Some(fewer) => self.left_out = fewer,
                None => self.close(),
            },
            Event::End(_) => {}
            Event::Text(text) | Event::InlineMath(text) | Event::DisplayMath(text) => self.text(&text),
            Event::SoftBreak => self.text("\n"),
            Event::Code(text) => self.leaf(&text, json!({"type": "code", "text": &*text})),
            Event::Html(html) => match self.open.last_mut() {
                Some(Open { holds: Holds::Text(_), text, .. }) => text.push_str(&html),
                _ => self.leaf(&html, json!({"type": "html", "text": &*html})),
            },
            Event::InlineHtml(html) => self.leaf("", json!({"type": "html", "text": &*html})),
            Event::HardBreak => self.leaf("\n", json!({"type": "break"})),
            Event::Rule => self.leaf("", json!({"type": "thematic_break"})),
            Event::TaskListMarker(done) => {
                if let Some(item) = self.open.iter_mut().rev().find(|open| open.node.get("type") == Some(&json!("list_item"))) {
                    item.node.insert("checked".to_owned(), done.into());
                }
            }
            Event::FootnoteReference(_) => {}
        }
    }

    /// Text joins the text before it.
    fn text(&mut self, text: &str) {
        let Some(open) = self.open.last_mut() else { return };
        open.text.push_str(text);
        if matches!(open.holds, Holds::Text(_)) {
            return;
        }
        if let Some(Value::Object(last)) = open.held.last_mut()
            && last.get("type") == Some(&json!("text"))
            && let Some(Value::String(before)) = last.get_mut("text")
        {
            before.push_str(text);
            return;
        }
        open.held.push(json!({"type": "text", "text": text}));
    }

    fn leaf(&mut self, plain: &str, node: Value) {
        let Some(open) = self.open.last_mut() else { return };
        open.text.push_str(plain);
        if !matches!(open.holds, Holds::Text(_)) {
            open.held.push(node);
        }
    }

    /// Finishes the innermost node and gives it to the one around it.
    fn close(&mut self) {
        if self.open.len() < 2 {
            return;
        }
        let Some(Open { mut node, holds, held, text }) = self.open.pop() else { return };
        match holds {
            Holds::Children => node.insert("children".to_owned(), held.into()),
            Holds::Content => node.insert("content".to_owned(), held.into()),
            Holds::Text(name) => {
                let ended = if name == "alt" { text.as_str() } else { text.strip_suffix('\n').unwrap_or(&text) };
                node.insert(name.to_owned(), ended.into())
            }
            Holds::Rows => {
                let mut rows = held.into_iter();
                node.insert("header".to_owned(), rows.next().unwrap_or_else(|| json!([])));
                node.insert("rows".to_owned(), rows.collect())
            }
        };
        let kind = node.get("type").and_then(Value::as_str).unwrap_or_default();
        let finished = match kind {
            // cells are their text, and a row is the list of them
            "table_cell" => node.remove("text").unwrap_or_default(),
            "table_row" => node.remove("children").unwrap_or_default(),
            "heading" => {
                node.insert("text".to_owned(), text.split_whitespace().collect::<Vec<_>>().join(" ").into());
                Value::Object(node)
            }
            _ => Value::Object(node),
        };
        if let Some(around) = self.open.last_mut() {
            around.text.push_str(&text);
            if !matches!(around.holds, Holds::Text(_)) {
                around.held.push(finished);
            }
        }
    }
}

/// The node that a container begins; the rest has none of its own.
fn node(tag: &Tag<'_>) -> Option<Open> {
    use Holds::{Children, Content, Rows, Text};
    Some(match tag {
        Tag::Paragraph => Open::new("paragraph", Content),
        Tag::Heading { level, .. } => Open::new("heading", Content).with("level", *level as u8),
        Tag::BlockQuote(_) => Open::new("blockquote", Children),
        Tag::CodeBlock(kind) => Open::new("code_block", Text("text")).with("language", language_of(kind)),
        Tag::HtmlBlock => Open::new("html", Text("text")),
        Tag::List(start) => Open::new("list", Children).with("ordered", start.is_some()).with("start", *start),
        Tag::Item => Open::new("list_item", Children).with("checked", Value::Null),
        Tag::Table(alignments) => {
            let names = alignments.iter().map(|alignment| match alignment {
                Alignment::None => Value::Null,
                Alignment::Left => "left".into(),
                Alignment::Center => "center".into(),
                Alignment::Right => "right".into(),
            });
            Open::new("table", Rows).with("alignments", names.collect::<Value>())
        }
        Tag::TableHead | Tag::TableRow => Open::new("table_row", Children),
        Tag::TableCell => Open::new("table_cell", Text("text")),
        Tag::Emphasis => Open::new("emphasis", Content),
        Tag::Strong => Open::new("strong", Content),
        Tag::Strikethrough => Open::new("strikethrough", Content),
        Tag::Link { dest_url, title, .. } => Open::new("link", Content).with("url", &**dest_url).with("title", given(title)),
        Tag::Image { dest_url, title, .. } => Open::new("image", Text("alt")).with("url", &**dest_url).with("title", given(title)),
        _ => return None,
    })
}

fn given(title: &str) -> Option<&str> {
    (!title.is_empty()).then_some(title)
}

/// Whether [`node`] gave a container with this end one of its own.
fn has_node(end: TagEnd) -> bool {
    use TagEnd::{
        BlockQuote, CodeBlock, Emphasis, Heading, HtmlBlock, Image, Item, Link, List, Paragraph, Strikethrough, Strong, Table, TableCell,
        TableHead, TableRow,
    };
    matches!(
        end,
        Paragraph
            | Heading(_)
            | BlockQuote(_)
            | CodeBlock
            | HtmlBlock
            | List(_)
            | Item
            | Table
            | TableHead
            | TableRow
            | TableCell
            | Emphasis
            | Strong
            | Strikethrough
            | Link
            | Image
    )
}

/// Puts blocks under the heading before them, and headings under those above them in rank.
fn under_headings(blocks: Vec<Value>) -> Vec<Value> {
    let mut top = Vec::new();
    let mut open: Vec<(u64, Map<String, Value>, Vec<Value>)> = Vec::new();
    let close = |open: &mut Vec<(u64, Map<String, Value>, Vec<Value>)>, top: &mut Vec<Value>| {
        if let Some((_, mut heading, children)) = open.pop() {
            heading.insert("children".to_owned(), children.into());
            open.last_mut().map_or(top, |(_, _, children)| children).push(Value::Object(heading));
        }
    };
    for block in blocks {
        match block {
            Value::Object(heading) if heading.get("type") == Some(&json!("heading")) => {
                let level = heading.get("level").and_then(Value::as_u64).unwrap_or(1);
                while open.last().is_some_and(|(higher, _, _)| *higher >= level) {
                    close(&mut open, &mut top);
                }
                open.push((level, heading, Vec::new()));
            }
            other => open.last_mut().map_or(&mut top, |(_, _, children)| children).push(other),
        }
    }
    while !open.is_empty() {
        close(&mut open, &mut top);
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "Hello\n\n# One *two*\n\nA **bold _and_** `code` [link](u \"t\") ![pic *x*](p)  \nnext\n\n## Two\n\n3. [x] item\n   - nested\n\n\
        | a | b |\n|:-:|--:|\n| 1 | *2* |\n\n```rust\nfn x() {}\n```\n\n> quote\n\n---\n<div>\nhi\n</div>\n\n# End\n";

    #[test]
    fn the_tree() {
        insta::assert_json_snapshot!(to_json(TEXT));
    }

    #[test]
    fn no_text_is_too_deep() {
        for deep in [">".repeat(20_000), "- ".repeat(3_000), "*a ".repeat(5_000) + &"a*".repeat(5_000), "[".repeat(20_000)] {
            let tree = to_json(&deep).to_string();
            assert!(serde_json::from_str::<Value>(&tree).is_ok());
        }
    }

    proptest! {
        #![proptest_config(crate::laws())]
        #[test]
        fn any_text_has_a_tree(text in "(?s).{0,80}|[#>\\- *`|\\n\\[\\]()!<a-c\\d:~]{0,80}") {
            prop_assert_eq!(&to_json(&text)["type"], "root");
        }
    }
}
