//! What the queries of a session share: the engine with its tables, whom they ask, and how.

use std::sync::Arc;

use corsac_dispatch::{Ask, CallSettings};
use corsac_ledger::RunId;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

use crate::error::FrameError;
use crate::execute::{Planning, QueryRuntime};
use crate::functions::Functions;
use crate::names;
use crate::progress::Progress;
use crate::query::Query;
use crate::session::{OnError, RowLimits};
use crate::table::Tables;

pub(crate) struct Core {
    pub(crate) context: SessionContext,
    /// Programs as functions.
    pub(crate) functions: Arc<Functions>,
    pub(crate) tables: Tables,
    pub(crate) ask: Arc<dyn Ask>,
    pub(crate) run: RunId,
    pub(crate) on_error: OnError,
    pub(crate) settings: Arc<CallSettings>,
    pub(crate) limits: RowLimits,
    pub(crate) progress: Arc<Progress>,
}

impl Core {
    /// The engine's state for one query, and what its calls go through.
    pub(crate) fn query_state(&self) -> (SessionState, Arc<QueryRuntime>) {
        let runtime = Arc::new(QueryRuntime::new(
            Arc::clone(&self.ask),
            self.run.clone(),
            self.on_error,
            Arc::clone(&self.settings),
            self.limits.clone(),
            Arc::clone(&self.progress),
        ));
        let mut state = self.context.state();
        let config = state.config_mut();
        config.set_extension(Arc::clone(&runtime));
        config.options_mut().extensions.insert(Planning { runtime: Arc::clone(&runtime) });
        (state, runtime)
    }

    /// A query that can run, its columns under readable names.
    pub(crate) async fn query(&self, plan: LogicalPlan) -> Result<Query, FrameError> {
        let (state, runtime) = self.query_state();
        let named = names::readable(plan).map_err(FrameError::from_planning)?;
        Query::plan(state, named, runtime).await
    }
}
