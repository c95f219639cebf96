//! The operator at work: rows come in, calls are under way up to the window, rows leave in order as soon as all before
//! them are done. It holds a bounded number of rows and does nothing unless somebody wants the next batch.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::physical_plan::metrics::BaselineMetrics;
use futures::{Stream, StreamExt};

use super::asking::{Asking, Question};
use super::held::{Held, Leaving};
use super::runtime::QueryRuntime;
use super::settled::calls_column;
use super::{Keep, PlannedCall};

/// A batch of this size leaves at once, though more rows may be ready soon.
const FULL_BATCH_ROWS: usize = 1_024;
/// So many rows leave when the operator would otherwise wait; the first ones leave sooner.
const WORTH_SENDING_ROWS: usize = 64;
/// The fewest rows that enter at first when a limit above may be satisfied soon.
const SMALLEST_LOOK_AHEAD_ROWS: usize = 8;
/// How many rows enter at first for each row that is wanted.
const LOOK_AHEAD_PER_WANTED_ROW: usize = 4;

/// What the stream is given by its plan.
pub(super) struct StreamPlan {
    pub(super) calls: Vec<PlannedCall>,
    /// The schema of the rows before they are filtered.
    pub(super) wide_schema: SchemaRef,
    pub(super) schema: SchemaRef,
    pub(super) keep: Option<Keep>,
    pub(super) fetch: Option<usize>,
    /// The number of rows somebody above wants, if that is known and rows may be rejected on the way.
    pub(super) wanted_rows: Option<usize>,
    /// Whether the last column lists the calls behind each row.
    pub(super) tells: bool,
}

pub(super) struct AnswerStream {
    plan: StreamPlan,
    runtime: Arc<QueryRuntime>,
    input: Option<SendableRecordBatchStream>,
    held: Held,
    asking: Asking,
    look_ahead: Option<LookAhead>,
    rows_sent: usize,
    /// Rows that have left, before they were filtered.
    rows_left: usize,
    finished: bool,
    metrics: BaselineMetrics,
}

/// Lets rows enter in rounds that double, so that a limit is met without asking about everything.
struct LookAhead {
    round: usize,
    may_enter: usize,
}

impl AnswerStream {
    pub(super) fn new(
        plan: StreamPlan,
        runtime: Arc<QueryRuntime>,
        input: SendableRecordBatchStream,
        metrics: BaselineMetrics,
    ) -> AnswerStream {
        let questions = plan.calls.iter().map(|call| Question::new(call, &runtime)).collect();
        let look_ahead = plan.wanted_rows.map(|wanted| {
            let round = wanted.saturating_mul(LOOK_AHEAD_PER_WANTED_ROW).max(SMALLEST_LOOK_AHEAD_ROWS);
            LookAhead { round, may_enter: round }
        });
        AnswerStream {
            asking: Asking::new(Arc::clone(&runtime), questions),
            plan,
            runtime,
            input: Some(input),
            held: Held::default(),
            look_ahead,
            rows_sent: 0,
            rows_left: 0,
            finished: false,
            metrics,
        }
    }

    fn next_batch(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        loop {
            if self.finished {
                return Poll::Ready(None);
            }
            self.fill(context)?;
            // what was started above has to be polled once, or nobody would be woken when it ends
            if self.collect_landings(context)? {
                continue;
            }
            let (ready, completes_batch) = self.held.ready();
            if ready >= FULL_BATCH_ROWS || completes_batch {
                if let Some(batch) = self.send()? {
                    return Poll::Ready(Some(Ok(batch)));
                }
                continue;
            }
            if self.input.is_none() && self.held.rows() == 0 {
                self.finish();
                return Poll::Ready(None);
            }
            if ready >= self.worth_sending() || (ready > 0 && self.round_is_over()) {
                if let Some(batch) = self.send()? {
                    return Poll::Ready(Some(Ok(batch)));
                }
                continue;
            }
            if ready == 0 && self.round_is_over() && self.open_next_round() {
                continue;
            }
            return Poll::Pending;
        }
    }

    /// Takes in the calls that ended; tells whether there were any.
    fn collect_landings(&mut self, context: &mut Context<'_>) -> Result<bool> {
        let mut any = false;
        while let Poll::Ready(Some(landing)) = self.asking.poll_landing(context) {
            self.held.land(landing?);
            any = true;
        }
        Ok(any)
    }

    /// Lets rows enter until there is no room or no row.
    fn fill(&mut self, context: &mut Context<'_>) -> Result<()> {
        loop {
            self.enter()?;
            if self.held.rows_not_entered() > 0
                || !self.has_room_for_batch()
                || self.look_ahead.as_ref().is_some_and(|ahead| ahead.may_enter == 0)
            {
                return Ok(());
            }
            let Some(input) = &mut self.input else { return Ok(()) };
            match input.poll_next_unpin(context) {
                Poll::Ready(Some(batch)) => {
                    let batch = batch?;
                    self.runtime.progress.entered(batch.num_rows() as u64);
                    self.held.push(batch, &self.plan.calls)?;
                }
                Poll::Ready(None) => self.input = None,
                Poll::Pending => return Ok(()),
            }
        }
    }

    fn enter(&mut self) -> Result<()> {
        let window = self.runtime.ask.window().max(1);
        let may_enter = self.look_ahead.as_ref().map_or(usize::MAX, |ahead| ahead.may_enter);
        let entered = self.held.enter(&mut self.asking, |asking, entered| asking.in_flight() < window && entered < may_enter)?;
        if let Some(ahead) = &mut self.look_ahead {
            ahead.may_enter -= entered;
        }
        Ok(())
    }

    fn has_room_for_batch(&self) -> bool {
        let limits = &self.runtime.limits;
        let most_rows = limits.held_rows.max(self.runtime.ask.window().saturating_mul(4));
        self.held.rows() < most_rows && self.held.bytes() < limits.held_bytes
    }

    /// The first rows leave one by one, so that a preview is quick; later ones in batches worth handling.
    fn worth_sending(&self) -> usize {
        (self.rows_left + 1).min(WORTH_SENDING_ROWS)
    }

    /// Whether every row that was allowed to enter has its answers.
    fn round_is_over(&mut self) -> bool {
        self.look_ahead.as_ref().is_some_and(|ahead| ahead.may_enter == 0) && self.asking.in_flight() == 0
    }

    fn open_next_round(&mut self) -> bool {
        match &mut self.look_ahead {
            Some(ahead) => {
                ahead.round = ahead.round.saturating_mul(2);
                ahead.may_enter = ahead.round;
                true
            }
            None => false,
        }
    }

    /// The ready rows with their new columns, filtered; `None` when the filter leaves none.
    fn send(&mut self) -> Result<Option<RecordBatch>> {
        let AnswerStream { plan, held, .. } = self;
        let Some(wide) = held.leave(|leaving| widen(plan, leaving))? else { return Ok(None) };
        self.rows_left += wide.num_rows();
        self.runtime.progress.left(wide.num_rows() as u64);
        let mut batch = match &plan.keep {
            Some(keep) => keep.apply(&wide, &plan.schema)?,
            None => wide,
        };
        if let Some(fetch) = plan.fetch {
            let wanted = fetch - self.rows_sent.min(fetch);
            if batch.num_rows() >= wanted {
                batch = batch.slice(0, wanted);
                self.finish();
            }
        }
        self.rows_sent += batch.num_rows();
        Ok((batch.num_rows() > 0).then_some(batch))
    }

    /// Nothing more is read or asked.
    fn finish(&mut self) {
        self.finished = true;
        self.input = None;
        self.asking.stop();
    }
}

/// Adds the columns of the calls to the rows.
fn widen(plan: &StreamPlan, leaving: Leaving<'_>) -> Result<RecordBatch> {
    let rows = leaving.rows.num_rows();
    let mut columns = leaving.rows.columns().to_vec();
    for (call, slots) in plan.calls.iter().zip(&leaving.slots) {
        call.append_columns(slots, &mut columns)?;
    }
    if plan.tells {
        columns.push(calls_column(rows, &leaving.slots));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(&plan.wide_schema), columns, &options)?)
}

impl Keep {
    fn apply(&self, wide: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        let kept = self.predicate.evaluate(wide)?.into_array(wide.num_rows())?;
        let kept = filter_record_batch(wide, kept.as_boolean())?;
        let options = RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
        let columns = match &self.projection {
            Some(projection) => projection.iter().map(|index| Arc::clone(kept.column(*index))).collect(),
            None => kept.columns().to_vec(),
        };
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
    }
}

impl Stream for AnswerStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let polled = this.next_batch(context);
        if let Poll::Ready(Some(Err(_))) = &polled {
            this.finish();
        }
        this.metrics.record_poll(polled)
    }
}

impl RecordBatchStream for AnswerStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.plan.schema)
    }
}
