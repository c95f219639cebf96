//! A session: tables under names, settings, and the engine made ready for semantic calls.

use std::path::PathBuf;
use std::sync::Arc;

use corsac_dispatch::{Ask, CallSettings};
use corsac_ledger::RunId;
use corsac_program::Module;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{AggregateUDF, DdlStatement, LogicalPlan};
use datafusion::optimizer::Optimizer;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast;

use crate::catalog::{
    self, Catalog, Change, ChangeKind, CreateFunction, Destination, Keep, Made, Meaning, Place, Statement, What, create_function, may_make,
    may_make_function, meaning,
};
use crate::cluster::{DropUnreadClusters, SemanticCluster};
use crate::error::FrameError;
use crate::execute::QueryRuntime;
use crate::function::{ReduceMarker, markers};
use crate::functions::Functions;
use crate::join::{FilterBelowSemanticJoin, SimilarityJoin};
use crate::names;
use crate::optimize::{DropUnreadCalls, TellOperator};
use crate::planner::SemanticQueryPlanner;
use crate::progress::Progress;
use crate::query::Query;
use crate::rewrite::LiftSemanticCalls;
use crate::session_core::Core;
use crate::table::{ReadText, Tables};
use crate::table_function;
use crate::text;
use crate::write::Existing;

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
    /// The folder of views and tables that persist, such as `CORSAC_HOME`. Without one, what is made lasts as long as the session.
    pub home: Option<PathBuf>,
    /// Whether the caller named a model: then those that saved programs were made for are not asked in its place.
    pub model_is_named: bool,
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
#[derive(Clone)]
pub struct Session {
    pub(crate) core: Arc<Core>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("run", &self.core.run).field("on_error", &self.core.on_error).finish_non_exhaustive()
    }
}

impl Session {
    /// A session without tables, whose calls go to `ask` and are recorded under `run`.
    pub fn new(ask: Arc<dyn Ask>, run: RunId, options: SessionOptions) -> Session {
        let SessionOptions { on_error, settings, limits, home, model_is_named } = options;
        let context = SessionContext::new_with_state(engine_state());
        for function in markers() {
            context.register_udf(function.as_ref().clone());
        }
        context.register_udaf(AggregateUDF::new_from_impl(ReduceMarker::new()));
        text::register(&context);
        context.register_udtf(ReadText::NAME, Arc::new(ReadText));
        context.register_udtf(SemanticCluster::SHAPE.name, Arc::new(SemanticCluster));
        context.register_udtf(SimilarityJoin::SHAPE.name, Arc::new(SimilarityJoin));
        let catalog = Catalog::new(home);
        let functions = Arc::new(Functions::new(context.clone(), catalog.clone(), !model_is_named && settings.model.is_none()));
        let core = Core {
            tables: Tables::new(context.clone(), catalog, Arc::clone(&functions)),
            functions,
            context,
            ask,
            run,
            on_error,
            settings: Arc::new(settings),
            limits,
            progress: Arc::default(),
        };
        Session { core: Arc::new(core) }
    }

    /// Makes a file a table. The source is a path, a glob, a directory, or `-` for standard input; CSV, TSV, JSON lines,
    /// JSON, Parquet, Arrow IPC and texts are known by the file's ending.
    ///
    /// # Errors
    /// [`FrameError::Table`] when there is no such file, its format is not known, or a line of it cannot be read.
    pub async fn register(&self, name: &str, source: &str) -> Result<(), FrameError> {
        self.core.tables.register(name, source).await
    }

    /// Makes anything a table that the query engine can scan, such as rows in memory.
    ///
    /// # Errors
    /// [`FrameError::Query`] when the name cannot be used.
    pub fn register_provider(&self, name: &str, table: Arc<dyn TableProvider>) -> Result<(), FrameError> {
        self.core.context.register_table(TableReference::bare(name), table).map_err(FrameError::from_planning)?;
        Ok(())
    }

    /// Makes a program a function of SQL as long as the session lasts: `SELECT triage(body) FROM …` gives a struct of its
    /// outputs. It may be any module that says what it takes and gives ([`Module::interface`]), also one of several calls. A
    /// name given again stands for the new program.
    ///
    /// # Errors
    /// [`FrameError::Query`] when the name cannot be used, or the module says nothing.
    pub fn register_program(&self, name: &str, program: Arc<dyn Module>) -> Result<(), FrameError> {
        self.core.functions.register(name, program)
    }

    /// What was read leniently so far, such as bytes that are not UTF-8 or lines with too few fields.
    pub fn warnings(&self) -> Vec<String> {
        self.core.tables.warnings()
    }

    /// Reads a query, registers the files it names, and plans it. Whatever is wrong with the query is found here, before
    /// anything is asked.
    ///
    /// # Errors
    /// [`FrameError::Query`] and [`FrameError::Table`], with what to change.
    pub async fn plan(&self, sql: &str) -> Result<Query, FrameError> {
        match self.statement(sql).await? {
            Statement::Rows(query) => Ok(query),
            Statement::Keep(_) | Statement::Change(_) => Err(FrameError::query(
                "only queries are run here, such as SELECT or EXPLAIN: results are written by the caller, not by SQL",
            )),
        }
    }

    /// Reads and plans any statement: a query, one whose rows are kept, or one that changes the catalog. Nothing is asked
    /// and nothing changed before it is run.
    ///
    /// # Errors
    /// [`FrameError::Query`] and [`FrameError::Table`], with what to change.
    pub async fn statement(&self, sql: &str) -> Result<Statement, FrameError> {
        if let Some(made) = create_function(sql)? {
            return self.create_function(&made);
        }
        match meaning(catalog::parse(sql)?)? {
            Meaning::Query(parsed) => Ok(Statement::Rows(self.query(parsed).await?)),
            Meaning::ShowTables => {
                let listed = "SELECT table_name, table_type, description FROM information_schema.tables ORDER BY table_name";
                Ok(Statement::Rows(self.query(catalog::parse(listed)?).await?))
            }
            Meaning::ShowFunctions => {
                let listed = "SELECT routine_name, arguments, data_type, module, description, source FROM information_schema.routines";
                Ok(Statement::Rows(self.query(catalog::parse(listed)?).await?))
            }
            Meaning::DropFunction { names, if_exists } => self.change(ChangeKind::DropFunction { names, if_exists }),
            Meaning::Describe { table } => Ok(Statement::Rows(self.describe(&table).await?)),
            Meaning::Copy { query, path, format, existing } => {
                if existing == Existing::Refuse && path.exists() {
                    return Err(FrameError::Write { path, message: "it is there already, and mode is error".to_owned() });
                }
                let query = self.query(query).await?;
                Ok(keep(query, Place::File { path, format, existing }))
            }
            Meaning::CreateTable { made, statement } => self.create_table(made, statement).await,
            Meaning::Insert { table, statement } => self.insert(&table, statement).await,
            Meaning::CreateView { made, query } => {
                let query = self.core.tables.with_absolute_paths(*query)?;
                if let Some(nothing) = self.already(&made)? {
                    return Ok(nothing);
                }
                may_make(self.core.tables.catalog().entries()?.get(&made.name), &made, &What::View { query: String::new() })?;
                let text = query.to_string();
                let plan = self.core.tables.plan_view(&text, &mut vec![made.name.clone()]).await?;
                // what is wrong with a call is found when it is planned, not when somebody uses the view
                let (state, runtime) = self.core.query_state();
                Query::plan(state, plan.clone(), runtime).await?;
                let has_columns = made.columns.keys().find(|name| plan.schema().index_of_column_by_name(None, name).is_none());
                if let Some(missing) = has_columns {
                    return Err(FrameError::query(format!("the view has no column {missing} to describe")));
                }
                self.change(ChangeKind::Make { made, what: What::View { query: text } })
            }
            Meaning::CreateExternal { made, location } => {
                if let Some(nothing) = self.already(&made)? {
                    return Ok(nothing);
                }
                let location = self.core.tables.look_at(&location).await?;
                self.change(ChangeKind::Make { made, what: What::External { location } })
            }
            Meaning::Drop { names, noun, if_exists } => {
                let known = self.core.tables.catalog().entries()?;
                let names = names.into_iter().map(|name| self.core.tables.spelled(&known, &name).unwrap_or(name)).collect();
                self.change(ChangeKind::Drop { names, noun, if_exists })
            }
            Meaning::Comment { name, column, text, if_exists } => self.comment(&name, column, text, if_exists).await,
        }
    }

    /// The tables and views that a query can name, those of the catalog among them, with their columns.
    ///
    /// # Errors
    /// [`FrameError::Table`] when the catalog is damaged.
    pub async fn tables(&self) -> Result<Vec<(String, Vec<String>)>, FrameError> {
        let named = self.core.tables.everything().await?;
        let columns = |table: &Arc<dyn TableProvider>| table.schema().fields().iter().map(|field| field.name().clone()).collect();
        Ok(named.iter().map(|(name, table)| (name.clone(), columns(table))).collect())
    }

    /// The names of all functions, those of the query engine among them.
    pub fn function_names(&self) -> Vec<String> {
        let state = self.core.context.state();
        let mut names: Vec<String> = state
            .scalar_functions()
            .keys()
            .chain(state.aggregate_functions().keys())
            .chain(state.window_functions().keys())
            .cloned()
            .collect();
        // a catalog that cannot be read says so where it is used
        names.extend(self.core.functions.names().unwrap_or_default());
        names.sort();
        names.dedup();
        names
    }

    fn change(&self, kind: ChangeKind) -> Result<Statement, FrameError> {
        Ok(Statement::Change(Change { catalog: self.core.tables.catalog().clone(), kind }))
    }

    fn create_function(&self, made: &CreateFunction) -> Result<Statement, FrameError> {
        let name = self.core.functions.free_name(&made.name)?;
        let known = self.core.tables.catalog().functions()?;
        if made.if_not_exists && known.contains_key(&name) {
            return self.change(ChangeKind::Nothing { why: format!("there is a function {name} already: nothing was made") });
        }
        may_make_function(known.get(&name), &name, made.or_replace)?;
        let function = made.function()?;
        self.core.functions.look_at(&name, &function)?;
        self.change(ChangeKind::MakeFunction { name, or_replace: made.or_replace, function })
    }

    /// What is to be done when the name is taken already.
    fn already(&self, made: &Made) -> Result<Option<Statement>, FrameError> {
        let known = self.core.tables.catalog().entries()?;
        if made.if_not_exists && known.contains_key(&made.name) {
            let why = format!("there is {} already: nothing was made", made.name);
            return self.change(ChangeKind::Nothing { why }).map(Some);
        }
        Ok(None)
    }

    async fn describe(&self, table: &str) -> Result<Query, FrameError> {
        let reference = TableReference::bare(table);
        self.core.tables.make_ready(std::slice::from_ref(&reference), &mut Vec::new()).await?;
        let known = self.core.tables.catalog().entries()?;
        let name = self.core.tables.spelled(&known, table).unwrap_or_else(|| table.to_owned());
        if !self.core.context.table_exist(TableReference::bare(name.as_str())).unwrap_or(false) {
            return Err(self.core.tables.missing(table));
        }
        let listed = format!(
            "SELECT column_name, data_type, is_nullable, description FROM information_schema.columns WHERE table_name = '{}' \
             ORDER BY ordinal_position",
            name.replace('\'', "''")
        );
        self.query(catalog::parse(&listed)?).await
    }

    async fn create_table(&self, made: Made, statement: Parsed) -> Result<Statement, FrameError> {
        if let Some(nothing) = self.already(&made)? {
            return Ok(nothing);
        }
        let what = What::Table { folder: String::new(), parts: Vec::new() };
        may_make(self.core.tables.catalog().entries()?.get(&made.name), &made, &what)?;
        self.core.functions.make_ready(&statement)?;
        let (state, runtime) = self.core.query_state();
        let planned = self.planned(&state, statement).await?;
        let LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(table)) = planned else {
            return Err(FrameError::query("this form of CREATE TABLE is not known: write CREATE TABLE name AS SELECT …"));
        };
        let input = Arc::unwrap_or_clone(table.input);
        if let Some(missing) = made.columns.keys().find(|name| input.schema().index_of_column_by_name(None, name).is_none()) {
            return Err(FrameError::query(format!("the table has no column {missing} to describe")));
        }
        let named = names::readable(input).map_err(FrameError::from_planning)?;
        let query = Query::plan(state, named, runtime).await?;
        Ok(keep(query, Place::NewTable { catalog: self.core.tables.catalog().clone(), made }))
    }

    async fn insert(&self, table: &str, statement: Parsed) -> Result<Statement, FrameError> {
        let place = self.core.tables.place_of(table)?;
        self.core.functions.make_ready(&statement)?;
        let (state, runtime) = self.core.query_state();
        let columns = match &statement {
            Parsed::Statement(inner) => match inner.as_ref() {
                ast::Statement::Insert(insert) => insert.columns.iter().map(ToString::to_string).collect::<Vec<_>>(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        let planned = match self.planned(&state, statement).await {
            Err(FrameError::Query { message }) if message.starts_with("Column count doesn't match insert query") => {
                let provider = self.core.context.table_provider(TableReference::bare(table)).await.map_err(FrameError::from_planning)?;
                let all = provider.schema().fields().iter().map(|field| field.name().clone()).collect();
                let wanted: Vec<String> = if columns.is_empty() { all } else { columns };
                return Err(FrameError::query(format!(
                    "INSERT INTO {table} wants {} columns ({}), and the query gives another number",
                    wanted.len(),
                    wanted.join(", ")
                )));
            }
            planned => planned?,
        };
        let LogicalPlan::Dml(insert) = planned else {
            return Err(FrameError::query("this form of INSERT is not known: write INSERT INTO name SELECT …"));
        };
        let query = Query::plan(state, Arc::unwrap_or_clone(insert.input), runtime).await?;
        Ok(keep(query, place))
    }

    async fn comment(&self, name: &str, column: Option<String>, text: Option<String>, if_exists: bool) -> Result<Statement, FrameError> {
        let known = self.core.tables.catalog().entries()?;
        let Some(name) = self.core.tables.spelled(&known, name) else {
            if if_exists {
                return self.change(ChangeKind::Nothing { why: format!("there is no table {name}: nothing was described") });
            }
            return Err(FrameError::query(format!(
                "there is no table or view {name} that persists, so nothing can be kept of it: CREATE TABLE, CREATE VIEW or CREATE EXTERNAL TABLE first"
            )));
        };
        if let Some(column) = &column {
            let reference = TableReference::bare(name.as_str());
            self.core.tables.make_ready(std::slice::from_ref(&reference), &mut Vec::new()).await?;
            let provider = self.core.context.table_provider(reference).await.map_err(FrameError::from_planning)?;
            if provider.schema().column_with_name(column).is_none() {
                let columns: Vec<String> = provider.schema().fields().iter().map(|field| field.name().clone()).collect();
                return Err(FrameError::query(format!("{name} has no column {column}. Its columns are: {}", columns.join(", "))));
            }
        }
        self.change(ChangeKind::Describe { name, column, text })
    }

    async fn query(&self, statement: Parsed) -> Result<Query, FrameError> {
        let (state, runtime, plan) = self.rows_of(statement).await?;
        Query::plan(state, plan, runtime).await
    }

    /// The plan of a statement that gives rows and changes nothing.
    pub(crate) async fn rows_of(&self, statement: Parsed) -> Result<(SessionState, Arc<QueryRuntime>, LogicalPlan), FrameError> {
        self.core.functions.make_ready(&statement)?;
        let (state, runtime) = self.core.query_state();
        let planned = self.planned(&state, statement).await?;
        let reads_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        if reads_only.verify_plan(&planned).is_err() {
            return Err(FrameError::query(
                "this statement is not known: a query such as SELECT or EXPLAIN is, and CREATE VIEW, CREATE TABLE, CREATE FUNCTION, DROP, INSERT INTO … \
                 SELECT, COPY … TO, COMMENT ON, SHOW TABLES, SHOW FUNCTIONS, DESCRIBE",
            ));
        }
        Ok((state, runtime, names::readable(planned).map_err(FrameError::from_planning)?))
    }

    /// The engine's own plan, with all tables registered that it names.
    async fn planned(&self, state: &SessionState, mut statement: Parsed) -> Result<LogicalPlan, FrameError> {
        table_function::prepare(&mut statement)?;
        self.core.tables.put_examples(&mut statement, &mut Vec::new()).await?;
        let references = state.resolve_table_references(&statement).map_err(FrameError::from_planning)?;
        self.core.tables.make_ready(&references, &mut Vec::new()).await?;
        let statement = names::as_written_in_files(statement, &self.core.context, &references).await;
        state.statement_to_plan(statement).await.map_err(|error| self.core.tables.explain_missing(error))
    }

    /// What the session's queries have done so far.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.core.progress)
    }
}

fn keep(query: Query, place: Place) -> Statement {
    Statement::Keep(Keep { query, destination: Destination { place } })
}

/// DataFusion with the rules and the planner that semantic calls need.
fn engine_state() -> SessionState {
    let mut config = SessionConfig::new()
        // one partition keeps the order of a file's rows; the time goes into waiting for models, not into this
        .with_target_partitions(1)
        // a schema of our own has the descriptions too
        .with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.collect_spans = false;
    // a rule that fails would otherwise be skipped, and with it perhaps the one that saves questions
    options.optimizer.skip_failed_rules = false;
    // that rule takes a column for another of the same name, where only one of them names its table
    options.optimizer.enable_leaf_expression_pushdown = false;

    let mut logical = Optimizer::new().rules;
    logical.push(Arc::new(FilterBelowSemanticJoin));
    logical.push(Arc::new(DropUnreadClusters));
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
