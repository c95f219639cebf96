//! Asks about samples of pairs to find out how near rows must lie.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::TaskContext;

use super::Wish;
use super::belief::Sampled;
use super::draw::Draw;
use super::judge::Verdict;
use super::nearness::Nearness;
use super::pairs::PairsExec;
use super::side::{Side, SideVectors};
use super::survey::{Survey, Surveyed};
use super::threshold::{Step, Wanted, first_sample, next, surely_enough};

/// The most pairs whose nearness is looked at to put pairs in order.
const MOST_SURVEYED: usize = 2_000_000;
/// The fewest values of either side among them, where there are so many.
const LEAST_OF_A_SIDE: usize = 1_414;
/// More samples are asked about until enough is known, or so often.
const MOST_ROUNDS: usize = 24;

/// Both sides of a join and how near they lie to each other.
pub(super) struct Calibration<'a> {
    pub(super) pairs: &'a PairsExec,
    pub(super) left: &'a Side,
    pub(super) right: &'a Side,
    pub(super) nearness: &'a Nearness,
}

/// What the samples showed.
#[derive(Debug, Default)]
pub(super) struct Calibrated {
    /// The least nearness of pairs worth asking about; none if all are.
    pub(super) least: Option<f32>,
    /// For pairs of values that were asked about, by the value of the left side and the value of the right one, whether they
    /// match. One without an answer does not.
    pub(super) known: HashMap<u32, HashMap<u32, bool>>,
}

impl Calibration<'_> {
    pub(super) async fn run(&self, wish: Wish, draw: &mut Draw, context: Arc<TaskContext>) -> Result<Calibrated> {
        let (lefts, rights) = (self.nearness.of_left.vectors.len() as u64, self.nearness.of_right.vectors.len() as u64);
        let wanted = Wanted { recall: wish.recall(), pairs: lefts.saturating_mul(rights), larger: lefts.max(rights) };
        let mut survey = self.survey(wanted, draw);
        let mut sampled: Vec<Sampled> = survey.sizes().into_iter().map(|size| Sampled { size, ..Sampled::default() }).collect();
        let mut found = Calibrated::default();
        let mut more = vec![first_sample(wanted.pairs) as usize; sampled.len()];
        let mut enough = None;
        for _ in 0..MOST_ROUNDS {
            let asked = self.judge(&mut survey, &more, &mut sampled, &mut found, draw, &context).await?;
            if asked == 0 {
                break;
            }
            match next(&sampled, wanted, draw) {
                Step::Sample(wanted) => more = wanted,
                Step::Enough(strata) => {
                    enough = Some(strata);
                    break;
                }
            }
        }
        let enough = enough.unwrap_or_else(|| surely_enough(&sampled, wanted, draw));
        // the nearest are worth it even where no sample held a match
        found.least = survey.least(enough.max(1));
        Ok(found)
    }

    /// The nearness of all pairs, or of those of some values of both sides.
    fn survey(&self, wanted: Wanted, draw: &mut Draw) -> Survey {
        let (lefts, rights) = (self.nearness.of_left.vectors.len(), self.nearness.of_right.vectors.len());
        let most = |other: usize| MOST_SURVEYED / other.clamp(1, LEAST_OF_A_SIDE);
        let (lefts, rights) = (draw.some_of(lefts, most(rights)), draw.some_of(rights, most(lefts)));
        let of_left = |left: usize| {
            let pair = move |right: &usize| (self.nearness.between(left, *right), *right);
            rights.iter().map(pair).map(move |(nearness, right)| Surveyed { nearness, left: left as u32, right: right as u32 })
        };
        Survey::new(lefts.into_iter().flat_map(of_left).collect(), wanted.pairs, wanted.larger)
    }

    /// Asks about so many more pairs of each stratum, all at once, and adds what they showed; tells how many they were.
    async fn judge(
        &self,
        survey: &mut Survey,
        more: &[usize],
        sampled: &mut [Sampled],
        found: &mut Calibrated,
        draw: &mut Draw,
        context: &Arc<TaskContext>,
    ) -> Result<usize> {
        let mut samples: Vec<(usize, u32, u32)> = Vec::new();
        for (stratum, count) in more.iter().enumerate() {
            samples.extend(survey.sample(stratum, *count, draw).iter().filter_map(|pair| {
                let value = |side: &SideVectors, vector: u32| side.value_of.get(vector as usize).copied();
                Some((stratum, value(&self.nearness.of_left, pair.left)?, value(&self.nearness.of_right, pair.right)?))
            }));
        }
        let pairs: Vec<(u32, u32)> = samples.iter().map(|(_, left, right)| (*left, *right)).collect();
        let judged = self.pairs.judged(self.left, self.right, &pairs, context).await?;
        for ((stratum, left, right), verdict) in samples.into_iter().zip(judged) {
            if verdict != Verdict::NotAsked {
                found.known.entry(left).or_default().insert(right, verdict == Verdict::Match);
            }
            // without an answer nothing is known of pairs like this one
            let Some(seen) = sampled.get_mut(stratum).filter(|_| verdict != Verdict::NoAnswer) else { continue };
            seen.judged += 1;
            seen.matched += usize::from(verdict == Verdict::Match);
        }
        Ok(pairs.len())
    }
}
