//! The simulator's only source of variety: a hash of the seed and of what was asked. Not for secrets.

/// A stream of numbers that depends on nothing but where it started.
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(state: u64) -> Self {
        Self(state)
    }

    /// The next number of the stream (SplitMix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number from 0 up to, not including, `bound`; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// A position in a list of `length` things; 0 for an empty list.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// A fraction from 0 up to, not including, 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
        let numerator = (self.next() >> 11) as f64;
        numerator / 9_007_199_254_740_992.0
    }
}

/// Spreads every bit of `value` over the whole word; one to one.
pub(crate) fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// A hash of `bytes` under `seed`, eight bytes a step.
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = mix(seed ^ 0xA076_1D64_78BD_642F) ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = (state ^ u64::from_le_bytes(*word)).wrapping_mul(0x9FB2_1C65_1E98_DF25).rotate_left(29);
    }
    let mut last = [0u8; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(state ^ u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::{Draw, hash};

    #[test]
    fn a_hash_depends_on_seed_and_every_byte() {
        assert_eq!(hash(1, b"some text"), hash(1, b"some text"));
        assert_ne!(hash(1, b"some text"), hash(2, b"some text"));
        assert_ne!(hash(1, b"some text"), hash(1, b"some texs"));
        assert_ne!(hash(1, b"12345678"), hash(1, b"12345678\0"));
    }

    #[test]
    fn fractions_stay_below_one() {
        let mut draw = Draw::new(7);
        assert!((0..1000).map(|_| draw.fraction()).all(|fraction| (0.0..1.0).contains(&fraction)));
        assert_eq!(draw.index(0), 0);
    }
}
