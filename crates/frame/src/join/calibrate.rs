//! Asks about a sample of pairs to find out how near rows must lie.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::{concat_batches, filter_record_batch};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, collect};

use super::draw::Draw;
use super::pairs::PairsExec;
use super::side::{Side, SideVectors};
use super::threshold::{SAMPLED_PER_STRATUM, Sampled, Survey, Surveyed};
use super::{Metric, Wish};
use crate::execute::SemanticExec;

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
        let row = |side: &Side, value: u32| side.rows_of.get(value as usize).and_then(|rows| rows.first()).copied();
        let rows: Vec<(u32, Option<u32>)> =
            samples.iter().filter_map(|(_, left, right)| Some((row(self.left, *left)?, row(self.right, *right)))).collect();
        let batch = self.pairs.batch(self.left, self.right, &rows)?;
        // a pair that fails the other conditions of the join is no match, whatever the model would say
        let fit = self.pairs.satisfied(&batch)?;
        let asked = match &fit {
            Some(fit) => filter_record_batch(&batch, fit)?,
            None => batch.clone(),
        };
        let schema = asked.schema();
        let input = MemorySourceConfig::try_new_exec(&[vec![asked]], schema, None)?;
        let operator =
            SemanticExec::try_new(input, vec![self.pairs.call.clone()], &self.pairs.added, Arc::clone(&self.pairs.left.runtime))?;
        let answers = concat_batches(&operator.schema(), &collect(Arc::new(operator.clone()), Arc::clone(context)).await?)?;
        let answers = answers.column(answers.num_columns() - 1).as_boolean();
        let mut next = 0;
        for (place, (stratum, left, right)) in samples.into_iter().enumerate() {
            let Some(seen) = sampled.get_mut(stratum) else { continue };
            if fit.as_ref().is_some_and(|fit| !fit.value(place)) {
                seen.judged += 1;
                continue;
            }
            // without an answer nothing is known of the pair
            if answers.is_valid(next) {
                seen.judged += 1;
                if answers.value(next) {
                    seen.matched += 1;
                    found.besides.entry(left).or_default().push(right);
                }
            }
            next += 1;
        }
        Ok(())
    }
}
