//! Tokens and dollars before anything is asked.

use corsac_wire::Usd;
use corsac_wire::catalog::Pricing;

/// A price with the range it will most likely stay in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// The best guess.
    pub likely: Usd,
    /// If answers are short.
    pub low: Usd,
    /// If every answer reaches its limit.
    pub high: Usd,
}

/// Tokens of a text, as a guess: English runs at about four bytes a token, other scripts at less than three.
pub fn estimated_tokens(text: &str) -> u64 {
    let bytes = text.len() as u64;
    if text.is_ascii() { bytes.div_ceil(4) } else { bytes.div_ceil(3) }
}

/// Tokens that a text will not exceed by any tokenizer in common use, message framing included: what a reservation counts.
pub fn upper_tokens(text: &str) -> u64 {
    text.len() as u64 / 2 + 16
}

impl Estimate {
    /// The price of so many requests, each with so many tokens in and so many expected and allowed out.
    pub fn of(pricing: &Pricing, requests: u64, prompt_tokens: u64, answer_tokens: u64, max_tokens: u64) -> Option<Estimate> {
        let at = |prompt: u64, answer: u64| pricing.cost(prompt, answer).map(|cost| cost.times(requests));
        Some(Estimate {
            likely: at(prompt_tokens, answer_tokens)?,
            low: at(prompt_tokens * 8 / 10, answer_tokens / 2)?,
            high: at(prompt_tokens * 13 / 10, max_tokens.max(answer_tokens))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_before() {
        let pricing = Pricing { prompt: Usd::parse("0.00000015").ok(), completion: Usd::parse("0.0000006").ok(), ..Pricing::default() };
        let estimate = Estimate::of(&pricing, 1_000, 100, 10, 64).unwrap();
        assert_eq!(estimate.likely, Usd::parse("0.021").unwrap());
        assert!(estimate.low < estimate.likely && estimate.likely < estimate.high);
        assert_eq!(Estimate::of(&Pricing::default(), 1, 1, 1, 1), None);
    }
}
