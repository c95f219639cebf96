//! Chance by a seed: the same numbers on every machine and in every version, which generators of libraries do not promise.

/// Above this a Poisson draw is as good as a normal one.
const MANY: f64 = 16.0;

/// Numbers that look like chance (Steele, Lea and Flood's SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Draw {
    state: u64,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Draw {
        Draw { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, but not including, `below`; 0 when there is none.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        let wide = u128::from(self.next()) * below as u128;
        // the upper half of the product is less than `below`
        (wide >> 64) as usize
    }

    /// A number from 0 up to, but not including, 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A draw that is nearly normal, of mean 0 and variance 1.
    pub(crate) fn normal(&mut self) -> f64 {
        // six even draws have a variance of a half; no more than basic arithmetic, so that every machine draws the same
        let sum: f64 = (0..6).map(|_| self.unit()).sum();
        (sum - 3.0) * std::f64::consts::SQRT_2
    }

    /// An exponential draw of mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }

    /// How many of things come that are rare and do not know of each other, where so many are expected.
    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        if mean > MANY {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let (least, mut product, mut count) = ((-mean).exp(), self.unit(), 0.0);
        while product > least {
            product *= self.unit();
            count += 1.0;
        }
        count
    }

    /// So many different numbers below `below`, or all of them, in no order.
    pub(crate) fn some_of(&mut self, below: usize, wanted: usize) -> Vec<usize> {
        if wanted >= below {
            return (0..below).collect();
        }
        // Floyd's sampling: as many draws as numbers, whatever the range
        let mut chosen = std::collections::BTreeSet::new();
        for most in below - wanted..below {
            let number = self.below(most + 1);
            if !chosen.insert(number) {
                chosen.insert(most);
            }
        }
        chosen.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Draw;

    #[test]
    fn a_seed_gives_the_same_numbers_everywhere() {
        let mut draw = Draw::new(1_234_567);
        // the first numbers of the published reference for this seed
        assert_eq!([draw.next(), draw.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn some_are_different_and_all_are_all() {
        let mut draw = Draw::new(7);
        let some = draw.some_of(1_000, 40);
        assert_eq!(some.len(), 40);
        assert!(some.iter().all(|number| *number < 1_000) && some.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(draw.some_of(3, 9), [0, 1, 2]);
        let mut mean = |of: &dyn Fn(&mut Draw) -> f64| (0..20_000).map(|_| of(&mut draw)).sum::<f64>() / 20_000.0;
        let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 0.05 * wanted.max(1.0), "{found} for {wanted}");
        near(mean(&|draw| draw.normal()), 0.0);
        near(mean(&|draw| draw.normal().powi(2)), 1.0);
        near(mean(&|draw| draw.exponential()), 1.0);
        [0.0, 0.3, 7.0, 300.0].into_iter().for_each(|wanted| near(mean(&|draw| draw.poisson(wanted)), wanted));
        assert_eq!(draw.below(0), 0);
        assert!((0..100).all(|_| draw.unit() < 1.0));
    }
}
