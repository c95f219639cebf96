//! How near two rows must lie to be worth asking about, so that a wanted share of all matches is found.
//!
//! The pairs are put into strata by the rank of their similarity, each stratum twice as large as all before it. Of each
//! stratum the same number of pairs is asked about, so that a match in a large stratum stands for many. Beyond the last
//! match that was seen, matches are assumed to thin out no faster than they did so far, within what a sample without a
//! match allows (at most three in the sample's size, with a certainty of 95 %). The threshold is set below the stratum in
//! which the wanted share of all these matches is reached, with most of the loss that was allowed kept as a margin.

use super::draw::Draw;

/// Pairs that are asked about in each stratum.
pub(crate) const SAMPLED_PER_STRATUM: usize = 60;
/// Pairs that are asked about in a stratum on which the threshold depends.
pub(crate) const SAMPLED_MORE: usize = 400;

/// The most matches that a sample without one leaves room for, times its size.
const RULE_OF_THREE: f64 = 3.0;
/// How matches thin out from stratum to stratum where only one stratum shows any, and the slowest that is assumed.
const UNKNOWN_THINNING: f64 = 0.5;
const SLOWEST_THINNING: f64 = 0.9;
/// How much of the loss that is allowed is kept as a margin.
const MARGIN: f64 = 0.6;
/// So many matches in a sample tell little.
const FEW_MATCHES: usize = 5;

/// Some of the pairs of two sides, ordered by similarity, the nearest first, and cut into strata.
#[derive(Debug)]
pub(crate) struct Survey {
    pairs: Vec<Surveyed>,
    /// Where each stratum ends.
    ends: Vec<usize>,
    /// How many pairs there are for each that is surveyed.
    scale: f64,
}

/// A pair by the places of its vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Surveyed {
    pub(crate) similarity: f32,
    pub(crate) left: u32,
    pub(crate) right: u32,
}

/// What the sample of a stratum showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sampled {
    /// Pairs that were judged.
    pub(crate) judged: usize,
    /// Those of them that match.
    pub(crate) matched: usize,
}

/// The first stratum holds half as many pairs as the larger side has rows.
fn first_stratum(larger: u64) -> u64 {
    (larger / 2).max(1)
}

/// How many strata so many pairs have.
pub(crate) fn strata_count(pairs: u64, larger: u64) -> u64 {
    let mut end = first_stratum(larger);
    let mut count = 1;
    while end < pairs {
        end = end.saturating_mul(2);
        count += 1;
    }
    count
}

impl Survey {
    /// Orders pairs that are a fair share of all `total` pairs of two sides, the larger of which has `larger` rows.
    pub(crate) fn new(mut pairs: Vec<Surveyed>, total: u64, larger: u64) -> Survey {
        let order = |a: &Surveyed, b: &Surveyed| b.similarity.total_cmp(&a.similarity).then((a.left, a.right).cmp(&(b.left, b.right)));
        pairs.sort_unstable_by(order);
        let scale = total as f64 / pairs.len().max(1) as f64;
        let mut ends = Vec::new();
        let mut rank = first_stratum(larger);
        while ends.last().is_none_or(|end| *end < pairs.len()) && !pairs.is_empty() {
            let end = ((rank as f64 / scale).ceil() as usize).clamp(1, pairs.len());
            if ends.last().is_none_or(|before| *before < end) {
                ends.push(end);
            }
            rank = rank.saturating_mul(2);
        }
        Survey { pairs, ends, scale }
    }

    pub(crate) fn strata(&self) -> usize {
        self.ends.len()
    }

    fn range(&self, stratum: usize) -> std::ops::Range<usize> {
        let start = stratum.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        start..self.ends.get(stratum).copied().unwrap_or(start)
    }

    /// Pairs to ask about in a stratum.
    pub(crate) fn sample(&self, stratum: usize, wanted: usize, draw: &mut Draw) -> Vec<Surveyed> {
        let range = self.range(stratum);
        let chosen = draw.some_of(range.len(), wanted);
        chosen.into_iter().filter_map(|place| self.pairs.get(range.start + place)).copied().collect()
    }

    /// The matches each stratum is likely to hold, with those that the sample was too small to show.
    fn matches(&self, sampled: &[Sampled]) -> Vec<f64> {
        let size = |stratum: usize| self.range(stratum).len() as f64 * self.scale;
        // samples grow until they hold a few matches, and a share found like that is a little less than it looks (Haldane,
        // 1945): one match alone, which may be a stray one, tells of no others
        let seen = |(stratum, seen): (usize, &Sampled)| match seen.judged {
            judged if judged >= self.range(stratum).len() => size(stratum) * seen.matched as f64 / judged.max(1) as f64,
            judged => size(stratum) * seen.matched.saturating_sub(1) as f64 / judged.saturating_sub(1).max(1) as f64,
        };
        let mut matches: Vec<f64> = sampled.iter().enumerate().map(seen).collect();
        let Some(last) = matches.iter().rposition(|here| *here > 0.0) else { return matches };
        let peak = (0..=last).rev().max_by(|a, b| matches[*a].total_cmp(&matches[*b])).unwrap_or(last);
        let mut thinning = match last - peak {
            0 => UNKNOWN_THINNING,
            strata => (matches[last] / matches[peak]).powf(1.0 / strata as f64).min(SLOWEST_THINNING),
        };
        let mut before = matches[last];
        for stratum in last + 1..matches.len() {
            let unseen = size(stratum) * (RULE_OF_THREE / sampled[stratum].judged.max(1) as f64).min(1.0);
            let here = (before * thinning).min(unseen);
            // once they thin out they do so ever faster
            thinning = thinning.min(here / before);
            matches[stratum] = here;
            before = here;
        }
        matches
    }

    /// The strata that decide where the threshold lies and deserve a larger sample, each with its size. One in which a
    /// handful of matches stands for many is looked at again and again, as long as that costs far less than asking about
    /// all of it.
    pub(crate) fn doubtful(&self, sampled: &[Sampled], recall: f64) -> Vec<(usize, usize)> {
        let reached = self.reached(sampled, recall);
        let near = reached.saturating_sub(1)..=reached + 2;
        let more = |stratum: usize| {
            let seen = sampled.get(stratum)?;
            let size = self.range(stratum).len();
            let wanted = match seen.matched {
                2..FEW_MATCHES => (seen.judged * 4).min(size / 8).max(SAMPLED_MORE),
                1 => SAMPLED_MORE,
                _ if near.contains(&stratum) => SAMPLED_MORE,
                _ => 0,
            };
            let wanted = wanted.min(size);
            (wanted > seen.judged).then_some((stratum, wanted))
        };
        (0..sampled.len()).filter_map(more).collect()
    }

    /// The stratum in which the wanted share of the matches is reached.
    fn reached(&self, sampled: &[Sampled], recall: f64) -> usize {
        let matches = self.matches(sampled);
        let all: f64 = matches.iter().sum();
        let wanted = all * (recall + (1.0 - recall) * MARGIN);
        let mut found = 0.0;
        let reached = matches.iter().position(|here| {
            found += here;
            found >= wanted
        });
        match reached {
            // without any match in the sample the nearest are asked about all the same: there may be a few among them
            _ if all <= 0.0 => 1,
            Some(stratum) => stratum,
            None => matches.len(),
        }
    }

    /// The least similarity that a pair worth asking about has. `None` means that every pair is worth it.
    pub(crate) fn threshold(&self, sampled: &[Sampled], recall: f64) -> Option<f32> {
        let end = self.ends.get(self.reached(sampled, recall)).copied().filter(|end| *end < self.pairs.len())?;
        self.pairs.get(end - 1).map(|pair| pair.similarity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs of `side` × `side` rows; each row has one match, and similarities are normal draws whose means lie
    /// `apart` standard deviations from each other. Gives the recall and the share of all pairs that is asked about.
    fn trial(side: u32, apart: f64, recall: f64, seed: u64) -> (f64, f64) {
        let mut draw = Draw::new(seed);
        let mut normal = move || {
            let (one, other) = (draw.unit().max(1e-12), draw.unit());
            (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
        };
        let mut pairs = Vec::new();
        for left in 0..side {
            for right in 0..side {
                let mean = if left == right { apart } else { 0.0 };
                pairs.push(Surveyed { similarity: (mean + normal()) as f32, left, right });
            }
        }
        let all = pairs.clone();
        let total = u64::from(side) * u64::from(side);
        let survey = Survey::new(pairs, total, u64::from(side));
        let mut draw = Draw::new(seed ^ 99);
        let mut asked = 0;
        let mut judge = |stratum: usize, wanted: usize| {
            let sample = survey.sample(stratum, wanted, &mut draw);
            asked += sample.len();
            Sampled { judged: sample.len(), matched: sample.iter().filter(|pair| pair.left == pair.right).count() }
        };
        let mut sampled: Vec<Sampled> = (0..survey.strata()).map(|stratum| judge(stratum, SAMPLED_PER_STRATUM)).collect();
        for _ in 0..4 {
            for (stratum, wanted) in survey.doubtful(&sampled, recall) {
                sampled[stratum] = judge(stratum, wanted);
            }
        }
        let threshold = survey.threshold(&sampled, recall).unwrap_or(f32::MIN);
        let near: Vec<&Surveyed> = all.iter().filter(|pair| pair.similarity >= threshold).collect();
        let found = near.iter().filter(|pair| pair.left == pair.right).count();
        (found as f64 / f64::from(side), (near.len() + asked) as f64 / total as f64)
    }

    #[test]
    fn the_wanted_share_is_found_at_a_small_part_of_the_pairs() {
        for seed in 0..10 {
            let (recall, asked) = trial(300, 5.0, 0.95, seed);
            assert!(recall >= 0.95, "seed {seed}: recall {recall}");
            assert!(asked <= 0.06, "seed {seed}: asked {asked}");
        }
    }

    #[test]
    fn vectors_that_tell_little_cost_more_questions_not_matches() {
        for seed in 0..10 {
            let (recall, asked) = trial(300, 2.0, 0.9, seed);
            assert!(recall >= 0.9, "seed {seed}: recall {recall}");
            assert!(asked > 0.1, "seed {seed}: asked {asked}");
        }
    }

    #[test]
    fn without_a_match_in_the_sample_the_nearest_are_asked_about() {
        let pairs = (0..1_000u16).map(|rank| Surveyed { similarity: f32::from(1_000 - rank), left: u32::from(rank), right: 0 }).collect();
        let survey = Survey::new(pairs, 1_000, 100);
        assert_eq!(survey.ends, [50, 100, 200, 400, 800, 1_000]);
        let none = vec![Sampled { judged: 40, matched: 0 }; survey.strata()];
        assert_eq!(survey.threshold(&none, 0.95), Some(901.0));
        assert_eq!(survey.doubtful(&none, 0.95), [(0, 50), (1, 50), (2, 100), (3, 200)]);
        // matches in the last stratum stand for so many that nothing may be left out
        let mut last = none.clone();
        last[5].matched = 2;
        assert_eq!(survey.threshold(&last, 0.95), None);
        assert_eq!(survey.doubtful(&last, 0.95), [(4, 400), (5, 200)]);
    }

    #[test]
    fn few_pairs_have_few_strata() {
        let survey = Survey::new(vec![Surveyed { similarity: 0.5, left: 0, right: 0 }], 1, 1);
        assert_eq!(survey.ends, [1]);
        assert_eq!(survey.threshold(&[Sampled { judged: 1, matched: 1 }], 0.95), None);
        assert_eq!(Survey::new(Vec::new(), 0, 0).strata(), 0);
        assert_eq!(strata_count(1_000_000, 1_000), 12);
    }
}
