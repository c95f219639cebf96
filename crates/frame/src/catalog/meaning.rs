//! From a parsed statement to what it wants of the catalog. Nothing is looked up or changed here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use datafusion::sql::parser::{CopyToSource, CopyToStatement, CreateExternalTable, Statement as Parsed};
use datafusion::sql::sqlparser::ast::{self, CommentDef, CommentObject, ObjectName, ObjectType, TableObject};

use crate::error::FrameError;
use crate::write::{Existing, Format};

/// What a statement asks for.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// What the engine plans by itself.
    Query(Parsed),
    CreateView {
        made: Made,
        query: Box<ast::Query>,
    },
    /// The statement stands there without descriptions, which the engine does not know.
    CreateTable {
        made: Made,
        statement: Parsed,
    },
    CreateExternal {
        made: Made,
        location: String,
    },
    Drop {
        names: Vec<String>,
        noun: &'static str,
        if_exists: bool,
    },
    Comment {
        name: String,
        column: Option<String>,
        text: Option<String>,
        if_exists: bool,
    },
    Insert {
        table: String,
        statement: Parsed,
    },
    Copy {
        query: Parsed,
        path: PathBuf,
        format: Format,
        existing: Existing,
    },
    DropFunction {
        names: Vec<String>,
        if_exists: bool,
    },
    ShowTables,
    ShowFunctions,
    Describe {
        table: String,
    },
}

/// What is made, and what of it may be there already.
#[derive(Debug, Clone, Default)]
pub(crate) struct Made {
    pub(crate) name: String,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) description: Option<String>,
    pub(crate) columns: BTreeMap<String, String>,
}

/// Reads a statement.
pub(crate) fn meaning(parsed: Parsed) -> Result<Meaning, FrameError> {
    match parsed {
        Parsed::CreateExternalTable(external) => create_external(external),
        Parsed::CopyTo(copy) => copy_to(copy),
        Parsed::Statement(inner) => of_sql(*inner),
        other => Ok(Meaning::Query(other)),
    }
}

fn of_sql(statement: ast::Statement) -> Result<Meaning, FrameError> {
    match statement {
        ast::Statement::CreateView(view) => create_view(view),
        ast::Statement::CreateTable(table) => create_table(table),
        ast::Statement::Drop { object_type, if_exists, names, .. } if matches!(object_type, ObjectType::Table | ObjectType::View) => {
            let noun = if object_type == ObjectType::View { "view" } else { "table" };
            Ok(Meaning::Drop { names: names.iter().map(table_name).collect::<Result<_, _>>()?, noun, if_exists })
        }
        ast::Statement::Comment { object_type, object_name, comment, if_exists } => {
            comment_on(object_type, &object_name, comment, if_exists)
        }
        ast::Statement::Insert(insert) => {
            if insert.overwrite {
                return Err(FrameError::query(
                    "INSERT OVERWRITE is not known: write CREATE OR REPLACE TABLE … AS SELECT …, or COPY (…) TO '…' OPTIONS (mode overwrite)",
                ));
            }
            let TableObject::TableName(name) = &insert.table else {
                return Err(FrameError::query("INSERT INTO wants the name of a table"));
            };
            let table = table_name(name)?;
            Ok(Meaning::Insert { table, statement: Parsed::Statement(Box::new(ast::Statement::Insert(insert))) })
        }
        ast::Statement::DropFunction(dropped) => {
            let named = |one: &ast::FunctionDesc| table_name(&one.name).map(|name| name.to_lowercase());
            let names = dropped.func_desc.iter().map(named).collect::<Result<_, _>>()?;
            Ok(Meaning::DropFunction { names, if_exists: dropped.if_exists })
        }
        ast::Statement::ShowTables { .. } => Ok(Meaning::ShowTables),
        ast::Statement::ShowFunctions { .. } => Ok(Meaning::ShowFunctions),
        ast::Statement::ExplainTable { describe_alias, table_name: name, .. } if describe_alias != ast::DescribeAlias::Explain => {
            Ok(Meaning::Describe { table: table_name(&name)? })
        }
        other => Ok(Meaning::Query(Parsed::Statement(Box::new(other)))),
    }
}

/// The bare name; a schema before it can only be the one there is.
fn table_name(name: &ObjectName) -> Result<String, FrameError> {
    let parts: Vec<&str> = name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.as_str()).collect();
    match parts.as_slice() {
        [table] | ["public", table] | ["datafusion", "public", table] if !table.is_empty() => Ok((*table).to_owned()),
        _ => Err(FrameError::query(format!(
            "{name} cannot be the name of a table here: tables have plain names, without a schema before them"
        ))),
    }
}

fn create_view(view: ast::CreateView) -> Result<Meaning, FrameError> {
    if view.materialized {
        return Err(FrameError::query("views are not materialized: write CREATE TABLE … AS SELECT … to keep the rows"));
    }
    if view.temporary {
        return Err(FrameError::query("there are no temporary views: write WITH … AS (…) before the query"));
    }
    let name = table_name(&view.name)?;
    let mut columns = BTreeMap::new();
    let mut query = view.query;
    if !view.columns.is_empty() {
        let mut names = Vec::new();
        for column in &view.columns {
            names.push(ast::TableAliasColumnDef { name: column.name.clone(), data_type: None });
            for option in column.options.iter().flat_map(|options| options.as_slice()) {
                if let ast::ColumnOption::Comment(text) = option {
                    columns.insert(column.name.value.clone(), text.clone());
                }
            }
        }
        query = Box::new(renamed(query, &view.name, names)?);
    }
    let made =
        Made { name, or_replace: view.or_replace || view.or_alter, if_not_exists: view.if_not_exists, description: view.comment, columns };
    Ok(Meaning::CreateView { made, query })
}

/// `SELECT * FROM (query) AS name (columns)`.
fn renamed(query: Box<ast::Query>, name: &ObjectName, columns: Vec<ast::TableAliasColumnDef>) -> Result<ast::Query, FrameError> {
    let list = columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let text = format!("SELECT * FROM ({query}) AS {name} ({list})");
    match super::statement::parse(&text)? {
        Parsed::Statement(inner) => match *inner {
            ast::Statement::Query(query) => Ok(*query),
            _ => Err(FrameError::query("the columns of the view cannot be named so")),
        },
        _ => Err(FrameError::query("the columns of the view cannot be named so")),
    }
}

fn create_table(mut table: ast::CreateTable) -> Result<Meaning, FrameError> {
    if table.temporary {
        return Err(FrameError::query("there are no temporary tables: write WITH … AS (…) before the query"));
    }
    if !table.constraints.is_empty() {
        return Err(FrameError::query("a table here has no keys or constraints: leave them out"));
    }
    let name = table_name(&table.name)?;
    let mut columns = BTreeMap::new();
    for column in &mut table.columns {
        let name = column.name.value.clone();
        column.options.retain(|option| match &option.option {
            ast::ColumnOption::Comment(text) => {
                columns.insert(name.clone(), text.clone());
                false
            }
            ast::ColumnOption::Null | ast::ColumnOption::NotNull => false,
            _ => true,
        });
        if let Some(option) = column.options.first() {
            return Err(FrameError::query(format!("{} of column {} is not known here: leave it out", option.option, column.name)));
        }
    }
    let mut description = table.comment.take().map(comment_text);
    if let ast::CreateTableOptions::Plain(options) = &mut table.table_options {
        options.retain(|option| match option {
            ast::SqlOption::Comment(comment) => {
                description = Some(comment_text(comment.clone()));
                false
            }
            _ => true,
        });
        if options.is_empty() {
            table.table_options = ast::CreateTableOptions::None;
        }
    }
    let made = Made { name, or_replace: table.or_replace, if_not_exists: table.if_not_exists, description, columns };
    Ok(Meaning::CreateTable { made, statement: Parsed::Statement(Box::new(ast::Statement::CreateTable(table))) })
}

fn comment_text(comment: CommentDef) -> String {
    match comment {
        CommentDef::WithEq(text) | CommentDef::WithoutEq(text) => text,
    }
}

fn create_external(external: CreateExternalTable) -> Result<Meaning, FrameError> {
    if !external.columns.is_empty() {
        return Err(FrameError::query(
            "the columns of an external table are read from its files: leave the list out, and CAST in a view where another type is wanted",
        ));
    }
    if external.temporary || external.unbounded || !external.table_partition_cols.is_empty() || !external.order_exprs.is_empty() {
        return Err(FrameError::query(
            "of CREATE EXTERNAL TABLE, only the name, LOCATION, STORED AS and OPTIONS (comment '…') are known here",
        ));
    }
    let mut description = None;
    for (key, value) in &external.options {
        match key.to_ascii_lowercase().as_str() {
            "comment" | "format.comment" => description = Some(plain(value)),
            _ => return Err(FrameError::query(format!("the option {key} is not known: OPTIONS (comment '…') is all there is"))),
        }
    }
    let [location] = external.locations.as_slice() else {
        return Err(FrameError::query("LOCATION takes one place: a file, a folder, or a pattern such as 'reviews/*.csv'"));
    };
    let made = Made {
        name: table_name(&external.name)?,
        or_replace: external.or_replace,
        if_not_exists: external.if_not_exists,
        description,
        columns: BTreeMap::new(),
    };
    Ok(Meaning::CreateExternal { made, location: location.clone() })
}

fn plain(value: &ast::Value) -> String {
    match value {
        ast::Value::SingleQuotedString(text) | ast::Value::DoubleQuotedString(text) | ast::Value::EscapedStringLiteral(text) => {
            text.clone()
        }
        other => other.to_string(),
    }
}

fn comment_on(kind: CommentObject, name: &ObjectName, text: Option<String>, if_exists: bool) -> Result<Meaning, FrameError> {
    match kind {
        CommentObject::Table | CommentObject::View => Ok(Meaning::Comment { name: table_name(name)?, column: None, text, if_exists }),
        CommentObject::Column => {
            let mut table = name.clone();
            let column = table.0.pop().and_then(|part| part.as_ident().map(|ident| ident.value.clone()));
            match column {
                Some(column) if !table.0.is_empty() => {
                    Ok(Meaning::Comment { name: table_name(&table)?, column: Some(column), text, if_exists })
                }
                _ => Err(FrameError::query("write COMMENT ON COLUMN table.column IS '…'")),
            }
        }
        _ => Err(FrameError::query("COMMENT ON takes TABLE, VIEW or COLUMN")),
    }
}

fn copy_to(copy: CopyToStatement) -> Result<Meaning, FrameError> {
    if !copy.partitioned_by.is_empty() {
        return Err(FrameError::query("COPY writes one file: leave PARTITIONED BY out"));
    }
    let mut existing = Existing::Replace;
    let mut named = copy.stored_as.clone();
    for (key, value) in &copy.options {
        let key = key.to_ascii_lowercase();
        match key.strip_prefix("format.").unwrap_or(&key) {
            "mode" => existing = mode(&plain(value))?,
            "format" => named = Some(plain(value)),
            _ => {
                return Err(FrameError::query(format!(
                    "the option {key} is not known: COPY has mode (overwrite, append, error) and format"
                )));
            }
        }
    }
    let path = PathBuf::from(&copy.target);
    let format = match named {
        Some(name) => Format::of_name(&name),
        None => Format::of_path(&path),
    };
    let format = format.ok_or_else(|| {
        FrameError::query(format!("the ending of '{}' names no format: write STORED AS with one of {}", copy.target, Format::NAMES))
    })?;
    let query = match copy.source {
        CopyToSource::Query(query) => Parsed::Statement(Box::new(ast::Statement::Query(query))),
        CopyToSource::Relation(name) => super::statement::parse(&format!("SELECT * FROM {name}"))?,
    };
    Ok(Meaning::Copy { query, path, format, existing })
}

fn mode(text: &str) -> Result<Existing, FrameError> {
    match text.to_ascii_lowercase().as_str() {
        "overwrite" | "replace" => Ok(Existing::Replace),
        "append" => Ok(Existing::Append),
        "error" => Ok(Existing::Refuse),
        other => Err(FrameError::query(format!("the mode {other} is not known: overwrite, append or error"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::statement::parse;

    fn read(sql: &str) -> String {
        match parse(sql).and_then(meaning) {
            Ok(Meaning::CreateView { made, query }) => format!("view {} {:?} {:?} {query}", made.name, made.description, made.columns),
            Ok(Meaning::CreateTable { made, .. }) => {
                format!("table {} {} {:?} {:?}", made.name, made.or_replace, made.description, made.columns)
            }
            Ok(Meaning::CreateExternal { made, location }) => format!("external {} {:?} {location}", made.name, made.description),
            Ok(Meaning::Copy { query, path, format, existing }) => format!("copy {query} {} {format:?} {existing:?}", path.display()),
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn descriptions_stand_where_sql_has_them() {
        assert_eq!(read("CREATE VIEW v COMMENT = 'what' AS SELECT 1"), "view v Some(\"what\") {} SELECT 1");
        assert_eq!(
            read("CREATE OR REPLACE VIEW v (a COMMENT 'first', b) AS SELECT 1, 2"),
            "view v None {\"a\": \"first\"} SELECT * FROM (SELECT 1, 2) AS v (a, b)"
        );
        assert_eq!(read("CREATE OR REPLACE TABLE t COMMENT 'what' AS SELECT 1"), "table t true Some(\"what\") {}");
        assert_eq!(read("CREATE TABLE t (a INT COMMENT 'first') COMMENT = 'what'"), "table t false Some(\"what\") {\"a\": \"first\"}");
        assert_eq!(read("CREATE EXTERNAL TABLE t LOCATION 'a.csv' OPTIONS (comment 'what');"), "external t Some(\"what\") a.csv");
        assert_eq!(read("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'a.csv'"), "external t None a.csv");
    }

    #[test]
    fn copies_know_their_format_and_their_mode() {
        assert_eq!(read("COPY (SELECT 1) TO 'a.jsonl'"), "copy SELECT 1 a.jsonl JsonLines Replace");
        assert_eq!(read("COPY t TO 'a.x' STORED AS parquet OPTIONS (mode append)"), "copy SELECT * FROM t a.x Parquet Append");
        assert_eq!(read("COPY t TO 'a.feather' OPTIONS ('mode' 'error')"), "copy SELECT * FROM t a.feather Arrow Refuse");
        assert!(read("COPY t TO 'a.x'").contains("names no format"));
        assert!(read("COPY t TO 'a.csv' OPTIONS (mode often)").contains("mode often is not known"));
    }
}
