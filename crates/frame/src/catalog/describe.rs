//! `information_schema` with the descriptions in it: the tables, columns and views of a session, as rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::TableType;

use super::store::Entries;

/// The names that are described here; the engine's own tables stand beside them.
pub(crate) const DESCRIBED: [&str; 3] = ["tables", "columns", "views"];
const CATALOG: &str = "datafusion";
const SCHEMA: &str = "public";

/// A table of the session, with its name.
pub(crate) type Named = (String, Arc<dyn TableProvider>);

/// One of the tables in [`DESCRIBED`].
pub(crate) fn described(name: &str, tables: &[Named], entries: &Entries) -> Result<Arc<dyn TableProvider>> {
    let (schema, columns) = match name {
        "columns" => columns(tables, entries),
        "views" => views(tables, entries),
        _ => these(tables, entries),
    };
    let schema = Arc::new(Schema::new(schema));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}

pub(super) fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

pub(super) fn texts<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

/// The two columns before every name.
pub(super) fn catalog_and_schema(rows: usize) -> (ArrayRef, ArrayRef) {
    (always(CATALOG, rows), always(SCHEMA, rows))
}

pub(super) fn always(value: &str, rows: usize) -> ArrayRef {
    texts(std::iter::repeat_n(Some(value), rows))
}

fn these(tables: &[Named], entries: &Entries) -> (Vec<Field>, Vec<ArrayRef>) {
    let kind = |table: &Arc<dyn TableProvider>| match table.table_type() {
        TableType::View => "VIEW",
        TableType::Base => "BASE TABLE",
        TableType::Temporary => "LOCAL TEMPORARY",
    };
    let fields = ["table_catalog", "table_schema", "table_name", "table_type", "description"].map(text).to_vec();
    let described = |name: &String| entries.get(name).and_then(|entry| entry.description.as_deref());
    let columns = vec![
        always(CATALOG, tables.len()),
        always(SCHEMA, tables.len()),
        texts(tables.iter().map(|(name, _)| Some(name.as_str()))),
        texts(tables.iter().map(|(_, table)| Some(kind(table)))),
        texts(tables.iter().map(|(name, _)| described(name))),
    ];
    (fields, columns)
}

fn columns(tables: &[Named], entries: &Entries) -> (Vec<Field>, Vec<ArrayRef>) {
    let mut fields = ["table_catalog", "table_schema", "table_name", "column_name"].map(text).to_vec();
    fields.push(Field::new("ordinal_position", DataType::UInt64, false));
    fields.extend(["is_nullable", "data_type", "description"].map(text));
    let schemas: Vec<_> = tables.iter().map(|(name, table)| (name.as_str(), table.schema())).collect();
    let rows: Vec<_> = schemas
        .iter()
        .flat_map(|(name, schema)| schema.fields().iter().enumerate().map(move |(position, field)| (*name, position, field)))
        .collect();
    let types: Vec<String> = rows.iter().map(|(_, _, field)| field.data_type().to_string()).collect();
    let description = |table: &str, column: &str| entries.get(table).and_then(|entry| entry.columns.get(column)).map(String::as_str);
    let columns = vec![
        always(CATALOG, rows.len()),
        always(SCHEMA, rows.len()),
        texts(rows.iter().map(|(table, _, _)| Some(*table))),
        texts(rows.iter().map(|(_, _, field)| Some(field.name().as_str()))),
        Arc::new(rows.iter().map(|(_, position, _)| Some(*position as u64 + 1)).collect::<UInt64Array>()) as ArrayRef,
        texts(rows.iter().map(|(_, _, field)| Some(if field.is_nullable() { "YES" } else { "NO" }))),
        texts(types.iter().map(|data_type| Some(data_type.as_str()))),
        texts(rows.iter().map(|(table, _, field)| description(table, field.name()))),
    ];
    (fields, columns)
}

fn views(tables: &[Named], entries: &Entries) -> (Vec<Field>, Vec<ArrayRef>) {
    let fields = ["table_catalog", "table_schema", "table_name", "definition", "description"].map(text).to_vec();
    let views: Vec<&Named> = tables.iter().filter(|(_, table)| table.table_type() == TableType::View).collect();
    let columns = vec![
        always(CATALOG, views.len()),
        always(SCHEMA, views.len()),
        texts(views.iter().map(|(name, _)| Some(name.as_str()))),
        texts(views.iter().map(|(_, table)| table.get_table_definition())),
        texts(views.iter().map(|(name, _)| entries.get(name).and_then(|entry| entry.description.as_deref()))),
    ];
    (fields, columns)
}
