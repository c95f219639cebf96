//! Semantic calls in JOIN ON. A call that reads one side only is asked below the join, once per row of that side; one
//! that reads both sides is asked over the pairs that are worth asking about (`meaning`), or over all that other
//! conditions leave.

use std::sync::Arc;

use datafusion::common::{Column, DFSchemaRef, JoinType, Result, plan_err};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Join, LogicalPlan};

use super::lift::has_call;
use super::meaning::{self, Taken};
use super::{Rewrite, columns_of, only};

pub(super) fn rewrite(rewrite: &Rewrite, node: Join) -> Result<LogicalPlan> {
    let node = match meaning::rewrite(rewrite, node)? {
        Taken::Planned(plan) => return Ok(plan),
        Taken::Left(node) => node,
    };
    let wanted = columns_of(&LogicalPlan::Join(node.clone()));
    let (left_schema, right_schema) = (Arc::clone(node.left.schema()), Arc::clone(node.right.schema()));
    let mut lifter = rewrite.lifter();
    let mut on = Vec::with_capacity(node.on.len());
    for (left, right) in node.on {
        on.push((lifter.lift(left)?, lifter.lift(right)?));
    }
    let conditions = node.filter.map(split_conjunction_owned).unwrap_or_default();
    let (semantic, mut kept): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(has_call);
    let mut above = Vec::new();
    for condition in semantic {
        if reads_one_side_per_call(rewrite, &condition, &left_schema, &right_schema)? {
            kept.push(lifter.lift(condition)?);
        } else if node.join_type == JoinType::Inner {
            above.push(condition);
        } else {
            return match node.join_type {
                JoinType::Full => plan_err!(
                    "a FULL JOIN cannot ask about both sides: write a LEFT JOIN, and add with UNION ALL what a RIGHT ANTI JOIN on the same question gives"
                ),
                kind => plan_err!(
                    "a {} JOIN can ask about both sides with one semantic_predicate whose inputs come from one side each: write that, or filter the pairs of an inner join in a subquery",
                    kind.to_string().to_uppercase()
                ),
            };
        }
    }
    let of_left = lifter.split_off(|columns| all_in(columns, &left_schema));
    let of_right = lifter.split_off(|columns| all_in(columns, &right_schema));
    if !lifter.is_empty() {
        return plan_err!("a semantic call in this JOIN reads both sides: compare its result in WHERE instead");
    }
    let left = of_left.over(Arc::unwrap_or_clone(node.left))?;
    let right = of_right.over(Arc::unwrap_or_clone(node.right))?;
    let joined = LogicalPlan::Join(Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        conjunction(kept),
        node.join_type,
        node.join_constraint,
        node.null_equality,
        node.null_aware,
    )?);
    if above.is_empty() {
        return only(wanted, joined);
    }
    rewrite.filtered(wanted, joined, above)
}

/// Whether every call of a condition can be asked below the join.
fn reads_one_side_per_call(rewrite: &Rewrite, condition: &Expr, left: &DFSchemaRef, right: &DFSchemaRef) -> Result<bool> {
    let mut trial = rewrite.lifter();
    trial.lift(condition.clone())?;
    let _ = trial.split_off(|columns| all_in(columns, left));
    let _ = trial.split_off(|columns| all_in(columns, right));
    Ok(trial.is_empty())
}

fn all_in(columns: &[Column], schema: &DFSchemaRef) -> bool {
    columns.iter().all(|column| schema.has_column(column))
}
