//! `information_schema.routines`: the functions that ask a model, as rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Schema;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Result;

use super::describe::{always, catalog_and_schema, text, texts};
use crate::function::Operator;
use crate::functions::Listed;

/// The name of the table.
pub(crate) const ROUTINES: &str = "routines";

struct Row {
    name: String,
    arguments: String,
    gives: Option<String>,
    module: &'static str,
    description: Option<String>,
    source: Option<String>,
}

/// Functions made of programs, and the built-in ones.
pub(crate) fn routines(functions: &[Listed]) -> Result<Arc<dyn TableProvider>> {
    let of_programs = functions.iter().map(|Listed { function, source, description }| Row {
        name: function.name.to_string(),
        arguments: function.arguments(),
        gives: Some(function.data_type().to_string()),
        module: function.module(),
        description: description.clone().or_else(|| Some(function.instructions())),
        source: source.clone(),
    });
    let built_in = Operator::ALL.into_iter().map(|operator| Row {
        name: operator.name().to_owned(),
        arguments: operator.usage().strip_prefix(operator.name()).unwrap_or_default().trim_matches(['(', ')']).to_owned(),
        gives: None,
        module: "built in",
        description: None,
        source: None,
    });
    let rows: Vec<Row> = of_programs.chain(built_in).collect();
    let names =
        ["routine_catalog", "routine_schema", "routine_name", "routine_type", "arguments", "data_type", "module", "description", "source"];
    let schema = Arc::new(Schema::new(names.map(text).to_vec()));
    let (catalog, public) = catalog_and_schema(rows.len());
    let columns: Vec<ArrayRef> = vec![
        catalog,
        public,
        texts(rows.iter().map(|row| Some(row.name.as_str()))),
        always("FUNCTION", rows.len()),
        texts(rows.iter().map(|row| Some(row.arguments.as_str()))),
        texts(rows.iter().map(|row| row.gives.as_deref())),
        texts(rows.iter().map(|row| Some(row.module))),
        texts(rows.iter().map(|row| row.description.as_deref())),
        texts(rows.iter().map(|row| row.source.as_deref())),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}
