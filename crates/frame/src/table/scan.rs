//! Files of text as a table of the query engine: one pass on a thread of its own, batch by batch, in the order of the
//! file, and no further than the query goes.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties, ReplaceChildrenOptions,
};

use super::locate::Format;
use super::{TextFile, delimited, json, text};
use crate::error::FrameError;

/// Batches read ahead of the query.
const BATCHES_AHEAD: usize = 2;

/// Files of text with their layout.
#[derive(Debug)]
pub(super) struct FileTable {
    files: Arc<[TextFile]>,
    layout: Layout,
    schema: SchemaRef,
}

#[derive(Debug, Clone)]
enum Layout {
    Delimited(Arc<delimited::Layout>),
    Json(Arc<json::Layout>),
    /// So many files, each a row.
    Text(usize),
}

impl FileTable {
    /// Looks the files through; gives the table and what was read leniently.
    pub(super) fn read(format: Format, files: Vec<TextFile>) -> Result<(FileTable, Vec<String>), FrameError> {
        let (layout, warnings) = match format {
            Format::CommaSeparated | Format::TabSeparated => {
                let (delimiter, told) = delimited::delimiter(format, files.first())?;
                let (layout, mut warnings) = delimited::Layout::of(&files, delimiter)?;
                warnings.extend(told);
                (Layout::Delimited(Arc::new(layout)), warnings)
            }
            Format::Json => (Layout::Json(Arc::new(json::Layout::of(&files)?)), Vec::new()),
            Format::Text => (Layout::Text(files.len()), Vec::new()),
            Format::Parquet | Format::Arrow => return Err(FrameError::table("Parquet and Arrow are not read as text")),
        };
        let schema = layout.schema();
        Ok((FileTable { files: files.into(), layout, schema }, warnings))
    }
}

impl Layout {
    fn schema(&self) -> SchemaRef {
        match self {
            Layout::Delimited(layout) => layout.schema(),
            Layout::Json(layout) => layout.schema(),
            Layout::Text(_) => text::schema(),
        }
    }

    fn rows(&self) -> Option<usize> {
        match self {
            Layout::Delimited(layout) => layout.rows,
            Layout::Json(layout) => Some(layout.rows),
            Layout::Text(files) => Some(*files),
        }
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted: Arc<[usize]> = match projection {
            Some(projection) => projection.as_slice().into(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let schema: SchemaRef = Arc::new(self.schema.project(&wanted)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        // rows come through a channel, which gives way to other tasks by itself
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Arc::new(FileScan {
            files: Arc::clone(&self.files),
            layout: self.layout.clone(),
            wanted,
            limit,
            properties: Arc::new(properties),
        }))
    }
}

/// The reading of some columns of a table of text.
#[derive(Debug, Clone)]
pub(crate) struct FileScan {
    files: Arc<[TextFile]>,
    layout: Layout,
    wanted: Arc<[usize]>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl FileScan {
    /// Whether the number of rows was counted.
    pub(crate) fn is_counted(&self) -> bool {
        self.layout.rows().is_some()
    }

    fn read(&self, mut send: impl FnMut(RecordBatch) -> bool) -> Result<(), FrameError> {
        let schema = self.schema();
        let mut left = self.limit.unwrap_or(usize::MAX);
        let mut emit = |batch: RecordBatch| {
            let batch = if batch.num_rows() > left { batch.slice(0, left) } else { batch };
            left -= batch.num_rows();
            Ok(send(batch) && left > 0)
        };
        if self.limit == Some(0) {
            return Ok(());
        }
        if let Layout::Text(_) = &self.layout {
            return text::read(&self.files, &self.wanted, &schema, emit);
        }
        for file in self.files.iter() {
            let goes_on = match &self.layout {
                Layout::Delimited(layout) => layout.read(file, &self.wanted, &schema, &mut emit)?,
                // the reader fills the columns of its schema; none at all needs a count
                Layout::Json(layout) if self.wanted.is_empty() => {
                    let counted: SchemaRef = Arc::new(Schema::new(layout.schema().fields().iter().take(1).cloned().collect::<Vec<_>>()));
                    layout.read(file, &counted, |batch| {
                        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                        let empty = RecordBatch::try_new_with_options(Arc::clone(&schema), Vec::new(), &options);
                        emit(empty.map_err(|error| FrameError::table(error.to_string()))?)
                    })?
                }
                Layout::Json(layout) => layout.read(file, &schema, &mut emit)?,
                Layout::Text(_) => break,
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }
}

impl DisplayAs for FileScan {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = match &self.files[..] {
            [first, .., last] if self.files.len() > 8 => format!("{} … {} ({} files)", first.shown, last.shown, self.files.len()),
            files => files.iter().map(|file| file.shown.as_str()).collect::<Vec<_>>().join(", "),
        };
        let columns =
            self.properties.equivalence_properties().schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>();
        write!(f, "FileScan: {files}, columns=[{}]", columns.join(", "))?;
        if let Some(limit) = self.limit {
            write!(f, ", limit={limit}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for FileScan {
    fn name(&self) -> &str {
        "FileScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn apply_expressions(&self, _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, _partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut builder = RecordBatchReceiverStream::builder(self.schema(), BATCHES_AHEAD);
        let batches = builder.tx();
        let scan = self.clone();
        builder.spawn_blocking(move || scan.read(|batch| batches.blocking_send(Ok(batch)).is_ok()).map_err(Into::into));
        Ok(builder.build())
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], _arguments: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        // never said to be exact: the file may change before it is read, and count(*) must not be answered by this
        if let Some(rows) = self.layout.rows() {
            statistics.num_rows = Precision::Inexact(self.limit.map_or(rows, |limit| rows.min(limit)));
        }
        Ok(Arc::new(statistics))
    }
}
