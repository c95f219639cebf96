//! A lazy table: verbs over expressions build a plan, which asks nothing before it is run. A verb makes what the same SQL
//! makes, so that planning, prices, progress and lineage are the same for both.

mod aggregate;
mod columns;
mod join;
mod open;
mod run;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::{Column, UnnestOptions};
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::utils::find_window_exprs;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

pub use aggregate::Grouped;
pub use columns::{IntoExpr, IntoSort, asc, col, desc, ident};
pub use join::{Clusters, Metric};

use crate::error::FrameError;
use crate::names;
use crate::session_core::Core;

/// A lazy table of a session. It is cheap to clone, and what one verb makes is a new one.
///
/// Expressions are DataFusion's, with [semantic calls](crate::semantic) anywhere inside.
///
/// # Errors
/// Each verb gives [`FrameError::Query`] for what it can tell at once, such as a column that is not there. What is wrong with
/// a semantic call is told by [`DataFrame::plan`]. Neither asks anything.
#[derive(Clone)]
pub struct DataFrame {
    core: Arc<Core>,
    plan: LogicalPlan,
}

impl fmt::Debug for DataFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataFrame\n{}", self.plan.display_indent())
    }
}

type Framed = Result<DataFrame, FrameError>;

impl DataFrame {
    pub(crate) fn new(core: Arc<Core>, plan: LogicalPlan) -> DataFrame {
        DataFrame { core, plan }
    }

    /// The columns, with their types.
    pub fn schema(&self) -> SchemaRef {
        Arc::new(self.plan.schema().as_arrow().clone())
    }

    /// The names of the columns, in order.
    pub fn columns(&self) -> Vec<String> {
        self.plan.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The engine's plan behind the frame.
    pub fn logical_plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// The frame over another plan of the engine, for what there is no verb for.
    #[must_use]
    pub fn with_plan(&self, plan: LogicalPlan) -> DataFrame {
        DataFrame { core: Arc::clone(&self.core), plan }
    }

    /// What the engine's builder makes of the plan.
    fn built(self, build: impl FnOnce(LogicalPlanBuilder) -> datafusion::common::Result<LogicalPlanBuilder>) -> Framed {
        let DataFrame { core, plan } = self;
        let plan = build(LogicalPlanBuilder::from(plan)).and_then(LogicalPlanBuilder::build).map_err(FrameError::from_planning)?;
        Ok(DataFrame { core, plan })
    }

    /// Windows among the expressions are worked out below the projection that reads them.
    fn with_windows(self, expressions: &[Expr]) -> Framed {
        let windows = find_window_exprs(expressions);
        if windows.is_empty() {
            return Ok(self);
        }
        let DataFrame { core, plan } = self;
        let plan = LogicalPlanBuilder::window_plan(plan, windows).map_err(FrameError::from_planning)?;
        Ok(DataFrame { core, plan })
    }

    fn projected(self, expressions: Vec<Expr>) -> Framed {
        self.with_windows(&expressions)?.built(|plan| plan.project(expressions))?.readable()
    }

    fn readable(self) -> Framed {
        let DataFrame { core, plan } = self;
        let plan = names::readable(plan).map_err(FrameError::from_planning)?;
        Ok(DataFrame { core, plan })
    }

    /// A column of this frame.
    fn column(&self, name: &str) -> Result<Column, FrameError> {
        let schema = self.plan.schema();
        // a name with a dot in it is looked for as it stands first
        let column = schema.qualified_field_with_unqualified_name(name).map(Column::from);
        column
            .or_else(|_| schema.qualified_field_from_column(&columns::column(name.to_owned())).map(Column::from))
            .map_err(FrameError::from_planning)
    }

    /// These columns and no others: `select(["id", "text"])`, or expressions under new names.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn select(self, columns: impl IntoIterator<Item = impl IntoExpr>) -> Framed {
        self.projected(columns.into_iter().map(IntoExpr::into_expr).collect())
    }

    /// One more column; one of the same name is replaced.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn with_column(self, name: &str, value: impl IntoExpr) -> Framed {
        self.with_columns([(name, value)])
    }

    /// More columns; those of the same names are replaced. None of them sees another.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn with_columns<'a, E: IntoExpr>(self, columns: impl IntoIterator<Item = (&'a str, E)>) -> Framed {
        let mut added: Vec<(&str, Expr)> = columns.into_iter().map(|(name, value)| (name, value.into_expr().alias(name))).collect();
        let mut all: Vec<Expr> = Vec::new();
        for (qualifier, field) in self.plan.schema().iter() {
            match added.iter().position(|(name, _)| name == field.name()) {
                Some(place) => all.push(added.remove(place).1),
                None => all.push(Expr::Column(Column::from((qualifier, field)))),
            }
        }
        all.extend(added.into_iter().map(|(_, value)| value));
        self.projected(all)
    }

    /// Only rows for which this holds; a call of [`predicate`](crate::semantic::predicate) is a condition too.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn filter(self, condition: impl IntoExpr) -> Framed {
        self.built(|plan| plan.filter(condition.into_expr()))
    }

    /// A column under another name.
    ///
    /// # Errors
    /// [`FrameError::Query`] when there is no such column.
    pub fn rename(self, column: &str, name: &str) -> Framed {
        let old = self.column(column)?;
        let renamed = |column: Column| match column == old {
            true => Expr::Column(column.clone()).alias_qualified(column.relation, name),
            false => Expr::Column(column),
        };
        let all: Vec<Expr> = self.plan.schema().columns().into_iter().map(renamed).collect();
        self.built(|plan| plan.project(all))
    }

    /// All columns but these.
    ///
    /// # Errors
    /// [`FrameError::Query`] when one of them is not there, or none is left.
    pub fn drop<'a>(self, columns: impl IntoIterator<Item = &'a str>) -> Framed {
        let dropped = columns.into_iter().map(|name| self.column(name)).collect::<Result<HashSet<Column>, _>>()?;
        let kept: Vec<Expr> =
            self.plan.schema().columns().into_iter().filter(|column| !dropped.contains(column)).map(Expr::Column).collect();
        if kept.is_empty() {
            return Err(FrameError::query("no column is left when all of them are dropped"));
        }
        self.built(|plan| plan.project(kept))
    }

    /// The rows in this order: `sort(["id"])`, `sort([desc("stars"), asc("id")])`.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn sort(self, keys: impl IntoIterator<Item = impl IntoSort>) -> Framed {
        let keys: Vec<Sort> = keys.into_iter().map(IntoSort::into_sort).collect();
        self.built(|plan| plan.sort(keys))
    }

    /// The first rows. A filter on a semantic call below stops asking once it has so many.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn limit(self, rows: usize) -> Framed {
        self.built(|plan| plan.limit(0, Some(rows)))
    }

    /// The rows behind the first ones.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn skip(self, rows: usize) -> Framed {
        self.built(|plan| plan.limit(rows, None))
    }

    /// Equal rows once.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn distinct(self) -> Framed {
        self.built(LogicalPlanBuilder::distinct)
    }

    /// One row for each value of these keys: the first in the order that is given, or any.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn distinct_on(self, keys: impl IntoIterator<Item = impl IntoExpr>, order_by: impl IntoIterator<Item = impl IntoSort>) -> Framed {
        let keys: Vec<Expr> = keys.into_iter().map(IntoExpr::into_expr).collect();
        // the engine wants the keys in front of any other order
        let order: Vec<Sort> = order_by.into_iter().map(IntoSort::into_sort).collect();
        let order = (!order.is_empty()).then(|| keys.iter().map(asc).chain(order).collect());
        let all = self.plan.schema().columns().into_iter().map(Expr::Column).collect();
        self.built(|plan| plan.distinct_on(keys, all, order))
    }

    /// The rows of both, those that are equal as often as they are there. Columns go by their places.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn union(self, other: DataFrame) -> Framed {
        self.built(|plan| plan.union(other.plan))
    }

    /// The rows of both; columns go by their names, and one that a side does not have is NULL there.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn union_by_name(self, other: DataFrame) -> Framed {
        self.built(|plan| plan.union_by_name(other.plan))
    }

    /// The different rows that are in both.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn intersect(self, other: DataFrame) -> Framed {
        let DataFrame { core, plan } = self;
        let plan = LogicalPlanBuilder::intersect(plan, other.plan, false).map_err(FrameError::from_planning)?;
        Ok(DataFrame { core, plan })
    }

    /// The different rows that are not in the other.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn except(self, other: DataFrame) -> Framed {
        let DataFrame { core, plan } = self;
        let plan = LogicalPlanBuilder::except(plan, other.plan, false).map_err(FrameError::from_planning)?;
        Ok(DataFrame { core, plan })
    }

    /// A row for each item of these lists, side by side; a struct becomes a column for each of its fields. A row whose lists are
    /// all empty or NULL is left out.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn unnest<'a>(self, columns: impl IntoIterator<Item = &'a str>) -> Framed {
        let columns = columns.into_iter().map(|name| self.column(name)).collect::<Result<Vec<_>, _>>()?;
        self.built(|plan| plan.unnest_columns_with_options(columns, UnnestOptions::new().with_preserve_nulls(false)))
    }

    /// The frame as a table of this name, so that its columns can be told from another's: `col("a.id")`.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn alias(self, name: &str) -> Framed {
        self.built(|plan| plan.alias(datafusion::common::TableReference::bare(name)))
    }
}
