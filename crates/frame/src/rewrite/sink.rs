//! Before calls are lifted, conditions that ask are moved down to where they can be put in order with others and save
//! questions: through what only renames or computes columns, into filters below, and below joins whose pairs are asked
//! about. Through other nodes they stay where they are: above a join or a limit fewer rows are left to ask about.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, Join, LogicalPlan, Projection, Sort, SubqueryAlias};

use super::lift::has_call;
use crate::join::{filtered, reads_only};

/// Moves the conditions of one node down, if it is a filter or a join.
pub(super) fn sink(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match plan {
        // without the filter its input stands here
        LogicalPlan::Filter(filter) => sink_filter(filter)?.transform_data(|plan| match plan {
            LogicalPlan::Join(join) => sink_join(join),
            other => Ok(Transformed::no(other)),
        }),
        LogicalPlan::Join(join) => sink_join(join),
        other => Ok(Transformed::no(other)),
    }
}

fn sink_filter(filter: Filter) -> Result<Transformed<LogicalPlan>> {
    if !has_call(&filter.predicate) {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    let mut kept = Vec::new();
    let mut plan: Option<LogicalPlan> = None;
    for condition in split_conjunction_owned(filter.predicate.clone()) {
        let movable = has_call(&condition) && stands_alone(&condition);
        match if movable { with_below(plan.as_ref().unwrap_or(&filter.input), &condition, false)? } else { None } {
            Some(below) => plan = Some(below),
            None => kept.push(condition),
        }
    }
    match plan {
        Some(plan) => Ok(Transformed::yes(filtered(plan, kept)?)),
        None => Ok(Transformed::no(LogicalPlan::Filter(filter))),
    }
}

/// Whether an expression means the same elsewhere: the engine takes subqueries, and what they read of the outer query, apart
/// where they stand.
fn stands_alone(expression: &Expr) -> bool {
    let apart = |inner: &Expr| {
        matches!(
            inner,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) | Expr::OuterReferenceColumn(_, _)
        )
    };
    // `exists` fails only if the closure does
    !expression.exists(|inner| Ok(apart(inner))).unwrap_or(true)
}

/// A plan with a condition somewhere below its top, if that saves questions or brings the condition beside others. `gains`
/// tells that something that asks was passed already.
fn with_below(plan: &LogicalPlan, condition: &Expr, gains: bool) -> Result<Option<LogicalPlan>> {
    let moved = match plan {
        LogicalPlan::Filter(inner) if has_call(&inner.predicate) => {
            // as it is written: what stands inside comes first
            let together = inner.predicate.clone().and(condition.clone());
            // both may go on further down: the one inside was not moved yet
            Some(sink_filter(Filter::try_new(together, Arc::clone(&inner.input))?)?.data)
        }
        LogicalPlan::Filter(inner) => match with_below(&inner.input, condition, gains)? {
            Some(input) => Some(LogicalPlan::Filter(Filter::try_new(inner.predicate.clone(), Arc::new(input))?)),
            None => None,
        },
        LogicalPlan::SubqueryAlias(alias) => {
            let inside = rewritten(condition, &renamed(&alias.schema, alias.input.schema()))?;
            match inside.map(|inside| with_below(&alias.input, &inside, gains)).transpose()?.flatten() {
                Some(input) => Some(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?)),
                None => None,
            }
        }
        LogicalPlan::Projection(projection) => {
            let given = projection.schema.columns().into_iter().zip(projection.expr.iter().map(|given| given.clone().unalias()));
            let columns = given.filter(|(_, given)| is_plain(given)).collect();
            let gains = gains || projection.expr.iter().any(has_call);
            // what is worked out here holds it up: then it stands above, which may gain something all the same
            let inside = rewritten(condition, &columns)?;
            match inside.map(|inside| with_below(&projection.input, &inside, gains)).transpose()?.flatten() {
                Some(input) => Some(LogicalPlan::Projection(Projection::try_new_with_schema(
                    projection.expr.clone(),
                    Arc::new(input),
                    Arc::clone(&projection.schema),
                )?)),
                None => None,
            }
        }
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
            let gains = gains || sort.expr.iter().any(|key| has_call(&key.expr));
            let input = with_below(&sort.input, condition, gains)?;
            input.map(|input| LogicalPlan::Sort(Sort { input: Arc::new(input), ..sort.clone() }))
        }
        LogicalPlan::Join(join) if asks_about_pairs(join) => match side_of(join, condition) {
            Some(side) => Some(with_condition_on(join, side, condition)?),
            None => None,
        },
        _ => None,
    };
    match moved {
        None if gains => filtered(plan.clone(), vec![condition.clone()]).map(Some),
        moved => Ok(moved),
    }
}

/// What can stand below a projection in the place of its column.
fn is_plain(given: &Expr) -> bool {
    let of_node = |inner: &Expr| matches!(inner, Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::Unnest(_));
    let hindered = given.exists(|inner| Ok(of_node(inner))).unwrap_or(true);
    !hindered && stands_alone(given) && !given.is_volatile() && !has_call(given)
}

fn renamed(outside: &DFSchema, inside: &DFSchema) -> HashMap<Column, Expr> {
    outside.columns().into_iter().zip(inside.columns().into_iter().map(Expr::Column)).collect()
}

/// Marks the alias of an input that was moved, which the engine takes away if nothing marks it.
const MOVED: &str = "corsac.moved";

/// A condition over these expressions in the place of its columns; `None` where one is missing. Templates find their inputs
/// by the names of columns, so the names stay.
fn rewritten(condition: &Expr, columns: &HashMap<Column, Expr>) -> Result<Option<Expr>> {
    if condition.column_refs().iter().any(|column| !columns.contains_key(*column)) {
        return Ok(None);
    }
    let replaced = condition.clone().transform_down(|inner| {
        let Expr::Column(column) = &inner else { return Ok(Transformed::no(inner)) };
        let Some(given) = columns.get(column) else { return Ok(Transformed::no(inner)) };
        let replaced = match given {
            Expr::Column(given) if given.name == column.name => Expr::Column(given.clone()),
            given => {
                let mark = FieldMetadata::from(BTreeMap::from([(MOVED.to_owned(), String::new())]));
                given.clone().alias_with_metadata(column.name.as_str(), Some(mark))
            }
        };
        Ok(Transformed::new(replaced, true, TreeNodeRecursion::Jump))
    })?;
    Ok(Some(replaced.data))
}

/// An input without the names that it kept while it was moved.
pub(super) fn without_marks(expression: Expr) -> Result<Expr> {
    let bare = expression.transform_up(|inner| match inner {
        Expr::Alias(alias) if alias.metadata.as_ref().is_some_and(|mark| mark.inner().contains_key(MOVED)) => {
            Ok(Transformed::yes(*alias.expr))
        }
        inner => Ok(Transformed::no(inner)),
    })?;
    Ok(bare.data)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// Conditions of ON that ask about one side leave out rows of it before pairs are asked about.
fn sink_join(mut join: Join) -> Result<Transformed<LogicalPlan>> {
    if !asks_about_pairs(&join) {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    let conditions = join.filter.take().map(split_conjunction_owned).unwrap_or_default();
    let (mut left, mut right, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for condition in conditions {
        match side_of_on(&join, &condition).filter(|_| has_call(&condition) && stands_alone(&condition)) {
            Some(Side::Left) => left.push(condition),
            Some(Side::Right) => right.push(condition),
            None => kept.push(condition),
        }
    }
    join.filter = conjunction(kept);
    if left.is_empty() && right.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    join.left = Arc::new(filtered(Arc::unwrap_or_clone(join.left), left)?);
    join.right = Arc::new(filtered(Arc::unwrap_or_clone(join.right), right)?);
    Ok(Transformed::yes(LogicalPlan::Join(join)))
}

/// Whether pairs are what is asked about: a call in ON reads both sides, and no equality chooses the pairs.
fn asks_about_pairs(join: &Join) -> bool {
    let both =
        |condition: &Expr| has_call(condition) && !reads_only(condition, join.left.schema()) && !reads_only(condition, join.right.schema());
    join.on.is_empty() && join.filter.clone().map(split_conjunction_owned).unwrap_or_default().iter().any(both)
}

/// The side whose rows a condition above the join can leave out.
fn side_of(join: &Join, condition: &Expr) -> Option<Side> {
    let keeps_left = matches!(join.join_type, JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti);
    let keeps_right = matches!(join.join_type, JoinType::Inner | JoinType::Right | JoinType::RightSemi | JoinType::RightAnti);
    one_side(join, condition, keeps_left, keeps_right)
}

/// The side whose rows a condition of ON can leave out: a row of the other one without a match would be kept.
fn side_of_on(join: &Join, condition: &Expr) -> Option<Side> {
    let left = matches!(join.join_type, JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi | JoinType::Right | JoinType::RightAnti);
    let right = matches!(join.join_type, JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi | JoinType::Left | JoinType::LeftAnti);
    one_side(join, condition, left, right)
}

fn one_side(join: &Join, condition: &Expr, left: bool, right: bool) -> Option<Side> {
    if left && reads_only(condition, join.left.schema()) {
        return Some(Side::Left);
    }
    (right && reads_only(condition, join.right.schema())).then_some(Side::Right)
}

fn with_condition_on(join: &Join, side: Side, condition: &Expr) -> Result<LogicalPlan> {
    let mut join = join.clone();
    let input = match side {
        Side::Left => &mut join.left,
        Side::Right => &mut join.right,
    };
    // beside others that stand there already
    let below = match with_below(input, condition, false)? {
        Some(below) => below,
        None => filtered(input.as_ref().clone(), vec![condition.clone()])?,
    };
    *input = Arc::new(below);
    Ok(LogicalPlan::Join(join))
}
