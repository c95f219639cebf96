//! The analyzer rule that lifts every semantic call out of its expression into a `Semantic` node under the plan node it
//! stands in. Afterwards no marker is left, or the query is refused.

mod join;
mod lift;
mod meaning;
mod order;
mod reduce;
mod sink;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Aggregate, Distinct, DistinctOn, Expr, Filter, LogicalPlan, Projection, Sort, Window};
use datafusion::optimizer::AnalyzerRule;

pub(crate) use lift::call_in;
use lift::{Lifter, has_call};
use order::{Placed, in_order};

use crate::execute::{Planning, QueryRuntime};

/// Lifts semantic calls into nodes of their own.
#[derive(Debug, Default)]
pub(crate) struct LiftSemanticCalls;

impl AnalyzerRule for LiftSemanticCalls {
    fn analyze(&self, plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
        let runtime = options.extensions.get::<Planning>().map(|planning| Arc::clone(&planning.runtime));
        let rewrite = Rewrite { options: Arc::new(options.clone()), numbers: AtomicUsize::new(0), runtime };
        let plan = plan.transform_down_with_subqueries(sink::sink)?.data;
        let plan = plan.transform_up_with_subqueries(|node| rewrite.node(node))?.data;
        refuse_what_is_left(&plan)?;
        Ok(plan)
    }

    fn name(&self) -> &str {
        "lift_semantic_calls"
    }
}

struct Rewrite {
    options: Arc<ConfigOptions>,
    numbers: AtomicUsize,
    /// What is known of calls before they are made.
    runtime: Option<Arc<QueryRuntime>>,
}

impl Rewrite {
    fn lifter(&self) -> Lifter<'_> {
        Lifter::new(&self.options, &self.numbers)
    }

    /// A number for a column that no other column of the plan has.
    fn next_number(&self) -> usize {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn node(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let mut found = false;
        plan.apply_expressions(|expression| {
            found |= has_call(expression);
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        if !found {
            return Ok(Transformed::no(plan));
        }
        let rewritten = match plan {
            LogicalPlan::Projection(node) => self.projection(node)?,
            LogicalPlan::Filter(node) => self.filter(node)?,
            LogicalPlan::Aggregate(node) => self.aggregate(node)?,
            LogicalPlan::Window(node) => self.window(node)?,
            LogicalPlan::Sort(node) => self.sort(node)?,
            LogicalPlan::Distinct(Distinct::On(node)) => self.distinct_on(node)?,
            LogicalPlan::Join(node) => join::rewrite(self, node)?,
            LogicalPlan::Values(_) => return plan_err!("a semantic call cannot stand in VALUES: write SELECT with the call instead"),
            LogicalPlan::Limit(_) => return plan_err!("a semantic call cannot decide a LIMIT"),
            other => return plan_err!("a semantic call cannot stand here: compute it in a subquery\n{}", other.display()),
        };
        Ok(Transformed::yes(rewritten))
    }

    fn projection(&self, node: Projection) -> Result<LogicalPlan> {
        let (input, expressions) = reduce::with_outcomes(Arc::unwrap_or_clone(node.input), node.expr)?;
        let mut lifter = self.lifter();
        let expressions = lift_named(&mut lifter, expressions)?;
        let input = lifter.over(input)?;
        Ok(LogicalPlan::Projection(Projection::try_new(expressions, Arc::new(input))?))
    }

    fn aggregate(&self, node: Aggregate) -> Result<LogicalPlan> {
        let mut lifter = self.lifter();
        let groups = lift_named(&mut lifter, node.group_expr)?;
        let aggregates = lift_named(&mut lifter, node.aggr_expr)?;
        let input = lifter.over(Arc::unwrap_or_clone(node.input))?;
        reduce::rewrite(self, &node.schema, input, groups, aggregates)
    }

    fn window(&self, node: Window) -> Result<LogicalPlan> {
        let wanted = columns_of(&LogicalPlan::Window(node.clone()));
        let mut lifter = self.lifter();
        let expressions = lift_named(&mut lifter, node.window_expr)?;
        let input = lifter.over(Arc::unwrap_or_clone(node.input))?;
        only(wanted, LogicalPlan::Window(Window::try_new(expressions, Arc::new(input))?))
    }

    fn sort(&self, node: Sort) -> Result<LogicalPlan> {
        let wanted = columns_of(&node.input);
        let mut lifter = self.lifter();
        let mut keys = node.expr;
        for key in &mut keys {
            key.expr = lifter.lift(key.expr.clone())?;
        }
        let input = lifter.over(Arc::unwrap_or_clone(node.input))?;
        only(wanted, LogicalPlan::Sort(Sort { expr: keys, input: Arc::new(input), fetch: node.fetch }))
    }

    fn distinct_on(&self, node: DistinctOn) -> Result<LogicalPlan> {
        let mut lifter = self.lifter();
        let on = node.on_expr.into_iter().map(|expression| lifter.lift(expression)).collect::<Result<Vec<_>>>()?;
        let select = lift_named(&mut lifter, node.select_expr)?;
        let mut sort = node.sort_expr;
        for key in sort.iter_mut().flatten() {
            key.expr = lifter.lift(key.expr.clone())?;
        }
        let input = lifter.over(Arc::unwrap_or_clone(node.input))?;
        Ok(LogicalPlan::Distinct(Distinct::On(DistinctOn::try_new(on, select, sort, Arc::new(input))?)))
    }

    /// Cheap conditions first, then one semantic condition after the other, each over the rows that are left, the one first
    /// that costs least for a row it leaves out.
    fn filter(&self, node: Filter) -> Result<LogicalPlan> {
        let wanted = columns_of(&node.input);
        self.filtered(wanted, Arc::unwrap_or_clone(node.input), split_conjunction_owned(node.predicate))
    }

    fn filtered(&self, wanted: Vec<Expr>, mut plan: LogicalPlan, conditions: Vec<Expr>) -> Result<LogicalPlan> {
        let (semantic, plain): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(has_call);
        // the engine can take a condition on the outer query out of a subquery only from above the calls
        let (outer, plain): (Vec<Expr>, Vec<Expr>) = plain.into_iter().partition(Expr::contains_outer);
        if let Some(condition) = conjunction(plain) {
            plan = keep(condition, plan)?;
        }
        for Placed { condition, why } in in_order(self, &plan, semantic)? {
            let mut lifter = self.lifter();
            let condition = lifter.lift(condition)?;
            plan = keep(condition, lifter.over_with_reason(plan, why.as_ref())?)?;
        }
        if let Some(condition) = conjunction(outer) {
            plan = keep(condition, plan)?;
        }
        only(wanted, plan)
    }
}

fn keep(condition: Expr, plan: LogicalPlan) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Filter(Filter::try_new(condition, Arc::new(plan))?))
}

/// Lifts expressions whose names are the columns of their node, and keeps those names.
fn lift_named(lifter: &mut Lifter<'_>, expressions: Vec<Expr>) -> Result<Vec<Expr>> {
    let names = NamePreserver::new_for_projection();
    expressions
        .into_iter()
        .map(|expression| {
            let name = names.save(&expression);
            Ok(name.restore(lifter.lift(expression)?))
        })
        .collect()
}

fn columns_of(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema().columns().into_iter().map(Expr::Column).collect()
}

/// The plan with these columns only: generated ones go no further than the node that reads them.
fn only(wanted: Vec<Expr>, plan: LogicalPlan) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Projection(Projection::try_new(wanted, Arc::new(plan))?))
}

fn refuse_what_is_left(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            if has_call(expression) {
                return plan_err!("a semantic call cannot stand here: compute it in a subquery\n{expression}");
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(())
}
