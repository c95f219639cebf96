//! Groups, and what is made of each.

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr_rewriter::normalize_cols;
use datafusion::logical_expr::utils::find_aggregate_exprs;

use super::{DataFrame, Framed, IntoExpr};
use crate::error::FrameError;

/// A frame whose rows are in groups.
#[derive(Debug, Clone)]
#[must_use = "a group is nothing before it is aggregated"]
pub struct Grouped {
    frame: DataFrame,
    groups: Vec<Expr>,
}

impl DataFrame {
    /// Rows with equal values of these in one group each.
    pub fn group_by(self, keys: impl IntoIterator<Item = impl IntoExpr>) -> Grouped {
        Grouped { frame: self, groups: keys.into_iter().map(IntoExpr::into_expr).collect() }
    }

    /// One row of aggregates over all rows.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn aggregate(self, aggregates: impl IntoIterator<Item = impl IntoExpr>) -> Framed {
        self.group_by(Vec::<Expr>::new()).aggregate(aggregates)
    }
}

impl Grouped {
    /// A row for each group: the keys, and these. Each is an aggregate such as `count(col("id"))` or
    /// [`reduce`](crate::semantic::reduce), or an expression over aggregates and keys.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn aggregate(self, aggregates: impl IntoIterator<Item = impl IntoExpr>) -> Framed {
        let Grouped { frame, groups } = self;
        let wanted = aggregates.into_iter().map(IntoExpr::into_expr);
        // the engine names an aggregate by its columns with their tables
        let wanted = normalize_cols(wanted, &frame.plan).map_err(FrameError::from_planning)?;
        let found = find_aggregate_exprs(wanted.iter());
        if groups.is_empty() && found.is_empty() {
            return Err(FrameError::query(
                "there is nothing to aggregate: name an aggregate such as count(col(\"id\")), or a key to group by",
            ));
        }
        let keys = groups.len();
        let grouped = frame.built(|plan| plan.aggregate(groups, found))?;
        let columns = grouped.plan.schema().columns();
        let mut all: Vec<Expr> = columns.into_iter().take(keys).map(Expr::Column).collect();
        for expression in wanted {
            all.push(over_aggregates(expression).map_err(FrameError::from_planning)?);
        }
        grouped.projected(all)
    }
}

/// The expression with a column in the place of each aggregate.
fn over_aggregates(expression: Expr) -> datafusion::common::Result<Expr> {
    let replaced = expression.transform_down(|inner| {
        Ok(match inner {
            Expr::AggregateFunction(_) => {
                let column = Column::new_unqualified(inner.schema_name().to_string());
                Transformed::new(Expr::Column(column), true, TreeNodeRecursion::Jump)
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(replaced.data)
}
