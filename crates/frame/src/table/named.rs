//! The names in a query: files, tables of the session, and what the catalog keeps. Each is made ready before the query is
//! planned; a view is planned with the query that names it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use datafusion::catalog::information_schema::{INFORMATION_SCHEMA, InformationSchemaProvider};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::common::TableReference;
use datafusion::datasource::ViewTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{self, ObjectName, VisitMut, VisitorMut};

use super::{ReadText, Tables, TextFile, locate};
use crate::catalog::{self, Catalog, DESCRIBED, Entries, Entry, Named, Place, ROUTINES, What};
use crate::error::FrameError;
use crate::names;
use crate::table_function;
use crate::write::{Existing, Format};

impl Tables {
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Registers what a query names: files, and entries of the catalog. `within` are the views that are being planned.
    pub(crate) async fn make_ready(&self, references: &[TableReference], within: &mut Vec<String>) -> Result<(), FrameError> {
        let mut described = Vec::new();
        let mut entries: Option<Entries> = None;
        for reference in references {
            let known = self.context.table_exist(reference.clone()).unwrap_or(false);
            match reference {
                TableReference::Bare { table } if locate::looks_like_path(table) => self.register_file(table, known).await?,
                TableReference::Bare { table } if !known || self.is_from_catalog(table) => {
                    if entries.is_none() {
                        entries = Some(self.catalog.entries()?);
                    }
                    let known = entries
                        .as_ref()
                        .and_then(|entries| spelled(entries, table).and_then(|name| Some((entries.get(&name)?.clone(), name))));
                    match known {
                        Some((entry, name)) => {
                            let provider = self.provider_of(&name, &entry, within).await?;
                            self.stand_for(table, Some(provider))?;
                        }
                        None => self.stand_for(table, None)?,
                    }
                }
                TableReference::Partial { schema, table } if schema.as_ref() == INFORMATION_SCHEMA => described.push(table.to_string()),
                TableReference::Partial { schema, table } if !known => {
                    let path = format!("{schema}.{table}");
                    if Path::new(&path).is_file() {
                        return Err(FrameError::query(format!("a file in FROM stands in quotes: write FROM '{path}'")));
                    }
                }
                _ => {}
            }
        }
        if described.is_empty() { Ok(()) } else { self.describe(&described).await }
    }

    fn is_from_catalog(&self, table: &str) -> bool {
        self.from_catalog.lock().unwrap_or_else(std::sync::PoisonError::into_inner).contains(table)
    }

    /// Lets a name stand for what the catalog has now; for nothing, if it has nothing any more.
    fn stand_for(&self, name: &str, provider: Option<Arc<dyn TableProvider>>) -> Result<(), FrameError> {
        let mut names = self.from_catalog.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let reference = TableReference::bare(name);
        if names.remove(name) {
            self.context.deregister_table(reference.clone()).map_err(FrameError::from_planning)?;
        }
        if let Some(provider) = provider {
            self.context.register_table(reference, provider).map_err(FrameError::from_planning)?;
            names.insert(name.to_owned());
        }
        Ok(())
    }

    async fn provider_of(&self, name: &str, entry: &Entry, within: &mut Vec<String>) -> Result<Arc<dyn TableProvider>, FrameError> {
        match &entry.what {
            What::View { query } => {
                if within.iter().any(|outer| outer == name) {
                    return Err(FrameError::query(format!("the view {name} stands on itself: {} → {name}", within.join(" → "))));
                }
                within.push(name.to_owned());
                let plan = self.plan_view(query, within).await;
                within.pop();
                let plan = plan.map_err(|error| FrameError::query(format!("the view {name} cannot be used: {error}")))?;
                Ok(Arc::new(ViewTable::new(plan, Some(query.clone()))))
            }
            What::Table { .. } => {
                let files = entry.parts(&self.catalog.tables()?);
                if let Some(missing) = files.iter().find(|file| !file.is_file()) {
                    return Err(FrameError::table(format!("rows of table {name} are gone: there is no file {}", missing.display())));
                }
                let files: Vec<TextFile> = files.into_iter().map(|path| TextFile { path, shown: format!("table {name}") }).collect();
                self.columnar(locate::Format::Parquet, &files).await
            }
            What::External { location } => self
                .provider(self.located(location, None).await?)
                .await
                .map_err(|error| FrameError::table(format!("the table {name} cannot be read: {error}"))),
        }
    }

    /// Plans the query of a view; its calls are lifted with those of the query around it.
    pub(crate) async fn plan_view(&self, query: &str, within: &mut Vec<String>) -> Result<LogicalPlan, FrameError> {
        let mut statement = catalog::parse(query)?;
        self.functions.make_ready(&statement)?;
        let state = self.context.state();
        table_function::prepare(&mut statement)?;
        self.put_examples(&mut statement, within).await?;
        let references = state.resolve_table_references(&statement).map_err(FrameError::from_planning)?;
        Box::pin(self.make_ready(&references, within)).await?;
        let statement = names::as_written_in_files(statement, &self.context, &references).await;
        let plan = state.statement_to_plan(statement).await.map_err(|error| self.explain_missing(error))?;
        names::readable(plan).map_err(FrameError::from_planning)
    }

    /// The name as the catalog has it; the case of letters is no matter where only one name is alike.
    pub(crate) fn spelled(&self, entries: &Entries, name: &str) -> Option<String> {
        spelled(entries, name)
    }

    /// Everything that can be named, with what cannot be read left out and told.
    pub(crate) async fn everything(&self) -> Result<Vec<Named>, FrameError> {
        let entries = self.catalog.entries()?;
        let mut tables = Vec::new();
        let schema = self.context.catalog("datafusion").and_then(|catalog| catalog.schema("public"));
        for name in schema.map(|schema| schema.table_names()).unwrap_or_default() {
            if !self.is_from_catalog(&name)
                && let Ok(provider) = self.context.table_provider(TableReference::bare(name.as_str())).await
            {
                tables.push((name, provider));
            }
        }
        for (name, entry) in &entries {
            if tables.iter().any(|(known, _)| known == name) {
                continue;
            }
            match self.provider_of(name, entry, &mut Vec::new()).await {
                Ok(provider) => tables.push((name.clone(), provider)),
                Err(error) => self.warn(format!("{name} is left out: {error}")),
            }
        }
        tables.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(tables)
    }

    /// Makes the tables of `information_schema` as they are now.
    async fn describe(&self, wanted: &[String]) -> Result<(), FrameError> {
        let tables = self.everything().await?;
        let entries = self.catalog.entries()?;
        let state = self.context.state();
        let of_engine =
            InformationSchemaProvider::new(Arc::clone(state.catalog_list())).with_table_functions(state.table_functions().clone());
        let schema = MemorySchemaProvider::new();
        for name in wanted {
            let table = if name == ROUTINES {
                let (functions, warnings) = self.functions.all()?;
                warnings.into_iter().for_each(|warning| self.warn(warning));
                Some(catalog::routines(&functions).map_err(FrameError::from_planning)?)
            } else if DESCRIBED.contains(&name.as_str()) {
                Some(catalog::described(name, &tables, &entries).map_err(FrameError::from_planning)?)
            } else {
                of_engine.table(name).await.map_err(FrameError::from_planning)?
            };
            if let Some(table) = table {
                schema.register_table(name.clone(), table).map_err(FrameError::from_planning)?;
            }
        }
        let Some(catalog) = self.context.catalog("datafusion") else { return Ok(()) };
        catalog.register_schema(INFORMATION_SCHEMA, Arc::new(schema)).map_err(FrameError::from_planning)?;
        Ok(())
    }

    /// Looks at files that are to have a name; gives their place from the root on.
    pub(crate) async fn look_at(&self, location: &str) -> Result<String, FrameError> {
        if location == "-" {
            return Err(FrameError::query("standard input is gone afterwards: CREATE TABLE … AS SELECT * FROM '-' keeps its rows"));
        }
        let location = absolute(location);
        self.provider(self.located(&location, None).await?).await?;
        Ok(location)
    }

    /// Where rows that are inserted into a table go.
    pub(crate) fn place_of(&self, table: &str) -> Result<Place, FrameError> {
        let entries = self.catalog.entries()?;
        let found = spelled(&entries, table).and_then(|name| Some((entries.get(&name)?, name)));
        match found {
            Some((Entry { what: What::Table { folder, .. }, .. }, name)) => {
                Ok(Place::Part { catalog: self.catalog.clone(), name, folder: folder.clone() })
            }
            Some((Entry { what: What::External { location }, .. }, _)) => place_in(location),
            Some((Entry { what: What::View { .. }, .. }, name)) => {
                Err(FrameError::query(format!("{name} is a view, and a view holds no rows: insert into the table under it")))
            }
            None if locate::looks_like_path(table) => place_in(&absolute(table)),
            None if self.context.table_exist(TableReference::bare(table)).unwrap_or(false) => Err(FrameError::query(format!(
                "{table} is a name of this session alone: CREATE EXTERNAL TABLE {table} LOCATION '…' first, or INSERT INTO 'its/path.csv'"
            ))),
            None => Err(self.missing(table)),
        }
    }

    /// The same query with the paths of files from the root on, so that it means the same in every folder.
    pub(crate) fn with_absolute_paths(&self, mut query: ast::Query) -> Result<ast::Query, FrameError> {
        match VisitMut::visit(&mut query, &mut FromRoot) {
            ControlFlow::Continue(()) => Ok(query),
            ControlFlow::Break(()) => Err(FrameError::query(
                "a view cannot stand on standard input, which is gone afterwards: CREATE TABLE … AS SELECT * FROM '-' keeps its rows",
            )),
        }
    }

    fn warn(&self, warning: String) {
        let mut known = self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !known.contains(&warning) {
            known.push(warning);
        }
    }
}

fn spelled(entries: &Entries, name: &str) -> Option<String> {
    if entries.contains_key(name) {
        return Some(name.to_owned());
    }
    let mut alike = entries.keys().filter(|known| known.to_lowercase() == name.to_lowercase());
    alike.next().filter(|_| alike.next().is_none()).cloned()
}

fn absolute(location: &str) -> String {
    if location.contains("://") {
        return location.to_owned();
    }
    let path = locate::with_home(location);
    std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned()
}

fn place_in(location: &str) -> Result<Place, FrameError> {
    let path = locate::with_home(location);
    if locate::is_remote(location) {
        let unknown =
            || FrameError::query(format!("rows can be inserted into one object: name it with one of the endings {}", Format::NAMES));
        return Ok(Place::File { format: Format::of_path(&path).ok_or_else(unknown)?, path, existing: Existing::Append });
    }
    let unknown = |shown: &str| FrameError::query(format!("rows cannot be written into {shown}: the formats are {}", Format::NAMES));
    if path.is_dir() {
        let source = locate::locate(location)?;
        let first = source.files.first().map(|file| file.path.clone()).unwrap_or_default();
        let format = Format::of_path(&first).ok_or_else(|| unknown(location))?;
        return Ok(Place::FileIn { folder: path, format });
    }
    if !path.is_file() {
        return Err(FrameError::query(format!("rows can be inserted into a file or a folder, and {location} is neither")));
    }
    let format = Format::of_path(&path).ok_or_else(|| unknown(location))?;
    Ok(Place::File { path, format, existing: Existing::Append })
}

struct FromRoot;

impl VisitorMut for FromRoot {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        if let [ast::ObjectNamePart::Identifier(name)] = relation.0.as_mut_slice()
            && locate::looks_like_path(&name.value)
        {
            if name.value == "-" {
                return ControlFlow::Break(());
            }
            name.value = absolute(&name.value);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut ast::TableFactor) -> ControlFlow<()> {
        if let ast::TableFactor::Table { name, args: Some(arguments), .. } = table
            && name.to_string().eq_ignore_ascii_case(ReadText::NAME)
            && let Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(ast::Expr::Value(value)))) = arguments.args.first_mut()
            && let ast::Value::SingleQuotedString(text) = &mut value.value
        {
            *text = absolute(text);
        }
        if let ast::TableFactor::Table { name, args: Some(arguments), .. } = table
            && let Some(shape) = table_function::shape_of(&name.to_string())
        {
            for named in shape.named_tables(&mut arguments.args) {
                if locate::looks_like_path(named) && named != "-" {
                    *named = absolute(named);
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// The schema of `semantic_extract` may stand in a file too, and so may a program that is laid over a function.
    fn pre_visit_expr(&mut self, expression: &mut ast::Expr) -> ControlFlow<()> {
        if let ast::Expr::Function(function) = expression
            && function.name.to_string().eq_ignore_ascii_case("semantic_extract")
            && let ast::FunctionArguments::List(list) = &mut function.args
            && let Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(ast::Expr::Value(value)))) = list.args.get_mut(1)
            && let ast::Value::SingleQuotedString(text) = &mut value.value
            && text.trim().to_ascii_lowercase().ends_with(".json")
            && !text.contains('\n')
        {
            *text = absolute(text.trim());
        }
        if let ast::Expr::Function(function) = expression
            && function.name.to_string().to_ascii_lowercase().starts_with("semantic_")
            && let ast::FunctionArguments::List(list) = &mut function.args
        {
            list.args.iter_mut().for_each(overlay_from_root);
        }
        ControlFlow::Continue(())
    }
}

/// `program => 'better.json'` with the file's path from the root on.
fn overlay_from_root(argument: &mut ast::FunctionArg) {
    if let ast::FunctionArg::Named { name, arg: ast::FunctionArgExpr::Expr(ast::Expr::Value(value)), .. } = argument
        && name.value == "program"
        && let ast::Value::SingleQuotedString(text) = &mut value.value
    {
        *text = absolute(text.trim());
    }
}
