//! Takes the semantic calls out of expressions and leaves a column in the place of each. It knows which rows reach a
//! call (the branches of CASE, the operands of AND, OR and COALESCE) and hands that on as the call's guard.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, plan_err};
use datafusion::logical_expr::expr::{AggregateFunction, Alias, Case, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator as SqlOperator, Projection, WindowFunctionDefinition, lit};

use super::sink::without_marks;
use crate::bind::{BoundCall, bind};
use crate::function::{Marker, Operator, OutcomeMarker, ReduceMarker};
use crate::node::{Semantic, SemanticCall};
use crate::program::ProgramMarker;

/// Whether an expression holds a semantic call or `outcome`, not counting subqueries.
pub(super) fn has_call(expression: &Expr) -> bool {
    // `exists` fails only if the closure does
    expression.exists(|inner| Ok(is_call(inner) || is_outcome(inner) || is_reduce(inner))).unwrap_or(false)
}

/// Whether this is `semantic_reduce`, as an aggregate or over a window.
fn is_reduce(expression: &Expr) -> bool {
    let function = match expression {
        Expr::AggregateFunction(AggregateFunction { func, .. }) => func,
        Expr::WindowFunction(window) => match &window.fun {
            WindowFunctionDefinition::AggregateUDF(func) => func,
            WindowFunctionDefinition::WindowUDF(_) => return false,
        },
        _ => return false,
    };
    function.inner().downcast_ref::<ReduceMarker>().is_some()
}

/// Whether an expression itself asks about a row: by a semantic function or by that of a program.
fn is_call(expression: &Expr) -> bool {
    marker_in(expression).is_some() || ProgramMarker::in_expression(expression).is_some()
}

/// The semantic function that an expression calls.
pub(super) fn marker_in(expression: &Expr) -> Option<Operator> {
    match expression {
        Expr::ScalarFunction(ScalarFunction { func, .. }) => func.inner().downcast_ref::<Marker>().map(|marker| marker.operator),
        _ => None,
    }
}

/// The semantic function that an expression is a call of, scalar or aggregate, with what it is given.
pub(crate) fn call_in(expression: &Expr) -> Option<(Operator, &[Expr])> {
    match expression {
        Expr::ScalarFunction(function) => marker_in(expression).map(|operator| (operator, function.args.as_slice())),
        Expr::AggregateFunction(function) if is_reduce(expression) => Some((Operator::Reduce, function.params.args.as_slice())),
        _ => None,
    }
}

fn is_outcome(expression: &Expr) -> bool {
    matches!(expression, Expr::ScalarFunction(ScalarFunction { func, .. }) if func.inner().downcast_ref::<OutcomeMarker>().is_some())
}

/// Collects the calls of one plan node's expressions.
pub(super) struct Lifter<'a> {
    options: &'a Arc<ConfigOptions>,
    /// Numbers the columns of a whole plan, so that a name stands for one call everywhere in it.
    numbers: &'a AtomicUsize,
    calls: Vec<Lifted>,
    /// What the user calls the expression that is being lifted.
    alias: Option<String>,
}

struct Lifted {
    bound: BoundCall,
    guard: Option<Expr>,
    value_column: String,
    outcome_column: String,
    value_is_read: bool,
    outcome_is_read: bool,
}

impl<'a> Lifter<'a> {
    pub(super) fn new(options: &'a Arc<ConfigOptions>, numbers: &'a AtomicUsize) -> Lifter<'a> {
        Lifter { options, numbers, calls: Vec::new(), alias: None }
    }

    /// Replaces every call in an expression that each row of the input reaches.
    pub(super) fn lift(&mut self, expression: Expr) -> Result<Expr> {
        self.alias = match &expression {
            Expr::Alias(Alias { name, .. }) if !name.contains('(') => Some(name.clone()),
            _ => None,
        };
        self.replace(expression, None)
    }

    fn replace(&mut self, expression: Expr, guard: Option<&Expr>) -> Result<Expr> {
        if !has_call(&expression) {
            return Ok(expression);
        }
        if is_call(&expression) {
            return self.replace_call(expression, guard, false);
        }
        match expression {
            Expr::ScalarFunction(function) if is_outcome_function(&function) => self.replace_outcome(function, guard),
            Expr::Case(case) => self.replace_case(case, guard),
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (SqlOperator::And | SqlOperator::Or), right }) => {
                self.replace_logic(*left, op, *right, guard)
            }
            Expr::ScalarFunction(function) if takes_first_value(&function) => self.replace_first_value(function, guard),
            Expr::Lambda(_) | Expr::HigherOrderFunction(_) => {
                plan_err!("a semantic call cannot stand inside a lambda: unnest the list in a subquery and call it there")
            }
            Expr::GroupingSet(_) => {
                plan_err!(
                    "a semantic call cannot stand inside ROLLUP, CUBE or GROUPING SETS: compute it in a subquery and group by its column"
                )
            }
            Expr::Unnest(_) => {
                plan_err!("a semantic call cannot stand inside unnest: compute it in a subquery and unnest its column")
            }
            other => other.map_children(|child| Ok(Transformed::yes(self.replace(child, guard)?))).map(|replaced| replaced.data),
        }
    }

    fn replace_outcome(&mut self, function: ScalarFunction, guard: Option<&Expr>) -> Result<Expr> {
        let inner = function.args.into_iter().next().map(|inner| inner.unalias());
        match inner {
            Some(inner) if is_call(&inner) => self.replace_call(inner, guard, true),
            Some(inner) => plan_err!("outcome takes a semantic call itself, not {inner}. Write outcome(semantic_…(…))"),
            None => plan_err!("outcome takes one semantic call. Write outcome(semantic_…(…))"),
        }
    }

    /// The call that an expression makes, its arguments read.
    fn bound_in(&self, expression: &Expr) -> Result<Option<BoundCall>> {
        let Expr::ScalarFunction(ScalarFunction { args, .. }) = expression else { return Ok(None) };
        match (marker_in(expression), ProgramMarker::in_expression(expression)) {
            (Some(operator), _) => bind(operator, args, self.options).map(Some),
            (None, Some(function)) => function.bind(args, self.options).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn replace_call(&mut self, expression: Expr, guard: Option<&Expr>, outcome: bool) -> Result<Expr> {
        // names are read before anything inside is replaced, so that columns bind by the names the user wrote
        let Some(mut bound) = self.bound_in(&expression)? else { return Ok(expression) };
        if bound.arguments.iter().any(Expr::contains_outer) {
            return plan_err!("{} cannot read a column of the outer query inside a subquery: join the two tables instead", bound.name());
        }
        for argument in &mut bound.arguments {
            *argument = self.replace(without_marks(argument.clone().unalias())?, guard)?;
        }
        let index = match self.calls.iter().position(|call| call.asks_the_same(&bound, guard)) {
            Some(index) => index,
            None => self.add(bound, guard),
        };
        let call = &mut self.calls[index];
        call.widen(guard);
        let column = if outcome {
            call.outcome_is_read = true;
            &call.outcome_column
        } else {
            call.value_is_read = true;
            &call.value_column
        };
        Ok(Expr::Column(Column::new_unqualified(column)))
    }

    fn add(&mut self, bound: BoundCall, guard: Option<&Expr>) -> usize {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let name = self.alias.as_deref().unwrap_or(bound.name());
        self.calls.push(Lifted {
            value_column: format!("{name}#{number}"),
            outcome_column: format!("{name}#{number}.outcome"),
            bound,
            guard: guard.cloned(),
            value_is_read: false,
            outcome_is_read: false,
        });
        self.calls.len() - 1
    }

    fn replace_case(&mut self, case: Case, guard: Option<&Expr>) -> Result<Expr> {
        let Case { expr, when_then_expr, else_expr } = case;
        let base = expr.map(|base| self.replace(*base, guard)).transpose()?;
        let mut passed: Vec<Expr> = Vec::new();
        let mut branches = Vec::with_capacity(when_then_expr.len());
        for (when, then) in when_then_expr {
            let before = none_of(&passed);
            let when = self.replace(*when, both(guard, before.as_ref()).as_ref())?;
            let holds = base.as_ref().map_or_else(|| when.clone(), |base| base.clone().eq(when.clone()));
            let reached = reached(&passed, &holds);
            let then = self.replace(*then, both(guard, Some(&reached)).as_ref())?;
            passed.push(holds);
            branches.push((Box::new(when), Box::new(then)));
        }
        let otherwise = match else_expr {
            Some(otherwise) => Some(Box::new(self.replace(*otherwise, both(guard, none_of(&passed).as_ref()).as_ref())?)),
            None => None,
        };
        Ok(Expr::Case(Case { expr: base.map(Box::new), when_then_expr: branches, else_expr: otherwise }))
    }

    /// AND and OR do not need their second operand where the first decides; an operand without a call is the cheap one.
    fn replace_logic(&mut self, left: Expr, op: SqlOperator, right: Expr, guard: Option<&Expr>) -> Result<Expr> {
        let undecided = |operand: &Expr| {
            let operand = Box::new(operand.clone());
            if op == SqlOperator::And { Expr::IsNotFalse(operand) } else { Expr::IsNotTrue(operand) }
        };
        let (left, right) = if has_call(&right) {
            let left = self.replace(left, guard)?;
            let right = self.replace(right, both(guard, Some(&undecided(&left))).as_ref())?;
            (left, right)
        } else {
            (self.replace(left, both(guard, Some(&undecided(&right))).as_ref())?, right)
        };
        Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
    }

    /// COALESCE needs an argument only where all before it are NULL.
    fn replace_first_value(&mut self, function: ScalarFunction, guard: Option<&Expr>) -> Result<Expr> {
        let mut all_null: Option<Expr> = None;
        let mut arguments = Vec::with_capacity(function.args.len());
        for argument in function.args {
            let argument = self.replace(argument, both(guard, all_null.as_ref()).as_ref())?;
            all_null = both(all_null.as_ref(), Some(&Expr::IsNull(Box::new(argument.clone()))));
            arguments.push(argument);
        }
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function.func, arguments)))
    }

    /// Puts the nodes that answer the collected calls on top of a plan: one node for each stage, since a call that reads
    /// another's answer has to wait for it.
    pub(super) fn over(self, plan: LogicalPlan) -> Result<LogicalPlan> {
        self.over_with_reason(plan, None)
    }

    /// The same with the reason why these calls are asked at this place, which plans show.
    pub(super) fn over_with_reason(self, mut plan: LogicalPlan, why: Option<&Arc<str>>) -> Result<LogicalPlan> {
        let mut waiting = self.calls;
        while !waiting.is_empty() {
            let names: Vec<String> = waiting.iter().flat_map(Lifted::columns).cloned().collect();
            let (later, now): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|call| call.reads_any(&names));
            if now.is_empty() {
                return plan_err!("semantic calls wait for each other: put one of them into a subquery");
            }
            plan = ask_over(plan, now, why)?;
            waiting = later;
        }
        Ok(plan)
    }

    /// The calls whose inputs all come from a plan with this schema are put over it, and taken out of the collection.
    pub(super) fn split_off(&mut self, belongs: impl Fn(&[Column]) -> bool) -> Lifter<'a> {
        let mut own: Vec<Lifted> = Vec::new();
        let mut rest: Vec<Lifted> = Vec::new();
        for call in self.calls.drain(..) {
            // a call may read answers of calls already assigned to the same side
            let given: Vec<String> = own.iter().flat_map(Lifted::columns).cloned().collect();
            let outside: Vec<Column> = call.columns_read().into_iter().filter(|column| !given.contains(&column.name)).collect();
            if belongs(&outside) { own.push(call) } else { rest.push(call) }
        }
        self.calls = rest;
        Lifter { options: self.options, numbers: self.numbers, calls: own, alias: None }
    }

    /// What was collected, for those who want to know what would be asked.
    pub(super) fn into_bound(self) -> Vec<BoundCall> {
        self.calls.into_iter().map(|call| call.bound).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

impl Lifted {
    fn asks_the_same(&self, bound: &BoundCall, guard: Option<&Expr>) -> bool {
        self.bound.identity == bound.identity
            && self.bound.arguments == bound.arguments
            && match (&self.guard, guard) {
                (None, _) | (_, None) => true,
                (Some(own), Some(other)) => own == other || !(reads_answers(own) || reads_answers(other)),
            }
    }

    /// The call is now also needed for the rows of another guard.
    fn widen(&mut self, guard: Option<&Expr>) {
        self.guard = match (self.guard.take(), guard) {
            (Some(own), Some(other)) if own == *other => Some(own),
            (Some(own), Some(other)) => Some(own.or(other.clone())),
            _ => None,
        };
    }

    fn columns(&self) -> impl Iterator<Item = &String> {
        [&self.value_column, &self.outcome_column].into_iter()
    }

    fn columns_read(&self) -> Vec<Column> {
        let expressions = self.bound.arguments.iter().chain(self.guard.iter());
        expressions.flat_map(|expression| expression.column_refs().into_iter().cloned().collect::<Vec<_>>()).collect()
    }

    fn reads_any(&self, names: &[String]) -> bool {
        self.columns_read().iter().any(|column| column.relation.is_none() && names.contains(&column.name))
    }

    fn into_call(self) -> SemanticCall {
        SemanticCall {
            bound: self.bound,
            guard: self.guard,
            value_column: self.value_is_read.then_some(self.value_column),
            outcome_column: self.outcome_is_read.then_some(self.outcome_column),
        }
    }
}

/// Generated columns are the only ones whose names hold a number sign and no table.
fn reads_answers(guard: &Expr) -> bool {
    guard.column_refs().iter().any(|column| column.relation.is_none() && column.name.contains('#'))
}

fn ask_over(plan: LogicalPlan, calls: Vec<Lifted>, why: Option<&Arc<str>>) -> Result<LogicalPlan> {
    let mut calls: Vec<SemanticCall> = calls.into_iter().map(Lifted::into_call).collect();
    let plan = with_subqueries_below(plan, &mut calls)?;
    Ok(Semantic::try_new(plan, calls)?.because(why.cloned()).into_plan())
}

/// Inputs that hold subqueries are computed in a projection below, where the engine can plan them.
fn with_subqueries_below(plan: LogicalPlan, calls: &mut [SemanticCall]) -> Result<LogicalPlan> {
    let mut computed: Vec<Expr> = Vec::new();
    for call in calls.iter_mut() {
        let name = call.value_column.as_ref().or(call.outcome_column.as_ref()).cloned().unwrap_or_default();
        for (index, slot) in call.bound.arguments.iter_mut().chain(call.guard.iter_mut()).enumerate() {
            if slot.exists(|inner| Ok(matches!(inner, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_))))? {
                let column = format!("{name}.input{index}");
                let expression = std::mem::replace(slot, Expr::Column(Column::new_unqualified(&column)));
                computed.push(expression.alias(column));
            }
        }
    }
    if computed.is_empty() {
        return Ok(plan);
    }
    let expressions = plan.schema().columns().into_iter().map(Expr::Column).chain(computed).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(expressions, Arc::new(plan))?))
}

fn is_outcome_function(function: &ScalarFunction) -> bool {
    function.func.inner().downcast_ref::<OutcomeMarker>().is_some()
}

fn takes_first_value(function: &ScalarFunction) -> bool {
    matches!(function.func.name(), "coalesce" | "nvl" | "ifnull")
}

fn both(one: Option<&Expr>, other: Option<&Expr>) -> Option<Expr> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.clone().and(other.clone())),
        (Some(only), None) | (None, Some(only)) => Some(only.clone()),
        (None, None) => None,
    }
}

/// Holds where no branch before was taken. A CASE keeps what stands behind a branch from being worked out too early.
fn none_of(passed: &[Expr]) -> Option<Expr> {
    (!passed.is_empty()).then(|| decide(passed.iter().map(|holds| (holds.clone(), false)), true))
}

/// Holds where this branch is the first that is taken.
fn reached(passed: &[Expr], holds: &Expr) -> Expr {
    if passed.is_empty() {
        return holds.clone();
    }
    decide(passed.iter().map(|holds| (holds.clone(), false)).chain([(holds.clone(), true)]), false)
}

fn decide(branches: impl Iterator<Item = (Expr, bool)>, otherwise: bool) -> Expr {
    let when_then_expr = branches.map(|(when, then)| (Box::new(when), Box::new(lit(then)))).collect();
    Expr::Case(Case { expr: None, when_then_expr, else_expr: Some(Box::new(lit(otherwise))) })
}
