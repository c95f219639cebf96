//! From a semantic join to the operators that run it: pairs, the question about each, and what comes of rows without a
//! match.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, JoinType, Result, internal_datafusion_err};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Operator as SqlOperator};
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use datafusion::physical_planner::PhysicalPlanner;

use super::nearest::NearestExec;
use super::nearest_node::NearestRows;
use super::node::SemanticJoin;
use super::outer::OuterExec;
use super::pairs::{END_COLUMN, PairsExec};
use super::pick::InputSide;
use super::push::reads_only;
use super::side::PlannedSide;
use crate::execute::{Keep, PlannedCall, QueryRuntime, SemanticExec, added_fields, told_fields};
use crate::node::SemanticCall;

/// Plans a semantic join over inputs that are planned already.
pub(crate) fn plan(
    node: &SemanticJoin,
    planner: &dyn PhysicalPlanner,
    inputs: &[Arc<dyn ExecutionPlan>],
    session: &dyn Session,
    context: &PhysicalPlanningContext,
    runtime: Arc<QueryRuntime>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let [left, right] = inputs else { return Err(internal_datafusion_err!("a SemanticJoin has two inputs")) };
    let physical = |expression: &Expr, schema: &DFSchema| planner.create_physical_expr(expression, schema, session, context);
    let both = DFSchemaRef::new(node.left.schema().join(node.right.schema())?);
    let side = |input: &Arc<dyn ExecutionPlan>, embed: &SemanticCall, schema: &DFSchemaRef| {
        planned_side(input, embed, &runtime, &|key| physical(key, schema))
    };
    let arguments = node.call.bound.arguments.iter().map(|argument| physical(argument, &both)).collect::<Result<Vec<_>>>()?;
    let condition = node.condition.as_ref().map(|condition| physical(condition, &both)).transpose()?;
    let ends = node.kind != JoinType::Inner;
    let added = added_fields(std::slice::from_ref(&node.call));
    let pairs = PairsExec::new(
        side(left, &node.left_embed, node.left.schema())?,
        side(right, &node.right_embed, node.right.schema())?,
        PlannedCall::new(&node.call, arguments.clone(), None),
        added.clone(),
        condition,
        ends,
        node.wish,
        node.call.bound.arguments.iter().map(|argument| side_of(argument, node)).collect(),
    );
    let columns = left.schema().fields().len() + right.schema().fields().len();
    let end: Arc<dyn PhysicalExpr> = Arc::new(Column::new(END_COLUMN, columns));
    // the row that ends the pairs of another asks nothing, even where the question would make do without the right side
    let guard = ends.then(|| datafusion::physical_expr::expressions::not(Arc::clone(&end))).transpose()?;
    let call = PlannedCall::new(&node.call, arguments, guard);
    let told = told_fields(std::slice::from_ref(&node.call), node.calls_column.as_deref());
    let asked = SemanticExec::try_new(Arc::new(pairs), vec![call], &told, runtime)?.telling(node.calls_column.is_some());
    let matches: Arc<dyn PhysicalExpr> = Arc::new(Column::new(added.field(0).name(), columns + usize::from(ends)));
    let calls = node.calls_column.as_ref().map(|_| columns + usize::from(ends) + added.fields().len());
    if !ends {
        let keep = Keep { predicate: matches, projection: Some((0..columns).chain(calls).collect()) };
        return Ok(Arc::new(asked.keeping(keep, None)?));
    }
    let keep = Keep { predicate: Arc::new(BinaryExpr::new(end, SqlOperator::Or, matches)), projection: None };
    let schema: Arc<Schema> = Arc::new(node_schema(node));
    Ok(Arc::new(OuterExec::new(Arc::new(asked.keeping(keep, None)?), node.kind, schema, columns, calls)))
}

/// The side that an input of the question is read from.
fn side_of(argument: &Expr, node: &SemanticJoin) -> InputSide {
    if reads_only(argument, node.left.schema()) {
        InputSide::Left
    } else if reads_only(argument, node.right.schema()) {
        InputSide::Right
    } else {
        InputSide::Neither
    }
}

/// Plans a similarity join over inputs that are planned already.
pub(crate) fn plan_nearest(
    node: &NearestRows,
    planner: &dyn PhysicalPlanner,
    inputs: &[Arc<dyn ExecutionPlan>],
    session: &dyn Session,
    context: &PhysicalPlanningContext,
    runtime: Arc<QueryRuntime>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let [left, right] = inputs else { return Err(internal_datafusion_err!("a SimilarityJoin has two inputs")) };
    let side = |input: &Arc<dyn ExecutionPlan>, embed: &SemanticCall, schema: &DFSchemaRef| {
        planned_side(input, embed, &runtime, &|key| planner.create_physical_expr(key, schema, session, context))
    };
    let left = side(left, &node.left_embed, node.left.schema())?;
    let right = side(right, &node.right_embed, node.right.schema())?;
    Ok(Arc::new(NearestExec::new(left, right, node.k, node.metric)))
}

/// A side of a join, with what is compared of it.
fn planned_side(
    input: &Arc<dyn ExecutionPlan>,
    embed: &SemanticCall,
    runtime: &Arc<QueryRuntime>,
    physical: &dyn Fn(&Expr) -> Result<Arc<dyn PhysicalExpr>>,
) -> Result<PlannedSide> {
    let key = embed.bound.arguments.first().ok_or_else(|| internal_datafusion_err!("an embedding has one input"))?;
    Ok(PlannedSide { input: Arc::clone(input), key: physical(key)?, embed: embed.clone(), runtime: Arc::clone(runtime) })
}

/// The operators by which an operator of a join embeds its sides.
pub(crate) fn embedding(plan: &dyn ExecutionPlan) -> Vec<SemanticExec> {
    if let Some(pairs) = plan.downcast_ref::<PairsExec>() {
        return pairs.embedding();
    }
    plan.downcast_ref::<NearestExec>().map(NearestExec::embedding).unwrap_or_default()
}

/// The operator that makes pairs, if it is one.
pub(crate) fn pairs_in(plan: &dyn ExecutionPlan) -> Option<&PairsExec> {
    plan.downcast_ref::<PairsExec>()
}

fn node_schema(node: &SemanticJoin) -> Schema {
    use datafusion::logical_expr::UserDefinedLogicalNodeCore;
    node.schema().as_arrow().clone()
}
