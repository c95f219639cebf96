//! A join with a small side: each value of the larger side is put to the model once, with all values of the smaller one to
//! choose from. What is chosen is worth asking about as a pair; a sample of what is not tells whether enough was found.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::compute::concat_batches;
use corsac_program::Program;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr, collect};
use serde_json::Value;

use super::Wish;
use super::draw::Draw;
use super::judge::Verdict;
use super::pairs::PairsExec;
use super::side::Side;
use crate::bind::BoundCall;
use crate::cell::{Cells, json_value, readable};
use crate::execute::{PlannedCall, SemanticExec, added_fields};
use crate::node::SemanticCall;

/// Pairs that are asked about of those that were chosen, and at least of those that were not.
pub(crate) const SAMPLED_CHOSEN: u64 = 60;
const SAMPLED_LEAST: u64 = 200;
/// So many are never too many; above, an eighth of the pairs is the most.
const SAMPLED_ALWAYS: u64 = 800;
/// Matches that a sample would be expected to hold if too much had been overlooked: with none in it that is unlikely (5 %).
const TELLING: f64 = 3.0;

/// How many of the pairs that were not chosen are to be asked about, where so many matches were found.
pub(crate) fn sample_size(left_out: u64, found: f64, recall: f64) -> u64 {
    let overlooked = (found * (1.0 - recall) / recall).max(f64::MIN_POSITIVE);
    let wanted = (TELLING * left_out as f64 / overlooked).min(left_out as f64) as u64;
    wanted.clamp(SAMPLED_LEAST, SAMPLED_ALWAYS.max(left_out / 8)).min(left_out)
}

/// The side of a join that an input of its question is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputSide {
    Left,
    Right,
    Neither,
}

/// Both sides of a join.
pub(super) struct Picking<'a> {
    pub(super) pairs: &'a PairsExec,
    pub(super) left: &'a Side,
    pub(super) right: &'a Side,
}

/// Values of the right side by the value of the left one with which they are worth asking about.
pub(super) type Picked = HashMap<u32, Vec<u32>>;

/// The question about one value of a side, with options from the other.
pub(super) fn as_choice(call: &PlannedCall, sides: &[InputSide], few: InputSide, options: &[Vec<String>]) -> Option<Program> {
    let places: Vec<usize> = sides.iter().enumerate().filter(|(_, side)| **side == few).map(|(place, _)| place).collect();
    // numbers are sound labels: what cannot be put as a choice is no error
    call.program().choosing(&places, options).ok().flatten()
}

impl Picking<'_> {
    /// Asks for choices and looks at a sample. `None` where the question cannot be put like that, or too little was found.
    pub(super) async fn run(&self, wish: Wish, context: &Arc<TaskContext>) -> Result<Option<Picked>> {
        if self.left.values() == 0 || self.right.values() == 0 {
            return Ok(Some(Picked::new()));
        }
        let Some(chosen) = self.choose(context).await? else { return Ok(None) };
        let mut draw = Draw::new(wish.seed);
        let Some(strays) = self.strays(&chosen, wish, &mut draw, context).await? else { return Ok(None) };
        let mut picked = Picked::new();
        for (left, right) in chosen.into_iter().chain(strays) {
            picked.entry(left).or_default().push(right);
        }
        Ok(Some(picked))
    }

    fn few_is_right(&self) -> bool {
        self.right.values() <= self.left.values()
    }

    /// A pair of values by its place on the larger side and on the smaller one.
    fn pair(&self, many: usize, few: usize) -> (u32, u32) {
        if self.few_is_right() { (many as u32, few as u32) } else { (few as u32, many as u32) }
    }

    fn sizes(&self) -> (usize, usize) {
        let (left, right) = (self.left.values(), self.right.values());
        if self.few_is_right() { (left, right) } else { (right, left) }
    }

    /// The pairs that were chosen; where an answer is missing, all of the value.
    async fn choose(&self, context: &Arc<TaskContext>) -> Result<Option<HashSet<(u32, u32)>>> {
        let few_side = if self.few_is_right() { InputSide::Right } else { InputSide::Left };
        let (many, few) = self.sizes();
        let (call, sides) = (&self.pairs.call, &self.pairs.sides);
        let options = self.texts((0..few).map(|option| self.pair(0, option)), few_side)?;
        let Some(program) = as_choice(call, sides, few_side, &options) else { return Ok(None) };
        let kept = |place: usize| sides.get(place).is_none_or(|side| *side != few_side);
        let physical: Vec<Arc<dyn PhysicalExpr>> =
            call.arguments.iter().enumerate().filter(|(place, _)| kept(*place)).map(|(_, argument)| Arc::clone(argument)).collect();
        let logical = call.bound.arguments.iter().enumerate().filter(|(place, _)| kept(*place)).map(|(_, argument)| argument.clone());
        let bound = BoundCall {
            identity: format!("{}\u{1e}choice\u{1e}{}", call.bound.identity, program.system()).into(),
            arguments: logical.collect(),
            program,
            ..call.bound.clone()
        };
        let choice = SemanticCall { bound, guard: None, value_column: Some("choice#".to_owned()), outcome_column: None };
        let rows = self.rows((0..many).map(|value| self.pair(value, 0)));
        let batch = self.pairs.batch(self.left, self.right, &rows)?;
        let schema = batch.schema();
        let input = MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None)?;
        let planned = PlannedCall::new(&choice, physical, None);
        let added = added_fields(std::slice::from_ref(&choice));
        let operator = SemanticExec::try_new(input, vec![planned], &added, Arc::clone(&self.pairs.left.runtime))?;
        let answers = concat_batches(&operator.schema(), &collect(Arc::new(operator.clone()), Arc::clone(context)).await?)?;
        let answers = answers.column(answers.num_columns() - 1);
        let mut chosen = HashSet::new();
        for value in 0..many {
            match json_value(answers.as_ref(), value)? {
                Value::Null => chosen.extend((0..few).map(|option| self.pair(value, option))),
                answer => chosen.extend(Program::chosen_in(&answer).filter(|option| *option < few).map(|option| self.pair(value, option))),
            }
        }
        Ok(Some(chosen))
    }

    fn rows(&self, pairs: impl Iterator<Item = (u32, u32)>) -> Vec<(u32, Option<u32>)> {
        pairs.filter_map(|(left, right)| Some((self.left.first_row(left)?, Some(self.right.first_row(right)?)))).collect()
    }

    /// The texts of one side's inputs, for each pair.
    fn texts(&self, pairs: impl Iterator<Item = (u32, u32)>, side: InputSide) -> Result<Vec<Vec<String>>> {
        let rows = self.rows(pairs);
        let batch = self.pairs.batch(self.left, self.right, &rows)?;
        let of_side = self.pairs.call.arguments.iter().zip(&self.pairs.sides).filter(|(_, own)| **own == side);
        let columns =
            of_side.map(|(argument, _)| readable(argument.evaluate(&batch)?.into_array(batch.num_rows())?)).collect::<Result<Vec<_>>>()?;
        let cells: Vec<Cells<'_>> = columns.iter().map(Cells::of).collect();
        let text = |cells: &Cells<'_>, row: usize| match cells.value(row)? {
            Value::String(text) => Ok(text),
            Value::Null => Err(exec_datafusion_err!("a value of a join is NULL in one of its inputs")),
            other => Ok(other.to_string()),
        };
        (0..batch.num_rows()).map(|row| cells.iter().map(|cells| text(cells, row)).collect()).collect()
    }

    /// Matches among a sample of the pairs that were not chosen; `None` where there are so many that too few were chosen.
    async fn strays(
        &self,
        chosen: &HashSet<(u32, u32)>,
        wish: Wish,
        draw: &mut Draw,
        context: &Arc<TaskContext>,
    ) -> Result<Option<Vec<(u32, u32)>>> {
        let (many, few) = self.sizes();
        let total = (many as u64).saturating_mul(few as u64);
        let left_out = total.saturating_sub(chosen.len() as u64);
        let mut some: Vec<(u32, u32)> = chosen.iter().copied().collect();
        some.sort_unstable();
        let some: Vec<(u32, u32)> = draw.some_of(some.len(), SAMPLED_CHOSEN as usize).into_iter().map(|place| some[place]).collect();
        let judged = self.pairs.judged(self.left, self.right, &some, context).await?;
        let found = chosen.len() as f64 * share(&judged);
        let wanted = sample_size(left_out, found, wish.recall());
        // so many more as were chosen and will be passed over
        let drawn = wanted.saturating_mul(total) / left_out.max(1) + 1;
        let places = draw.some_of(total as usize, drawn as usize);
        let pairs: Vec<(u32, u32)> =
            places.into_iter().map(|place| self.pair(place / few, place % few)).filter(|pair| !chosen.contains(pair)).collect();
        let judged = self.pairs.judged(self.left, self.right, &pairs, context).await?;
        let missed = left_out as f64 * share(&judged);
        let enough = missed <= 0.0 || found / (found + missed) >= wish.recall();
        let strays = pairs.iter().zip(&judged).filter(|(_, verdict)| **verdict == Verdict::Match).map(|(pair, _)| *pair);
        Ok(enough.then(|| strays.collect()))
    }
}

/// The share of those judged that match.
fn share(judged: &[Verdict]) -> f64 {
    let known = judged.iter().filter_map(|verdict| verdict.matches());
    let (count, matches) = known.fold((0, 0), |(count, matches), one| (count + 1, matches + u32::from(one)));
    f64::from(matches) / f64::from(count.max(1))
}

#[cfg(test)]
mod tests {
    use super::sample_size;

    #[test]
    fn samples_are_large_enough_to_tell() {
        // if more than 52 of a thousand matches were overlooked, three of them would lie in this sample
        assert_eq!(sample_size(9_000, 1_000.0, 0.95), 512);
        assert_eq!(sample_size(39_000, 1_000.0, 0.95), 2_222);
        // few matches would need more than they are worth
        assert_eq!(sample_size(4_788, 12.0, 0.95), 800);
        assert_eq!((sample_size(90, 10.0, 0.95), sample_size(720, 0.0, 0.95)), (90, 720));
        assert_eq!(sample_size(1_000_000, 900_000.0, 0.5), 200);
    }
}
