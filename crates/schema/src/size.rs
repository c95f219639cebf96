//! How long an answer is likely to be, so that a request can carry a sensible `max_tokens`.

use crate::shape::{Kind, Shape};

/// Tokens for a text of no known length: a sentence or two.
const TEXT_TOKENS: u32 = 64;
/// Tokens for JSON of no known shape.
const JSON_TOKENS: u32 = 128;
/// Items assumed in a list.
const LIST_ITEMS: u32 = 8;

/// A generous middle: integer 4, number 6, boolean 2, date 8, date-time 16, text 64, free JSON 128, an enum its longest
/// label at three bytes a token plus 2, a list eight items and a comma each plus 2, an object 2 plus, for each
/// property, its name at three bytes a token, 4 for quotes, colon and comma, and its value.
pub(crate) fn estimated_tokens(shape: &Shape) -> u32 {
    match &shape.kind {
        Kind::Integer => 4,
        Kind::Number => 6,
        Kind::Boolean => 2,
        Kind::Date => 8,
        Kind::DateTime => 16,
        Kind::String => TEXT_TOKENS,
        Kind::Any => JSON_TOKENS,
        Kind::Enum(labels) => labels.iter().map(|label| tokens_of(label)).max().unwrap_or(0).saturating_add(2),
        Kind::List(item) => estimated_tokens(item).saturating_add(1).saturating_mul(LIST_ITEMS).saturating_add(2),
        Kind::Object(object) if object.members.is_empty() => JSON_TOKENS,
        Kind::Object(object) => object.members.iter().fold(2, |sum: u32, member| {
            sum.saturating_add(tokens_of(&member.name)).saturating_add(4).saturating_add(estimated_tokens(&member.shape))
        }),
    }
}

fn tokens_of(text: &str) -> u32 {
    u32::try_from(text.len().div_ceil(3)).unwrap_or(u32::MAX)
}
