//! Money as whole pico-dollars, so that a bill adds up exactly. Catalog prices are decimal strings per token
//! (`0.00000015`), which a float cannot hold.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount in US dollars, held in units of 10⁻¹² dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(i64);

/// Text that is no amount of dollars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an amount in dollars: write a decimal number such as 0.25")]
pub struct UsdError(pub String);

const PICO: i128 = 1_000_000_000_000;

impl Usd {
    /// Nothing.
    pub const ZERO: Usd = Usd(0);

    /// The amount of so many pico-dollars.
    pub const fn from_pico(pico: i64) -> Usd {
        Usd(pico)
    }

    /// The amount in pico-dollars, the form in which it is stored.
    pub const fn pico(self) -> i64 {
        self.0
    }

    /// The amount as a float, for display and ratios only.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / PICO as f64
    }

    /// The nearest amount to a float, as replies carry `usage.cost` as a JSON number.
    /// What is not finite or too large to hold gives `None`.
    pub fn from_f64(dollars: f64) -> Option<Usd> {
        let pico = (dollars * PICO as f64).round();
        (pico.is_finite() && pico.abs() < i64::MAX as f64).then_some(Usd(pico as i64))
    }

    /// Reads a decimal number, also in scientific notation, exactly. Digits beyond 10⁻¹² are rounded away from zero
    /// when they are half a unit or more.
    pub fn parse(text: &str) -> Result<Usd, UsdError> {
        parse_decimal(text.trim()).map(Usd).ok_or_else(|| UsdError(text.to_owned()))
    }

    /// This price for one token, times a number of tokens. Saturates.
    pub fn times(self, count: u64) -> Usd {
        let product = i128::from(self.0) * i128::from(count);
        Usd(product.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    /// This amount divided by a whole number, rounded down; by zero gives zero.
    pub fn per(self, count: u64) -> Usd {
        i64::try_from(count).ok().filter(|n| *n > 0).map_or(Usd::ZERO, |n| Usd(self.0.div_euclid(n)))
    }

    /// The larger of zero and the difference.
    pub fn minus_or_zero(self, other: Usd) -> Usd {
        Usd(self.0.saturating_sub(other.0).max(0))
    }
}

fn parse_decimal(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
    }
    let scale = 12i32.checked_add(exponent)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let scaled = if scale >= 0 {
        if value == 0 { 0 } else { value.checked_mul(10i128.checked_pow(u32::try_from(scale).ok()?)?)? }
    } else {
        match 10i128.checked_pow(scale.unsigned_abs()) {
            Some(divisor) => (value + divisor / 2) / divisor,
            None => 0,
        }
    };
    i64::try_from(if negative { -scaled } else { scaled }).ok()
}

impl fmt::Display for Usd {
    /// `$0.0204`: at least four decimals, and as many more as the first two significant digits need.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let mut decimals = 4usize;
        while decimals < 12 && magnitude != 0 && magnitude < 10u64.pow(13 - decimals as u32) {
            decimals += 1;
        }
        let unit = 10u64.pow(12 - decimals as u32);
        let rounded = magnitude / unit + u64::from(magnitude % unit >= unit.div_ceil(2) && unit > 1);
        let per_dollar = 10u64.pow(decimals as u32);
        write!(f, "{sign}${}.{:0decimals$}", rounded / per_dollar, rounded % per_dollar)
    }
}

impl Add for Usd {
    type Output = Usd;
    fn add(self, other: Usd) -> Usd {
        Usd(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Usd) {
        *self = *self + other;
    }
}

impl Sub for Usd {
    type Output = Usd;
    fn sub(self, other: Usd) -> Usd {
        Usd(self.0.saturating_sub(other.0))
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Usd>>(amounts: I) -> Usd {
        amounts.fold(Usd::ZERO, Add::add)
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let magnitude = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let text = format!("{sign}{}.{:012}", magnitude / PICO as u64, magnitude % PICO as u64);
        serializer.serialize_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl<'de> Deserialize<'de> for Usd {
    /// Accepts a decimal string or a JSON number, as OpenRouter sends both.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Usd, D::Error> {
        struct Amount;
        impl Visitor<'_> for Amount {
            type Value = Usd;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("dollars as a decimal string or a number")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Usd, E> {
                Usd::parse(text).map_err(E::custom)
            }
            fn visit_f64<E: de::Error>(self, dollars: f64) -> Result<Usd, E> {
                Usd::from_f64(dollars).ok_or_else(|| E::custom("dollars out of range"))
            }
            fn visit_u64<E: de::Error>(self, dollars: u64) -> Result<Usd, E> {
                self.visit_f64(dollars as f64)
            }
            fn visit_i64<E: de::Error>(self, dollars: i64) -> Result<Usd, E> {
                self.visit_f64(dollars as f64)
            }
        }
        deserializer.deserialize_any(Amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_prices_exactly() {
        assert_eq!(Usd::parse("0.00000015").unwrap().pico(), 150_000);
        assert_eq!(Usd::parse("1.5e-7").unwrap().pico(), 150_000);
        assert_eq!(Usd::parse("-1").unwrap().pico(), -1_000_000_000_000);
        assert_eq!(Usd::parse("0").unwrap(), Usd::ZERO);
        assert_eq!(Usd::parse("0E30").unwrap(), Usd::ZERO);
        assert!(Usd::parse("").is_err());
        assert!(Usd::parse("free").is_err());
        assert!(Usd::parse("1e40").is_err());
    }

    #[test]
    fn shows_two_significant_digits_of_small_amounts() {
        assert_eq!(Usd::parse("0.0204").unwrap().to_string(), "$0.0204");
        assert_eq!(Usd::parse("12.5").unwrap().to_string(), "$12.5000");
        assert_eq!(Usd::parse("0.000014").unwrap().to_string(), "$0.000014");
        assert_eq!(Usd::ZERO.to_string(), "$0.0000");
        assert_eq!(Usd::parse("0.99999").unwrap().to_string(), "$1.0000");
    }

    #[test]
    fn a_million_small_prices_add_up() {
        let total: Usd = std::iter::repeat_n(Usd::parse("0.00000015").unwrap(), 1_000_000).sum();
        assert_eq!(total, Usd::parse("0.15").unwrap());
        assert_eq!(Usd::parse("0.00000015").unwrap().times(1_000_000), total);
    }

    #[test]
    fn survives_json() {
        let cost: Usd = serde_json::from_str("0.00014").unwrap();
        assert_eq!(serde_json::to_string(&cost).unwrap(), "\"0.00014\"");
        assert_eq!(serde_json::from_str::<Usd>("\"0.00014\"").unwrap(), cost);
    }
}
