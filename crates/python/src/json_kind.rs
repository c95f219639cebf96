//! Which columns of a frame hold JSON. The engine knows them as texts, and a cast out of JSON means another thing than one out
//! of a text: `"x"` is x, and an object is a struct.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, TryCast, lit, try_cast};
use pyo3::prelude::*;
use serde_json::{Map, Value, json};

use crate::column::call;
use crate::frame_error::of_engine;

/// What a column of texts holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    /// Lists of JSON.
    JsonList,
}

/// Columns that hold JSON, by their names.
pub(crate) type Kinds = BTreeMap<String, Kind>;

/// What an expression gives, as far as it is JSON.
pub(crate) fn kind_of(expression: &Expr, kinds: &Kinds) -> Option<Kind> {
    match expression {
        Expr::Alias(alias) => kind_of(&alias.expr, kinds),
        Expr::Column(column) => kinds.get(&column.name).copied(),
        Expr::ScalarFunction(function) => match function.name() {
            "json_jq" => Some(Kind::JsonList),
            "json_of" | "markdown_to_json" => Some(Kind::Json),
            "array_element" => match kind_of(function.args.first()?, kinds)? {
                Kind::JsonList => Some(Kind::Json),
                Kind::Json => None,
            },
            _ => None,
        },
        Expr::AggregateFunction(function) => match (function.func.name(), kind_of(function.params.args.first()?, kinds)?) {
            ("array_agg", Kind::Json) => Some(Kind::JsonList),
            ("first_value", kind) => Some(kind),
            _ => None,
        },
        _ => None,
    }
}

/// The same expression with casts out of JSON as what they mean.
pub(crate) fn with_json_casts(expression: Expr, schema: &DFSchema, kinds: &Kinds) -> PyResult<Expr> {
    let mut failed = None;
    let converted = expression.transform_up(|inner| {
        let (Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field })) = &inner else { return Ok(Transformed::no(inner)) };
        if kind_of(expr, kinds) != Some(Kind::Json) {
            return Ok(Transformed::no(inner));
        }
        match out_of_json(expr.as_ref().clone(), field.data_type()) {
            Ok(made) => Ok(Transformed::yes(made)),
            Err(error) => {
                failed.get_or_insert(error);
                Ok(Transformed::no(inner))
            }
        }
    });
    let converted = converted.map_err(of_engine)?.data;
    match failed {
        Some(error) => Err(error),
        None => converted.get_type(schema).map(|_| converted).map_err(of_engine),
    }
}

fn out_of_json(json: Expr, wanted: &DataType) -> PyResult<Expr> {
    match wanted {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::Struct(_) => {
            let schema = json!({"type": "object", "properties": {"value": schema_of(wanted)}, "required": ["value"]}).to_string();
            let wrapped = call("concat", vec![lit("{\"value\":"), json, lit("}")])?;
            let read = call("json_read", vec![wrapped, lit(schema)])?;
            Ok(try_cast(call("get_field", vec![read, lit("value")])?, wanted.clone()))
        }
        other => Ok(try_cast(call("json_value", vec![json, lit(".")])?, other.clone())),
    }
}

/// A type as JSON Schema.
fn schema_of(data_type: &DataType) -> Value {
    match data_type {
        DataType::Boolean => json!({"type": "boolean"}),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            json!({"type": "array", "items": schema_of(item.data_type())})
        }
        DataType::Struct(fields) => {
            let properties: Map<String, Value> = fields.iter().map(|field| (field.name().clone(), schema_of(field.data_type()))).collect();
            let required: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
            json!({"type": "object", "properties": properties, "required": required})
        }
        integer if integer.is_integer() => json!({"type": "integer"}),
        number if number.is_numeric() => json!({"type": "number"}),
        DataType::Date32 | DataType::Date64 => json!({"type": "string", "format": "date"}),
        DataType::Timestamp(..) => json!({"type": "string", "format": "date-time"}),
        _ => json!({"type": "string"}),
    }
}
