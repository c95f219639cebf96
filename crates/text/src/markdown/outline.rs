//! Headings and what stands under them. Headings inside lists and quotations are text of their section.

use std::ops::Range;

use pulldown_cmark::{Event, Tag, TagEnd};

use super::events;

/// A heading with everything under it, up to the next one of the same level or above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The heading without markup.
    pub heading: String,
    /// 1 to 6.
    pub level: u8,
    /// What stands under it without markup, headings below it included.
    pub content: String,
    /// The nearest heading above it in rank.
    pub parent_heading: Option<String>,
    /// All headings above it and itself, joined by ` > `.
    pub full_path: String,
    /// The section as it is written, its heading included.
    pub markdown: String,
}

/// The sections that headings of a level begin, in order. What stands before the first one is in none.
pub fn sections(text: &str, level: u8) -> Vec<Section> {
    let document = Document::read(text);
    let mut above: Vec<&Heading> = Vec::new();
    let mut sections = Vec::new();
    for (index, heading) in document.headings.iter().enumerate() {
        above.retain(|higher| higher.level < heading.level);
        if heading.level == level {
            let rest = document.headings.get(index + 1..).unwrap_or_default();
            let end = rest.iter().find(|next| next.level <= level).map_or(text.len(), |next| next.place.start);
            let path: Vec<&str> = above.iter().map(|higher| higher.text.as_str()).chain([heading.text.as_str()]).collect();
            sections.push(Section {
                heading: heading.text.clone(),
                level,
                content: document.plain(heading.place.end..end),
                parent_heading: above.last().map(|higher| higher.text.clone()),
                full_path: path.join(" > "),
                markdown: text[heading.place.start..end].trim_end().to_owned(),
            });
        }
        above.push(heading);
    }
    sections
}

/// The headings down to a level, one a line, with the signs that make them headings.
pub fn table_of_contents(text: &str, lowest: u8) -> String {
    let document = Document::read(text);
    let shown = document.headings.iter().filter(|heading| heading.level <= lowest);
    shown.map(|heading| format!("{} {}", "#".repeat(usize::from(heading.level)), heading.text)).collect::<Vec<_>>().join("\n")
}

struct Heading {
    level: u8,
    text: String,
    place: Range<usize>,
}

/// A document as a run of plain text with the places it comes from, and the headings at its top level.
struct Document {
    parts: Vec<(usize, String)>,
    headings: Vec<Heading>,
}

impl Document {
    fn read(text: &str) -> Document {
        let mut document = Document { parts: Vec::new(), headings: Vec::new() };
        let mut depth = 0usize;
        let mut open: Option<Heading> = None;
        for (event, place) in events(text) {
            let at = place.start;
            match event {
                Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                    open = Some(Heading { level: level as u8, text: String::new(), place });
                }
                Event::End(TagEnd::Heading(_)) if depth == 0 => {
                    document.headings.extend(open.take().map(|heading| Heading { text: one_line(&heading.text), ..heading }));
                }
                Event::Start(Tag::BlockQuote(_) | Tag::List(_)) => depth += 1,
                Event::End(TagEnd::BlockQuote(_) | TagEnd::List(_)) => depth = depth.saturating_sub(1),
                _ => {}
            }
            let Some(plain) = plain(&event) else { continue };
            if let Some(heading) = &mut open {
                heading.text.push_str(plain);
            }
            // an end is where its part ends, so that it stands behind what is in it
            let at = if matches!(event, Event::End(_)) { document.parts.last().map_or(at, |(last, _)| (*last).max(at)) } else { at };
            document.parts.push((at, plain.to_owned()));
        }
        document
    }

    /// The plain text of a part of the document: lines as they are, and no more than one empty line between blocks.
    fn plain(&self, place: Range<usize>) -> String {
        let from = self.parts.partition_point(|(at, _)| *at < place.start);
        let to = self.parts.partition_point(|(at, _)| *at < place.end);
        let mut lines: Vec<&str> = Vec::new();
        let joined = self.parts.get(from..to).unwrap_or_default().iter().map(|(_, part)| part.as_str()).collect::<String>();
        for line in joined.lines().map(str::trim_end) {
            if !line.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
                lines.push(line);
            }
        }
        lines.join("\n").trim().to_owned()
    }
}

/// What a part of a document is without its markup.
fn plain<'a>(event: &'a Event<'_>) -> Option<&'a str> {
    Some(match event {
        Event::Text(text) | Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => text,
        Event::SoftBreak | Event::HardBreak => "\n",
        Event::TaskListMarker(true) => "[x] ",
        Event::TaskListMarker(false) => "[ ] ",
        Event::Start(Tag::Item) => "- ",
        Event::End(TagEnd::TableCell) => " | ",
        Event::End(TagEnd::Item | TagEnd::TableRow | TagEnd::TableHead) => "\n",
        Event::End(TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::Table | TagEnd::List(_)) => "\n\n",
        _ => return None,
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "Before.\n\n# Guide to *it*\nIntro\n\n## Getting `started`\nRun **this**:\n\n```sh\nmake\n```\n\n### Needs\n- Rust\n- [x] done\n\n\
        ## API\n> # quoted\n> text\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n# Other\n";

    #[test]
    fn sections_of_a_level() {
        let found = sections(TEXT, 2);
        assert_eq!(found.len(), 2);
        let started = &found[0];
        assert_eq!((started.heading.as_str(), started.level), ("Getting started", 2));
        assert_eq!(started.parent_heading.as_deref(), Some("Guide to it"));
        assert_eq!(started.full_path, "Guide to it > Getting started");
        assert_eq!(started.content, "Run this:\n\nmake\n\nNeeds\n\n- Rust\n- [x] done");
        assert!(started.markdown.starts_with("## Getting `started`\nRun **this**"), "{}", started.markdown);
        assert_eq!(found[1].content, "quoted\n\ntext\n\na | b |\n1 | 2 |");
        let all: Vec<String> = (1..=6).flat_map(|level| sections(TEXT, level)).map(|section| section.full_path).collect();
        assert_eq!(all.len(), 5);
        assert_eq!(all.last().map(String::as_str), Some("Guide to it > Getting started > Needs"));
        assert_eq!(sections("no heading", 1), []);
    }

    #[test]
    fn contents() {
        assert_eq!(table_of_contents(TEXT, 6), "# Guide to it\n## Getting started\n### Needs\n## API\n# Other");
        assert_eq!(table_of_contents(TEXT, 1), "# Guide to it\n# Other");
        assert_eq!(table_of_contents("plain", 6), "");
    }

    proptest! {
        #![proptest_config(crate::laws())]
        #[test]
        fn any_text_has_an_outline(text in "(?s).{0,80}|[#>\\- *`|\\n\\[\\]()a-c\\d:]{0,80}", level in 1u8..=6) {
            for section in sections(&text, level) {
                prop_assert_eq!(section.level, level);
                prop_assert!(text.contains(&section.markdown));
            }
            prop_assert_eq!(table_of_contents(&text, level).lines().count(), (1..=level).map(|level| sections(&text, level).len()).sum::<usize>());
        }
    }
}
