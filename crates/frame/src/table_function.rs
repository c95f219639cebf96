//! Table functions that take tables: `similarity_join` and `semantic_cluster`. The engine's planner knows no names among
//! the arguments of a table function, and no tables, so both are put into a form it knows before it sees the statement:
//! arguments into their places, and each table, file or subquery into an EXISTS, whose plan the function then takes.

use std::ops::ControlFlow;

use datafusion::common::{Column, Result, ScalarValue, plan_datafusion_err, plan_err};
use datafusion::logical_expr::expr::Exists;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, VisitMut, VisitorMut};

use crate::cluster::SemanticCluster;
use crate::error::{FrameError, nearest};
use crate::join::SimilarityJoin;

/// A function's arguments.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// How it is written.
    pub(crate) usage: &'static str,
    /// The arguments in their order.
    pub(crate) arguments: &'static [Argument],
}

/// An argument of a table function.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// What an argument is, and what it is unless it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The name of a table, a file or a view, or a subquery.
    Table,
    /// The name of a column.
    Column,
    /// A text.
    Text(&'static str),
    /// A number.
    Number(&'static str),
}

impl Argument {
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Argument {
        Argument { name, kind }
    }
}

const SHAPES: [&Shape; 2] = [SimilarityJoin::SHAPE, SemanticCluster::SHAPE];

/// The function of this name that takes tables.
pub(crate) fn shape_of(name: &str) -> Option<&'static Shape> {
    SHAPES.into_iter().find(|shape| name.eq_ignore_ascii_case(shape.name))
}

/// Gives the arguments of these functions in a statement the form that the engine's planner takes.
pub(crate) fn prepare(statement: &mut Statement) -> Result<(), FrameError> {
    let flow = match statement {
        Statement::Statement(inner) => VisitMut::visit(inner.as_mut(), &mut Places),
        Statement::Explain(explain) => return prepare(&mut explain.statement),
        _ => ControlFlow::Continue(()),
    };
    match flow {
        ControlFlow::Break(message) => Err(FrameError::query(message)),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Places;

impl VisitorMut for Places {
    type Break = String;

    fn pre_visit_table_factor(&mut self, factor: &mut ast::TableFactor) -> ControlFlow<String> {
        let ast::TableFactor::Table { name, args: Some(arguments), .. } = factor else { return ControlFlow::Continue(()) };
        let [ast::ObjectNamePart::Identifier(own)] = name.0.as_slice() else { return ControlFlow::Continue(()) };
        let Some(shape) = shape_of(&own.value) else { return ControlFlow::Continue(()) };
        *name = ast::ObjectName::from(vec![ast::Ident::new(shape.name)]);
        match shape.in_places(std::mem::take(&mut arguments.args)) {
            Ok(placed) => {
                let unnamed = |value| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value));
                arguments.args = placed.into_iter().map(unnamed).collect();
                ControlFlow::Continue(())
            }
            Err(message) => ControlFlow::Break(format!("{message}. Write {}", shape.usage)),
        }
    }
}

impl Shape {
    /// The arguments by their places; those that may be left out have their usual values.
    fn in_places(&self, arguments: Vec<ast::FunctionArg>) -> Result<Vec<ast::Expr>, String> {
        let function = self.name;
        let mut placed: Vec<Option<ast::Expr>> = self.arguments.iter().map(|_| None).collect();
        for (index, argument) in arguments.into_iter().enumerate() {
            let (place, value) = match argument {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value)) => (index, value),
                ast::FunctionArg::Named { name, arg: ast::FunctionArgExpr::Expr(value), .. } => (self.place_of(&name.value)?, value),
                other => return Err(format!("{function} cannot take {other}")),
            };
            match (self.arguments.get(place), placed.get_mut(place)) {
                (Some(argument), Some(slot @ None)) => *slot = Some(argument.kind.written(value)?),
                (Some(argument), Some(Some(_))) => return Err(format!("{function} is given {} twice", argument.name)),
                _ => return Err(format!("{function} takes at most {} arguments", self.arguments.len())),
            }
        }
        let filled = placed.into_iter().zip(self.arguments).map(|(slot, argument)| {
            slot.or_else(|| argument.kind.usual())
                .ok_or_else(|| format!("{function} takes {}, and {} is missing", self.names(), argument.name))
        });
        filled.collect()
    }

    fn names(&self) -> String {
        self.arguments.iter().map(|argument| argument.name).collect::<Vec<_>>().join(", ")
    }

    fn place_of(&self, name: &str) -> Result<usize, String> {
        let known = self.arguments.iter().position(|own| own.name.eq_ignore_ascii_case(name));
        known.ok_or_else(|| {
            let near = nearest(name, self.arguments.iter().map(|own| own.name));
            format!("{} has no argument {name}{}", self.name, near.map(|near| format!(": did you mean {near}?")).unwrap_or_default())
        })
    }

    /// The names of tables among arguments as they are written.
    pub(crate) fn named_tables<'a>(&self, arguments: &'a mut [ast::FunctionArg]) -> impl Iterator<Item = &'a mut String> {
        let is_table = |place: usize| self.arguments.get(place).is_some_and(|argument| argument.kind == Kind::Table);
        arguments.iter_mut().enumerate().filter_map(move |(place, argument)| {
            let value = match argument {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value)) if is_table(place) => value,
                ast::FunctionArg::Named { name, arg: ast::FunctionArgExpr::Expr(value), .. }
                    if self.place_of(&name.value).is_ok_and(is_table) =>
                {
                    value
                }
                _ => return None,
            };
            match value {
                ast::Expr::Value(value) => match &mut value.value {
                    ast::Value::SingleQuotedString(text) => Some(text),
                    _ => None,
                },
                ast::Expr::Identifier(name) => Some(&mut name.value),
                _ => None,
            }
        })
    }

    /// What is wrong with an argument's value.
    pub(crate) fn wrong(&self, what: &str, wanted: &str, value: &Expr) -> datafusion::common::DataFusionError {
        let value = value.as_literal().map_or_else(|| value.to_string(), ToString::to_string);
        plan_datafusion_err!("{what} of {} must be {wanted}, not {value}. Write {}", self.name, self.usage)
    }

    /// The plan of a table among the arguments.
    pub(crate) fn table(&self, value: &Expr) -> Result<LogicalPlan> {
        match value {
            Expr::Exists(Exists { subquery, negated: false }) => Ok(subquery.subquery.as_ref().clone()),
            other => Err(self.wrong("the table", "the name of a table or a subquery", other)),
        }
    }

    /// A text among the arguments.
    pub(crate) fn text(&self, what: &str, value: &Expr) -> Result<String> {
        let text = value.as_literal().and_then(ScalarValue::try_as_str).flatten();
        text.map(str::to_owned).ok_or_else(|| self.wrong(what, "a text in quotes", value))
    }

    /// A whole number among the arguments.
    pub(crate) fn count(&self, what: &str, wanted: &str, value: &Expr, fits: impl Fn(u64) -> bool) -> Result<u64> {
        match value.as_literal().map(|value| value.cast_to(&arrow::datatypes::DataType::UInt64)) {
            Some(Ok(ScalarValue::UInt64(Some(count)))) if fits(count) => Ok(count),
            _ => Err(self.wrong(what, wanted, value)),
        }
    }

    /// A column of a table; the case of letters is no matter.
    pub(crate) fn column(&self, plan: &LogicalPlan, name: &str) -> Result<Column> {
        let columns = plan.schema().columns();
        let exact = columns.iter().find(|column| column.name == name);
        let Some(known) = exact.or_else(|| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))) else {
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            let hint = nearest(name, names.iter().copied()).map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
            let table = columns.first().and_then(|column| column.relation.as_ref());
            let table = table.map_or_else(|| "the subquery".to_owned(), |table| table.table().to_owned());
            return plan_err!("{table} has no column {name}.{hint} Its columns are {}", names.join(", "));
        };
        Ok(known.clone())
    }
}

impl Kind {
    fn usual(self) -> Option<ast::Expr> {
        match self {
            Kind::Table | Kind::Column => None,
            Kind::Text(text) => Some(literal(ast::Value::SingleQuotedString(text.to_owned()))),
            Kind::Number(number) => Some(literal(ast::Value::Number(number.to_owned(), false))),
        }
    }

    fn written(self, value: ast::Expr) -> Result<ast::Expr, String> {
        match (self, value) {
            (Kind::Table, ast::Expr::Subquery(subquery)) => Ok(ast::Expr::Exists { subquery, negated: false }),
            (Kind::Table, ast::Expr::Identifier(name)) => all_of(&name.value),
            (Kind::Table, ast::Expr::Value(value)) => match value.clone().into_string() {
                Some(name) => all_of(&name),
                None => Err(format!("a table is named by a text, not {value}")),
            },
            (Kind::Column, ast::Expr::Identifier(name)) => Ok(literal(ast::Value::SingleQuotedString(name.value))),
            (_, other) => Ok(other),
        }
    }
}

fn literal(value: ast::Value) -> ast::Expr {
    ast::Expr::Value(value.into())
}

/// `EXISTS (SELECT * FROM "name")`.
fn all_of(name: &str) -> Result<ast::Expr, String> {
    let quoted = ast::Ident::with_quote('"', name);
    let parsed = crate::catalog::parse(&format!("SELECT * FROM {quoted}")).map_err(|error| error.to_string())?;
    match parsed {
        Statement::Statement(inner) => match *inner {
            ast::Statement::Query(subquery) => Ok(ast::Expr::Exists { subquery, negated: false }),
            other => Err(format!("{other} is no query")),
        },
        other => Err(format!("{other} is no query")),
    }
}
