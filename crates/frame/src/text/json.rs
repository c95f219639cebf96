//! `json_…`: types, contents and queries of JSON in a text column.

use corsac_text::json::{self, Query};

use super::answers::{Answer, Output};
use super::scalar::{Definition, Kind, Prepared};

const TWO: &[Kind] = &[Kind::Text, Kind::Text];

pub(super) static DEFINITIONS: [Definition; 4] = [
    Definition {
        name: "json_jq",
        usage: "json_jq(json, '.items[].name')",
        kinds: TWO,
        values: 1,
        least: 2,
        output: Output::Texts,
        prepare: |constants| {
            let query = Query::new(constants.text(0).unwrap_or_default())?;
            Prepared::new(move |values| {
                let Some(value) = values.first() else { return Ok(None) };
                Ok(Some(Answer::Texts(query.results(value.text())?.into_iter().map(Some).collect())))
            })
        },
    },
    Definition {
        name: "json_value",
        usage: "json_value(json, '$.items[0].name')",
        kinds: TWO,
        values: 1,
        least: 2,
        output: Output::Text,
        prepare: |constants| {
            let query = Query::new(constants.text(0).unwrap_or_default())?;
            Prepared::new(move |values| {
                let Some(value) = values.first() else { return Ok(None) };
                Ok(query.value(value.text())?.map(Answer::Text))
            })
        },
    },
    Definition {
        name: "json_type",
        usage: "json_type(json)",
        kinds: &[Kind::Text],
        values: 1,
        least: 1,
        output: Output::Text,
        prepare: |_| {
            Prepared::new(|values| {
                let Some(value) = values.first() else { return Ok(None) };
                Ok(Some(Answer::Text(json::type_of(value.text())?.to_owned())))
            })
        },
    },
    Definition {
        name: "json_contains",
        usage: "json_contains(json, '{\"role\": \"admin\"}')",
        kinds: TWO,
        values: 1,
        least: 2,
        output: Output::Truth,
        prepare: |constants| {
            let sought = json::parse(constants.text(0).unwrap_or_default())
                // here it is the call that is wrong, and not a row
                .map_err(|error| super::chunks::request("the value that is sought", error.to_string()))?;
            Prepared::new(move |values| {
                let Some(value) = values.first() else { return Ok(None) };
                Ok(Some(Answer::Truth(json::contains(&json::parse(value.text())?, &sought))))
            })
        },
    },
];
