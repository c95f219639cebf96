//! How a semantic join goes about its pairs: asking about every one, about those whose vectors lie near each other, or
//! about all values of a small side at once. The cheapest is taken; this decides, and says why.

use corsac_wire::Usd;

use super::pick::{SAMPLED_CHOSEN, sample_size};
use super::survey::strata_count;
use super::threshold::first_sample;

/// A way of joining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Way {
    /// Every pair is asked about.
    Cross,
    /// Both sides are embedded, and only pairs that lie near enough are asked about.
    Embedding,
    /// Each value of the larger side is asked about once, with all values of the smaller one to choose from; then those
    /// that were chosen are asked about as pairs.
    Classify,
}

impl Way {
    pub(crate) const ALL: [Way; 3] = [Way::Cross, Way::Embedding, Way::Classify];

    /// The name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Way::Cross => "cross",
            Way::Embedding => "embedding",
            Way::Classify => "classify",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Way> {
        Way::ALL.into_iter().find(|way| way.name().eq_ignore_ascii_case(name.trim()))
    }
}

/// The most values that are put before a model to choose from in one question.
pub(crate) const MOST_CHOICES: u64 = 40;
/// The most tokens that these may have together.
const MOST_LISTED_TOKENS: u64 = 6_000;
/// How many values are chosen for one value of the larger side, before anything is asked.
const CHOSEN_PER_VALUE: u64 = 1;
/// Words around the values to choose from, in tokens, beside those of the question itself.
const CHOICE_WORDS: u64 = 40;
/// How many pairs lie near enough for each row of the larger side, before anything is measured.
const PAIRS_PER_ROW: u64 = 8;
/// Tokens of an answer: true or false, or the numbers of the few values that were chosen, as JSON.
const ANSWER_TOKENS: u64 = 8;
const CHOICE_TOKENS: u64 = 16;

/// Prices of a million tokens, in dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Prices {
    pub(crate) input: Usd,
    pub(crate) output: Usd,
    pub(crate) embedding: Usd,
}

impl Circumstances {
    /// Pairs that every question might be asked about.
    pub(crate) fn all_pairs(&self) -> u64 {
        self.pairs.unwrap_or_else(|| self.left.saturating_mul(self.right))
    }

    /// Tokens of a question about a pair.
    pub(crate) fn pair_tokens(&self) -> u64 {
        self.question_tokens + self.left_tokens + self.right_tokens
    }

    /// Tokens of a question with so many values to choose from, each on a line of its own, with a number.
    pub(crate) fn choice_tokens(&self, few: u64, few_tokens: u64, many_tokens: u64) -> u64 {
        self.question_tokens + CHOICE_WORDS + many_tokens + few.saturating_mul(few_tokens + 3)
    }
}

/// The questions about pairs that a way asks at least: its samples, or all.
pub(crate) fn fewest_questions(known: &Circumstances, way: Way) -> u64 {
    let pairs = known.left.saturating_mul(known.right);
    match way {
        Way::Cross => known.all_pairs(),
        Way::Embedding => sampled(pairs, known.left.max(known.right)),
        Way::Classify => sample_size(pairs, 0.0, known.recall),
    }
}

impl Prices {
    /// Roughly what small models cost: it is the proportion that decides where nobody says what the user's models cost.
    fn usual() -> Prices {
        Prices {
            input: Usd::from_pico(150_000_000_000),
            output: Usd::from_pico(600_000_000_000),
            embedding: Usd::from_pico(20_000_000_000),
        }
    }
}

/// What is known of a join before it asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Circumstances {
    /// Different values on either side, or rows as long as nobody has counted the values.
    pub(crate) left: u64,
    pub(crate) right: u64,
    /// Mean tokens of a value.
    pub(crate) left_tokens: u64,
    pub(crate) right_tokens: u64,
    /// Pairs that other conditions leave, where they were counted.
    pub(crate) pairs: Option<u64>,
    /// Tokens of a question beside the values.
    pub(crate) question_tokens: u64,
    pub(crate) prices: Option<Prices>,
    /// Whether vectors can be asked for.
    pub(crate) embeddings: bool,
    /// Whether the question can be put for many values at once.
    pub(crate) choices: bool,
    /// The share of the matches that must be found.
    pub(crate) recall: f64,
}

/// What one way would ask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Expected {
    pub(crate) way: Way,
    /// Questions about pairs, samples included.
    pub(crate) questions: u64,
    /// Questions with values to choose from.
    pub(crate) choices: u64,
    /// Texts to embed.
    pub(crate) texts: u64,
    /// What that costs at the prices given, or at usual ones.
    pub(crate) cost: Usd,
}

/// The way that was chosen and what speaks for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(crate) expected: Expected,
    pub(crate) why: String,
}

/// Chooses the way that costs least, or takes the one that is asked for.
pub(crate) fn choose(known: &Circumstances, forced: Option<Way>) -> Choice {
    let possible: Vec<Expected> = Way::ALL.into_iter().filter_map(|way| expect(known, way)).collect();
    let cross = cross(known);
    if let Some(way) = forced {
        // a way that is asked for and cannot be taken gives room to the one that always can
        let expected = possible.into_iter().find(|expected| expected.way == way);
        let why = if expected.is_some() { "asked for".to_owned() } else { format!("{} cannot be used here", way.name()) };
        return Choice { expected: expected.unwrap_or(cross), why };
    }
    let expected = possible.iter().copied().min_by_key(|expected| expected.cost).unwrap_or(cross);
    let why = match expected.way {
        Way::Cross if !known.embeddings => "no vectors are to be had".to_owned(),
        Way::Cross if known.recall >= 1.0 => "every match is wanted".to_owned(),
        Way::Cross => format!("{} pairs are few", shown(cross.questions)),
        Way::Embedding => format!("{} of {} pairs are expected to lie near enough", shown(expected.questions), shown(cross.questions)),
        Way::Classify => format!("one side has {} values, which fit one question", known.left.min(known.right)),
    };
    Choice { expected, why }
}

fn cross(known: &Circumstances) -> Expected {
    let pairs = known.all_pairs();
    let cost = priced(known, pairs, known.pair_tokens(), ANSWER_TOKENS);
    Expected { way: Way::Cross, questions: pairs, choices: 0, texts: 0, cost }
}

fn expect(known: &Circumstances, way: Way) -> Option<Expected> {
    let pairs = known.left.saturating_mul(known.right);
    match way {
        Way::Cross => Some(cross(known)),
        Way::Embedding => {
            if !known.embeddings || known.recall >= 1.0 {
                return None;
            }
            let larger = known.left.max(known.right);
            let questions = larger.saturating_mul(PAIRS_PER_ROW).saturating_add(sampled(pairs, larger)).min(pairs);
            let texts = known.left.saturating_add(known.right);
            let embedded = known.left.saturating_mul(known.left_tokens).saturating_add(known.right.saturating_mul(known.right_tokens));
            let prices = known.prices.unwrap_or_else(Prices::usual);
            let asked = priced(known, questions, known.pair_tokens(), ANSWER_TOKENS);
            let cost = Usd::from_pico(asked.pico().saturating_add(at(prices.embedding, embedded)));
            Some(Expected { way, questions, choices: 0, texts, cost })
        }
        Way::Classify => {
            let (few, few_tokens, many, many_tokens) = if known.right <= known.left {
                (known.right, known.right_tokens, known.left, known.left_tokens)
            } else {
                (known.left, known.left_tokens, known.right, known.right_tokens)
            };
            let listed = few.saturating_mul(few_tokens + 3);
            if !known.choices || known.recall >= 1.0 || few > MOST_CHOICES || listed > MOST_LISTED_TOKENS {
                return None;
            }
            let chosen = many.saturating_mul(CHOSEN_PER_VALUE);
            let sampled = sample_size(pairs.saturating_sub(chosen), chosen as f64, known.recall);
            let questions = chosen.saturating_add(SAMPLED_CHOSEN + sampled).min(pairs);
            let chosen = priced(known, many, known.choice_tokens(few, few_tokens, many_tokens), CHOICE_TOKENS);
            let asked = priced(known, questions, known.pair_tokens(), ANSWER_TOKENS);
            Some(Expected { way, questions, choices: many, texts: 0, cost: Usd::from_pico(chosen.pico().saturating_add(asked.pico())) })
        }
    }
}

/// Pairs in the first samples of the strata.
fn sampled(pairs: u64, larger: u64) -> u64 {
    strata_count(pairs, larger).saturating_mul(first_sample(pairs)).min(pairs)
}

fn priced(known: &Circumstances, questions: u64, tokens: u64, answer: u64) -> Usd {
    let prices = known.prices.unwrap_or_else(Prices::usual);
    let of_one = at(prices.input, tokens).saturating_add(at(prices.output, answer));
    Usd::from_pico(of_one.saturating_mul(i64::try_from(questions).unwrap_or(i64::MAX)))
}

/// So many tokens at a price for a million, in pico-dollars.
fn at(price: Usd, tokens: u64) -> i64 {
    let pico = i128::from(price.pico()) * i128::from(tokens) / 1_000_000;
    i64::try_from(pico).unwrap_or(i64::MAX)
}

/// A number with its thousands apart.
pub(crate) fn shown(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const THOUSANDS: Circumstances = Circumstances {
        left: 1_000,
        right: 1_000,
        pairs: None,
        left_tokens: 30,
        right_tokens: 30,
        question_tokens: 40,
        prices: None,
        embeddings: true,
        choices: true,
        recall: 0.95,
    };

    fn way(known: Circumstances) -> Way {
        choose(&known, None).expected.way
    }

    #[test]
    fn the_cheapest_way_is_taken() {
        assert_eq!(way(THOUSANDS), Way::Embedding);
        assert_eq!(way(Circumstances { embeddings: false, ..THOUSANDS }), Way::Cross);
        assert_eq!(way(Circumstances { recall: 1.0, ..THOUSANDS }), Way::Cross);
        assert_eq!(way(Circumstances { left: 10, right: 10, choices: false, ..THOUSANDS }), Way::Cross);
        assert_eq!(way(Circumstances { right: 10, ..THOUSANDS }), Way::Classify);
        assert_eq!(way(Circumstances { left: 10, ..THOUSANDS }), Way::Classify);
        assert_eq!(way(Circumstances { right: 10, choices: false, ..THOUSANDS }), Way::Embedding);
        assert_eq!(way(Circumstances { pairs: Some(900), ..THOUSANDS }), Way::Cross);
    }

    #[test]
    fn prices_can_turn_it_round() {
        let long = Circumstances { left: 60, right: 60, left_tokens: 4_000, right_tokens: 4_000, ..THOUSANDS };
        assert_eq!(way(long), Way::Embedding);
        let dear = Prices { embedding: Usd::from_pico(900_000_000_000_000), ..Prices::usual() };
        assert_eq!(way(Circumstances { prices: Some(dear), ..long }), Way::Cross);
    }

    #[test]
    fn the_expected_cost_is_that_of_its_tokens() {
        let cross = choose(&Circumstances { embeddings: false, ..THOUSANDS }, None);
        // a million pairs of 100 tokens at 0.15 and 8 tokens of answer at 0.6 dollars a million
        assert_eq!(cross.expected.cost, Usd::parse("19.8").unwrap());
        assert_eq!((cross.expected.questions, cross.expected.texts), (1_000_000, 0));
        let near = choose(&THOUSANDS, None).expected;
        assert!(near.questions < 20_000 && near.texts == 2_000, "{near:?}");
        assert!(near.cost.pico() * 50 < cross.expected.cost.pico());
    }

    #[test]
    fn a_way_can_be_asked_for() {
        assert_eq!(choose(&THOUSANDS, Some(Way::Cross)).why, "asked for");
        let chosen = choose(&Circumstances { right: 10, ..THOUSANDS }, Some(Way::Classify)).expected;
        assert_eq!((chosen.way, chosen.choices, chosen.questions), (Way::Classify, 1_000, 1_572));
        let impossible = choose(&THOUSANDS, Some(Way::Classify));
        assert_eq!((impossible.expected.way, impossible.why.as_str()), (Way::Cross, "classify cannot be used here"));
    }

    #[test]
    fn nothing_overflows() {
        let vast = Circumstances { left: u64::MAX, right: u64::MAX, left_tokens: 1 << 40, ..THOUSANDS };
        assert_eq!(choose(&vast, Some(Way::Cross)).expected.questions, u64::MAX);
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([shown(0), shown(999), shown(1_000), shown(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
    }
}
