//! `similarity_join('left', 'column', 'right', 'column', k => 3, metric => 'cosine')`: each row of the left table beside the
//! rows of the right one that lie nearest to it.

use std::sync::Arc;

use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Column, Result, plan_err};
use datafusion::datasource::ViewTable;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::Metric;
use super::nearest_node::NearestRows;
use crate::bind::bind;
use crate::function::Operator;
use crate::node::SemanticCall;
use crate::table_function::{Argument, Kind, Shape};

pub(crate) const MOST_NEIGHBOURS: u64 = 10_000;

/// The table function.
#[derive(Debug)]
pub(crate) struct SimilarityJoin;

impl SimilarityJoin {
    pub(crate) const SHAPE: &'static Shape = &Shape {
        name: "similarity_join",
        usage: "similarity_join('reviews.csv', 'text', 'products.csv', 'name', k => 3, metric => 'cosine')",
        arguments: &[
            Argument::new("left", Kind::Table),
            Argument::new("left_on", Kind::Column),
            Argument::new("right", Kind::Table),
            Argument::new("right_on", Kind::Column),
            Argument::new("k", Kind::Number("1")),
            Argument::new("metric", Kind::Text("cosine")),
        ],
    };
}

impl TableFunctionImpl for SimilarityJoin {
    fn call_with_args(&self, arguments: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let shape = SimilarityJoin::SHAPE;
        let [left, left_on, right, right_on, k, metric] = arguments.exprs() else {
            return plan_err!("{} can only stand in a query of a session. Write {}", shape.name, shape.usage);
        };
        let options = arguments.session().config().options();
        let side = |table: &Expr, what: &str, on: &Expr| -> Result<(LogicalPlan, SemanticCall)> {
            let plan = shape.table(table)?;
            let column = shape.column(&plan, &shape.text(what, on)?)?;
            Ok((plan, compared(column, options)?))
        };
        let (left, left_embed) = side(left, "left_on", left_on)?;
        let (right, right_embed) = side(right, "right_on", right_on)?;
        let k = shape.count("k", "a whole number from 1 to 10000", k, |count| (1..=MOST_NEIGHBOURS).contains(&count))?;
        let known = shape.text("metric", metric).ok().and_then(|name| Metric::by_name(&name));
        let metric = known.ok_or_else(|| shape.wrong("metric", "'cosine', 'l2' or 'dot'", metric))?;
        let node = NearestRows::try_new(left, right, left_embed, right_embed, k as usize, metric)?;
        Ok(Arc::new(ViewTable::new(node.into_plan(), None)))
    }
}

/// How a column is embedded, if it is one of texts.
pub(crate) fn compared(column: Column, options: &Arc<ConfigOptions>) -> Result<SemanticCall> {
    let bound = bind(Operator::Embed, &[Expr::Column(column)], options)?;
    Ok(SemanticCall { bound, guard: None, value_column: Some(format!("{}#", Operator::Embed.name())), outcome_column: None })
}
