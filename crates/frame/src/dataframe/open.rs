//! Where frames come from: tables, files, rows in memory, SQL.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::{MemTable, ViewTable, provider_as_source};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};

use super::{DataFrame, Framed, IntoExpr};
use crate::catalog;
use crate::error::{FrameError, nearest};
use crate::names;
use crate::session::Session;
use crate::table::Readable;

impl Session {
    /// A table of the session or the catalog, a view, or a file.
    ///
    /// # Errors
    /// [`FrameError::Query`] when there is none, [`FrameError::Table`] when it cannot be read.
    pub async fn table(&self, name: &str) -> Framed {
        let reference = TableReference::bare(name);
        self.core.tables.make_ready(std::slice::from_ref(&reference), &mut Vec::new()).await?;
        let provider = self.core.context.table_provider(reference).await.map_err(|_| self.core.tables.missing(name))?;
        self.scan(name, provider)
    }

    /// A file, a pattern such as `reviews/*.csv`, or a folder. CSV, TSV, JSON lines, JSON, Parquet, Arrow IPC and texts are known by the
    /// ending.
    ///
    /// # Errors
    /// [`FrameError::Table`] when there is no such file, its format is not known, or a line of it cannot be read.
    pub async fn read(&self, source: &str) -> Framed {
        let provider = self.core.tables.open(source, None).await?;
        self.scan(source, provider)
    }

    /// Files of comma-separated values, whatever their endings are.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub async fn read_csv(&self, source: &str) -> Framed {
        self.read_as(source, Readable::CommaSeparated).await
    }

    /// Files of JSON: an object a line, one array, or objects one after the other; whatever their endings are.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub async fn read_json(&self, source: &str) -> Framed {
        self.read_as(source, Readable::Json).await
    }

    /// Parquet files, whatever their endings are.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub async fn read_parquet(&self, source: &str) -> Framed {
        self.read_as(source, Readable::Parquet).await
    }

    /// Arrow IPC files, whatever their endings are.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub async fn read_arrow(&self, source: &str) -> Framed {
        self.read_as(source, Readable::Arrow).await
    }

    /// Files as texts, a row for each, whatever their endings are.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub async fn read_text(&self, source: &str) -> Framed {
        self.read_as(source, Readable::Text).await
    }

    async fn read_as(&self, source: &str, format: Readable) -> Framed {
        let provider = self.core.tables.open(source, Some(format)).await?;
        self.scan(source, provider)
    }

    /// Rows in memory, all of these columns.
    ///
    /// # Errors
    /// [`FrameError::Query`] when a batch has other columns.
    pub fn from_batches(&self, schema: SchemaRef, batches: Vec<RecordBatch>) -> Framed {
        let provider = MemTable::try_new(schema, vec![batches]).map_err(FrameError::from_planning)?;
        self.scan("rows", Arc::new(provider))
    }

    /// Anything that the query engine can scan.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn from_provider(&self, table: Arc<dyn TableProvider>) -> Framed {
        self.scan("rows", table)
    }

    /// The rows of a query. Statements that change something are read by [`Session::statement`].
    ///
    /// # Errors
    /// [`FrameError::Query`] and [`FrameError::Table`], with what to change.
    pub async fn sql(&self, query: &str) -> Framed {
        let (_, _, plan) = self.rows_of(catalog::parse(query)?).await?;
        Ok(DataFrame::new(Arc::clone(&self.core), plan))
    }

    /// Gives a frame a name that SQL can use, as long as the session lasts. It stands for its plan: nothing is run.
    ///
    /// # Errors
    /// [`FrameError::Query`] when the name cannot be used.
    pub fn register_frame(&self, name: &str, frame: &DataFrame) -> Result<(), FrameError> {
        let reference = TableReference::bare(name);
        // a name given again stands for the new frame
        self.core.context.deregister_table(reference.clone()).map_err(FrameError::from_planning)?;
        let view = Arc::new(ViewTable::new(frame.logical_plan().clone(), None));
        self.core.context.register_table(reference, view).map_err(FrameError::from_planning)?;
        Ok(())
    }

    /// A call of any function that SQL knows, by its name: Corsac's own on text, JSON and markdown, the engine's, and
    /// those that were registered.
    ///
    /// # Errors
    /// [`FrameError::Query`] when there is no such function.
    pub fn function(&self, name: &str, arguments: impl IntoIterator<Item = impl IntoExpr>) -> Result<Expr, FrameError> {
        let arguments: Vec<Expr> = arguments.into_iter().map(IntoExpr::into_expr).collect();
        let state = self.core.context.state_ref();
        let state = state.read();
        if let Some(function) = state.scalar_functions().get(name) {
            return Ok(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), arguments)));
        }
        if let Some(function) = state.aggregate_functions().get(name) {
            return Ok(Expr::AggregateFunction(AggregateFunction::new_udf(Arc::clone(function), arguments, false, None, Vec::new(), None)));
        }
        let known = state.scalar_functions().keys().chain(state.aggregate_functions().keys());
        let hint = nearest(name, known.map(String::as_str)).map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
        Err(FrameError::query(format!("there is no function {name}.{hint}")))
    }

    fn scan(&self, name: &str, provider: Arc<dyn TableProvider>) -> Framed {
        let scan = LogicalPlanBuilder::scan(TableReference::bare(name), provider_as_source(provider), None);
        let plan = scan.and_then(LogicalPlanBuilder::build).map_err(FrameError::from_planning)?;
        Ok(DataFrame::new(Arc::clone(&self.core), plan))
    }
}

impl DataFrame {
    /// An expression of SQL over the columns of this frame, such as `upper(text) || '!'`.
    ///
    /// # Errors
    /// [`FrameError::Query`], with what to change.
    pub fn expr(&self, sql: &str) -> Result<Expr, FrameError> {
        let written = names::expression(sql, self.plan.schema(), &self.core.context).map_err(FrameError::from_planning)?;
        let state = self.core.context.state();
        state.create_logical_expr_from_sql_expr(written, self.plan.schema()).map_err(FrameError::from_planning)
    }
}
