//! A JOIN whose condition asks about both sides becomes a node of its own, which finds the pairs worth asking about.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{JoinType, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Expr, Join, LogicalPlan, Operator as SqlOperator, cast, lit};

use super::lift::{Lifter, has_call, marker_in};
use super::{Rewrite, columns_of, only};
use crate::bind::{BoundCall, bind, template_says};
use crate::function::Operator;
use crate::join::{SemanticJoin, Way, Wish, filtered, reads_only};
use crate::named::{Given, named_in};
use crate::node::SemanticCall;

/// What became of a join.
pub(super) enum Taken {
    /// It is planned.
    Planned(LogicalPlan),
    /// It goes the way of other joins.
    Left(Join),
}

/// Plans a join on `semantic_predicate` over both sides.
pub(super) fn rewrite(rewrite: &Rewrite, mut node: Join) -> Result<Taken> {
    let mut conditions = node.filter.take().map(split_conjunction_owned).unwrap_or_default();
    let Some(place) = conditions.iter().position(|condition| marker_in(condition) == Some(Operator::Predicate)) else {
        return Ok(Taken::Left(Join { filter: conjunction(conditions), ..node }));
    };
    let (question, wish) = take_wish(conditions[place].clone())?;
    conditions[place] = question.clone();
    let forced = wish.way.filter(|way| *way != Way::Cross);
    let plain = |node: Join, conditions: Vec<Expr>| match forced {
        Some(way) => plan_err!(
            "strategy => '{}' needs a condition that asks about both sides of the join: one input from each, and none that mixes them",
            way.name()
        ),
        None => Ok(Taken::Left(Join { filter: conjunction(conditions), ..node })),
    };
    let Some(kind) = kind_from_left(node.join_type) else { return plain(node, conditions) };
    let inner = node.join_type == JoinType::Inner;
    let equal = !node.on.is_empty() || conditions.iter().any(|condition| is_equality_of_sides(condition, &node));
    // other conditions that hash leave few pairs, and every pair is asked about at no other price than its own
    if inner && forced.is_none() && equal {
        return plain(node, conditions);
    }
    conditions.remove(place);
    let bound = bind(Operator::Predicate, &arguments_of(&question), &rewrite.options)?;
    let swapped = kind != node.join_type;
    let sides = if swapped { (&node.right, &node.left) } else { (&node.left, &node.right) };
    let (left_schema, right_schema) = (Arc::clone(sides.0.schema()), Arc::clone(sides.1.schema()));
    let of_left: Vec<Expr> = bound.arguments.iter().filter(|argument| reads_only(argument, &left_schema)).cloned().collect();
    let of_right: Vec<Expr> = bound.arguments.iter().filter(|argument| reads_only(argument, &right_schema)).cloned().collect();
    let constant = bound.arguments.iter().filter(|argument| argument.column_refs().is_empty()).count();
    let apart = of_left.len() + of_right.len() + constant == bound.arguments.len();
    if of_left.is_empty() || of_right.is_empty() || !apart || bound.arguments.iter().any(has_subquery) {
        conditions.insert(place, question);
        return plain(node, conditions);
    }

    let wanted = columns_of(&LogicalPlan::Join(node.clone()));
    let on = node.on.into_iter().map(|(left, right)| left.eq(right));
    let (semantic, conditions): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().chain(on).partition(has_call);
    if !inner && !semantic.is_empty() {
        return plan_err!("a {} JOIN asks one question about its pairs: put the other one into a subquery", node.join_type);
    }
    let (mut below_left, mut below_right, mut of_pairs) = (Vec::new(), Vec::new(), Vec::new());
    for condition in conditions {
        if matches!(kind, JoinType::Inner | JoinType::LeftSemi) && reads_only(&condition, &left_schema) {
            below_left.push(condition);
        } else if reads_only(&condition, &right_schema) {
            below_right.push(condition);
        } else {
            of_pairs.push(condition);
        }
    }
    let (left, right) = if swapped { (node.right, node.left) } else { (node.left, node.right) };
    let left = filtered(Arc::unwrap_or_clone(left), below_left)?;
    let right = filtered(Arc::unwrap_or_clone(right), below_right)?;

    // inputs that are semantic calls themselves are asked below the join, once per row of their side
    let mut lifter = rewrite.lifter();
    let arguments = bound.arguments.iter().map(|argument| lifter.lift(argument.clone())).collect::<Result<Vec<_>>>()?;
    let texts =
        |lifter: &mut Lifter<'_>, inputs: Vec<Expr>| -> Result<Vec<Expr>> { inputs.into_iter().map(|input| lifter.lift(input)).collect() };
    let left_embed = embedding(rewrite, texts(&mut lifter, of_left)?)?;
    let right_embed = embedding(rewrite, texts(&mut lifter, of_right)?)?;
    let from_left = lifter.split_off(|columns| columns.iter().all(|column| left_schema.has_column(column)));
    let from_right = lifter.split_off(|columns| columns.iter().all(|column| right_schema.has_column(column)));
    let call = call_of(rewrite, BoundCall { arguments, ..bound });
    let of_pairs = conjunction(of_pairs);
    let join = SemanticJoin::try_new(from_left.over(left)?, from_right.over(right)?, call, left_embed, right_embed, of_pairs, kind, wish)?;
    if semantic.is_empty() {
        return Ok(Taken::Planned(only(wanted, join.into_plan())?));
    }
    Ok(Taken::Planned(rewrite.filtered(wanted, join.into_plan(), semantic)?))
}

/// The same join with the side whose rows are kept on the left.
fn kind_from_left(kind: JoinType) -> Option<JoinType> {
    match kind {
        JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => Some(kind),
        JoinType::Right => Some(JoinType::Left),
        JoinType::RightSemi => Some(JoinType::LeftSemi),
        JoinType::RightAnti => Some(JoinType::LeftAnti),
        _ => None,
    }
}

fn is_equality_of_sides(condition: &Expr, node: &Join) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: SqlOperator::Eq, right }) = condition else { return false };
    let (one, other) = (node.left.schema(), node.right.schema());
    (reads_only(left, one) && reads_only(right, other)) || (reads_only(left, other) && reads_only(right, one))
}

fn has_subquery(expression: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode;
    // `exists` fails only if the closure does
    expression.exists(|inner| Ok(matches!(inner, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_)))).unwrap_or(true)
}

fn arguments_of(call: &Expr) -> Vec<Expr> {
    match call {
        Expr::ScalarFunction(ScalarFunction { args, .. }) => args.clone(),
        _ => Vec::new(),
    }
}

/// Takes what the join is told by name out of the call.
fn take_wish(call: Expr) -> Result<(Expr, Wish)> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = call else { return Ok((call, Wish::default())) };
    let mut wish = Wish::default();
    let mut kept = Vec::with_capacity(args.len());
    let template_has = |name: &str| {
        let given = Given::of(&args);
        let template = given.positional.first().and_then(|template| template.as_literal().and_then(ScalarValue::try_as_str).flatten());
        template.is_some_and(|template| template_says(template, name))
    };
    for argument in &args {
        match named_in(argument) {
            // the template's own names come first: its author knows of no other
            Some((name, value)) if matches!(name.as_str(), "strategy" | "recall" | "seed") && !template_has(&name) => {
                wish.put(&name, &value)?;
            }
            _ => kept.push(argument.clone()),
        }
    }
    Ok((Expr::ScalarFunction(ScalarFunction::new_udf(func, kept)), wish))
}

impl Wish {
    fn put(&mut self, name: &str, value: &Expr) -> Result<()> {
        let literal = value.as_literal();
        match name {
            "strategy" => match literal.and_then(ScalarValue::try_as_str).flatten() {
                Some(text) if text.trim().eq_ignore_ascii_case("auto") => self.way = None,
                text => match text.and_then(Way::by_name) {
                    Some(way) => self.way = Some(way),
                    None => {
                        return plan_err!("strategy of a semantic join must be 'auto', 'cross', 'embedding' or 'classify', not {value}");
                    }
                },
            },
            "recall" => {
                let number = literal.and_then(|value| value.cast_to(&DataType::Float64).ok());
                match number {
                    Some(ScalarValue::Float64(Some(share))) if share > 0.0 && share <= 1.0 => {
                        self.recall_millionths = (share * 1e6).round() as u32;
                    }
                    _ => return plan_err!("recall of a semantic join must be a number above 0 and up to 1, such as 0.95, not {value}"),
                }
            }
            _ => match literal.and_then(|value| value.cast_to(&DataType::UInt64).ok()) {
                Some(ScalarValue::UInt64(Some(seed))) => self.seed = seed,
                _ => return plan_err!("seed of a semantic join must be a whole number, not {value}"),
            },
        }
        Ok(())
    }
}

/// What is embedded of a side: its inputs, one below the other.
fn embedding(rewrite: &Rewrite, inputs: Vec<Expr>) -> Result<SemanticCall> {
    let texts = inputs.into_iter().map(|input| cast(input, DataType::Utf8));
    // unlike concat, this is NULL where an input is: such a pair is not asked about
    let joined = texts.reduce(|one, other| {
        let above = Expr::BinaryExpr(BinaryExpr::new(Box::new(one), SqlOperator::StringConcat, Box::new(lit("\n"))));
        Expr::BinaryExpr(BinaryExpr::new(Box::new(above), SqlOperator::StringConcat, Box::new(other)))
    });
    let bound = bind(Operator::Embed, &joined.into_iter().collect::<Vec<_>>(), &rewrite.options)?;
    Ok(call_of(rewrite, bound))
}

fn call_of(rewrite: &Rewrite, bound: BoundCall) -> SemanticCall {
    let value_column = format!("{}#{}", bound.name(), rewrite.next_number());
    SemanticCall { bound, guard: None, value_column: Some(value_column), outcome_column: None }
}
