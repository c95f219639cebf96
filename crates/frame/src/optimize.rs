//! Two rules that save questions: calls that nobody reads are dropped from the plan, and filters and limits over the
//! operator are told to it, so that it asks no further than it must.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use crate::execute::{Keep, SemanticExec};
use crate::join::OuterExec;
use crate::node::Semantic;

/// Drops calls whose columns nobody reads, and nodes without calls.
#[derive(Debug, Default)]
pub(crate) struct DropUnreadCalls;

impl OptimizerRule for DropUnreadCalls {
    fn name(&self) -> &str {
        "drop_unread_semantic_calls"
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        // the columns of calls are named once in a whole plan, so a name that stands in no expression is not read
        let mut read: HashSet<String> = HashSet::new();
        let mut found = false;
        plan.apply_with_subqueries(|node| {
            found |= Semantic::in_plan(node).is_some();
            node.apply_expressions(|expression| {
                read.extend(expression.column_refs().into_iter().map(|column| column.name.clone()));
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        if !found {
            return Ok(Transformed::no(plan));
        }
        read.extend(plan.schema().fields().iter().map(|field| field.name().clone()));
        plan.transform_up_with_subqueries(|node| {
            let Some(semantic) = Semantic::in_plan(&node) else { return Ok(Transformed::no(node)) };
            let mut calls = semantic.calls.clone();
            for call in &mut calls {
                call.value_column.take_if(|name| !read.contains(name));
                call.outcome_column.take_if(|name| !read.contains(name));
            }
            calls.retain(|call| call.value_column.is_some() || call.outcome_column.is_some());
            if calls == semantic.calls {
                return Ok(Transformed::no(node));
            }
            if calls.is_empty() {
                return Ok(Transformed::yes(semantic.input.clone()));
            }
            let asked = Semantic::try_new(semantic.input.clone(), calls)?.because(semantic.why.clone());
            Ok(Transformed::yes(asked.into_plan()))
        })
    }
}

/// Hands a filter right above the operator, its limit, and the number of rows wanted to the operator itself.
#[derive(Debug, Default)]
pub(crate) struct TellOperator;

impl PhysicalOptimizerRule for TellOperator {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = plan.transform_up(fold_filter)?.data;
        tell_wanted(plan, None)
    }

    fn name(&self) -> &str {
        "tell_semantic_operator"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn fold_filter(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = plan.downcast_ref::<FilterExec>() else { return Ok(Transformed::no(plan)) };
    let Some((operator, chosen)) = operator_below(filter.input()) else { return Ok(Transformed::no(plan)) };
    if operator.has_filter() {
        return Ok(Transformed::no(plan));
    }
    let keep = match chosen {
        None => Keep { predicate: Arc::clone(filter.predicate()), projection: filter.projection().as_ref().map(|kept| kept.to_vec()) },
        Some(chosen) => {
            let projection = match filter.projection() {
                Some(kept) => kept.iter().filter_map(|index| chosen.get(*index).copied()).collect(),
                None => chosen.clone(),
            };
            Keep { predicate: over_chosen(filter.predicate(), &chosen)?, projection: Some(projection) }
        }
    };
    Ok(Transformed::yes(Arc::new(operator.keeping(keep, filter.fetch())?)))
}

/// The operator right below a filter, or below a projection that only leaves columns out; then with the columns that stay.
fn operator_below(plan: &Arc<dyn ExecutionPlan>) -> Option<(&SemanticExec, Option<Vec<usize>>)> {
    if let Some(operator) = plan.downcast_ref::<SemanticExec>() {
        return Some((operator, None));
    }
    let projection = plan.downcast_ref::<ProjectionExec>()?;
    let operator = projection.input().downcast_ref::<SemanticExec>()?;
    let chosen = projection.expr().iter().map(|item| {
        let column = item.expr.downcast_ref::<Column>()?;
        (column.name() == item.alias).then(|| column.index())
    });
    Some((operator, Some(chosen.collect::<Option<Vec<_>>>()?)))
}

/// The predicate with its columns numbered as they are before the projection.
fn over_chosen(predicate: &Arc<dyn PhysicalExpr>, chosen: &[usize]) -> Result<Arc<dyn PhysicalExpr>> {
    let renumbered = Arc::clone(predicate).transform_up(|expression| {
        let renumbered = match expression.downcast_ref::<Column>() {
            Some(column) => match chosen.get(column.index()) {
                Some(index) => Column::new(column.name(), *index),
                None => return internal_err!("a filter reads column {} of {}", column.index(), chosen.len()),
            },
            None => return Ok(Transformed::no(expression)),
        };
        Ok(Transformed::yes(Arc::new(renumbered) as Arc<dyn PhysicalExpr>))
    })?;
    Ok(renumbered.data)
}

/// Goes down through operators that neither add nor reorder rows and tells how many rows are wanted at the top.
fn tell_wanted(plan: Arc<dyn ExecutionPlan>, wanted: Option<usize>) -> Result<Arc<dyn ExecutionPlan>> {
    let own = match plan.downcast_ref::<GlobalLimitExec>() {
        Some(limit) => limit.fetch().map(|fetch| fetch.saturating_add(limit.skip())),
        None => plan.fetch(),
    };
    let wanted = match (own, wanted) {
        (Some(own), Some(above)) => Some(own.min(above)),
        (Some(own), None) => Some(own),
        (None, above) => above,
    };
    let operator = plan.downcast_ref::<SemanticExec>();
    let passes = operator.is_some()
        || plan.downcast_ref::<ProjectionExec>().is_some()
        || plan.downcast_ref::<FilterExec>().is_some()
        || plan.downcast_ref::<OuterExec>().is_some()
        || plan.downcast_ref::<GlobalLimitExec>().is_some();
    let below = if passes { wanted } else { None };
    let told: Option<Arc<dyn ExecutionPlan>> = match (operator, wanted) {
        (Some(operator), Some(wanted)) if operator.has_filter() && operator.wanted_rows() != Some(wanted) => {
            Some(Arc::new(operator.wanting(wanted)))
        }
        _ => None,
    };
    let plan = told.unwrap_or(plan);
    let children = plan.children().into_iter().cloned().map(|child| tell_wanted(child, below)).collect::<Result<Vec<_>>>()?;
    replace_children_if_necessary(plan, children)
}
