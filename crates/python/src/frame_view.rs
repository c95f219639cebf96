//! A frame as a view that every later session has: its plan as SQL, in the catalog. Rows in memory are kept beside it as a table.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use corsac_frame::{FrameError, Session, SessionOptions, Statement};
use datafusion::catalog::MemTable;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, TableReference, not_impl_err};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, SubqueryAlias, TableScanBuilder};
use datafusion::sql::unparser::plan_to_sql;

use crate::frame::PyFrame;
use crate::session::{SessionCore, in_session};

/// A plan that names nothing which ends with the session, and the rows in memory that it stood upon.
struct Lasting {
    plan: LogicalPlan,
    rows: Vec<(String, LogicalPlan)>,
}

impl Lasting {
    /// The same plan with a table's name wherever rows in memory stood.
    fn of(plan: LogicalPlan, view: &str) -> Result<Lasting> {
        let mut rows = Vec::new();
        let plan = plan.transform_down_with_subqueries(|node| {
            // what has a name of its own keeps that one
            let (scanned, name) = match &node {
                LogicalPlan::SubqueryAlias(named) => (named.input.as_ref(), Some(&named.alias)),
                other => (other, None),
            };
            let LogicalPlan::TableScan(scan) = scanned else { return Ok(Transformed::no(node)) };
            if !source_as_provider(&scan.source).is_ok_and(|provider| provider.is::<MemTable>()) {
                return Ok(Transformed::no(node));
            }
            let table = if rows.is_empty() { format!("{view} rows") } else { format!("{view} rows {}", rows.len() + 1) };
            let whole = TableScanBuilder::new(scan.table_name.clone(), Arc::clone(&scan.source)).build()?;
            rows.push((table.clone(), LogicalPlan::TableScan(whole)));
            let kept = TableScanBuilder::new(TableReference::bare(table), Arc::clone(&scan.source))
                .with_projection(scan.projection.clone())
                .with_filters(scan.filters.clone())
                .with_fetch(scan.fetch)
                .build()?;
            let alias = SubqueryAlias::try_new(Arc::new(LogicalPlan::TableScan(kept)), name.unwrap_or(&scan.table_name).clone())?;
            Ok(Transformed::new(LogicalPlan::SubqueryAlias(alias), true, TreeNodeRecursion::Jump))
        })?;
        let plan = plan.data.transform_up_with_subqueries(named)?.data;
        let plan = plan.map_children(|child| child.transform_up_with_subqueries(bounded))?.data;
        Ok(Lasting { plan, rows })
    }
}

/// What comes before a limit, and before rows were made distinct, is none of what comes after it: written into one SELECT, it
/// would mean something else. It becomes a subquery of its own.
fn bounded(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    if !matches!(node, LogicalPlan::Limit(_) | LogicalPlan::Distinct(_)) {
        return Ok(Transformed::no(node));
    }
    let columns = node.schema().columns();
    let mut relations = columns.iter().map(|column| column.relation.clone());
    let first = relations.next().flatten();
    if relations.any(|relation| relation != first) {
        return not_impl_err!("a limit over columns of several tables has no form in SQL: put a select before it");
    }
    let alias = SubqueryAlias::try_new(Arc::new(node), first.unwrap_or_else(|| TableReference::bare("part")))?;
    Ok(Transformed::yes(LogicalPlan::SubqueryAlias(alias)))
}

/// Columns that a projection puts under a table's name (`renamed`) as those of a subquery of that name, which is how SQL says it.
fn named(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Projection(projection) = &node else { return Ok(Transformed::no(node)) };
    let relations = projection.expr.iter().map(|expr| match expr {
        Expr::Alias(Alias { relation, .. }) => relation.clone(),
        _ => None,
    });
    let Some(relation) = relations.reduce(|one, other| one.filter(|one| Some(one) == other.as_ref())).flatten() else {
        return Ok(Transformed::no(node));
    };
    let plain = projection.expr.iter().map(|expr| match expr {
        Expr::Alias(Alias { expr, name, .. }) => expr.as_ref().clone().alias(name),
        other => other.clone(),
    });
    let inside = Projection::try_new(plain.collect(), Arc::clone(&projection.input))?;
    let alias = SubqueryAlias::try_new(Arc::new(LogicalPlan::Projection(inside)), relation)?;
    Ok(Transformed::yes(LogicalPlan::SubqueryAlias(alias)))
}

/// Makes a view of the catalog out of a frame. `Err` inside says why it cannot be one; then nothing was changed but tables of its
/// rows.
pub(crate) async fn keep(core: &SessionCore, name: &str, frame: &PyFrame) -> std::result::Result<Result<(), String>, FrameError> {
    let lasting = match Lasting::of(frame.frame.logical_plan().clone(), name) {
        Ok(lasting) => lasting,
        Err(error) => return Ok(Err(error.strip_backtrace())),
    };
    let text = match plan_to_sql(&lasting.plan) {
        Ok(text) => text.to_string(),
        Err(error) => return Ok(Err(error.strip_backtrace())),
    };
    // another session knows no name of this one
    let session = core.another();
    for (table, plan) in lasting.rows {
        session.register_frame("rows to keep", &in_session(&session, plan)?)?;
        run(&session, &format!("CREATE OR REPLACE TABLE {} AS SELECT * FROM \"rows to keep\"", quoted(&table))).await?;
    }
    let (back, here) = match session.sql(&text).await {
        Ok(read) => (types(&read.schema()), types(&frame.frame.schema())),
        Err(error) => return Ok(Err(error.to_string())),
    };
    if back != here {
        return Ok(Err(format!("its columns would be {} when it is read back, and are {}", told(&back), told(&here))));
    }
    run(&session, &format!("CREATE OR REPLACE VIEW {} AS {text}", quoted(name))).await?;
    Ok(Ok(()))
}

/// Runs a statement that changes the catalog and asks nothing.
async fn run(session: &Session, statement: &str) -> std::result::Result<(), FrameError> {
    match session.statement(statement).await? {
        Statement::Change(change) => change.apply().map(drop),
        Statement::Keep(keep) => {
            let (query, destination) = keep.into_parts();
            destination.fill(query.stream().await?).await.map(drop)
        }
        Statement::Rows(_) => Ok(()),
    }
}

/// Names and types; how a text lies in memory is no matter.
fn types(schema: &Schema) -> Vec<(String, DataType)> {
    let plain = |data_type: &DataType| match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        other => other.clone(),
    };
    schema.fields().iter().map(|field| (field.name().clone(), plain(field.data_type()))).collect()
}

fn told(columns: &[(String, DataType)]) -> String {
    columns.iter().map(|(name, data_type)| format!("{name} {data_type}")).collect::<Vec<_>>().join(", ")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl SessionCore {
    /// A session with the same settings, in which no frame has a name.
    fn another(&self) -> Session {
        let options = SessionOptions { on_error: self.on_error, home: self.home.clone(), ..SessionOptions::default() };
        Session::new(Arc::new(corsac_dispatch::LateAsk::default()), corsac_ledger::RunId::unrecorded(), options)
    }
}
