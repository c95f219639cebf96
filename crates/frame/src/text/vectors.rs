//! `embedding_…`: comparing and normalizing lists of numbers.

use corsac_text::vector::{Metric, normalized, similarity};

use super::answers::{Answer, Output};
use super::scalar::{Definition, Kind, Prepared};

pub(super) static DEFINITIONS: [Definition; 2] = [
    Definition {
        name: "embedding_similarity",
        usage: "embedding_similarity(embedding, other, 'cosine')",
        kinds: &[Kind::Vector, Kind::Vector, Kind::Text],
        values: 2,
        least: 2,
        output: Output::Number,
        prepare: |constants| {
            let metric = constants.text(0).map_or(Ok(Metric::default()), str::parse)?;
            Prepared::new(move |values| match values {
                [left, right] => Ok(similarity(left.vector(), right.vector(), metric)?.map(Answer::Number)),
                _ => Ok(None),
            })
        },
    },
    Definition {
        name: "embedding_normalize",
        usage: "embedding_normalize(embedding)",
        kinds: &[Kind::Vector],
        values: 1,
        least: 1,
        output: Output::Vector,
        prepare: |_| Prepared::new(|values| Ok(values.first().and_then(|value| normalized(value.vector())).map(Answer::Vector))),
    },
];
