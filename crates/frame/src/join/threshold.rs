//! How near two rows must lie to be worth asking about, so that a wanted share of all matches is found: what to sample next,
//! and when enough is known.

use super::belief::{Belief, Sampled};
use super::draw::Draw;

/// How sure it must be that the wanted share is found.
const CERTAINTY: f64 = 0.98;
/// The loss of two matches, or of one for so many rows of the larger side, is not worth looking for: where there are hardly any
/// matches, to be sure of the last would take a question about most pairs.
const ROWS_PER_MATCH: f64 = 500.0;
const FEWEST: f64 = 2.0;
/// Pairs of each stratum that are asked about first, as a part of all, and at least and at most.
const FIRST_PART: u64 = 4_000;
const FIRST: (u64, u64) = (40, 250);
/// Of the pairs between what is likely and what is surely enough, one in so many is asked about to bring the two together;
/// at least so many at once, as a part of all pairs, and at least and at most.
const DOUBT_PART: f64 = 24.0;
const ROUND_PART: u64 = 2_500;
const ROUND: (u64, u64) = (40, 400);
/// Beyond the threshold the samples are at least this share of what lies before it.
const GUARD: f64 = 0.5;
/// How much a stratum that is not expected to hold any match counts beside one that is.
const NO_MATCHES: f64 = 0.01;

/// What is wanted of a join.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// The share of the matches to be found.
    pub(crate) recall: f64,
    /// All pairs, and the values of the larger side.
    pub(crate) pairs: u64,
    pub(crate) larger: u64,
}

impl Wanted {
    /// So few matches may be lost however many there are.
    fn few(&self) -> f64 {
        (self.larger as f64 / ROWS_PER_MATCH).max(FEWEST)
    }
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// So many more pairs of each stratum are asked about.
    Sample(Vec<usize>),
    /// The pairs of the first so many strata are worth asking about.
    Enough(usize),
}

/// How many pairs of each stratum are asked about first.
pub(crate) fn first_sample(pairs: u64) -> u64 {
    (pairs / FIRST_PART).clamp(FIRST.0, FIRST.1)
}

/// Decides by what the samples of the strata showed; the nearest come first.
pub(crate) fn next(strata: &[Sampled], wanted: Wanted, draw: &mut Draw) -> Step {
    let belief = Belief::new(strata, draw);
    let enough = |certainty: f64| belief.enough(certainty, 1.0 - wanted.recall, wanted.few());
    let (sure, likely) = (enough(CERTAINTY), enough(0.5));
    let unknown = |strata: &[Sampled]| strata.iter().map(Sampled::unknown).sum::<f64>();
    let between = strata.get(likely..sure).unwrap_or_default();
    let (from, more) = if between.is_empty() {
        let (before, beyond) = strata.split_at(sure.min(strata.len()));
        let judged: f64 = beyond.iter().map(|stratum| stratum.judged as f64).sum();
        let guard = GUARD * before.iter().map(|stratum| stratum.size).sum::<f64>() - judged;
        (sure, guard.min(unknown(beyond)))
    } else {
        let least = (wanted.pairs / ROUND_PART).clamp(ROUND.0, ROUND.1) as f64;
        (likely, (unknown(between) / DOUBT_PART).max(least))
    };
    if more <= 0.0 {
        return Step::Enough(sure);
    }
    // where many unseen matches may lie among many pairs, a question tells most (Neyman, 1934)
    let weight = |(place, stratum): (usize, &Sampled)| match place < from {
        true => 0.0,
        false => (stratum.unknown() * (belief.expected(place) + NO_MATCHES)).sqrt(),
    };
    let weights: Vec<f64> = strata.iter().enumerate().map(weight).collect();
    let all: f64 = weights.iter().sum();
    Step::Sample(weights.into_iter().map(|weight| (more * weight / all.max(f64::MIN_POSITIVE)).ceil() as usize).collect())
}

/// The strata that are worth asking about if nothing more can be learnt.
pub(crate) fn surely_enough(strata: &[Sampled], wanted: Wanted, draw: &mut Draw) -> usize {
    Belief::new(strata, draw).enough(CERTAINTY, 1.0 - wanted.recall, wanted.few())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::survey::{Survey, Surveyed};

    /// What a trial came to, as shares of all matches and of all pairs.
    struct Came {
        recall: f64,
        asked: f64,
    }

    /// Pairs of `side` × `side` rows, so many of which match; nearness is a normal draw whose mean lies `apart` standard
    /// deviations higher for a match, but for a part of the matches that lies anywhere.
    fn trial(side: u32, matches: u32, apart: f64, anywhere: f64, seed: u64) -> Came {
        let mut draw = Draw::new(seed ^ 0xC0FFEE);
        let total = side * side;
        let matching: std::collections::HashSet<usize> = draw.some_of(total as usize, matches as usize).into_iter().collect();
        let mut pairs: Vec<Surveyed> = Vec::new();
        for pair in 0..total {
            let lies_near = matching.contains(&(pair as usize)) && draw.unit() >= anywhere;
            let nearness = (draw.normal() + if lies_near { apart } else { 0.0 }) as f32;
            pairs.push(Surveyed { nearness, left: pair / side, right: pair % side });
        }
        let is_match = |pair: &Surveyed| matching.contains(&((pair.left * side + pair.right) as usize));
        let all = pairs.clone();
        let wanted = Wanted { recall: 0.95, pairs: u64::from(total), larger: u64::from(side) };
        let mut survey = Survey::new(pairs, wanted.pairs, wanted.larger);
        let mut strata: Vec<Sampled> = survey.sizes().into_iter().map(|size| Sampled { size, ..Sampled::default() }).collect();
        let mut more = vec![first_sample(wanted.pairs) as usize; strata.len()];
        let mut draw = Draw::new(seed);
        let mut sampled: Vec<Surveyed> = Vec::new();
        let enough = loop {
            for (place, more) in more.iter().enumerate() {
                let drawn = survey.sample(place, *more, &mut draw);
                strata[place].judged += drawn.len();
                strata[place].matched += drawn.iter().filter(|pair| is_match(pair)).count();
                sampled.extend(drawn);
            }
            match next(&strata, wanted, &mut draw) {
                Step::Sample(next) => more = next,
                Step::Enough(strata) => break strata,
            }
        };
        let least = survey.least(enough.max(1)).unwrap_or(f32::MIN);
        let (near, far): (Vec<Surveyed>, Vec<Surveyed>) = all.into_iter().partition(|pair| pair.nearness >= least);
        let beyond: Vec<&Surveyed> = sampled.iter().filter(|pair| pair.nearness < least).collect();
        assert!(beyond.len() <= far.len());
        let found = near.iter().filter(|pair| is_match(pair)).count() + beyond.iter().filter(|pair| is_match(pair)).count();
        Came { recall: found as f64 / f64::from(matches.max(1)), asked: (near.len() + beyond.len()) as f64 / f64::from(total) }
    }

    #[test]
    fn matches_that_lie_near_are_found_at_a_small_part_of_the_pairs() {
        for seed in 0..5 {
            let came = trial(300, 300, 6.0, 0.0, seed);
            assert!(came.recall >= 0.95 && came.asked <= 0.02, "seed {seed}: {} for {}", came.recall, came.asked);
        }
    }

    #[test]
    fn vectors_that_tell_little_cost_more_questions_not_matches() {
        for (apart, anywhere, least) in [(2.0, 0.0, 0.1), (0.0, 0.0, 0.9), (6.0, 0.4, 0.4)] {
            for seed in 0..5 {
                let came = trial(300, 600, apart, anywhere, seed);
                assert!(came.recall >= 0.95, "{apart} {anywhere} seed {seed}: recall {}", came.recall);
                assert!((least..=1.0).contains(&came.asked), "{apart} {anywhere} seed {seed}: asked {}", came.asked);
            }
        }
    }

    #[test]
    fn few_matches_or_none_do_not_cost_a_question_about_most_pairs() {
        for seed in 0..3 {
            let none = trial(500, 0, 0.0, 0.0, seed);
            assert!(none.asked < 0.1, "seed {seed}: {} for none", none.asked);
            let few = trial(500, 20, 6.0, 0.0, seed);
            assert!(few.recall >= 0.95 && few.asked < 0.05, "seed {seed}: {} for {}", few.recall, few.asked);
        }
    }

    #[test]
    fn what_is_all_known_is_enough() {
        let known = vec![Sampled { size: 10.0, judged: 10, matched: 2 }; 4];
        let wanted = Wanted { recall: 0.95, pairs: 40, larger: 8 };
        assert_eq!(next(&known, wanted, &mut Draw::new(0)), Step::Enough(0));
        // nothing is known and nothing can be: without answers every pair is worth a question
        let unknown = vec![Sampled { size: 1_000.0, ..Sampled::default() }; 20];
        let strata = surely_enough(&unknown, Wanted { recall: 0.95, pairs: 20_000, larger: 140 }, &mut Draw::new(0));
        assert!(strata > 10, "{strata}");
    }
}
