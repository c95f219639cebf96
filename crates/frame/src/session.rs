//! A session: tables under names, settings, and the engine made ready for semantic calls.

use std::sync::Arc;

use corsac_dispatch::{Ask, CallSettings};
use corsac_ledger::RunId;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::config::Dialect;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::AggregateUDF;
use datafusion::optimizer::Optimizer;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::dialect::dialect_from_str;

use crate::error::FrameError;
use crate::execute::QueryRuntime;
use crate::function::{ReduceMarker, markers};
use crate::join::{self, FilterBelowSemanticJoin, SimilarityJoin};
use crate::names;
use crate::optimize::{DropUnreadCalls, TellOperator};
use crate::planner::SemanticQueryPlanner;
use crate::progress::Progress;
use crate::query::Query;
use crate::rewrite::LiftSemanticCalls;
use crate::table::Tables;
use crate::text;

/// What a row without an answer does to its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The value is NULL and the failure is counted.
    #[default]
    Null,
    /// The query fails with the first failure.
    Fail,
}

/// How a session asks.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// What a row without an answer does to its query.
    pub on_error: OnError,
    /// Model and sampling for all calls.
    pub settings: CallSettings,
    /// Bounds on what one operator holds.
    pub limits: RowLimits,
}

/// Bounds on what one operator holds in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLimits {
    /// Rows held while calls are under way; four times the window if that is more.
    pub held_rows: usize,
    /// Bytes of input held; one batch may go beyond it.
    pub held_bytes: usize,
    /// Answers remembered for inputs that come again; the ledger remembers the others.
    pub remembered_answers: usize,
    /// Bytes of such inputs and answers.
    pub remembered_bytes: usize,
    /// The longest input that is asked about, in bytes of UTF-8.
    pub largest_input_bytes: usize,
}

impl Default for RowLimits {
    fn default() -> RowLimits {
        RowLimits {
            held_rows: 8_192,
            held_bytes: 64 << 20,
            remembered_answers: 65_536,
            remembered_bytes: 64 << 20,
            largest_input_bytes: 4_000_000,
        }
    }
}

/// Tables and settings for queries that ask a model.
///
/// A session needs a Tokio runtime while a query is planned and runs.
pub struct Session {
    context: SessionContext,
    tables: Tables,
    ask: Arc<dyn Ask>,
    run: RunId,
    on_error: OnError,
    settings: Arc<CallSettings>,
    limits: RowLimits,
    progress: Arc<Progress>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("run", &self.run).field("on_error", &self.on_error).finish_non_exhaustive()
    }
}

impl Session {
    /// A session without tables, whose calls go to `ask` and are recorded under `run`.
    pub fn new(ask: Arc<dyn Ask>, run: RunId, options: SessionOptions) -> Session {
        let SessionOptions { on_error, settings, limits } = options;
        let context = SessionContext::new_with_state(engine_state());
        for function in markers() {
            context.register_udf(function.as_ref().clone());
        }
        context.register_udaf(AggregateUDF::new_from_impl(ReduceMarker::new()));
        text::register(&context);
        context.register_udtf(SimilarityJoin::NAME, Arc::new(SimilarityJoin));
        Session {
            tables: Tables::new(context.clone()),
            context,
            ask,
            run,
            on_error,
            settings: Arc::new(settings),
            limits,
            progress: Arc::default(),
        }
    }

    /// Makes a file a table. The source is a path, a glob, a directory, or `-` for standard input; CSV, TSV, JSON lines,
    /// JSON and Parquet are known by the file's ending.
    ///
    /// # Errors
    /// [`FrameError::Table`] when there is no such file, its format is not known, or a line of it cannot be read.
    pub async fn register(&self, name: &str, source: &str) -> Result<(), FrameError> {
        self.tables.register(name, source).await
    }

    /// Makes anything a table that the query engine can scan, such as rows in memory.
    ///
    /// # Errors
    /// [`FrameError::Query`] when the name cannot be used.
    pub fn register_provider(&self, name: &str, table: Arc<dyn TableProvider>) -> Result<(), FrameError> {
        self.context.register_table(TableReference::bare(name), table).map_err(FrameError::from_planning)?;
        Ok(())
    }

    /// What was read leniently so far, such as bytes that are not UTF-8 or lines with too few fields.
    pub fn warnings(&self) -> Vec<String> {
        self.tables.warnings()
    }

    /// Reads a query, registers the files it names, and plans it. Whatever is wrong with the query is found here, before
    /// anything is asked.
    ///
    /// # Errors
    /// [`FrameError::Query`] and [`FrameError::Table`], with what to change.
    pub async fn plan(&self, sql: &str) -> Result<Query, FrameError> {
        let state = self.context.state();
        let dialect = state.config().options().sql_parser.dialect;
        let mut statement = one_statement(sql, &dialect)?;
        let mut references = state.resolve_table_references(&statement).map_err(FrameError::from_planning)?;
        references.extend(join::prepare(&mut statement)?);
        self.tables.register_files_in(&references).await?;
        let statement = names::as_written_in_files(statement, &self.context, &references).await;

        let runtime = Arc::new(QueryRuntime::new(
            Arc::clone(&self.ask),
            self.run.clone(),
            self.on_error,
            Arc::clone(&self.settings),
            self.limits.clone(),
            Arc::clone(&self.progress),
        ));
        let mut state = self.context.state();
        state.config_mut().set_extension(Arc::clone(&runtime));
        let planned = state.statement_to_plan(statement).await.map_err(|error| self.tables.explain_missing(error))?;
        let reads_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        if reads_only.verify_plan(&planned).is_err() {
            return Err(FrameError::query(
                "only queries are run here, such as SELECT or EXPLAIN: results are written by the caller, not by SQL",
            ));
        }
        let named = names::readable(planned).map_err(FrameError::from_planning)?;
        Query::plan(state, named, runtime).await
    }

    /// What the session's queries have done so far.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}

fn one_statement(sql: &str, dialect: &Dialect) -> Result<Statement, FrameError> {
    let unread = |error| FrameError::from_planning(error);
    let dialect = dialect_from_str(dialect).ok_or_else(|| FrameError::query("the SQL dialect is not known"))?;
    let mut statements =
        DFParserBuilder::new(sql).with_dialect(dialect.as_ref()).build().map_err(unread)?.parse_statements().map_err(unread)?;
    match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (None, _) => Err(FrameError::query("there is no SQL to run: write a query such as SELECT * FROM 'reviews.csv'")),
        (Some(_), more) => Err(FrameError::query(format!("one query is run at a time, and {more} more stand after the first ;"))),
    }
}

/// DataFusion with the rules and the planner that semantic calls need.
fn engine_state() -> SessionState {
    let mut config = SessionConfig::new()
        // one partition keeps the order of a file's rows; the time goes into waiting for models, not into this
        .with_target_partitions(1)
        .with_information_schema(true);
    let options = config.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.collect_spans = false;
    // a rule that fails would otherwise be skipped, and with it perhaps the one that saves questions
    options.optimizer.skip_failed_rules = false;

    let mut logical = Optimizer::new().rules;
    logical.push(Arc::new(FilterBelowSemanticJoin));
    logical.push(Arc::new(DropUnreadCalls));
    SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .with_optimizer_rules(logical)
        .with_analyzer_rule(Arc::new(LiftSemanticCalls))
        .with_physical_optimizer_rules(physical_rules())
        .with_query_planner(Arc::new(SemanticQueryPlanner))
        .build()
}

/// The operator is told of filters and limits after the engine has moved them as far down as they go.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let after = rules.iter().rposition(|rule| rule.name() == "LimitPushdown").map_or(rules.len(), |index| index + 1);
    rules.insert(after, Arc::new(TellOperator));
    rules
}
