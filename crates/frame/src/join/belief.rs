//! What samples tell about the matches that nobody has seen.
//!
//! The share of pairs that match is taken to fall from stratum to stratum, the farther the pairs lie apart: by some thinning,
//! which itself drifts, and now and then changes more. Thousands of histories that go like this are drawn; those that would
//! hardly have shown what the samples showed are dropped on the way (a particle filter: Gordon, Salmond and Smith, 1993). Of
//! what is left, each says how many matches there are beyond any threshold, and together they say how likely that is.
//! So a stratum with a small sample borrows from its neighbours, one stray match in a large one is weighed against all
//! others, and where the matches thin out slowly nobody is sure that the rest holds none.

use super::draw::Draw;

const HISTORIES: usize = 4_000;
/// How the logarithm of the share in the first stratum and the first thinning are spread.
const FIRST_SHARE: f64 = 2.5;
const FIRST_THINNING: f64 = 1.0;
/// How much the thinning changes from stratum to stratum, and how much where it changes more, which it does so often.
const DRIFT: f64 = 0.2;
const TURN: f64 = 0.7;
const TURNS: f64 = 0.1;
/// Not every pair of a stratum matches as long as one is not known.
const MOST_SHARE: f64 = 1.0 - 1e-9;

/// A stratum and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Sampled {
    /// Pairs that it stands for.
    pub(crate) size: f64,
    /// Pairs that were judged.
    pub(crate) judged: usize,
    /// Those of them that match.
    pub(crate) matched: usize,
}

impl Sampled {
    /// Pairs of which nothing is known.
    pub(crate) fn unknown(&self) -> f64 {
        (self.size - self.judged as f64).max(0.0)
    }
}

/// How many matches may still be unseen in each stratum, by history.
#[derive(Debug)]
pub(crate) struct Belief {
    unseen: Vec<Vec<f64>>,
    seen: f64,
}

#[derive(Debug, Clone, Copy)]
struct History {
    /// The logarithm of the share that matches, never above 0.
    share: f64,
    thinning: f64,
}

impl Belief {
    /// Weighs histories by the samples of strata, the nearest first.
    pub(crate) fn new(strata: &[Sampled], draw: &mut Draw) -> Belief {
        let mut histories: Vec<History> = (0..HISTORIES)
            .map(|_| History { share: -FIRST_SHARE * draw.exponential(), thinning: (FIRST_THINNING * draw.normal()).abs() })
            .collect();
        let mut steps: Vec<(Vec<f64>, Vec<usize>)> = Vec::with_capacity(strata.len());
        for (place, stratum) in strata.iter().enumerate() {
            if place > 0 {
                histories.iter_mut().for_each(|history| history.step(draw));
            }
            let likely: Vec<f64> = histories.iter().map(|history| history.likely(stratum)).collect();
            let parents = kept(&likely, draw);
            histories = parents.iter().filter_map(|parent| histories.get(*parent)).copied().collect();
            steps.push((histories.iter().map(|history| history.share).collect(), parents));
        }
        // from the last stratum back, each history tells what it was like before
        let mut lines: Vec<usize> = (0..HISTORIES).collect();
        let mut unseen = Vec::with_capacity(strata.len());
        for ((shares, parents), stratum) in steps.iter().zip(strata).rev() {
            let unknown = stratum.unknown();
            let of_line = |line: &usize| draw.poisson(shares.get(*line).copied().unwrap_or_default().exp() * unknown).min(unknown);
            unseen.push(lines.iter().map(of_line).collect());
            lines.iter_mut().for_each(|line| *line = parents.get(*line).copied().unwrap_or_default());
        }
        unseen.reverse();
        Belief { unseen, seen: strata.iter().map(|stratum| stratum.matched as f64).sum() }
    }

    /// How many of the first strata have to be asked about, so that with this certainty no more than a share of the matches is
    /// lost, or no more than so few.
    pub(crate) fn enough(&self, certainty: f64, lost_share: f64, few: f64) -> usize {
        let mut missed = [0.0; HISTORIES];
        let allowed: Vec<f64> = (0..HISTORIES)
            .map(|line| {
                let unseen: f64 = self.unseen.iter().filter_map(|stratum| stratum.get(line)).sum();
                (lost_share * (self.seen + unseen)).max(few)
            })
            .collect();
        let mut strata = self.unseen.len();
        for stratum in self.unseen.iter().rev() {
            missed.iter_mut().zip(stratum).for_each(|(sum, unseen)| *sum += unseen);
            let good = missed.iter().zip(&allowed).filter(|(missed, allowed)| missed <= allowed).count();
            if (good as f64) < certainty * HISTORIES as f64 {
                break;
            }
            strata -= 1;
        }
        strata
    }

    /// The mean of the matches that may still be unseen in a stratum.
    pub(crate) fn expected(&self, stratum: usize) -> f64 {
        self.unseen.get(stratum).map_or(0.0, |unseen| unseen.iter().sum::<f64>() / HISTORIES as f64)
    }
}

impl History {
    /// Goes on to the next stratum. The share never rises: what lies farther away matches no more often.
    fn step(&mut self, draw: &mut Draw) {
        let change = if draw.unit() < TURNS { TURN } else { DRIFT };
        self.thinning = (self.thinning + change * draw.normal()).abs();
        self.share -= self.thinning;
    }

    /// The logarithm of how likely a sample is to show what it did.
    fn likely(&self, sampled: &Sampled) -> f64 {
        let others = (-self.share.exp().min(MOST_SHARE)).ln_1p();
        sampled.matched as f64 * self.share + sampled.judged.saturating_sub(sampled.matched) as f64 * others
    }
}

/// Which histories go on, each as often as it is likely.
fn kept(likely: &[f64], draw: &mut Draw) -> Vec<usize> {
    let most = likely.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = likely.iter().map(|one| (one - most).exp()).collect();
    let part = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    let (mut at, mut until) = (0, weights.first().copied().unwrap_or_default());
    let mut next = |place: usize| {
        let wanted = (place as f64 + draw.unit()) * part;
        while until < wanted && at + 1 < weights.len() {
            at += 1;
            until += weights[at];
        }
        at
    };
    (0..weights.len()).map(&mut next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strata that grow like those of a join of 1,000 by 1,000 rows, in each of which so many of 400 match.
    fn strata(matched: &[usize]) -> Vec<Sampled> {
        let sizes = (0..23)
            .map(|place| if place == 0 { 500.0 } else { 500.0 * (2f64.powf(place as f64 / 2.0) - 2f64.powf((place - 1) as f64 / 2.0)) });
        let matched = matched.iter().copied().chain(std::iter::repeat(0));
        sizes.zip(matched).map(|(size, matched)| Sampled { size, judged: (size as usize).min(400), matched }).collect()
    }

    fn enough(matched: &[usize], certainty: f64) -> usize {
        Belief::new(&strata(matched), &mut Draw::new(5)).enough(certainty, 0.05, 0.0)
    }

    #[test]
    fn what_ends_soon_needs_little_and_what_goes_on_needs_much() {
        assert!(enough(&[300, 60, 20, 5], 0.98) <= 7, "{}", enough(&[300, 60, 20, 5], 0.98));
        // the same share of ever larger strata: as many matches lie far away as near
        let slow = [300, 150, 200, 150, 100, 70, 50, 35, 25, 18, 12, 9, 6, 4, 3, 2, 1, 1, 1];
        assert!(enough(&slow, 0.98) >= 18, "{}", enough(&slow, 0.98));
        // useless vectors: every stratum is as good as any other
        assert_eq!(enough(&[4; 23], 0.98), 23);
    }

    #[test]
    fn one_stray_match_is_weighed_and_more_certainty_asks_more() {
        let clean = [300, 150, 60, 10, 1];
        let mut stray = clean.to_vec();
        stray.extend([0; 16]);
        stray.push(1);
        let (without, with) = (enough(&clean, 0.9), enough(&stray, 0.9));
        assert!(without < 9 && with > without, "{without} {with}");
        assert!(enough(&clean, 0.5) <= enough(&clean, 0.98));
    }

    #[test]
    fn what_is_known_is_not_guessed() {
        let all: Vec<Sampled> = (0..6).map(|_| Sampled { size: 50.0, judged: 50, matched: 3 }).collect();
        let belief = Belief::new(&all, &mut Draw::new(1));
        assert_eq!((belief.enough(1.0, 0.05, 0.0), belief.expected(0)), (0, 0.0));
        assert_eq!(Belief::new(&[], &mut Draw::new(1)).enough(0.9, 0.05, 0.0), 0);
    }
}
