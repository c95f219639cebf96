//! Markdown (CommonMark with GitHub's tables, task lists and strikethrough) as data: the document as a tree, its sections,
//! its code blocks, its table of contents. Every text is some markdown, so nothing here fails.

mod code;
mod outline;
mod tree;

pub use code::{CodeBlock, code_blocks};
pub use outline::{Section, sections, table_of_contents};
pub use tree::to_json;

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser};

/// The parts of a document with their places in the text.
fn events(text: &str) -> impl Iterator<Item = (Event<'_>, Range<usize>)> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS).into_offset_iter()
}
