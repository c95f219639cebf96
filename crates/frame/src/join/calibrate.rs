//! Asks about a sample of pairs to find out how near rows must lie.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::TaskContext;

use super::draw::Draw;
use super::pairs::PairsExec;
use super::side::{Side, SideVectors};
use super::threshold::{SAMPLED_PER_STRATUM, Sampled, Survey, Surveyed};
use super::{Metric, Wish};

/// The most pairs whose similarity is looked at to learn how similarities are spread.
const MOST_SURVEYED: usize = 2_000_000;
/// Larger samples are drawn where the threshold lies, until it stays where it is or so often.
const MOST_ROUNDS: usize = 4;

/// Both sides of a join and their vectors.
pub(super) struct Calibration<'a> {
    pub(super) pairs: &'a PairsExec,
    pub(super) left: &'a Side,
    pub(super) right: &'a Side,
    pub(super) of_left: &'a SideVectors,
    pub(super) of_right: &'a SideVectors,
}

/// What the sample showed.
pub(super) struct Calibrated {
    /// The least similarity of pairs worth asking about; none if all are.
    pub(super) least: Option<f32>,
    /// Values of the right side that match a value of the left one, as far as the sample goes.
    pub(super) besides: HashMap<u32, Vec<u32>>,
}

impl Calibration<'_> {
    pub(super) async fn run(&self, wish: Wish, context: Arc<TaskContext>) -> Result<Calibrated> {
        let mut draw = Draw::new(wish.seed);
        let survey = self.survey(&mut draw);
        let mut found = Calibrated { least: None, besides: HashMap::new() };
        let first = (0..survey.strata()).map(|stratum| (stratum, SAMPLED_PER_STRATUM)).collect();
        let mut sampled = vec![Sampled::default(); survey.strata()];
        self.judge(&survey, first, &mut sampled, &mut found, &mut draw, &context).await?;
        for _ in 0..MOST_ROUNDS {
            let doubtful = survey.doubtful(&sampled, wish.recall());
            if doubtful.is_empty() {
                break;
            }
            self.judge(&survey, doubtful, &mut sampled, &mut found, &mut draw, &context).await?;
        }
        found.least = survey.threshold(&sampled, wish.recall());
        Ok(found)
    }

    /// The similarities of all pairs, or of those of some rows of the left side.
    fn survey(&self, draw: &mut Draw) -> Survey {
        let (lefts, rights) = (self.of_left.vectors.len(), self.of_right.vectors.len());
        let chosen = draw.some_of(lefts, (MOST_SURVEYED / rights.max(1)).max(1));
        let mut surveyed = Vec::with_capacity(chosen.len() * rights);
        let mut similarities = Vec::with_capacity(rights);
        for left in chosen {
            self.of_right.vectors.similarities(Metric::Cosine, self.of_left.vectors.row(left), &mut similarities);
            let of_row = similarities.iter().enumerate();
            surveyed.extend(of_row.map(|(right, similarity)| Surveyed { similarity: *similarity, left: left as u32, right: right as u32 }));
        }
        Survey::new(surveyed, (lefts as u64).saturating_mul(rights as u64), lefts.max(rights) as u64)
    }

    /// Asks about a sample of each of these strata, all at once, and puts what it showed in the place of what was known.
    async fn judge(
        &self,
        survey: &Survey,
        wanted: Vec<(usize, usize)>,
        sampled: &mut [Sampled],
        found: &mut Calibrated,
        draw: &mut Draw,
        context: &Arc<TaskContext>,
    ) -> Result<()> {
        let mut samples: Vec<(usize, u32, u32)> = Vec::new();
        for (stratum, count) in wanted {
            sampled[stratum] = Sampled::default();
            samples.extend(survey.sample(stratum, count, draw).into_iter().filter_map(|pair| {
                let value = |side: &SideVectors, vector: u32| side.value_of.get(vector as usize).copied();
                Some((stratum, value(self.of_left, pair.left)?, value(self.of_right, pair.right)?))
            }));
        }
        let pairs: Vec<(u32, u32)> = samples.iter().map(|(_, left, right)| (*left, *right)).collect();
        let judged = self.pairs.judged(self.left, self.right, &pairs, context).await?;
        for ((stratum, left, right), matches) in samples.into_iter().zip(judged) {
            // without an answer nothing is known of the pair
            let (Some(seen), Some(matches)) = (sampled.get_mut(stratum), matches) else { continue };
            seen.judged += 1;
            if matches {
                seen.matched += 1;
                found.besides.entry(left).or_default().push(right);
            }
        }
        Ok(())
    }
}
