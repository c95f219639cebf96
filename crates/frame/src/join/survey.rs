//! The pairs of a join in the order of their nearness, cut into strata from which samples are drawn.

use super::draw::Draw;

/// How much further each stratum reaches than the one before it.
const GROWTH: f64 = std::f64::consts::SQRT_2;
/// Strata of which nobody knows how many they are end here.
const MOST_STRATA: u64 = 128;

/// Some of the pairs of two sides, the nearest first, and cut into strata.
#[derive(Debug)]
pub(crate) struct Survey {
    pairs: Vec<Surveyed>,
    strata: Vec<Stratum>,
    /// How many pairs there are for each that is surveyed.
    scale: f64,
}

#[derive(Debug)]
struct Stratum {
    start: usize,
    end: usize,
    /// How many of its pairs have been drawn: they stand first.
    drawn: usize,
    /// The nearness of the last.
    least: f32,
}

/// A pair by the places of its vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Surveyed {
    pub(crate) nearness: f32,
    pub(crate) left: u32,
    pub(crate) right: u32,
}

/// The first stratum holds half as many pairs as the larger side has rows.
fn first_stratum(larger: u64) -> f64 {
    (larger / 2).max(1) as f64
}

/// How many strata so many pairs have at most.
pub(crate) fn strata_count(pairs: u64, larger: u64) -> u64 {
    let mut end = first_stratum(larger);
    let mut count = 1;
    while end < pairs as f64 && count < MOST_STRATA {
        end *= GROWTH;
        count += 1;
    }
    count
}

impl Survey {
    /// Orders pairs that are a fair share of all `total` pairs of two sides, the larger of which has `larger` rows.
    pub(crate) fn new(mut pairs: Vec<Surveyed>, total: u64, larger: u64) -> Survey {
        let order = |a: &Surveyed, b: &Surveyed| b.nearness.total_cmp(&a.nearness).then((a.left, a.right).cmp(&(b.left, b.right)));
        pairs.sort_unstable_by(order);
        let scale = total as f64 / pairs.len().max(1) as f64;
        let mut strata: Vec<Stratum> = Vec::new();
        let (mut start, mut rank) = (0, first_stratum(larger));
        while start < pairs.len() {
            let end = ((rank / scale).round() as usize).clamp(1, pairs.len());
            if let Some(last) = pairs.get(start..end).and_then(<[Surveyed]>::last) {
                strata.push(Stratum { start, end, drawn: 0, least: last.nearness });
                start = end;
            }
            rank *= GROWTH;
        }
        Survey { pairs, strata, scale }
    }

    /// How many pairs each stratum stands for, the nearest first.
    pub(crate) fn sizes(&self) -> Vec<f64> {
        self.strata.iter().map(|stratum| (stratum.end - stratum.start) as f64 * self.scale).collect()
    }

    /// Pairs of a stratum that were not drawn before: so many, or all that are left.
    pub(crate) fn sample(&mut self, stratum: usize, wanted: usize, draw: &mut Draw) -> &[Surveyed] {
        let Some(Stratum { start, end, drawn, .. }) = self.strata.get_mut(stratum) else { return &[] };
        let from = *start + *drawn;
        let until = from.saturating_add(wanted).min(*end);
        *drawn = until - *start;
        for place in from..until {
            self.pairs.swap(place, place + draw.below(*end - place));
        }
        self.pairs.get(from..until).unwrap_or_default()
    }

    /// The least nearness in the first so many strata. `None` means that these are all.
    pub(crate) fn least(&self, strata: usize) -> Option<f32> {
        self.strata.get(strata).and_then(|_| self.strata.get(strata.checked_sub(1)?)).map(|last| last.least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(count: u16) -> Vec<Surveyed> {
        (0..count).map(|rank| Surveyed { nearness: f32::from(count - rank), left: u32::from(rank), right: 0 }).collect()
    }

    #[test]
    fn strata_grow_and_end_with_the_pairs() {
        let survey = Survey::new(ranked(1_000), 1_000, 100);
        let ends: Vec<usize> = survey.strata.iter().map(|stratum| stratum.end).collect();
        assert_eq!(ends, [50, 71, 100, 141, 200, 283, 400, 566, 800, 1_000]);
        assert_eq!((survey.least(1), survey.least(2), survey.least(10)), (Some(951.0), Some(930.0), None));
        assert_eq!(strata_count(1_000, 100), 10);
        // a tenth of the pairs stands for all
        let tenth = Survey::new(ranked(100), 1_000, 100);
        assert_eq!(tenth.sizes()[..3], [50.0, 20.0, 30.0]);
        assert_eq!((Survey::new(Vec::new(), 0, 0).sizes().len(), strata_count(u64::MAX, 1)), (0, MOST_STRATA));
    }

    #[test]
    fn no_pair_is_drawn_twice() {
        let mut survey = Survey::new(ranked(1_000), 1_000, 100);
        let mut draw = Draw::new(3);
        let mut drawn: Vec<u32> = Vec::new();
        for _ in 0..9 {
            drawn.extend(survey.sample(8, 30, &mut draw).iter().map(|pair| pair.left));
        }
        drawn.sort_unstable();
        assert_eq!(drawn, (566..800).collect::<Vec<u32>>());
        assert_eq!(survey.least(9), Some(201.0), "the order inside a stratum does not matter");
    }
}
