//! Vectors as JSON values, and as short text for the ledger: base64 over little-endian 32-bit floats.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Numbers as JSON.
pub(crate) fn to_value(numbers: &[f32]) -> Value {
    Value::Array(numbers.iter().map(|number| Value::from(f64::from(*number))).collect())
}

/// A vector as text.
pub(crate) fn to_text(value: &Value) -> String {
    let numbers = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| (number.as_f64().unwrap_or(0.0) as f32).to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// The vector a text stands for.
pub(crate) fn from_text(text: &str) -> Option<Value> {
    let bytes = STANDARD.decode(text).ok()?;
    let numbers: Vec<f32> = bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect();
    (!numbers.is_empty() && bytes.len() % 4 == 0).then(|| to_value(&numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let value = to_value(&[0.25, -1.0, 3.5e-8]);
        assert_eq!(from_text(&to_text(&value)), Some(value));
        assert_eq!(from_text(""), None);
        assert_eq!(from_text("not base64"), None);
    }
}
