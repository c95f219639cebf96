//! `text_chunk_…` and `text_token_count`.

use corsac_text::TextError;
use corsac_text::chunk::{Overlap, Size, Unit, recursive, windows};
use corsac_text::tokens::Vocabulary;

use super::answers::{Answer, Output};
use super::scalar::{Constants, Definition, Kind, Prepared};

pub(super) static DEFINITIONS: [Definition; 5] = [
    Definition {
        name: "text_chunk_characters",
        usage: "text_chunk_characters(text, 1000, '10%')",
        kinds: &[Kind::Text, Kind::Whole, Kind::WholeOrText],
        values: 1,
        least: 2,
        output: Output::Texts,
        prepare: |constants| equal_chunks(constants, Unit::Characters),
    },
    Definition {
        name: "text_chunk_words",
        usage: "text_chunk_words(text, 200, '10%')",
        kinds: &[Kind::Text, Kind::Whole, Kind::WholeOrText],
        values: 1,
        least: 2,
        output: Output::Texts,
        prepare: |constants| equal_chunks(constants, Unit::Words),
    },
    Definition {
        name: "text_chunk_tokens",
        usage: "text_chunk_tokens(text, 500, '10%', 'o200k_base')",
        kinds: &[Kind::Text, Kind::Whole, Kind::WholeOrText, Kind::Text],
        values: 1,
        least: 2,
        output: Output::Texts,
        prepare: |constants| equal_chunks(constants, Unit::Tokens(vocabulary(constants.text(2))?)),
    },
    Definition {
        name: "text_chunk_recursive",
        usage: "text_chunk_recursive(text, 500, '10%', 'tokens', ['\\n\\n', '\\n', ' '])",
        kinds: &[Kind::Text, Kind::Whole, Kind::WholeOrText, Kind::Text, Kind::Texts],
        values: 1,
        least: 2,
        output: Output::Texts,
        prepare: |constants| {
            let size = size(constants, unit(constants.text(2).unwrap_or("tokens"))?)?;
            let separators = constants.texts(3);
            // a wrong list of separators is found before there is a text
            let cut = move |text: &str| -> Result<Vec<Option<String>>, TextError> {
                let given: Option<Vec<&str>> = separators.as_ref().map(|all| all.iter().map(String::as_str).collect());
                Ok(owned(recursive(text, &size, given.as_deref())?))
            };
            cut("")?;
            Prepared::new(move |values| values.first().map(|value| cut(value.text()).map(Answer::Texts)).transpose())
        },
    },
    Definition {
        name: "text_token_count",
        usage: "text_token_count(text, 'o200k_base')",
        kinds: &[Kind::Text, Kind::Text],
        values: 1,
        least: 1,
        output: Output::Whole,
        prepare: |constants| {
            let vocabulary = vocabulary(constants.text(0))?;
            Prepared::new(move |values| {
                Ok(values.first().map(|value| Answer::Whole(i64::try_from(vocabulary.count(value.text())).unwrap_or(i64::MAX))))
            })
        },
    },
];

fn equal_chunks(constants: &Constants<'_>, unit: Unit) -> Result<Prepared, TextError> {
    let size = size(constants, unit)?;
    Prepared::new(move |values| Ok(values.first().map(|value| Answer::Texts(owned(windows(value.text(), &size))))))
}

fn owned(chunks: Vec<&str>) -> Vec<Option<String>> {
    chunks.into_iter().map(|chunk| Some(chunk.to_owned())).collect()
}

fn vocabulary(name: Option<&str>) -> Result<Vocabulary, TextError> {
    name.map_or(Ok(Vocabulary::default()), str::parse)
}

fn unit(name: &str) -> Result<Unit, TextError> {
    match name {
        "tokens" | "o200k_base" => Ok(Unit::Tokens(Vocabulary::O200k)),
        "cl100k_base" => Ok(Unit::Tokens(Vocabulary::Cl100k)),
        "words" => Ok(Unit::Words),
        "characters" => Ok(Unit::Characters),
        other => {
            Err(request("the unit", format!("{other:?} is not known; write 'tokens', 'words', 'characters' or the name of a vocabulary")))
        }
    }
}

/// The size and the overlap, which stand first among the constants.
fn size(constants: &Constants<'_>, unit: Unit) -> Result<Size, TextError> {
    let most = constants.whole(0).unwrap_or_default();
    let most = usize::try_from(most).map_err(|_| request("the size of a chunk", format!("it is {most}, and a chunk needs at least 1")))?;
    Size::new(unit, most, constants.text(1).map_or(Ok(Overlap::NONE), overlap)?)
}

/// `20` is so many units, `20%` so many hundredths of the size.
fn overlap(text: &str) -> Result<Overlap, TextError> {
    let text = text.trim();
    let (number, overlap): (&str, fn(usize) -> Overlap) = match text.strip_suffix('%') {
        Some(percent) => (percent, Overlap::Percent),
        None => (text, Overlap::Units),
    };
    let wrong = |_| request("the overlap", format!("{text:?} is neither a number such as 20 nor a share such as '10%'"));
    number.trim().parse().map(overlap).map_err(wrong)
}

pub(super) fn request(what: &'static str, reason: String) -> TextError {
    TextError::Request { what, reason }
}
