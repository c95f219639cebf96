//! Names of columns as people meet them: unquoted names in SQL find headers that differ in case, and results carry
//! readable names where the user gave none.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{self, Ident, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::dialect::GenericDialect;

use crate::function::Operator;
use crate::named;
use crate::program::ProgramMarker;

/// Writes unquoted names as the files of the query have them: `TEXT` becomes `text` where only `text` exists.
pub(crate) async fn as_written_in_files(mut statement: Statement, context: &SessionContext, tables: &[TableReference]) -> Statement {
    let mut columns = BTreeSet::new();
    for table in tables {
        if let Ok(provider) = context.table_provider(table.clone()).await {
            columns.extend(provider.schema().fields().iter().map(|field| field.name().clone()));
        }
    }
    let functions = programs_in(context);
    let written = match &mut statement {
        Statement::Explain(explain) => explain.statement.as_mut(),
        other => other,
    };
    if let Statement::Statement(inner) = written {
        let aliases = names_given_in(inner);
        let _ = VisitMut::visit(inner.as_mut(), &mut Spelling { columns, aliases, functions });
    }
    statement
}

fn programs_in(context: &SessionContext) -> BTreeSet<String> {
    ProgramMarker::all_in(context).into_iter().map(|function| function.name.to_string()).collect()
}

/// Reads an expression of SQL over columns of these names.
pub(crate) fn expression(sql: &str, schema: &DFSchema, context: &SessionContext) -> Result<ast::ExprWithAlias> {
    let mut written = DFParserBuilder::new(sql).with_dialect(&GenericDialect {}).build()?.parse_into_expr()?;
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    let _ = VisitMut::visit(&mut written, &mut Spelling { columns, aliases: BTreeSet::new(), functions: programs_in(context) });
    Ok(written)
}

/// The aliases a statement declares: they are names that need no correction, and may be meant with another case.
fn names_given_in(statement: &ast::Statement) -> BTreeSet<String> {
    struct Aliases(BTreeSet<String>);
    impl ast::Visitor for Aliases {
        type Break = ();
        fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<()> {
            for table in query.with.iter().flat_map(|with| &with.cte_tables) {
                self.note_alias(&table.alias);
            }
            self.note_select(&query.body);
            ControlFlow::Continue(())
        }
    }
    impl Aliases {
        fn note_alias(&mut self, alias: &ast::TableAlias) {
            self.0.insert(alias.name.value.clone());
            self.0.extend(alias.columns.iter().map(|column| column.name.value.clone()));
        }

        fn note_select(&mut self, body: &ast::SetExpr) {
            match body {
                ast::SetExpr::Select(select) => {
                    for item in &select.projection {
                        if let ast::SelectItem::ExprWithAlias { alias, .. } = item {
                            self.0.insert(alias.value.clone());
                        }
                    }
                }
                ast::SetExpr::SetOperation { left, right, .. } => {
                    self.note_select(left);
                    self.note_select(right);
                }
                _ => {}
            }
        }
    }
    let mut aliases = Aliases(BTreeSet::new());
    let _ = ast::Visit::visit(statement, &mut aliases);
    aliases.0
}

struct Spelling {
    columns: BTreeSet<String>,
    aliases: BTreeSet<String>,
    /// Functions made of programs.
    functions: BTreeSet<String>,
}

impl Spelling {
    /// Whether a function takes arguments by name.
    fn is_semantic(&self, name: &ast::ObjectName) -> bool {
        let name = name.0.last().and_then(ast::ObjectNamePart::as_ident).map(|name| name.value.to_lowercase()).unwrap_or_default();
        Operator::ALL.iter().any(|operator| operator.name() == name) || self.functions.contains(&name)
    }

    fn correct(&self, name: &mut Ident) {
        if name.quote_style.is_some() || self.columns.contains(&name.value) || self.aliases.contains(&name.value) {
            return;
        }
        let alike = only_alike(&self.columns, &name.value).or_else(|| only_alike(&self.aliases, &name.value));
        if let Some(alike) = alike {
            name.value.clone_from(alike);
        }
    }
}

/// The one name that differs from the wanted one in case only.
fn only_alike<'a>(names: &'a BTreeSet<String>, wanted: &str) -> Option<&'a String> {
    let mut alike = names.iter().filter(|name| name.to_lowercase() == wanted.to_lowercase());
    alike.next().filter(|_| alike.next().is_none())
}

impl VisitorMut for Spelling {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &mut ast::Expr) -> ControlFlow<()> {
        match expression {
            ast::Expr::Identifier(name) => self.correct(name),
            ast::Expr::Function(function) if self.is_semantic(&function.name) => named::wrap(&mut function.args),
            ast::Expr::CompoundFieldAccess { access_chain, .. } => access_chain.iter_mut().for_each(name_field_by_text),
            ast::Expr::CompoundIdentifier(parts) => {
                if let Some(name) = parts.last_mut() {
                    self.correct(name);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// `(call(…)).field` is only understood with the field's name as a text.
fn name_field_by_text(access: &mut ast::AccessExpr) {
    if let ast::AccessExpr::Dot(field) = access
        && let ast::Expr::Identifier(name) = field
    {
        let text = ast::Value::SingleQuotedString(name.value.clone());
        *field = ast::Expr::Value(text.into());
    }
}

/// Puts readable names over columns that are called after a whole call: `semantic_map(Utf8("…"),t.x)` becomes
/// `semantic_map`, and a second one `semantic_map_2`. A field of a struct is called by its own name.
pub(crate) fn readable(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !is_query(&plan) {
        return Ok(plan);
    }
    let columns = plan.schema().columns();
    let functions = semantic_names(&plan)?;
    let shortened: Vec<String> = columns.iter().map(|column| shorten(&column.name, &functions)).collect();
    if columns.iter().zip(&shortened).all(|(column, short)| column.name == *short) {
        return Ok(plan);
    }
    let mut taken: BTreeSet<String> =
        columns.iter().zip(&shortened).filter(|(column, short)| column.name == **short).map(|(column, _)| column.name.clone()).collect();
    let expressions: Vec<Expr> = columns.into_iter().zip(shortened).map(|(column, short)| renamed(column, short, &mut taken)).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(expressions, Arc::new(plan))?))
}

fn is_query(plan: &LogicalPlan) -> bool {
    !matches!(
        plan,
        LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::Statement(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::DescribeTable(_)
    )
}

fn renamed(column: Column, short: String, taken: &mut BTreeSet<String>) -> Expr {
    if column.name == short {
        return Expr::Column(column);
    }
    let mut name = short.clone();
    let mut count = 1;
    while !taken.insert(name.clone()) {
        count += 1;
        name = format!("{short}_{count}");
    }
    Expr::Column(column).alias(name)
}

/// The names of all functions in a plan that ask a model; the built-in ones always.
fn semantic_names(plan: &LogicalPlan) -> Result<Vec<String>> {
    let mut names: BTreeSet<String> = Operator::ALL.iter().map(|operator| operator.name().to_owned()).collect();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|inner| {
                names.extend(ProgramMarker::in_expression(inner).map(|function| function.name.to_string()));
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(names.into_iter().collect())
}

/// Leaves out the arguments of calls of these functions in a name the engine made.
fn shorten(name: &str, functions: &[String]) -> String {
    let mut short = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((start, function)) = first_call(rest, functions) {
        let open = start + function.len();
        short.push_str(&rest[..open]);
        rest = &rest[open + closing(&rest[open..])..];
    }
    short.push_str(rest);
    if short.strip_prefix(Operator::Reduce.name()).is_some_and(|rest| rest.starts_with(" FILTER") || rest.starts_with(" ORDER BY")) {
        return Operator::Reduce.name().to_owned();
    }
    if let Some(field) = field_of(&short) {
        return field.to_owned();
    }
    match short.strip_prefix("outcome(").and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) if functions.iter().any(|function| function == inner) => "outcome".to_owned(),
        _ => short,
    }
}

/// The name of the field in `table.column[field]`.
fn field_of(name: &str) -> Option<&str> {
    let (column, field) = name.strip_suffix(']')?.rsplit_once('[')?;
    let is_name = |text: &str| text.starts_with(|first: char| first.is_alphabetic() || first == '_');
    let plain = is_name(field) && field.chars().all(|character| character.is_alphanumeric() || character == '_');
    (plain && !column.contains(['(', '"'])).then_some(field)
}

fn first_call<'a>(name: &str, functions: &'a [String]) -> Option<(usize, &'a str)> {
    let found = |function: &'a String| {
        let call = format!("{function}(");
        let mut starts = name.match_indices(&call).map(|(start, _)| start);
        let begins = |start: &usize| !name[..*start].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        starts.find(begins).map(|start| (start, function.as_str()))
    };
    functions.iter().filter_map(found).min()
}

/// The length of a text that begins with a bracket, up to the bracket that closes it. Quoted brackets do not count.
fn closing(text: &str) -> usize {
    let mut depth = 0usize;
    let mut quoted = false;
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shorten_here(name: &str) -> String {
        let functions: Vec<String> = Operator::ALL.iter().map(|operator| operator.name()).chain(["triage"]).map(str::to_owned).collect();
        shorten(name, &functions)
    }

    #[test]
    fn names_lose_the_arguments_of_calls() {
        assert_eq!(shorten_here(r#"semantic_map(Utf8("Say :( to {{ x }}"),t.x)"#), "semantic_map");
        assert_eq!(shorten_here(r#"length(semantic_map(Utf8("a"),t.x))"#), "length(semantic_map)");
        assert_eq!(shorten_here(r#"outcome(semantic_classify(t.x,make_array(Utf8("a"))))"#), "outcome");
        assert_eq!(shorten_here(r#"semantic_extract(t.x,Utf8("a int"))[a]"#), "a");
        assert_eq!(shorten_here(r#"semantic_reduce(Utf8("a"),t.x) FILTER (WHERE t.y) ORDER BY [t.y ASC]"#), "semantic_reduce");
        assert_eq!(shorten_here("reviews.csv.e[name]"), "name");
        assert_eq!(shorten_here("t.list[1]"), "t.list[1]");
        assert_eq!(shorten_here("count(*)"), "count(*)");
        assert_eq!(shorten_here("semantic_map(broken"), "semantic_map");
        assert_eq!(shorten_here("outcome(triage(t.body))"), "outcome");
        assert_eq!(shorten_here("retriage(t.body)"), "retriage(t.body)");
    }
}
