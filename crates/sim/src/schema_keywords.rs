//! What single keywords of a JSON Schema say: bounds, types left unsaid, formats.

use serde_json::{Map, Number, Value};

use crate::seed::Draw;

pub(crate) fn branches(fields: &Map<String, Value>) -> Option<&[Value]> {
    let listed = fields.get("anyOf").or_else(|| fields.get("oneOf"))?;
    listed.as_array().map(Vec::as_slice).filter(|branches| !branches.is_empty())
}

pub(crate) fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.contains_key("$ref") || fields.values().any(refers),
        Value::Array(items) => items.iter().any(refers),
        _ => false,
    }
}

/// The type a schema without one means by its other keywords.
pub(crate) fn inferred(fields: &Map<String, Value>) -> &'static str {
    let has = |names: &[&str]| names.iter().any(|name| fields.contains_key(*name));
    if has(&["properties", "required", "additionalProperties", "minProperties"]) {
        "object"
    } else if has(&["items", "prefixItems", "minItems", "maxItems", "uniqueItems"]) {
        "array"
    } else if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
        "number"
    } else {
        "string"
    }
}

pub(crate) fn bound(fields: &Map<String, Value>, name: &str) -> Option<u64> {
    fields.get(name)?.as_u64()
}

/// The tighter of an inclusive and an exclusive limit; `inward` steps inside the exclusive one.
pub(crate) fn limit(fields: &Map<String, Value>, inclusive: &str, exclusive: &str, inward: f64) -> Option<f64> {
    let plain = fields.get(inclusive).and_then(Value::as_f64);
    let open = fields.get(exclusive).and_then(Value::as_f64).map(|value| value + inward);
    match (plain, open) {
        (Some(plain), Some(open)) => Some(if inward > 0.0 { plain.max(open) } else { plain.min(open) }),
        (plain, open) => plain.or(open),
    }
}

pub(crate) fn span(least: Option<i64>, most: Option<i64>) -> (i64, i64) {
    match (least, most) {
        (Some(low), Some(high)) => (low, high.max(low)),
        (Some(low), None) => (low, low.saturating_add(100)),
        (None, Some(high)) => (high.saturating_sub(100), high),
        (None, None) => (0, 100),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a cast from f64 saturates, and any whole number will do")]
pub(crate) fn whole(value: f64) -> i64 {
    value as i64
}

pub(crate) fn decimal(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::from(0), Value::Number)
}

pub(crate) fn is_rating(name: &str) -> bool {
    let name = name.to_lowercase();
    ["rating", "stars", "score", "satisfaction"].iter().any(|word| name.contains(word))
}

pub(crate) fn formatted(format: &str, draw: &mut Draw) -> Option<String> {
    let (year, month, day) = (2020 + draw.below(6), 1 + draw.below(12), 1 + draw.below(28));
    let (hour, minute) = (draw.below(24), draw.below(60));
    let number = draw.below(1_000);
    Some(match format {
        "date" => format!("{year}-{month:02}-{day:02}"),
        "time" => format!("{hour:02}:{minute:02}:00Z"),
        "date-time" => format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z"),
        "duration" => format!("PT{}M", minute + 1),
        "email" => format!("person{number}@example.com"),
        "uri" | "url" => format!("https://example.com/{number}"),
        "hostname" => format!("host{number}.example.com"),
        "ipv4" => format!("192.0.2.{}", number % 255),
        "ipv6" => format!("2001:db8::{:x}", number + 1),
        "uuid" => {
            let (high, low) = (draw.next(), draw.next());
            format!("{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", high >> 32, high & 0xffff, (high >> 16) & 0xfff, low & 0xfff, low >> 16)
        }
        _ => return None,
    })
}
