//! How sure a mean is: bootstrap intervals from a seed, and the comparison of two programs on the same examples.

use std::fmt;

use crate::Chance;

const RESAMPLES: usize = 2_000;

/// A mean and where it lies with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The mean of values with its percentile bootstrap interval. `None` without values.
pub fn bootstrap(values: &[f64], seed: u64) -> Option<Interval> {
    if values.is_empty() {
        return None;
    }
    let mut chance = Chance::of(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sum: f64 = (0..values.len()).map(|_| values[chance.below(values.len())]).sum();
            sum / values.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
    Some(Interval { mean: mean(values), low: at(0.025), high: at(0.975) })
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Two programs on the same examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    /// Examples that both have a score for.
    pub examples: usize,
    /// The second's score minus the first's, over them.
    pub difference: Interval,
    /// Examples at which the second is better.
    pub better: usize,
    /// Examples at which it is worse.
    pub worse: usize,
    /// How likely a difference this large is by chance alone (sign flips, two-sided).
    pub p: f64,
}

impl fmt::Display for Paired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Interval { mean, low, high, .. } = self.difference;
        write!(
            f,
            "{mean:+.3}  (95 %: {low:+.3} to {high:+.3})  better at {}, worse at {} of {} examples, p {:.3}",
            self.better, self.worse, self.examples, self.p
        )
    }
}

/// Compares scores of the same examples, in the same order. `None` without any pair.
pub fn paired(first: &[Option<f64>], second: &[Option<f64>], seed: u64) -> Option<Paired> {
    let differences: Vec<f64> = first.iter().zip(second).filter_map(|(one, other)| Some((*other)? - (*one)?)).collect();
    let difference = bootstrap(&differences, seed)?;
    let mut chance = Chance::of(seed ^ 0xA5A5_A5A5);
    let sum: f64 = differences.iter().sum::<f64>().abs();
    let as_far = (0..RESAMPLES)
        .filter(|_| {
            let flipped: f64 = differences.iter().map(|one| if chance.next_number() >> 63 == 0 { *one } else { -one }).sum();
            flipped.abs() >= sum - 1e-9
        })
        .count();
    Some(Paired {
        examples: differences.len(),
        difference,
        better: differences.iter().filter(|one| **one > 0.0).count(),
        worse: differences.iter().filter(|one| **one < 0.0).count(),
        p: (as_far + 1) as f64 / (RESAMPLES + 1) as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_hold_the_mean_and_narrow_with_more_values() {
        let few: Vec<f64> = (0..20).map(|n| f64::from(n % 2)).collect();
        let many: Vec<f64> = (0..2_000).map(|n| f64::from(n % 2)).collect();
        let (few, many) = (bootstrap(&few, 1).unwrap(), bootstrap(&many, 1).unwrap());
        assert!(few.low < few.mean && few.mean < few.high);
        assert!(many.high - many.low < (few.high - few.low) / 5.0);
        // a binomial mean of 2,000 halves: 0.5 ± 0.022
        assert!((many.low - 0.478).abs() < 0.006 && (many.high - 0.522).abs() < 0.006, "{many:?}");
        assert_eq!(bootstrap(&[1.0, 1.0], 1), Some(Interval { mean: 1.0, low: 1.0, high: 1.0 }));
        assert_eq!(bootstrap(&[], 1), None);
    }

    #[test]
    fn pairs_tell_a_difference_from_chance() {
        let base: Vec<Option<f64>> = (0..100).map(|n| Some(f64::from(n % 2))).collect();
        let better: Vec<Option<f64>> = (0..100).map(|n| Some(if n % 5 == 0 { 1.0 } else { f64::from(n % 2) })).collect();
        let compared = paired(&base, &better, 3).unwrap();
        assert_eq!((compared.examples, compared.better, compared.worse), (100, 10, 0));
        assert!(compared.p < 0.01 && compared.difference.low > 0.0, "{compared:?}");
        let same = paired(&base, &base, 3).unwrap();
        assert_eq!((same.p, same.difference.mean), (1.0, 0.0));
        assert_eq!(paired(&[None], &[Some(1.0)], 3), None);
    }
}
