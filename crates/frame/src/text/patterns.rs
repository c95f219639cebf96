//! `regexp_…` beside those of the query engine, and `text_extract`.

use corsac_text::TextError;
use corsac_text::pattern::Pattern;
use corsac_text::regexp::Expression;

use super::answers::{Answer, Output};
use super::chunks::request;
use super::scalar::{Constants, Definition, Kind, Prepared};

/// An expression, and which of its groups is wanted: as elsewhere in SQL, the first is meant if there is one.
fn expression_and_group(constants: &Constants<'_>) -> Result<(Expression, usize), TextError> {
    let expression = Expression::new(constants.text(0).unwrap_or_default())?;
    let default = i64::from(expression.groups() > 0);
    let group = expression.group(constants.whole(1).unwrap_or(default))?;
    Ok((expression, group))
}

pub(super) static DEFINITIONS: [Definition; 5] = [
    Definition {
        name: "regexp_extract",
        usage: "regexp_extract(text, '(\\w+)@', 1)",
        kinds: &[Kind::Text, Kind::Text, Kind::Whole],
        values: 1,
        least: 2,
        output: Output::Text,
        prepare: |constants| {
            let (expression, group) = expression_and_group(constants)?;
            Prepared::new(move |values| {
                Ok(values.first().and_then(|value| expression.extract(value.text(), group)).map(|part| Answer::Text(part.to_owned())))
            })
        },
    },
    Definition {
        name: "regexp_extract_all",
        usage: "regexp_extract_all(text, '#(\\w+)', 1)",
        kinds: &[Kind::Text, Kind::Text, Kind::Whole],
        values: 1,
        least: 2,
        output: Output::Texts,
        prepare: |constants| {
            let (expression, group) = expression_and_group(constants)?;
            Prepared::new(move |values| {
                let Some(value) = values.first() else { return Ok(None) };
                let parts = expression.extract_all(value.text(), group).into_iter();
                Ok(Some(Answer::Texts(parts.map(|part| part.map(str::to_owned)).collect())))
            })
        },
    },
    Definition {
        name: "regexp_substr",
        usage: "regexp_substr(text, '\\d+')",
        kinds: &[Kind::Text, Kind::Text],
        values: 1,
        least: 2,
        output: Output::Text,
        prepare: |constants| {
            let expression = Expression::new(constants.text(0).unwrap_or_default())?;
            Prepared::new(move |values| {
                Ok(values.first().and_then(|value| expression.extract(value.text(), 0)).map(|part| Answer::Text(part.to_owned())))
            })
        },
    },
    Definition {
        name: "regexp_split",
        usage: "regexp_split(text, '\\s*,\\s*', 3)",
        kinds: &[Kind::Text, Kind::Text, Kind::Whole],
        values: 1,
        least: 2,
        output: Output::Texts,
        prepare: |constants| {
            let expression = Expression::new(constants.text(0).unwrap_or_default())?;
            let most = match constants.whole(1) {
                Some(most) if most >= 1 => Some(usize::try_from(most).unwrap_or(usize::MAX)),
                Some(most) => return Err(request("the number of parts", format!("it is {most}; write at least 1, or leave it out"))),
                None => None,
            };
            Prepared::new(move |values| {
                let Some(value) = values.first() else { return Ok(None) };
                let parts = expression.split(value.text(), most).into_iter();
                Ok(Some(Answer::Texts(parts.map(|part| Some(part.to_owned())).collect())))
            })
        },
    },
    Definition {
        name: "text_extract",
        usage: "text_extract(text, '${date} ${level}: ${message}')",
        kinds: &[Kind::Text, Kind::Text],
        values: 1,
        least: 2,
        output: Output::Record,
        prepare: |constants| {
            let pattern = Pattern::new(constants.text(0).unwrap_or_default())?;
            let record = pattern.names().map(str::to_owned).collect();
            let prepared =
                Prepared::new(move |values| Ok(values.first().and_then(|value| pattern.extract(value.text())).map(Answer::Record)))?;
            Ok(Prepared { record, ..prepared })
        },
    },
];
