//! `semantic_reduce` in an aggregate. The rows of each group are gathered into a list by the engine, in the order the call
//! asks for, and a call over the groups takes the list's place.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchemaRef, Result, plan_err};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection};

use super::Rewrite;
use crate::bind::{BoundCall, bind};
use crate::function::{Operator, OutcomeMarker, ReduceMarker};
use crate::node::{Semantic, SemanticCall};

/// One call and its place among the aggregates.
struct Reduced {
    place: usize,
    bound: BoundCall,
    /// For each variable, the group column that it stands for; the rows without one.
    of_group: Vec<Option<usize>>,
    value_column: String,
    rows_column: String,
}

/// An aggregate with its calls taken out; `wanted` is its schema as the plan above knows it.
pub(super) fn rewrite(
    rewrite: &Rewrite,
    wanted: &DFSchemaRef,
    input: LogicalPlan,
    groups: Vec<Expr>,
    aggregates: Vec<Expr>,
) -> Result<LogicalPlan> {
    let mut calls: Vec<Reduced> = Vec::new();
    let mut plain = Vec::with_capacity(aggregates.len());
    for (place, expression) in aggregates.into_iter().enumerate() {
        match reduce_in(&expression) {
            Some(params) => {
                let (call, rows) = take(rewrite, place, params, &groups)?;
                plain.push(rows);
                calls.push(call);
            }
            None => plain.push(expression),
        }
    }
    let count = groups.len();
    let aggregate = Aggregate::try_new(Arc::new(input), groups, plain)?;
    if calls.is_empty() {
        return Ok(LogicalPlan::Aggregate(aggregate));
    }
    let columns = aggregate.schema.columns();
    let first_aggregate = columns.len() - aggregate.aggr_expr.len();
    if first_aggregate != count && calls.iter().any(|call| call.of_group.iter().any(Option::is_some)) {
        return plan_err!("a template of semantic_reduce cannot name a group column under ROLLUP, CUBE or GROUPING SETS");
    }
    let mut expressions: Vec<Expr> = columns.iter().cloned().map(Expr::Column).collect();
    let mut semantic = Vec::with_capacity(calls.len());
    for mut call in calls {
        let column = |group: &Option<usize>| match group {
            Some(place) => Expr::Column(columns[*place].clone()),
            None => Expr::Column(Column::new_unqualified(&call.rows_column)),
        };
        call.bound.arguments = call.of_group.iter().map(column).collect();
        let place = first_aggregate + call.place;
        let (qualifier, field) = wanted.qualified_field(place);
        expressions[place] = Expr::Column(Column::new_unqualified(&call.value_column)).alias_qualified(qualifier.cloned(), field.name());
        semantic.push(SemanticCall { bound: call.bound, guard: None, value_column: Some(call.value_column), outcome_column: None });
    }
    let asked = Semantic::try_new(LogicalPlan::Aggregate(aggregate), semantic)?.into_plan();
    Ok(LogicalPlan::Projection(Projection::try_new(expressions, Arc::new(asked))?))
}

fn reduce_in(expression: &Expr) -> Option<&AggregateFunctionParams> {
    match expression {
        Expr::Alias(alias) => reduce_in(&alias.expr),
        Expr::AggregateFunction(AggregateFunction { func, params }) => func.inner().downcast_ref::<ReduceMarker>().map(|_| params),
        _ => None,
    }
}

/// The call over a group, and what gathers the group's rows.
fn take(rewrite: &Rewrite, place: usize, params: &AggregateFunctionParams, groups: &[Expr]) -> Result<(Reduced, Expr)> {
    let mut bound = bind(Operator::Reduce, &params.args, &rewrite.options)?;
    let bare = |expression: &Expr| expression.clone().unalias_nested().data;
    let of_group: Vec<Option<usize>> =
        bound.arguments.iter().map(|argument| groups.iter().position(|group| bare(group) == bare(argument))).collect();
    let places: Vec<usize> = of_group.iter().enumerate().filter(|(_, group)| group.is_none()).map(|(variable, _)| variable).collect();
    let [rows] = places.as_slice() else {
        let names: Vec<&String> = places.iter().filter_map(|place| bound.program.variables().get(*place)).collect();
        return match names.as_slice() {
            [] => plan_err!(
                "all columns in the template of semantic_reduce are columns of the group: name the column whose rows are to be reduced. Write {}",
                Operator::Reduce.usage()
            ),
            [first, ..] => plan_err!(
                "semantic_reduce reduces one column, but its template names {}. Put them together: {first} => concat(…), or group by the others",
                names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" and ")
            ),
        };
    };
    let number = rewrite.numbers.fetch_add(1, Ordering::Relaxed) + 1;
    let rows_column = format!("{}#{number}.rows", Operator::Reduce.name());
    let AggregateFunctionParams { distinct, filter, order_by, .. } = params.clone();
    let gathered = AggregateFunction::new_udf(array_agg_udaf(), vec![bound.arguments[*rows].clone()], distinct, filter, order_by, None);
    bound.program = bound.program.over_rows(*rows);
    let value_column = format!("{}#{number}", Operator::Reduce.name());
    Ok((
        Reduced { place, bound, of_group, value_column, rows_column: rows_column.clone() },
        Expr::AggregateFunction(gathered).alias(rows_column),
    ))
}

/// `outcome(semantic_reduce(…))` stands over the aggregate that holds the call: the call's outcome is handed up to it.
pub(super) fn with_outcomes(mut plan: LogicalPlan, expressions: Vec<Expr>) -> Result<(LogicalPlan, Vec<Expr>)> {
    let names = NamePreserver::new_for_projection();
    let mut replaced = Vec::with_capacity(expressions.len());
    for expression in expressions {
        let mut wanted: Vec<Column> = Vec::new();
        expression.apply(|inner| {
            wanted.extend(column_of_outcome(inner).cloned());
            Ok(TreeNodeRecursion::Continue)
        })?;
        let mut columns: HashMap<Column, String> = HashMap::new();
        for column in wanted {
            let (below, found) = outcome_below(plan, &column)?;
            plan = below;
            columns.extend(found.map(|outcome| (column, outcome)));
        }
        let name = names.save(&expression);
        let expression = expression.transform_down(|inner| {
            Ok(match column_of_outcome(&inner).and_then(|column| columns.get(column)) {
                Some(outcome) => Transformed::new(Expr::Column(Column::new_unqualified(outcome)), true, TreeNodeRecursion::Jump),
                None => Transformed::no(inner),
            })
        })?;
        replaced.push(if expression.transformed { name.restore(expression.data) } else { expression.data });
    }
    Ok((plan, replaced))
}

fn column_of_outcome(expression: &Expr) -> Option<&Column> {
    match expression {
        Expr::ScalarFunction(function) if function.func.inner().downcast_ref::<OutcomeMarker>().is_some() => match function.args.first() {
            Some(Expr::Column(column)) => Some(column),
            _ => None,
        },
        _ => None,
    }
}

/// Finds the call over groups that gives a column, through conditions, and lets its outcome out too.
fn outcome_below(plan: LogicalPlan, column: &Column) -> Result<(LogicalPlan, Option<String>)> {
    match plan {
        LogicalPlan::Filter(mut filter) => {
            let (input, found) = outcome_below(Arc::unwrap_or_clone(filter.input), column)?;
            filter.input = Arc::new(input);
            Ok((LogicalPlan::Filter(filter), found))
        }
        LogicalPlan::Projection(projection) => {
            let given = projection.schema.maybe_index_of_column(column).and_then(|place| projection.expr.get(place)).cloned();
            let value = match given.map(|given| given.unalias_nested().data) {
                Some(Expr::Column(value)) => value.name,
                _ => return Ok((LogicalPlan::Projection(projection), None)),
            };
            let Some(semantic) = Semantic::in_plan(&projection.input) else { return Ok((LogicalPlan::Projection(projection), None)) };
            let of_groups = |call: &SemanticCall| call.value_column.as_ref() == Some(&value) && call.program().is_about_groups();
            let Some(place) = semantic.calls.iter().position(of_groups) else { return Ok((LogicalPlan::Projection(projection), None)) };
            let outcome = format!("{value}.outcome");
            if semantic.calls[place].outcome_column.is_some() {
                return Ok((LogicalPlan::Projection(projection), Some(outcome)));
            }
            let mut calls = semantic.calls.clone();
            calls[place].outcome_column = Some(outcome.clone());
            let asked = Semantic::try_new(semantic.input.clone(), calls)?.into_plan();
            let mut expressions = projection.expr;
            expressions.push(Expr::Column(Column::new_unqualified(&outcome)));
            Ok((LogicalPlan::Projection(Projection::try_new(expressions, Arc::new(asked))?), Some(outcome)))
        }
        other => Ok((other, None)),
    }
}
