//! `fuzzy_…`: how alike two texts are spelled.

use corsac_text::TextError;
use corsac_text::fuzzy::{self, Method};

use super::answers::{Answer, Output};
use super::scalar::{Constants, Definition, Kind, Prepared, Value};

type Scorer = fn(&str, &str, Method) -> f64;

const KINDS: &[Kind] = &[Kind::Text, Kind::Text, Kind::Text];

macro_rules! ratio {
    ($name:literal, $scorer:path) => {
        Definition {
            name: $name,
            usage: concat!($name, "(text, other, 'indel')"),
            kinds: KINDS,
            values: 2,
            least: 2,
            output: Output::Number,
            prepare: |constants| scored(constants, $scorer),
        }
    };
}

pub(super) static DEFINITIONS: [Definition; 6] = [
    ratio!("fuzzy_ratio", fuzzy::ratio),
    ratio!("fuzzy_partial_ratio", fuzzy::partial_ratio),
    ratio!("fuzzy_token_sort_ratio", fuzzy::token_sort_ratio),
    ratio!("fuzzy_token_set_ratio", fuzzy::token_set_ratio),
    ratio!("fuzzy_partial_token_sort_ratio", fuzzy::partial_token_sort_ratio),
    ratio!("fuzzy_partial_token_set_ratio", fuzzy::partial_token_set_ratio),
];

fn scored(constants: &Constants<'_>, scorer: Scorer) -> Result<Prepared, TextError> {
    let method = constants.text(0).map_or(Ok(Method::default()), str::parse)?;
    Prepared::new(move |values| match values {
        [Value::Text(left), Value::Text(right)] => Ok(Some(Answer::Number(scorer(left, right, method)))),
        _ => Ok(None),
    })
}
