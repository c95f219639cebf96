//! `semantic_cluster('table', 'column', k => 8)`: the rows of a table with the number of the group each lies in.

use std::sync::Arc;

use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, plan_err};
use datafusion::datasource::ViewTable;

use super::MOST_CLUSTERS;
use super::kmeans::Search;
use super::node::{Clustered, Labels};
use crate::join::compared;
use crate::table_function::{Argument, Kind, Shape};

/// The table function.
#[derive(Debug)]
pub(crate) struct SemanticCluster;

impl SemanticCluster {
    pub(crate) const SHAPE: &'static Shape = &Shape {
        name: "semantic_cluster",
        usage: "semantic_cluster('reviews.csv', 'text', k => 8)",
        arguments: &[
            Argument::new("table", Kind::Table),
            Argument::new("column", Kind::Column),
            Argument::new("k", Kind::Number("8")),
            Argument::new("label", Kind::Text(Labels::USUAL)),
            Argument::new("centroid", Kind::Text("")),
            Argument::new("seed", Kind::Number("0")),
            Argument::new("restarts", Kind::Number("1")),
        ],
    };
}

impl TableFunctionImpl for SemanticCluster {
    fn call_with_args(&self, arguments: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let shape = SemanticCluster::SHAPE;
        let [table, column, k, label, centroid, seed, restarts] = arguments.exprs() else {
            return plan_err!("{} can only stand in a query of a session. Write {}", shape.name, shape.usage);
        };
        let plan = shape.table(table)?;
        let column = shape.column(&plan, &shape.text("column", column)?)?;
        let embed = compared(column, arguments.session().config().options())?;
        let search = Search {
            groups: shape.count("k", "a whole number from 1 to 10000", k, |count| (1..=MOST_CLUSTERS).contains(&count))? as usize,
            seed: shape.count("seed", "a whole number", seed, |_| true)?,
            restarts: shape.count("restarts", "a whole number from 1 to 1000", restarts, |count| (1..=1_000).contains(&count))? as usize,
        };
        let label = shape.text("label", label)?;
        if label.trim().is_empty() {
            return plan_err!("label of {} must be the name of a column. Write {}", shape.name, shape.usage);
        }
        let centroid = Some(shape.text("centroid", centroid)?).filter(|name| !name.trim().is_empty());
        let node = Clustered::try_new(plan, embed, search, Labels { label, centroid })?;
        Ok(Arc::new(ViewTable::new(node.into_plan(), None)))
    }
}
