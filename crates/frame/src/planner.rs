//! From `Semantic` nodes to the operator that runs them.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use crate::cluster::{self, Clustered};
use crate::execute::{PlannedCall, QueryRuntime, SemanticExec, told_fields};
use crate::join::{self, NearestRows, SemanticJoin};
use crate::node::Semantic;

/// DataFusion's planner with the semantic operator added.
#[derive(Debug)]
pub(crate) struct SemanticQueryPlanner;

#[async_trait]
impl QueryPlanner for SemanticQueryPlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(SemanticPlanner)]).create_physical_plan(plan, session).await
    }
}

struct SemanticPlanner;

#[async_trait]
impl ExtensionPlanner for SemanticPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let runtime = session
            .config()
            .get_extension::<QueryRuntime>()
            .ok_or_else(|| internal_datafusion_err!("the query was not planned by a Corsac session"))?;
        if let Some(node) = node.as_any().downcast_ref::<SemanticJoin>() {
            return join::plan(node, planner, physical_inputs, session, context, runtime).map(Some);
        }
        if let Some(node) = node.as_any().downcast_ref::<NearestRows>() {
            return join::plan_nearest(node, planner, physical_inputs, session, context, runtime).map(Some);
        }
        if let Some(node) = node.as_any().downcast_ref::<Clustered>() {
            return cluster::plan(node, planner, physical_inputs, session, context, runtime).map(Some);
        }
        let Some(node) = node.as_any().downcast_ref::<Semantic>() else { return Ok(None) };
        let (Some(logical), Some(physical)) = (logical_inputs.first(), physical_inputs.first()) else {
            return Err(internal_datafusion_err!("a Semantic node has one input"));
        };
        let physical_expression = |expression| planner.create_physical_expr(expression, logical.schema(), session, context);
        let calls = node
            .calls
            .iter()
            .map(|call| {
                let arguments = call.bound.arguments.iter().map(physical_expression).collect::<Result<Vec<_>>>()?;
                let guard = call.guard.as_ref().map(physical_expression).transpose()?;
                Ok(PlannedCall::new(call, arguments, guard))
            })
            .collect::<Result<Vec<_>>>()?;
        let added = told_fields(&node.calls, node.calls_column.as_deref());
        let operator = SemanticExec::try_new(Arc::clone(physical), calls, &added, runtime)?;
        Ok(Some(Arc::new(operator.because(node.why.clone()).telling(node.calls_column.is_some()))))
    }
}
