//! Tokens and dollars before anything is asked: what a request will take, what it may take, and how sure that is.

use corsac_wire::Usd;
use corsac_wire::catalog::Pricing;

/// A price with the range it will most likely stay in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// The best guess.
    pub likely: Usd,
    /// If prompts and answers turn out short.
    pub low: Usd,
    /// If they turn out long; as long as no answer was measured, if every answer reaches its limit.
    pub high: Usd,
}

/// The sizes of answers that were measured, in tokens as the provider counts them, reasoning included.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OutputSizes {
    /// How many answers.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The size that 95 of 100 did not exceed.
    pub p95: u64,
    /// The longest.
    pub largest: u64,
}

/// What requests of one kind take together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Load {
    /// How many requests.
    pub requests: u64,
    /// Tokens of all their prompts together.
    pub prompt_tokens: u64,
    /// Whether a tokenizer counted them, rather than a rule of thumb.
    pub counted: bool,
    /// Tokens of one answer, as a guess, for as long as none was measured.
    pub answer_tokens: u64,
    /// The token limit of one answer.
    pub max_tokens: u64,
    /// What was measured.
    pub measured: Option<OutputSizes>,
}

/// A guess at tokens may be off by so many percent in either direction; a count by another model's tokenizer by less.
const GUESS_PERCENT: u64 = 25;
const COUNT_PERCENT: u64 = 15;
/// Fewer answers do not say how much room the next one needs.
const ENOUGH_ANSWERS: u64 = 20;
/// The least and the most room that measured answers lead to.
const LEAST_ROOM: u32 = 64;
const MOST_ROOM: u32 = 16_384;

/// Tokens of a text, as a guess: English runs at about four bytes a token, other scripts at less than three.
pub fn estimated_tokens(text: &str) -> u64 {
    let bytes = text.len() as u64;
    if text.is_ascii() { bytes.div_ceil(4) } else { bytes.div_ceil(3) }
}

/// Tokens that a text will not exceed by any tokenizer in common use, message framing included: what a reservation counts.
pub fn upper_tokens(text: &str) -> u64 {
    text.len() as u64 / 2 + 16
}

/// The room for an answer: `natural` as long as too few were measured, else enough that nearly none is cut. Answers that
/// were cut are not among those measured, so a quarter and more is left above the longest.
pub fn room(natural: u32, measured: Option<OutputSizes>) -> u32 {
    let Some(sizes) = measured.filter(|sizes| sizes.count >= ENOUGH_ANSWERS) else { return natural };
    let longest = sizes.largest.saturating_add(sizes.largest / 4);
    let room = longest.max(sizes.p95.saturating_mul(2)).saturating_add(32);
    u32::try_from(room).unwrap_or(MOST_ROOM).clamp(LEAST_ROOM, MOST_ROOM)
}

impl Estimate {
    /// The price of a load. Measured answers narrow it: many answers together come close to their mean, the closer the more
    /// were measured and the more are asked for. `None` where the price of a token is not known.
    pub fn of(pricing: &Pricing, load: &Load) -> Option<Estimate> {
        let answers = load.answers();
        let off = if load.counted { COUNT_PERCENT } else { GUESS_PERCENT };
        let prompt = |percent: u64| load.prompt_tokens.saturating_mul(percent) / 100;
        let cost = |prompt: u64, answer: u64| {
            let tokens = pricing.cost(prompt, answer)?;
            let request = pricing.request.unwrap_or(Usd::ZERO);
            // the price of tokens has that of one request in it
            Some(if load.requests == 0 { Usd::ZERO } else { tokens + request.times(load.requests - 1) })
        };
        Some(Estimate {
            likely: cost(load.prompt_tokens, answers.likely)?,
            low: cost(prompt(100 - off), answers.low)?,
            high: cost(prompt(100 + off), answers.high)?,
        })
    }
}

/// Tokens of all answers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// If they are short.
    pub low: u64,
    /// The best guess.
    pub likely: u64,
    /// If they are long.
    pub high: u64,
}

impl Load {
    /// Tokens of all answers together.
    pub fn answers(&self) -> Answers {
        let most = self.requests.saturating_mul(self.max_tokens.max(1));
        let all = |tokens: f64| ((tokens * self.requests as f64).max(0.0) as u64).min(most);
        match self.measured.filter(|sizes| sizes.count > 0) {
            None => {
                let likely = self.requests.saturating_mul(self.answer_tokens).min(most);
                Answers { low: likely / 2, likely, high: most.max(likely) }
            }
            Some(sizes) => {
                // as if sizes were normal around their mean, which lets the mean of many be normal whatever they are
                let spread = ((sizes.p95 as f64 - sizes.mean) / 1.645).max(sizes.mean * 0.1);
                let (asked, measured) = (self.requests.max(1) as f64, sizes.count as f64);
                let off = 2.0 * spread * (1.0 / asked + 1.0 / measured).sqrt();
                Answers { low: all(sizes.mean - off), likely: all(sizes.mean), high: all(sizes.mean + off) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pricing() -> Pricing {
        Pricing { prompt: Usd::parse("0.00000015").ok(), completion: Usd::parse("0.0000006").ok(), ..Pricing::default() }
    }

    fn sizes(count: u64) -> OutputSizes {
        OutputSizes { count, mean: 10.0, p95: 20, largest: 30 }
    }

    #[test]
    fn a_price_before() {
        let load = Load { requests: 1_000, prompt_tokens: 100_000, answer_tokens: 10, max_tokens: 64, ..Load::default() };
        let estimate = Estimate::of(&pricing(), &load).unwrap();
        assert_eq!(estimate.likely, Usd::parse("0.021").unwrap());
        assert_eq!(estimate.high, Usd::parse("0.01875").unwrap() + Usd::parse("0.0384").unwrap(), "every answer at its limit");
        assert!(estimate.low < estimate.likely && estimate.likely < estimate.high);
        assert_eq!(Estimate::of(&Pricing::default(), &load), None);
    }

    #[test]
    fn measured_answers_narrow_the_range() {
        let guessed = Load { requests: 1_000, prompt_tokens: 100_000, answer_tokens: 10, max_tokens: 64, ..Load::default() };
        let wide = Estimate::of(&pricing(), &guessed).unwrap();
        let with = |count| Estimate::of(&pricing(), &Load { counted: true, measured: Some(sizes(count)), ..guessed }).unwrap();
        let (few, many) = (with(5), with(5_000));
        assert_eq!((few.likely, many.likely), (wide.likely, wide.likely));
        assert!(wide.low < few.low && few.low < many.low, "{} {} {}", wide.low, few.low, many.low);
        assert!(wide.high > few.high && few.high > many.high, "{} {} {}", wide.high, few.high, many.high);
    }

    #[test]
    fn a_price_for_each_request_is_counted_once_for_each() {
        let pricing = Pricing { request: Usd::parse("0.01").ok(), ..pricing() };
        let load = Load { requests: 3, max_tokens: 1, ..Load::default() };
        assert_eq!(Estimate::of(&pricing, &load).unwrap().likely, Usd::parse("0.03").unwrap());
        assert_eq!(Estimate::of(&pricing, &Load { requests: 0, ..load }).unwrap().likely, Usd::ZERO);
    }

    #[test]
    fn room_is_left_above_what_was_measured() {
        assert_eq!(room(512, None), 512);
        assert_eq!(room(512, Some(sizes(19))), 512);
        assert_eq!(room(512, Some(sizes(20))), 72);
        assert_eq!(room(512, Some(OutputSizes { count: 100, mean: 700.0, p95: 900, largest: 1_000 })), 1_832);
        assert_eq!(room(512, Some(OutputSizes { count: 100, mean: 1.0, p95: 1, largest: 1 })), 64);
        assert_eq!(room(512, Some(OutputSizes { count: 100, mean: 1e9, p95: u64::MAX, largest: u64::MAX })), 16_384);
    }

    proptest::proptest! {
        #[test]
        fn low_likely_and_high_stand_in_order(
            requests in 0u64..1_000_000, prompt in 0u64..10_000_000, answer in 0u64..5_000, max in 1u64..20_000,
            count in 0u64..1_000, mean in 0.0f64..5_000.0, p95 in 0u64..20_000, counted: bool,
        ) {
            let measured = (count > 0).then_some(OutputSizes { count, mean, p95, largest: p95 });
            let load = Load { requests, prompt_tokens: prompt, counted, answer_tokens: answer, max_tokens: max, measured };
            let estimate = Estimate::of(&pricing(), &load).unwrap();
            proptest::prop_assert!(estimate.low <= estimate.likely && estimate.likely <= estimate.high, "{estimate:?}");
        }
    }
}
