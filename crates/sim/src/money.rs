//! Dollars as whole pico-dollars, so that a price times a token count is exact and prints exactly.

use std::fmt;

const PICO_PER_DOLLAR: u64 = 1_000_000_000_000;
const FRACTION_DIGITS: usize = 12;

/// An amount in units of 10⁻¹² dollars. `u64` holds 18 million dollars, sums saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PicoDollars(pub u64);

impl PicoDollars {
    /// Reads a plain decimal number of dollars such as `"0.00000015"`. More than twelve
    /// decimals, signs and exponents are refused.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits_only(whole) || !digits_only(fraction) || fraction.len() > FRACTION_DIGITS {
            return None;
        }
        let whole: u64 = whole.parse().ok()?;
        let mut pico = 0u64;
        for place in 0..FRACTION_DIGITS {
            let digit = fraction.as_bytes().get(place).map_or(0, |byte| u64::from(byte - b'0'));
            pico = pico * 10 + digit;
        }
        whole.checked_mul(PICO_PER_DOLLAR)?.checked_add(pico).map(Self)
    }

    /// This price per token, times a number of tokens.
    #[must_use]
    pub fn times(self, tokens: u64) -> Self {
        Self(self.0.saturating_mul(tokens))
    }

    /// The sum of both amounts.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left after `other` is taken away, never below zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl PicoDollars {
    /// The amount as a JSON number, as near as a float comes to it.
    pub(crate) fn json(self) -> serde_json::Value {
        self.to_string().parse::<serde_json::Number>().map_or(serde_json::Value::Null, serde_json::Value::Number)
    }
}

impl fmt::Display for PicoDollars {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / PICO_PER_DOLLAR, self.0 % PICO_PER_DOLLAR);
        if fraction == 0 {
            return write!(formatter, "{whole}");
        }
        let digits = format!("{fraction:012}");
        write!(formatter, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl serde::Serialize for PicoDollars {
    /// Written as a decimal string, the way the catalog writes its prices.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for PicoDollars {
    /// Read from a decimal string or a number; a number is read by its shortest decimal form.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Whole(u64),
            Float(f64),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Whole(whole) => whole.to_string(),
            Written::Float(float) => float.to_string(),
        };
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is not an amount of dollars; write a plain decimal such as \"0.00000015\""))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::PicoDollars;

    #[test]
    fn reads_and_prints_without_loss() {
        for text in ["0", "1", "0.00000015", "12.5", "0.000000000001"] {
            assert_eq!(PicoDollars::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(PicoDollars::parse("0.1500").unwrap().to_string(), "0.15");
    }

    #[test]
    fn refuses_what_is_no_plain_decimal() {
        for text in ["", "-1", "1e-7", "0.0000000000001", "abc", ".5", "1.2.3"] {
            assert_eq!(PicoDollars::parse(text), None, "{text}");
        }
    }

    #[test]
    fn price_times_tokens_is_exact() {
        let price = PicoDollars::parse("0.00000015").unwrap();
        assert_eq!(price.times(49).to_string(), "0.00000735");
    }
}
