//! A statement that is planned: rows for the caller, rows that are kept under a name or in a file, or a change of the
//! catalog. Nothing is written and nothing asked before it is run.

use std::path::{Path, PathBuf};

use datafusion::execution::SendableRecordBatchStream;
use datafusion::sql::parser::{DFParserBuilder, Statement as Parsed};
use datafusion::sql::sqlparser::dialect::GenericDialect;

use super::meaning::Made;
use super::store::Catalog;
use super::{Entry, KeptFunction, What};
use crate::error::FrameError;
use crate::query::Query;
use crate::write::{Existing, Format, Target, Written, write};

/// One statement of SQL, planned.
#[derive(Debug)]
pub enum Statement {
    /// Rows for the caller.
    Rows(Query),
    /// Rows that are kept: `CREATE TABLE … AS`, `INSERT INTO`, `COPY … TO`.
    Keep(Keep),
    /// A change of the catalog, without rows.
    Change(Change),
}

/// A query whose rows are kept.
#[derive(Debug)]
pub struct Keep {
    pub(crate) query: Query,
    pub(crate) destination: Destination,
}

impl Keep {
    /// The query, to be priced and explained.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The query and the place of its rows.
    pub fn into_parts(self) -> (Query, Destination) {
        (self.query, self.destination)
    }

    /// Runs the query and keeps its rows.
    ///
    /// # Errors
    /// Whatever the query fails with, and [`FrameError::Write`]. Then nothing is kept of it.
    pub async fn run(self) -> Result<Written, FrameError> {
        self.destination.fill(self.query.stream().await?).await
    }
}

/// Where rows are kept.
#[derive(Debug)]
pub struct Destination {
    pub(crate) place: Place,
}

#[derive(Debug)]
pub(crate) enum Place {
    NewTable {
        catalog: Catalog,
        made: Made,
    },
    /// One more part of a table in the catalog.
    Part {
        catalog: Catalog,
        name: String,
        folder: String,
    },
    /// One more file in a folder.
    FileIn {
        folder: PathBuf,
        format: Format,
    },
    File {
        path: PathBuf,
        format: Format,
        existing: Existing,
    },
}

impl Destination {
    /// Whether running the same statement again gives the same table: rows that are appended would be there twice.
    pub fn is_repeatable(&self) -> bool {
        match &self.place {
            // where something was made already, planning says so
            Place::NewTable { .. } => true,
            Place::File { existing, .. } => *existing != Existing::Append,
            Place::Part { .. } | Place::FileIn { .. } => false,
        }
    }

    /// The place in words, such as `table good`.
    pub fn describe(&self) -> String {
        match &self.place {
            Place::NewTable { made, .. } => format!("table {}", made.name),
            Place::Part { name, .. } => format!("table {name}"),
            Place::FileIn { folder, .. } => folder.display().to_string(),
            Place::File { path, .. } => path.display().to_string(),
        }
    }

    /// Writes all rows. They are there when this returns, and none of them are when it fails or is dropped.
    ///
    /// # Errors
    /// Whatever the stream fails with, [`FrameError::Write`], and [`FrameError::Table`] when somebody else changed the table meanwhile.
    pub async fn fill(self, rows: SendableRecordBatchStream) -> Result<Written, FrameError> {
        match self.place {
            Place::NewTable { catalog, made } => new_table(&catalog, made, rows).await,
            Place::Part { catalog, name, folder } => {
                let directory = catalog.tables()?.join(&folder);
                let (_taken, part) = free_name(&directory, "parquet")?;
                let written = write(rows, Format::Parquet, Target::File(directory.join(&part))).await?;
                catalog.change(|entries| match entries.get_mut(&name).map(|entry| &mut entry.what) {
                    Some(What::Table { folder: now, parts }) if *now == folder => {
                        parts.push(part);
                        Ok(())
                    }
                    _ => Err(FrameError::table(format!("table {name} was dropped or replaced while rows for it were made: run it again"))),
                })?;
                Ok(written)
            }
            Place::FileIn { folder, format } => {
                let (_taken, name) = free_name(&folder, format.ending())?;
                write(rows, format, Target::File(folder.join(name))).await
            }
            Place::File { path, format, existing } => write(rows, format, Target::Place { path, existing }).await,
        }
    }
}

async fn new_table(catalog: &Catalog, made: Made, rows: SendableRecordBatchStream) -> Result<Written, FrameError> {
    let tables = catalog.tables()?;
    let cannot = |error: std::io::Error| FrameError::Write { path: tables.clone(), message: error.to_string() };
    std::fs::create_dir_all(&tables).map_err(cannot)?;
    let readable: String = made.name.chars().filter(|character| character.is_ascii_alphanumeric() || *character == '_').take(40).collect();
    let directory = tempfile::Builder::new().prefix(&format!("{readable}-")).tempdir_in(&tables).map_err(cannot)?;
    let written = write(rows, Format::Parquet, Target::File(directory.path().join("part-1.parquet"))).await?;
    let folder = directory.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let before = catalog.change(|entries| {
        if !made.or_replace && entries.contains_key(&made.name) {
            return Err(FrameError::table(format!("{} was made by somebody else meanwhile: write CREATE OR REPLACE TABLE", made.name)));
        }
        let what = What::Table { folder, parts: vec!["part-1.parquet".to_owned()] };
        let entry = Entry { what, description: made.description, columns: made.columns };
        Ok(entries.insert(made.name, entry))
    })?;
    // the catalog names it now
    let _ = directory.keep();
    if let Some(before) = before {
        remove_rows(&tables, &before);
    }
    Ok(written)
}

/// Takes away the rows of a table that the catalog names no more.
pub(crate) fn remove_rows(tables: &Path, entry: &Entry) {
    if let What::Table { folder, .. } = &entry.what {
        // what cannot be removed is only in the way of nobody
        let _ = std::fs::remove_dir_all(tables.join(folder));
    }
}

/// A name in a folder that nobody else takes as long as the hidden file that was made for it is there.
fn free_name(folder: &Path, ending: &str) -> Result<(tempfile::TempPath, String), FrameError> {
    let made = tempfile::Builder::new().prefix(".part-").suffix(".part").tempfile_in(folder);
    let taken = made.map_err(|error| FrameError::Write { path: folder.to_owned(), message: error.to_string() })?.into_temp_path();
    let hidden = taken.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((taken, format!("{}.{ending}", hidden.trim_start_matches('.'))))
}

/// A change of the catalog.
#[derive(Debug)]
pub struct Change {
    pub(crate) catalog: Catalog,
    pub(crate) kind: ChangeKind,
}

#[derive(Debug)]
pub(crate) enum ChangeKind {
    Nothing { why: String },
    Make { made: Made, what: What },
    Drop { names: Vec<String>, noun: &'static str, if_exists: bool },
    Describe { name: String, column: Option<String>, text: Option<String> },
    MakeFunction { name: String, or_replace: bool, function: KeptFunction },
    DropFunction { names: Vec<String>, if_exists: bool },
}

impl Change {
    /// Makes the change; gives what was done, in words.
    ///
    /// # Errors
    /// [`FrameError::Table`] when the catalog is damaged or does not hold what is meant, [`FrameError::Write`] when it cannot be written.
    pub fn apply(self) -> Result<String, FrameError> {
        let Change { catalog, kind } = self;
        match kind {
            ChangeKind::Nothing { why } => Ok(why),
            ChangeKind::Make { made, what } => {
                let told = format!("{} {} is made", what.noun(), made.name);
                let before = catalog.change(|entries| {
                    may_make(entries.get(&made.name), &made, &what)?;
                    Ok(entries.insert(made.name, Entry { what, description: made.description, columns: made.columns }))
                })?;
                if let Some(before) = before {
                    remove_rows(&catalog.tables()?, &before);
                }
                Ok(told)
            }
            ChangeKind::Drop { names, noun, if_exists } => {
                let dropped = catalog.change(|entries| {
                    let mut dropped = Vec::new();
                    for name in &names {
                        match entries.get(name).map(|entry| entry.what.noun()) {
                            Some(known) if known == noun => dropped.extend(entries.remove(name)),
                            Some(known) => {
                                return Err(FrameError::table(format!("{name} is a {known}: write DROP {} {name}", known.to_uppercase())));
                            }
                            None if if_exists => {}
                            None => return Err(FrameError::table(format!("there is no {noun} {name} to drop; SHOW TABLES lists them"))),
                        }
                    }
                    Ok(dropped)
                })?;
                let tables = catalog.tables()?;
                dropped.iter().for_each(|entry| remove_rows(&tables, entry));
                match dropped.len() {
                    0 => Ok(format!("there is no {noun} {}: nothing was dropped", names.join(", "))),
                    _ => Ok(format!("{noun} {} is dropped", names.join(", "))),
                }
            }
            ChangeKind::MakeFunction { name, or_replace, function } => {
                catalog.change_functions(|functions| {
                    may_make_function(functions.get(&name), &name, or_replace)?;
                    functions.insert(name.clone(), function);
                    Ok(())
                })?;
                Ok(format!("function {name} is made"))
            }
            ChangeKind::DropFunction { names, if_exists } => {
                let dropped = catalog.change_functions(|functions| match names.iter().find(|name| !functions.contains_key(*name)) {
                    Some(missing) if !if_exists => {
                        Err(FrameError::table(format!("there is no function {missing} to drop; SHOW FUNCTIONS lists them")))
                    }
                    _ => Ok(names.iter().filter_map(|name| functions.remove(name)).count()),
                })?;
                match dropped {
                    0 => Ok(format!("there is no function {}: nothing was dropped", names.join(", "))),
                    _ => Ok(format!("function {} is dropped", names.join(", "))),
                }
            }
            ChangeKind::Describe { name, column, text } => catalog.change(|entries| {
                let entry = entries.get_mut(&name).ok_or_else(|| FrameError::table(format!("{name} was dropped meanwhile")))?;
                let told = match &column {
                    Some(column) => format!("{} {name}, column {column}: the description is kept", entry.what.noun()),
                    None => format!("{} {name}: the description is kept", entry.what.noun()),
                };
                match (column, text) {
                    (Some(column), Some(text)) => drop(entry.columns.insert(column, text)),
                    (Some(column), None) => drop(entry.columns.remove(&column)),
                    (None, text) => entry.description = text,
                }
                Ok(told)
            }),
        }
    }
}

/// Whether a name is free for what is to be made under it. A table's rows are never lost to a view.
pub(crate) fn may_make(known: Option<&Entry>, made: &Made, what: &What) -> Result<(), FrameError> {
    let Some(known) = known else { return Ok(()) };
    let (noun, was) = (what.noun(), known.what.noun());
    if was != noun {
        return Err(FrameError::table(format!("{} is a {was}: DROP {} {} first", made.name, was.to_uppercase(), made.name)));
    }
    if made.or_replace {
        return Ok(());
    }
    let name = &made.name;
    Err(FrameError::table(format!("there is a {noun} {name} already: write CREATE OR REPLACE {} to replace it", noun.to_uppercase())))
}

/// Whether a name is free for a function.
pub(crate) fn may_make_function(known: Option<&KeptFunction>, name: &str, or_replace: bool) -> Result<(), FrameError> {
    match known {
        Some(_) if !or_replace => {
            Err(FrameError::table(format!("there is a function {name} already: write CREATE OR REPLACE FUNCTION to replace it")))
        }
        _ => Ok(()),
    }
}

/// Reads one statement. `CREATE EXTERNAL TABLE` needs no STORED AS: the ending of a file tells.
pub(crate) fn parse(sql: &str) -> Result<Parsed, FrameError> {
    let parsed = parse_all(sql);
    let mut statements = match parsed {
        Err(error) if error.to_string().contains("Missing STORED AS clause") => {
            let body = sql.trim_end().trim_end_matches(';');
            parse_all(&format!("{body} STORED AS by_ending")).map_err(FrameError::from_planning)?
        }
        other => other.map_err(|error| hinted(FrameError::from_planning(error), sql))?,
    };
    match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (None, _) => Err(FrameError::query("there is no SQL to run: write a query such as SELECT * FROM 'reviews.csv'")),
        (Some(_), more) => Err(FrameError::query(format!("one query is run at a time, and {more} more stand after the first ;"))),
    }
}

/// What people mean by two ways to write that the grammar does not have.
fn hinted(error: FrameError, sql: &str) -> FrameError {
    let FrameError::Query { message } = &error else { return error };
    let hint = if message.contains("found: =>") && sql.to_ascii_uppercase().contains("ORDER BY") {
        "ORDER BY stands last in a call, after what is given by name"
    } else if message.contains("found: .") && sql.contains(").*") {
        "unnest(f(…)) spreads the fields of a struct over columns; f(…)['field'] is one of them"
    } else {
        return error;
    };
    FrameError::query(format!("{message}. {hint}"))
}

fn parse_all(sql: &str) -> datafusion::common::Result<std::collections::VecDeque<Parsed>> {
    DFParserBuilder::new(sql).with_dialect(&GenericDialect {}).build()?.parse_statements()
}
