//! Conditions above a semantic join that read one side only are worked out below it, before anything is asked.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchemaRef, JoinType, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::node::SemanticJoin;

/// Moves filters below semantic joins.
#[derive(Debug, Default)]
pub(crate) struct FilterBelowSemanticJoin;

impl OptimizerRule for FilterBelowSemanticJoin {
    fn name(&self) -> &str {
        "filter_below_semantic_join"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = plan else { return Ok(Transformed::no(plan)) };
        let (join, between) = match filter.input.as_ref() {
            LogicalPlan::Projection(projection) if projection.expr.iter().all(|column| matches!(column, Expr::Column(_))) => {
                (SemanticJoin::in_plan(&projection.input), Some(projection))
            }
            other => (SemanticJoin::in_plan(other), None),
        };
        let Some(join) = join else { return Ok(Transformed::no(LogicalPlan::Filter(filter))) };
        let (mut left, mut right, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for condition in split_conjunction_owned(filter.predicate.clone()) {
            if condition.is_volatile() {
                kept.push(condition);
            } else if reads_only(&condition, join.left.schema()) {
                left.push(condition);
            } else if join.kind == JoinType::Inner && reads_only(&condition, join.right.schema()) {
                right.push(condition);
            } else {
                kept.push(condition);
            }
        }
        if left.is_empty() && right.is_empty() {
            return Ok(Transformed::no(LogicalPlan::Filter(filter)));
        }
        let mut below = join.clone();
        below.left = filtered(below.left, left)?;
        below.right = filtered(below.right, right)?;
        let below = match between {
            Some(columns) => LogicalPlan::Projection(Projection::try_new(columns.expr.clone(), Arc::new(below.into_plan()))?),
            None => below.into_plan(),
        };
        Ok(Transformed::yes(filtered(below, kept)?))
    }
}

/// Whether a condition reads columns, and all of them from here.
pub(crate) fn reads_only(condition: &Expr, schema: &DFSchemaRef) -> bool {
    let columns = condition.column_refs();
    !columns.is_empty() && columns.iter().all(|column| schema.has_column(column))
}

/// A plan with the rows for which all conditions hold.
pub(crate) fn filtered(plan: LogicalPlan, conditions: Vec<Expr>) -> Result<LogicalPlan> {
    match conjunction(conditions) {
        Some(condition) => Ok(LogicalPlan::Filter(Filter::try_new(condition, Arc::new(plan))?)),
        None => Ok(plan),
    }
}
