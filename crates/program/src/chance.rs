//! Chance from a seed: the same numbers on every machine and in every version.

/// A sequence of numbers from a seed (splitmix64).
#[derive(Debug, Clone)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// The sequence of a seed.
    pub fn of(seed: u64) -> Chance {
        Chance { state: seed }
    }

    /// The next number.
    pub fn next_number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below a bound; 0 where the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        // the high half of a product: as even as 64 bits allow
        ((u128::from(self.next_number()) * bound as u128) >> 64) as usize
    }

    /// Puts items in another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for place in (1..items.len()).rev() {
            items.swap(place, self.below(place + 1));
        }
    }

    /// So many different places of a list, in random order; all of them where there are fewer.
    pub fn sample(&mut self, length: usize, count: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..length).collect();
        self.shuffle(&mut places);
        places.truncate(count);
        places
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let mut chance = Chance::of(7);
        assert_eq!([chance.below(100), chance.below(100), chance.below(100)], [38, 1, 90]);
        assert_eq!(Chance::of(0).next_number(), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn samples_hold_nothing_twice_and_every_place_comes() {
        let mut seen = [0; 10];
        for seed in 0..2_000 {
            let mut places = Chance::of(seed).sample(10, 4);
            places.iter().for_each(|place| seen[*place] += 1);
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), 4);
        }
        assert!(seen.iter().all(|count| (700..900).contains(count)), "{seen:?}");
    }
}
