//! `markdown_…`: documents as trees, sections, code blocks and tables of contents.

use corsac_text::TextError;
use corsac_text::markdown::{code_blocks, sections, table_of_contents, to_json};

use super::answers::{Answer, Leaf, LeafType, Output};
use super::chunks::request;
use super::scalar::{Definition, Kind, Prepared};

pub(super) static DEFINITIONS: [Definition; 4] = [
    Definition {
        name: "markdown_to_json",
        usage: "markdown_to_json(text)",
        kinds: &[Kind::Text],
        values: 1,
        least: 1,
        output: Output::Text,
        prepare: |_| Prepared::new(|values| Ok(values.first().map(|value| Answer::Text(to_json(value.text()).to_string())))),
    },
    Definition {
        name: "markdown_sections",
        usage: "markdown_sections(text, 2)",
        kinds: &[Kind::Text, Kind::Whole],
        values: 1,
        least: 2,
        output: Output::Rows(&[
            ("heading", LeafType::Text),
            ("level", LeafType::Whole),
            ("content", LeafType::Text),
            ("parent_heading", LeafType::Text),
            ("full_path", LeafType::Text),
            ("markdown", LeafType::Text),
        ]),
        prepare: |constants| {
            let level = level(constants.whole(0))?;
            Prepared::new(move |values| {
                let Some(value) = values.first() else { return Ok(None) };
                let records = sections(value.text(), level).into_iter().map(|section| {
                    vec![
                        Leaf::Text(Some(section.heading)),
                        Leaf::Whole(Some(i64::from(section.level))),
                        Leaf::Text(Some(section.content)),
                        Leaf::Text(section.parent_heading),
                        Leaf::Text(Some(section.full_path)),
                        Leaf::Text(Some(section.markdown)),
                    ]
                });
                Ok(Some(Answer::Rows(records.collect())))
            })
        },
    },
    Definition {
        name: "markdown_code_blocks",
        usage: "markdown_code_blocks(text, 'sql')",
        kinds: &[Kind::Text, Kind::Text],
        values: 1,
        least: 1,
        output: Output::Rows(&[("language", LeafType::Text), ("code", LeafType::Text)]),
        prepare: |constants| {
            let language = constants.text(0).map(str::to_owned);
            Prepared::new(move |values| {
                let Some(value) = values.first() else { return Ok(None) };
                let blocks = code_blocks(value.text(), language.as_deref()).into_iter();
                Ok(Some(Answer::Rows(blocks.map(|block| vec![Leaf::Text(block.language), Leaf::Text(Some(block.code))]).collect())))
            })
        },
    },
    Definition {
        name: "markdown_toc",
        usage: "markdown_toc(text, 3)",
        kinds: &[Kind::Text, Kind::Whole],
        values: 1,
        least: 1,
        output: Output::Text,
        prepare: |constants| {
            let level = level(constants.whole(0).or(Some(6)))?;
            Prepared::new(move |values| Ok(values.first().map(|value| Answer::Text(table_of_contents(value.text(), level)))))
        },
    },
];

fn level(given: Option<i64>) -> Result<u8, TextError> {
    let given = given.unwrap_or_default();
    let level = u8::try_from(given).ok().filter(|level| (1..=6).contains(level));
    level.ok_or_else(|| request("the level of headings", format!("it is {given}; headings have levels from 1 to 6")))
}
