//! What a frame comes to: its query, its rows, its price.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::functions_aggregate::count::count_all;
use datafusion::logical_expr::Expr;
use futures::TryStreamExt;

use super::DataFrame;
use crate::bind::bind;
use crate::catalog::{Destination, Keep, Made, Place};
use crate::error::FrameError;
use crate::estimate::OperatorEstimate;
use crate::query::Query;
use crate::rewrite::call_in;
use crate::text::check_template;
use crate::write::{Existing, Format, Target, Written, write};

impl DataFrame {
    /// The query behind the frame: to be priced, explained, watched and run. Whatever is wrong with a semantic call is found
    /// here, before anything is asked.
    ///
    /// # Errors
    /// [`FrameError::Query`], with what to change.
    pub async fn plan(&self) -> Result<Query, FrameError> {
        self.core.query(self.plan.clone()).await
    }

    /// Looks at the semantic calls of an expression: their templates, labels, schemas, examples and settings; and at the
    /// templates of `text_render`. [`DataFrame::plan`] finds the same; this is for those who want to know where a call is written.
    ///
    /// # Errors
    /// [`FrameError::Query`], with what to change.
    pub fn check(expression: &Expr) -> Result<(), FrameError> {
        let options = Arc::new(ConfigOptions::default());
        let looked_at = expression.apply(|inner| {
            if let Some((operator, arguments)) = call_in(inner) {
                bind(operator, arguments, &options)?;
            }
            check_template(inner)?;
            Ok(TreeNodeRecursion::Continue)
        });
        looked_at.map(drop).map_err(FrameError::from_planning)
    }

    /// The plan as text, first as what is asked and then as what is run.
    ///
    /// # Errors
    /// As [`DataFrame::plan`].
    pub async fn explain(&self) -> Result<String, FrameError> {
        Ok(self.plan().await?.explain())
    }

    /// What each call will ask, as far as it can be known before it runs. Nothing is asked.
    ///
    /// # Errors
    /// As [`DataFrame::plan`], and [`FrameError::Execution`] when the first rows cannot be read.
    pub async fn estimate(&self) -> Result<Vec<OperatorEstimate>, FrameError> {
        self.plan().await?.estimate().await
    }

    /// The rows, in order, while they come in. Dropping the stream stops everything that is under way.
    ///
    /// # Errors
    /// As [`DataFrame::plan`], and [`FrameError::Execution`] when the plan cannot be started.
    pub async fn stream(&self) -> Result<SendableRecordBatchStream, FrameError> {
        self.plan().await?.stream().await
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`DataFrame::plan`], and whatever the query fails with.
    pub async fn collect(&self) -> Result<Vec<RecordBatch>, FrameError> {
        self.stream().await?.try_collect().await.map_err(FrameError::from_execution)
    }

    /// How many rows there are. Calls whose values nobody reads are not asked for that.
    ///
    /// # Errors
    /// As [`DataFrame::collect`].
    pub async fn count(&self) -> Result<u64, FrameError> {
        let counted = self.clone().aggregate([count_all().alias("rows")])?.collect().await?;
        let rows = counted.first().and_then(|batch| batch.columns().first()?.as_primitive_opt::<Int64Type>());
        match rows.filter(|rows| rows.len() == 1) {
            Some(rows) => Ok(rows.value(0).unsigned_abs()),
            None => Err(FrameError::Execution { message: "the rows could not be counted".to_owned() }),
        }
    }

    /// Writes the rows into a file, whose ending tells the format. It takes the place of one that is there when all rows are
    /// written, and not before.
    ///
    /// # Errors
    /// As [`DataFrame::collect`], and [`FrameError::Write`].
    pub async fn write(&self, path: impl AsRef<Path>) -> Result<Written, FrameError> {
        self.write_into(path, Existing::Replace).await
    }

    /// Writes the rows into a file, and says what becomes of one that is there.
    ///
    /// # Errors
    /// As [`DataFrame::collect`], and [`FrameError::Write`].
    pub async fn write_into(&self, path: impl AsRef<Path>, existing: Existing) -> Result<Written, FrameError> {
        let path = path.as_ref().to_owned();
        let Some(format) = Format::of_path(&path) else {
            let message = format!("the ending tells no format: {} are known", Format::NAMES);
            return Err(FrameError::Write { path, message });
        };
        if existing == Existing::Refuse && path.exists() {
            return Err(FrameError::Write { path, message: "it is there already, and was to be a new file".to_owned() });
        }
        self.write_as(format, Target::Place { path, existing }).await
    }

    /// Writes the rows in a format, into a file or a stream.
    ///
    /// # Errors
    /// As [`DataFrame::collect`], [`FrameError::Write`] for a file and [`FrameError::Output`] for a stream.
    pub async fn write_as(&self, format: Format, target: Target) -> Result<Written, FrameError> {
        write(self.stream().await?, format, target).await
    }

    /// The rows as a table that persists in the session's catalog, planned: nothing is asked before it is run.
    ///
    /// # Errors
    /// As [`DataFrame::plan`], and [`FrameError::Table`] when the name is taken and `replace` is not said.
    pub async fn keep_as_table(&self, name: &str, replace: bool) -> Result<Keep, FrameError> {
        let made = Made { name: name.to_owned(), or_replace: replace, ..Made::default() };
        let catalog = self.core.tables.catalog().clone();
        let what = crate::catalog::What::Table { folder: String::new(), parts: Vec::new() };
        crate::catalog::may_make(catalog.entries()?.get(name), &made, &what)?;
        Ok(Keep { query: self.plan().await?, destination: Destination { place: Place::NewTable { catalog, made } } })
    }
}
