//! The code blocks of a document.

use pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};

use super::events;

/// A block of code, fenced or indented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeBlock {
    /// The first word behind the fence, such as `rust`; nothing where none stands there, and for indented blocks.
    pub language: Option<String>,
    /// The code without its fence and the last line end.
    pub code: String,
}

/// The code blocks in order; if a language is given, those alone that say it, in any case of letters.
pub fn code_blocks(text: &str, language: Option<&str>) -> Vec<CodeBlock> {
    let mut blocks = Vec::new();
    let mut open: Option<CodeBlock> = None;
    for (event, _) in events(text) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => open = Some(CodeBlock { language: language_of(&kind), code: String::new() }),
            Event::Text(part) => {
                if let Some(block) = &mut open {
                    block.code.push_str(&part);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some(mut block) = open.take() {
                    block.code.truncate(block.code.trim_end_matches('\n').len());
                    blocks.push(block);
                }
            }
            _ => {}
        }
    }
    if let Some(wanted) = language {
        blocks.retain(|block| block.language.as_deref().is_some_and(|language| language.eq_ignore_ascii_case(wanted)));
    }
    blocks
}

/// What stands behind the fence, up to the first blank or comma.
pub(super) fn language_of(kind: &CodeBlockKind<'_>) -> Option<String> {
    let CodeBlockKind::Fenced(info) = kind else { return None };
    info.split([' ', '\t', ',']).find(|word| !word.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Look:\n\n```rust,ignore\nfn a() {}\n\nfn b() {}\n```\n\n> ~~~ SQL\n> SELECT 1\n> ~~~\n\n    indented\n\n```\nplain\n```\n- ```py\n  open";

    #[test]
    fn blocks_with_their_languages() {
        let found: Vec<(Option<String>, String)> = code_blocks(TEXT, None).into_iter().map(|block| (block.language, block.code)).collect();
        let wanted = [
            (Some("rust"), "fn a() {}\n\nfn b() {}"),
            (Some("SQL"), "SELECT 1"),
            (None, "indented"),
            (None, "plain"),
            (Some("py"), "open"),
        ];
        assert_eq!(found, wanted.map(|(language, code)| (language.map(str::to_owned), code.to_owned())));
    }

    #[test]
    fn one_language() {
        let blocks = code_blocks(TEXT, Some("sql"));
        assert_eq!(blocks, [CodeBlock { language: Some("SQL".into()), code: "SELECT 1".into() }]);
        assert_eq!(code_blocks(TEXT, Some("")), []);
    }
}
