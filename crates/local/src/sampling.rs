//! Picks the next token from the model's scores: the best, or a seeded draw.

use llguidance::toktrie::SimpleVob;

/// A row's way of picking, with its own stream of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Sampler {
    temperature: f32,
    state: u64,
}

impl Sampler {
    /// Temperature 0 (or anything not above it) always takes the best token.
    pub(crate) fn new(temperature: f32, seed: u64) -> Self {
        Self { temperature, state: seed }
    }

    /// A token out of the allowed ones, or of all; None when nothing is allowed.
    pub(crate) fn pick(&mut self, scores: &[f32], allowed: Option<&SimpleVob>) -> Option<u32> {
        let is_allowed = |token: usize| allowed.is_none_or(|allowed| allowed.get(token));
        let candidates = || scores.iter().enumerate().filter(|(token, score)| is_allowed(*token) && !score.is_nan());
        let (best, highest) = candidates().fold(None, |best: Option<(usize, f32)>, (token, score)| match best {
            Some((_, highest)) if highest >= *score => best,
            _ => Some((token, *score)),
        })?;
        if self.temperature <= 0.0 || !self.temperature.is_finite() {
            return u32::try_from(best).ok();
        }
        let temperature = self.temperature;
        let weight = |score: f32| f64::from((score - highest) / temperature).exp();
        let total: f64 = candidates().map(|(_, score)| weight(*score)).sum();
        let mut left = self.uniform() * total;
        for (token, score) in candidates() {
            left -= weight(*score);
            if left <= 0.0 {
                return u32::try_from(token).ok();
            }
        }
        u32::try_from(best).ok()
    }

    /// SplitMix64 (Steele, Lea and Flood 2014), as a number in [0, 1).
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperature_zero_takes_the_best_allowed() {
        let scores = [0.0, 3.0, 2.0, f32::NAN];
        let mut sampler = Sampler::new(0.0, 1);
        assert_eq!(sampler.pick(&scores, None), Some(1));
        let mut allowed = SimpleVob::alloc(4);
        assert_eq!(sampler.pick(&scores, Some(&allowed)), None);
        allowed.allow_token(0);
        allowed.allow_token(2);
        assert_eq!(sampler.pick(&scores, Some(&allowed)), Some(2));
    }

    #[test]
    fn draws_follow_the_weights_and_the_seed() {
        let scores = [0.0, (3.0f32).ln()];
        let draw = |seed| {
            let mut sampler = Sampler::new(1.0, seed);
            (0..4000).filter(|_| sampler.pick(&scores, None) == Some(1)).count()
        };
        assert!((2850..3150).contains(&draw(7)));
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
