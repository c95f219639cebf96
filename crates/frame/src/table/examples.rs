//! `examples => 'a_table'`: the rows of a table or view put into the call, before the query is planned, as if they had been
//! written there.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::common::TableReference;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use serde_json::Value;

use super::{Tables, locate};
use crate::cell::json_value;
use crate::error::FrameError;

/// Examples stand in every prompt: more of them are a mistake.
const MOST: usize = 1_000;

impl Tables {
    /// Puts the rows of the tables that a statement names as examples into their calls. `within` are the views that are being
    /// planned. A name that is no table is left to be told as what it may have been.
    ///
    /// # Errors
    /// A table that cannot be read, asks a model itself, is empty or has more than a thousand rows.
    pub(crate) async fn put_examples(&self, statement: &mut Statement, within: &mut Vec<String>) -> Result<(), FrameError> {
        let statement = match statement {
            Statement::Explain(explain) => explain.statement.as_mut(),
            other => other,
        };
        let Statement::Statement(inner) = statement else { return Ok(()) };
        let mut places = Places::default();
        let _ = VisitMut::visit(inner.as_mut(), &mut places);
        if places.rows.is_empty() {
            return Ok(());
        }
        for (name, rows) in &mut places.rows {
            *rows = Box::pin(self.example_rows(name, within)).await?;
        }
        let _ = VisitMut::visit(inner.as_mut(), &mut places);
        Ok(())
    }

    async fn example_rows(&self, name: &str, within: &mut Vec<String>) -> Result<Option<ast::Expr>, FrameError> {
        let reference = TableReference::bare(name);
        self.make_ready(std::slice::from_ref(&reference), within).await?;
        if !self.context.table_exist(reference.clone()).unwrap_or(false) {
            return Ok(None);
        }
        let wrong = |why: &str| FrameError::query(format!("the table {name} cannot be examples: {why}"));
        let frame = self.context.table(reference).await.map_err(FrameError::from_planning)?;
        let frame = frame.limit(0, Some(MOST + 1)).map_err(FrameError::from_planning)?;
        let batches = frame.collect().await.map_err(|error| wrong(&FrameError::from_execution(error).to_string()))?;
        let mut rows = Vec::new();
        for batch in &batches {
            let schema = batch.schema();
            for row in 0..batch.num_rows() {
                let mut fields = Vec::with_capacity(batch.num_columns());
                for (field, column) in schema.fields().iter().zip(batch.columns()) {
                    let value = json_value(column.as_ref(), row).map_err(FrameError::from_execution)?;
                    fields.push(format!("{}: {}", quoted(field.name()), literal(&value)));
                }
                rows.push(format!("{{{}}}", fields.join(", ")));
            }
        }
        match rows.len() {
            0 => Err(wrong("it has no rows")),
            1..=MOST => {
                let text = format!("[{}]", rows.join(", "));
                let parsed = Parser::new(&GenericDialect {}).try_with_sql(&text).and_then(|mut parser| parser.parse_expr());
                parsed.map(Some).map_err(|error| wrong(&error.to_string()))
            }
            _ => Err(wrong(&format!("it has more than {MOST} rows, and each would stand in every prompt"))),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A value in SQL, of the same type for all rows of a column.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members: Vec<String> = members.iter().map(|(name, value)| format!("{}: {}", quoted(name), literal(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// Finds the names at first; then, by the rows that were read, replaces them.
#[derive(Default)]
struct Places {
    rows: BTreeMap<String, Option<ast::Expr>>,
}

impl VisitorMut for Places {
    type Break = ();

    fn post_visit_expr(&mut self, expression: &mut ast::Expr) -> ControlFlow<()> {
        let ast::Expr::Function(ast::Function { args: ast::FunctionArguments::List(list), .. }) = expression else {
            return ControlFlow::Continue(());
        };
        for argument in &mut list.args {
            if let ast::FunctionArg::Named { name, arg: ast::FunctionArgExpr::Expr(value), .. } = argument
                && name.value == "examples"
                && let ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::SingleQuotedString(table), .. }) = &*value
                && !locate::looks_like_path(table)
            {
                match self.rows.get(table) {
                    Some(Some(rows)) => *value = rows.clone(),
                    Some(None) => {}
                    None => {
                        self.rows.insert(table.clone(), None);
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }
}
