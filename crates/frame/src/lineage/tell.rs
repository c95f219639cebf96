//! Where rows leave a query: the column of their calls is taken off and told to the ledger, some thousand rows at a time.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use corsac_ledger::ResultRow;
use datafusion::common::Result;

use super::list::CallList;
use crate::execute::QueryRuntime;

/// Rows told at once.
const ROWS_AT_ONCE: usize = 4_096;

/// What has still to be told of the rows that left. The rest is told when it is dropped.
pub(crate) struct Telling {
    runtime: Arc<QueryRuntime>,
    schema: SchemaRef,
    rows: Vec<ResultRow>,
}

impl Telling {
    /// Of rows with the column of calls as their last one.
    pub(crate) fn new(runtime: Arc<QueryRuntime>, carrying: &Schema) -> Telling {
        Telling { runtime, schema: without_calls(carrying), rows: Vec::new() }
    }

    /// The columns that rows leave with.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The rows without the column.
    pub(crate) fn take(&mut self, mut batch: RecordBatch) -> Result<RecordBatch> {
        let calls = batch.remove_column(batch.num_columns() - 1);
        let cells = calls.as_binary::<i32>();
        for row in 0..cells.len() {
            let mut list = CallList::default();
            if cells.is_valid(row) {
                list.take_in(cells.value(row));
            }
            self.rows.push(list.into_row());
        }
        if self.rows.len() >= ROWS_AT_ONCE {
            self.tell();
        }
        Ok(batch.with_schema(Arc::clone(&self.schema))?)
    }

    fn tell(&mut self) {
        self.rows.chunks(ROWS_AT_ONCE).for_each(|rows| self.runtime.ask.note_results(&self.runtime.run, rows));
        self.rows.clear();
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.tell();
    }
}

/// The schema without its last column.
fn without_calls(carrying: &Schema) -> SchemaRef {
    let kept: Vec<_> = carrying.fields().iter().take(carrying.fields().len().saturating_sub(1)).cloned().collect();
    Arc::new(Schema::new_with_metadata(kept, carrying.metadata().clone()))
}
