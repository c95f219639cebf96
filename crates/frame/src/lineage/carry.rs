//! The plan that carries the column of calls up to its result. It is made of the plan that was optimized already, so that
//! the column changes nothing of what is asked: what nobody reads is gone, and filters and limits are where they belong.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, TableReference};
use datafusion::logical_expr::{Aggregate, Expr, Join, LogicalPlan, Projection, SubqueryAlias, Union, Unnest, Window, build_join_schema};

use super::functions::{of_group, together};
use crate::join::SemanticJoin;
use crate::node::Semantic;

/// How the names of the columns begin that hold calls; each asking node has a column of its own.
const CALLS: &str = "corsac.calls#";

/// The plan with one more column, the last one: the calls behind each row. `None` where nothing is asked, or where a step
/// of the plan cannot carry the column.
pub(crate) fn carrying(plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let limited = plan.exists(|node| Ok(matches!(node, LogicalPlan::Limit(_))))?;
    let mut walk = Walk { next: 0, limited, stopped: false };
    let carried = plan.clone().transform_up(|node| walk.step(node))?.data;
    if walk.stopped || calls_in(carried.schema()).is_empty() {
        return Ok(None);
    }
    with_one_column(carried, plan.schema(), &format!("{CALLS}result")).map(Some)
}

/// A column of calls.
pub(crate) fn calls_field(name: &str) -> FieldRef {
    Arc::new(Field::new(name, DataType::Binary, true))
}

struct Walk {
    /// The number of the next column.
    next: usize,
    /// Whether the plan may stop before it has seen all rows.
    limited: bool,
    /// Whether a step cannot carry the column.
    stopped: bool,
}

impl Walk {
    fn name(&mut self) -> String {
        self.next += 1;
        format!("{CALLS}{}", self.next)
    }

    /// One node, whose inputs carry their columns already.
    fn step(&mut self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        if let Some(semantic) = Semantic::in_plan(&node) {
            return Ok(Transformed::yes(semantic.clone().telling(self.name())?.into_plan()));
        }
        if let Some(join) = SemanticJoin::in_plan(&node) {
            return Ok(Transformed::yes(join.clone().telling(self.name())?.into_plan()));
        }
        let inputs = node.inputs();
        let columns: Vec<Column> = inputs.iter().flat_map(|input| calls_in(input.schema())).collect();
        let is_taken = inputs.is_empty() && !calls_in(node.schema()).is_empty();
        if columns.is_empty() && !is_taken {
            return Ok(Transformed::no(node));
        }
        let carried = match node {
            LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::Repartition(_) => node,
            // nodes of our own hand on what their inputs have
            LogicalPlan::Extension(_) => node,
            LogicalPlan::Projection(Projection { mut expr, input, .. }) => {
                expr.extend(columns.into_iter().map(Expr::Column));
                LogicalPlan::Projection(Projection::try_new(expr, input)?)
            }
            LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => {
                LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(input, alias)?)
            }
            LogicalPlan::Join(join) => {
                let schema = build_join_schema(join.left.schema(), join.right.schema(), &join.join_type)?;
                LogicalPlan::Join(Join { schema: Arc::new(schema), ..join })
            }
            LogicalPlan::Window(Window { input, window_expr, .. }) => LogicalPlan::Window(Window::try_new(window_expr, input)?),
            LogicalPlan::Unnest(Unnest { input, exec_columns, options, .. }) => {
                LogicalPlan::Unnest(Unnest::try_new(input, exec_columns, options)?)
            }
            // different rows under a limit are looked for no further than they must; a list of calls has to see all rows
            LogicalPlan::Aggregate(aggregate) if !(self.limited && aggregate.aggr_expr.is_empty()) => {
                let Aggregate { input, group_expr, mut aggr_expr, .. } = aggregate;
                let gathered = of_group(columns.into_iter().map(Expr::Column).collect());
                aggr_expr.push(gathered.alias(self.name()));
                LogicalPlan::Aggregate(Aggregate::try_new(input, group_expr, aggr_expr)?)
            }
            LogicalPlan::Union(union) => self.union(union)?,
            other => {
                self.stopped = true;
                return Ok(Transformed::new(other, false, TreeNodeRecursion::Stop));
            }
        };
        Ok(Transformed::yes(carried))
    }

    /// Inputs of a union are matched by their places, so each gets exactly one column more.
    fn union(&mut self, Union { inputs, schema }: Union) -> Result<LogicalPlan> {
        let name = self.name();
        let one = |input: Arc<LogicalPlan>| {
            let kept = without_calls(input.schema())?;
            with_one_column(Arc::unwrap_or_clone(input), &kept, &name).map(Arc::new)
        };
        let inputs = inputs.into_iter().map(one).collect::<Result<Vec<_>>>()?;
        let fields = schema.iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)));
        let fields = fields.chain([(None::<TableReference>, calls_field(&name))]).collect();
        let schema = DFSchema::new_with_metadata(fields, schema.metadata().clone())?;
        Ok(LogicalPlan::Union(Union { inputs, schema: Arc::new(schema) }))
    }
}

/// The columns of a schema that hold calls.
fn calls_in(schema: &DFSchema) -> Vec<Column> {
    let calls = schema.iter().filter(|(_, field)| field.name().starts_with(CALLS));
    calls.map(|(qualifier, field)| Column::new(qualifier.cloned(), field.name())).collect()
}

fn without_calls(schema: &DFSchema) -> Result<DFSchema> {
    let kept = schema.iter().filter(|(_, field)| !field.name().starts_with(CALLS));
    DFSchema::new_with_metadata(kept.map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field))).collect(), schema.metadata().clone())
}

/// The columns that a plan had, and behind them one with all the calls it carries.
fn with_one_column(plan: LogicalPlan, had: &DFSchema, name: &str) -> Result<LogicalPlan> {
    let calls = together(calls_in(plan.schema()).into_iter().map(Expr::Column).collect());
    let kept = had.iter().map(|(qualifier, field)| Expr::Column(Column::new(qualifier.cloned(), field.name())));
    Ok(LogicalPlan::Projection(Projection::try_new(kept.chain([calls.alias(name)]).collect(), Arc::new(plan))?))
}
