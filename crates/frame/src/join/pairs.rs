//! The operator that gives a semantic join its pairs: all of them, or those whose vectors lie near enough. Both sides are
//! held; pairs are made one row of the left side after the other, as they are wanted, and never held.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, prep_null_mask_filter, take_arrays};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use corsac_wire::Usd;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, apply_expression_roots};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, InputDistributionRequirements, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::{TryStreamExt, stream};

use super::calibrate::{Calibrated, Calibration};
use super::draw::Draw;
use super::nearness::Nearness;
use super::pick::{InputSide, Picked, Picking, as_choice};
use super::side::{PlannedSide, Side, SideVectors};
use super::way::{Choice, Circumstances, Prices, Way, choose};
use super::{Metric, Wish};
use crate::execute::{PlannedCall, SemanticExec};

/// The column that is true where the pairs of a row of the left side are over.
pub(crate) const END_COLUMN: &str = "pairs_end#";
/// Pairs in one batch; small, so that a limit is met without making many that nobody asks about.
const BATCH_PAIRS: usize = 256;
/// Pairs that are looked at without a question, to know how many other conditions leave; and in one batch.
const COUNTED_PAIRS: usize = 1_000_000;
const COUNTED_AT_ONCE: usize = 16_384;
/// Bytes of a token, roughly.
const TOKEN_BYTES: u64 = 4;

/// Pairs of rows worth asking about.
#[derive(Debug, Clone)]
pub(crate) struct PairsExec {
    pub(crate) left: PlannedSide,
    pub(crate) right: PlannedSide,
    /// The question about a pair, for the samples.
    pub(crate) call: PlannedCall,
    pub(crate) added: Arc<Schema>,
    /// What else a pair has to satisfy.
    pub(crate) condition: Option<Arc<dyn PhysicalExpr>>,
    /// Whether a row follows the pairs of each row of the left side.
    pub(crate) ends: bool,
    /// The side each input of the question is read from.
    pub(crate) sides: Vec<InputSide>,
    wish: Wish,
    /// What is known before anything is read.
    choice: Option<Choice>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl PairsExec {
    #[expect(clippy::too_many_arguments, reason = "each is a part of the join that is planned elsewhere")]
    pub(crate) fn new(
        left: PlannedSide,
        right: PlannedSide,
        call: PlannedCall,
        added: Schema,
        condition: Option<Arc<dyn PhysicalExpr>>,
        ends: bool,
        wish: Wish,
        sides: Vec<InputSide>,
    ) -> PairsExec {
        let of_left = left.input.schema();
        let of_right = right.input.schema();
        let mut fields: Vec<_> = of_left.fields().to_vec();
        // after the last pair of a row there is nothing on the right
        fields.extend(of_right.fields().iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(ends || field.is_nullable()))));
        if ends {
            fields.push(Arc::new(Field::new(END_COLUMN, DataType::Boolean, false)));
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let mut pairs = PairsExec {
            left,
            right,
            call,
            added: Arc::new(added),
            condition,
            ends,
            sides,
            wish,
            choice: None,
            schema,
            properties: Arc::new(properties),
        };
        let rows = |side: &PlannedSide| crate::estimate::rows_of(&side.input).map(|count| count as u64);
        pairs.choice = rows(&pairs.left).zip(rows(&pairs.right)).map(|(left, right)| {
            let known = pairs.circumstances((left, USUAL_TOKENS), (right, USUAL_TOKENS));
            choose(&known, wish.way)
        });
        pairs
    }

    pub(super) fn wish(&self) -> Wish {
        self.wish
    }

    pub(super) fn circumstances(&self, left: (u64, u64), right: (u64, u64)) -> Circumstances {
        let program = self.call.program();
        Circumstances {
            left: left.0,
            right: right.0,
            pairs: None,
            left_tokens: left.1,
            right_tokens: right.1,
            question_tokens: (program.system().len() as u64).div_ceil(TOKEN_BYTES) + QUESTION_TOKENS,
            prices: self.prices(),
            embeddings: true,
            choices: self.can_choose(right.0 <= left.0),
            recall: self.wish.recall(),
        }
    }

    /// What a million tokens cost of the model that decides, and of the one that embeds.
    fn prices(&self) -> Option<Prices> {
        let runtime = &self.left.runtime;
        let asked = runtime.ask.pricing(&runtime.settings_of(&self.call.bound), false)?;
        let embedded = runtime.ask.pricing(&runtime.settings_of(&self.left.embed.bound), true)?;
        let million = |price: Usd| price.times(1_000_000);
        Some(Prices { input: million(asked.prompt?), output: million(asked.completion?), embedding: million(embedded.prompt?) })
    }

    /// Whether the question can be put about one value of a side, with those of the other to choose from.
    fn can_choose(&self, few_is_right: bool) -> bool {
        let few = if few_is_right { InputSide::Right } else { InputSide::Left };
        let option = vec!["option".to_owned(); self.sides.iter().filter(|side| **side == few).count()];
        as_choice(&self.call, &self.sides, few, &[option]).is_some()
    }

    /// The operators that embed both sides, if that is what will be done.
    pub(crate) fn embedding(&self) -> Vec<SemanticExec> {
        let embeds = match &self.choice {
            Some(choice) => choice.expected.way == Way::Embedding,
            None => self.wish.way != Some(Way::Cross),
        };
        let sides = [&self.left, &self.right].into_iter().filter(|_| embeds);
        sides.filter_map(|side| side.operator().ok().flatten()).collect()
    }

    async fn start(self, context: Arc<TaskContext>) -> Result<Emitter> {
        let sides = futures::try_join!(self.left.collect(Arc::clone(&context)), self.right.collect(Arc::clone(&context)))?;
        let (left, right) = (Arc::new(sides.0), Arc::new(sides.1));
        let size = |side: &Side| (side.values() as u64, side.mean_bytes().div_ceil(TOKEN_BYTES));
        let known = Circumstances { pairs: self.fitting(&left, &right)?, ..self.circumstances(size(&left), size(&right)) };
        let choice = choose(&known, self.wish.way);
        let pick = match choice.expected.way {
            Way::Embedding => {
                let vectors =
                    futures::try_join!(self.left.vectors(&left, Arc::clone(&context)), self.right.vectors(&right, Arc::clone(&context)))?;
                let (of_left, of_right) = SideVectors::prepared(vectors.0, vectors.1, Metric::Cosine)?;
                let mut draw = Draw::new(self.wish.seed);
                let nearness = Nearness::new(of_left, of_right, &mut draw);
                let calibration = Calibration { pairs: &self, left: &left, right: &right, nearness: &nearness };
                let found = calibration.run(self.wish, &mut draw, context).await?;
                Pick::Near { nearness: Box::new(nearness), found }
            }
            Way::Classify => {
                let picking = Picking { pairs: &self, left: &left, right: &right };
                match picking.run(self.wish, &context).await? {
                    Some(picked) => Pick::Chosen(picked),
                    // too much was overlooked: every pair finds every match
                    None => Pick::all(&right),
                }
            }
            Way::Cross => Pick::all(&right),
        };
        Ok(Emitter { pairs: self, left, right, pick, next_row: 0, waiting: Vec::new(), taken: 0, scratch: Vec::new() })
    }

    /// The rows of pairs; a pair without a right row is the end of its left row.
    pub(super) fn batch(&self, left: &Side, right: &Side, pairs: &[(u32, Option<u32>)]) -> Result<RecordBatch> {
        let lefts = UInt32Array::from_iter_values(pairs.iter().map(|(left, _)| *left));
        let rights = UInt32Array::from_iter(pairs.iter().map(|(_, right)| *right));
        let mut columns: Vec<ArrayRef> = take_arrays(left.rows.columns(), &lefts, None)?;
        columns.extend(take_arrays(right.rows.columns(), &rights, None)?);
        if self.ends {
            columns.push(Arc::new(BooleanArray::from_iter(pairs.iter().map(|(_, right)| Some(right.is_none())))));
        }
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(pairs.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    /// How many pairs of rows the condition leaves, where there is one and counting them takes no time.
    fn fitting(&self, left: &Side, right: &Side) -> Result<Option<u64>> {
        let with_value = |side: &Side| (0..side.rows.num_rows() as u32).filter(|row| side.has_value(*row)).collect::<Vec<u32>>();
        let (lefts, rights) = (with_value(left), with_value(right));
        if self.condition.is_none() || lefts.len().saturating_mul(rights.len()) > COUNTED_PAIRS {
            return Ok(None);
        }
        let mut fitting = 0;
        for lefts in lefts.chunks((COUNTED_AT_ONCE / rights.len().max(1)).max(1)) {
            let pairs: Vec<(u32, Option<u32>)> = lefts.iter().flat_map(|left| rights.iter().map(|right| (*left, Some(*right)))).collect();
            fitting += self.satisfied(&self.batch(left, right, &pairs)?)?.map_or(pairs.len(), |fit| fit.true_count());
        }
        Ok(Some(fitting as u64))
    }

    /// Which rows satisfy the condition.
    pub(super) fn satisfied(&self, batch: &RecordBatch) -> Result<Option<BooleanArray>> {
        let Some(condition) = &self.condition else { return Ok(None) };
        let holds = condition.evaluate(batch)?.into_array(batch.num_rows())?;
        let holds = holds.as_boolean();
        Ok(Some(if holds.null_count() > 0 { prep_null_mask_filter(holds) } else { holds.clone() }))
    }
}

/// Tokens of a value and of a template before they are counted.
pub(super) const USUAL_TOKENS: u64 = 50;
const QUESTION_TOKENS: u64 = 20;

impl Side {
    fn has_value(&self, row: u32) -> bool {
        self.value_of.get(row as usize).is_some_and(Option::is_some)
    }
}

/// Which pairs are made.
enum Pick {
    /// All with these rows of the right side.
    All(Vec<u32>),
    /// Those of these values of the right side, by the value of the left one.
    Chosen(Picked),
    /// Those that lie near enough, and those that the samples found to match though they lie farther away. Pairs of the samples
    /// that do not match are left out: nobody asks about them again.
    Near { nearness: Box<Nearness>, found: Calibrated },
}

impl Pick {
    fn all(right: &Side) -> Pick {
        Pick::All((0..right.rows.num_rows() as u32).filter(|row| right.has_value(*row)).collect())
    }
}

/// Makes pairs as they are wanted.
struct Emitter {
    pairs: PairsExec,
    left: Arc<Side>,
    right: Arc<Side>,
    pick: Pick,
    next_row: usize,
    /// The pairs of the rows begun, and how many of them have gone.
    waiting: Vec<(u32, Option<u32>)>,
    taken: usize,
    scratch: Vec<f32>,
}

impl Emitter {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            while self.waiting.len() - self.taken < BATCH_PAIRS && self.next_row < self.left.rows.num_rows() {
                self.waiting.drain(..self.taken);
                self.taken = 0;
                self.begin_row();
            }
            let until = self.waiting.len().min(self.taken + BATCH_PAIRS);
            if until == self.taken {
                return Ok(None);
            }
            let batch = self.pairs.batch(&self.left, &self.right, &self.waiting[self.taken..until])?;
            self.taken = until;
            let batch = match self.pairs.satisfied(&batch)? {
                Some(holds) => {
                    let holds = match self.pairs.ends {
                        true => arrow::compute::or(&holds, batch.column(batch.num_columns() - 1).as_boolean())?,
                        false => holds,
                    };
                    filter_record_batch(&batch, &holds)?
                }
                None => batch,
            };
            if batch.num_rows() > 0 {
                return Ok(Some(batch));
            }
        }
    }

    fn begin_row(&mut self) {
        let row = self.next_row as u32;
        self.next_row += 1;
        if let Some(value) = self.left.value_of.get(row as usize).copied().flatten() {
            match &self.pick {
                Pick::All(rights) => self.waiting.extend(rights.iter().map(|right| (row, Some(*right)))),
                Pick::Chosen(picked) => {
                    let rights = picked.get(&value).into_iter().flatten();
                    let mut rows: Vec<u32> = rights.flat_map(|value| &self.right.rows_of[*value as usize]).copied().collect();
                    rows.sort_unstable();
                    self.waiting.extend(rows.into_iter().map(|right| (row, Some(right))));
                }
                Pick::Near { nearness, found } => {
                    let mut rights: Vec<u32> = Vec::new();
                    let known = found.known.get(&value);
                    if let Some(vector) = nearness.of_left.vector_of.get(value as usize).copied().flatten() {
                        nearness.of_row(vector as usize, &mut self.scratch);
                        let near = self.scratch.iter().zip(&nearness.of_right.value_of);
                        let near = near.filter(|(near, _)| found.least.is_none_or(|least| **near >= least)).map(|(_, value)| *value);
                        rights.extend(near.filter(|right| known.is_none_or(|known| !known.contains_key(right))));
                    }
                    rights.extend(known.into_iter().flatten().filter(|(_, matches)| **matches).map(|(right, _)| *right));
                    let mut rows: Vec<u32> = rights.iter().flat_map(|value| &self.right.rows_of[*value as usize]).copied().collect();
                    rows.sort_unstable();
                    self.waiting.extend(rows.into_iter().map(|right| (row, Some(right))));
                }
            }
        }
        if self.pairs.ends {
            self.waiting.push((row, None));
        }
    }
}

impl DisplayAs for PairsExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = (&self.left.key, &self.right.key);
        match &self.choice {
            Some(Choice { expected, why }) => {
                write!(f, "PairsExec: {} ({why}), questions≤{}", expected.way.name(), super::way::shown(expected.questions))?;
                if expected.way == Way::Classify {
                    write!(f, ", choices={}, recall={}", super::way::shown(expected.choices), self.wish.recall())?;
                }
                if expected.way == Way::Embedding {
                    write!(f, ", texts={}, recall={}, by=[{}, {}]", super::way::shown(expected.texts), self.wish.recall(), keys.0, keys.1)?;
                }
            }
            None => match self.wish.way {
                Some(way) => write!(f, "PairsExec: {} (asked for)", way.name())?,
                None => {
                    write!(f, "PairsExec: chosen when the rows are counted, recall={}, by=[{}, {}]", self.wish.recall(), keys.0, keys.1)?
                }
            },
        }
        match &self.condition {
            Some(condition) => write!(f, ", condition={condition}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for PairsExec {
    fn name(&self) -> &str {
        "PairsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition, Distribution::SinglePartition])
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false, false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false, false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left.input, &self.right.input]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([left, right]) = <[Arc<dyn ExecutionPlan>; 2]>::try_from(children) else {
            return internal_err!("PairsExec has two inputs");
        };
        let mut pairs = (*self).clone();
        pairs.left.input = left;
        pairs.right.input = right;
        Ok(Arc::new(pairs))
    }

    fn apply_expressions(&self, f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        apply_expression_roots([&self.left.key, &self.right.key], f)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("PairsExec has one partition, not {partition}");
        }
        let pairs = self.clone();
        let batches = stream::once(pairs.start(context))
            .map_ok(|emitter| stream::try_unfold(emitter, |mut emitter| async move { Ok(emitter.next()?.map(|batch| (batch, emitter))) }));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches.try_flatten())))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition), ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], _arguments: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if let Some(choice) = &self.choice {
            statistics.num_rows = Precision::Inexact(usize::try_from(choice.expected.questions).unwrap_or(usize::MAX));
        }
        Ok(Arc::new(statistics))
    }
}
