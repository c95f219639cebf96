//! `similarity_join('left', 'column', 'right', 'column', k => 3, metric => 'cosine')`: each row of the left table beside the
//! rows of the right one that lie nearest to it.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Column, Result, ScalarValue, TableReference, plan_datafusion_err, plan_err};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, VisitMut, VisitorMut};
use futures::FutureExt;

use super::Metric;
use super::nearest_node::NearestRows;
use crate::bind::bind;
use crate::error::{FrameError, nearest};
use crate::function::Operator;
use crate::node::SemanticCall;

const NAME: &str = "similarity_join";
const USAGE: &str = "similarity_join('reviews.csv', 'text', 'products.csv', 'name', k => 3, metric => 'cosine')";
/// The arguments in their order.
const ARGUMENTS: [&str; 6] = ["left", "left_on", "right", "right_on", "k", "metric"];
const MOST_NEIGHBOURS: u64 = 10_000;

/// Gives the arguments of the function in a statement their places, since the engine's planner knows no names there.
/// Gives the tables it names.
pub(crate) fn prepare(statement: &mut Statement) -> Result<Vec<TableReference>, FrameError> {
    let mut places = Places { tables: Vec::new() };
    let flow = match statement {
        Statement::Statement(inner) => VisitMut::visit(inner.as_mut(), &mut places),
        Statement::Explain(explain) => {
            places.tables = prepare(&mut explain.statement)?;
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    };
    match flow {
        ControlFlow::Break(message) => Err(FrameError::query(message)),
        ControlFlow::Continue(()) => Ok(places.tables),
    }
}

struct Places {
    tables: Vec<TableReference>,
}

impl VisitorMut for Places {
    type Break = String;

    fn pre_visit_table_factor(&mut self, factor: &mut ast::TableFactor) -> ControlFlow<String> {
        let ast::TableFactor::Table { name, args: Some(arguments), .. } = factor else { return ControlFlow::Continue(()) };
        let is_this = matches!(name.0.as_slice(), [ast::ObjectNamePart::Identifier(own)] if own.value.eq_ignore_ascii_case(NAME));
        if !is_this {
            return ControlFlow::Continue(());
        }
        *name = ast::ObjectName::from(vec![ast::Ident::new(NAME)]);
        match in_places(std::mem::take(&mut arguments.args)) {
            Ok(placed) => {
                self.tables.extend([&placed[0], &placed[2]].into_iter().filter_map(text_of).map(TableReference::bare));
                let unnamed = |value| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value));
                arguments.args = placed.into_iter().map(unnamed).collect();
                ControlFlow::Continue(())
            }
            Err(message) => ControlFlow::Break(format!("{message}. Write {USAGE}")),
        }
    }
}

/// The arguments by their places; those that may be left out have their usual values.
fn in_places(arguments: Vec<ast::FunctionArg>) -> Result<Vec<ast::Expr>, String> {
    let text = |text: &str| ast::Expr::Value(ast::Value::SingleQuotedString(text.to_owned()).into());
    let mut placed: [Option<ast::Expr>; 6] = Default::default();
    for (index, argument) in arguments.into_iter().enumerate() {
        let (place, value) = match argument {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value)) => (index, value),
            ast::FunctionArg::Named { name, arg: ast::FunctionArgExpr::Expr(value), .. } => {
                let known = ARGUMENTS.iter().position(|own| own.eq_ignore_ascii_case(&name.value));
                let hint = || nearest(&name.value, ARGUMENTS.into_iter()).map(|near| format!(": did you mean {near}?")).unwrap_or_default();
                (known.ok_or_else(|| format!("{NAME} has no argument {}{}", name.value, hint()))?, value)
            }
            other => return Err(format!("{NAME} cannot take {other}")),
        };
        match placed.get_mut(place) {
            Some(slot @ None) => *slot = Some(named_as_text(value)),
            Some(Some(_)) => return Err(format!("{NAME} is given {} twice", ARGUMENTS[place])),
            None => return Err(format!("{NAME} takes at most {} arguments", ARGUMENTS.len())),
        }
    }
    placed[4].get_or_insert_with(|| ast::Expr::Value(ast::Value::Number("1".to_owned(), false).into()));
    placed[5].get_or_insert_with(|| text(Metric::default().name()));
    match placed.iter().position(Option::is_none) {
        Some(missing) => Err(format!("{NAME} needs two tables with a column of each, and {} is missing", ARGUMENTS[missing])),
        None => Ok(placed.into_iter().flatten().collect()),
    }
}

/// A table or a column may also be written as a name.
fn named_as_text(value: ast::Expr) -> ast::Expr {
    match value {
        ast::Expr::Identifier(name) => ast::Expr::Value(ast::Value::SingleQuotedString(name.value).into()),
        other => other,
    }
}

fn text_of(value: &ast::Expr) -> Option<String> {
    match value {
        ast::Expr::Value(value) => value.clone().into_string(),
        _ => None,
    }
}

/// The table function.
#[derive(Debug)]
pub(crate) struct SimilarityJoin;

impl SimilarityJoin {
    pub(crate) const NAME: &'static str = NAME;
}

impl TableFunctionImpl for SimilarityJoin {
    fn call_with_args(&self, arguments: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let values: Vec<ScalarValue> = arguments.exprs().iter().filter_map(|argument| argument.as_literal().cloned()).collect();
        let [left, left_on, right, right_on, k, metric] = values.as_slice() else {
            return plan_err!("the arguments of {NAME} must be known before the query runs. Write {USAGE}");
        };
        let state = arguments
            .session()
            .as_any()
            .downcast_ref::<SessionState>()
            .ok_or_else(|| plan_datafusion_err!("{NAME} can only stand in a query of a session"))?;
        let wrong = |what: &str, wanted: &str, value: &ScalarValue| {
            plan_datafusion_err!("{what} of {NAME} must be {wanted}, not {value}. Write {USAGE}")
        };
        let text = |what: &str, value: &ScalarValue| {
            value.try_as_str().flatten().map(str::to_owned).ok_or_else(|| wrong(what, "a name in quotes", value))
        };
        let k = match k.cast_to(&arrow::datatypes::DataType::UInt64) {
            Ok(ScalarValue::UInt64(Some(count))) if (1..=MOST_NEIGHBOURS).contains(&count) => count as usize,
            _ => return Err(wrong("k", "a whole number from 1 to 10000", k)),
        };
        let metric = text("metric", metric)
            .ok()
            .and_then(|name| Metric::by_name(&name))
            .ok_or_else(|| wrong("metric", "'cosine', 'l2' or 'dot'", metric))?;
        let (left, left_embed) = side(state, &text("left", left)?, &text("left_on", left_on)?)?;
        let (right, right_embed) = side(state, &text("right", right)?, &text("right_on", right_on)?)?;
        let node = NearestRows::try_new(left, right, left_embed, right_embed, k, metric)?;
        Ok(Arc::new(ViewTable::new(node.into_plan(), None)))
    }
}

/// A table, and how its column is embedded.
fn side(state: &SessionState, table: &str, column: &str) -> Result<(LogicalPlan, SemanticCall)> {
    let reference = TableReference::bare(table);
    let missing = || {
        plan_datafusion_err!("there is no table {table} for {NAME}: name a file, a table or a view; a subquery has to become a view first")
    };
    let schema = state.schema_for_ref(reference.clone()).map_err(|_| missing())?;
    // the tables of a session are in memory, so nothing has to be waited for
    let provider = schema.table(table).now_or_never().transpose()?.flatten().ok_or_else(missing)?;
    let fields = provider.schema();
    let names: Vec<&str> = fields.fields().iter().map(|field| field.name().as_str()).collect();
    let known = names.iter().find(|name| **name == column).or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(column)));
    let Some(known) = known else {
        let hint = nearest(column, names.iter().copied()).map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
        return plan_err!("{table} has no column {column}.{hint} Its columns are {}", names.join(", "));
    };
    let plan = LogicalPlanBuilder::scan(reference.clone(), provider_as_source(Arc::clone(&provider)), None)?.build()?;
    let key = Expr::Column(Column::new(Some(reference), *known));
    let bound = bind(Operator::Embed, &[key], state.config_options())?;
    Ok((plan, SemanticCall { bound, guard: None, value_column: Some(format!("{}#", Operator::Embed.name())), outcome_column: None }))
}
