//! Groups of rows whose texts or vectors lie together: `semantic_cluster` in SQL, `with_cluster_labels` of a frame.

mod function;
mod kmeans;
mod node;
mod operator;

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::PhysicalPlanner;

pub(crate) use function::SemanticCluster;
pub(crate) use kmeans::Search;
pub(crate) use node::{Clustered, DropUnreadClusters, Labels};

use crate::execute::{QueryRuntime, SemanticExec};
use crate::join::PlannedSide;
use operator::ClusterExec;

/// The most groups that can be asked for.
pub(crate) const MOST_CLUSTERS: u64 = 10_000;

/// Plans a clustering over an input that is planned already.
pub(crate) fn plan(
    node: &Clustered,
    planner: &dyn PhysicalPlanner,
    inputs: &[Arc<dyn ExecutionPlan>],
    session: &dyn Session,
    context: &PhysicalPlanningContext,
    runtime: Arc<QueryRuntime>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let ([input], Some(key)) = (inputs, node.embed.bound.arguments.first()) else {
        return Err(internal_datafusion_err!("a clustering has one input and one key"));
    };
    let key = planner.create_physical_expr(key, node.input.schema(), session, context)?;
    let side = PlannedSide { input: Arc::clone(input), key, embed: node.embed.clone(), runtime };
    Ok(Arc::new(ClusterExec::new(side, node.search, node.labels.clone())))
}

/// The operator by which a clustering embeds its texts.
pub(crate) fn embedding(plan: &dyn ExecutionPlan) -> Option<SemanticExec> {
    plan.downcast_ref::<ClusterExec>().and_then(ClusterExec::embedding)
}
