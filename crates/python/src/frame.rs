//! A lazy table as Python holds it: a frame of the engine and the session it belongs to. Columns go by their names alone:
//! where tables come in, their qualifiers are taken off, so that a name means one column.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use corsac_frame::{DataFrame, FrameError};
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::logical_expr::{Case, Expr, ExprSchemable, lit};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::arrow::schema_capsule;
use crate::arrow_types::type_tuple;
use crate::column::{PyExpr, SortKey, call, must_be_condition, output_name, resolved, sort_keys};
use crate::frame_error::{of_engine, of_frame, query, type_mismatch};
use crate::json_kind::{Kind, Kinds, kind_of, with_json_casts};
use crate::session::SessionCore;

/// A lazy table.
#[pyclass(frozen, module = "corsac._corsac", name = "Frame")]
#[derive(Clone)]
pub(crate) struct PyFrame {
    pub(crate) frame: DataFrame,
    pub(crate) session: Arc<SessionCore>,
    pub(crate) kinds: Kinds,
}

/// A column under a name, as one of a table of its own: the engine's rules confuse a column with another of the same name
/// that has no table.
pub(crate) fn renamed(column: &Column, name: &str) -> Expr {
    Expr::Column(column.clone()).alias_qualified(Some(TableReference::bare("joined")), name)
}

/// Columns under names of which each is there once.
pub(crate) fn apart(columns: &[Column]) -> Vec<Expr> {
    let mut taken = HashSet::new();
    let told = columns.iter().map(|column| {
        let mut name = column.name.clone();
        while !taken.insert(name.clone()) {
            name.push_str("_right");
        }
        renamed(column, &name)
    });
    told.collect()
}

fn plain(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

impl PyFrame {
    /// A frame whose columns can be told by their names alone: a second one of a name gets `_right`.
    pub(crate) fn tidy(session: Arc<SessionCore>, frame: DataFrame) -> PyResult<PyFrame> {
        let columns = frame.logical_plan().schema().columns();
        let mut taken = HashSet::new();
        let kinds = Kinds::new();
        if columns.iter().all(|column| taken.insert(column.name.clone())) {
            return Ok(PyFrame { frame, session, kinds });
        }
        let frame = frame.select(apart(&columns)).map_err(of_frame)?;
        Ok(PyFrame { frame, session, kinds })
    }

    /// A frame whose columns are what those of the same names were.
    fn of(&self, made: Result<DataFrame, FrameError>) -> PyResult<PyFrame> {
        let frame = made.map_err(of_frame)?;
        let kinds = kept(&self.kinds, &frame.columns());
        Ok(PyFrame { frame, session: Arc::clone(&self.session), kinds })
    }

    /// The same frame with what its columns are.
    pub(crate) fn with_kinds(self, kinds: Kinds) -> PyFrame {
        PyFrame { kinds, ..self }
    }

    pub(crate) fn resolved(&self, expression: &PyExpr) -> PyResult<Expr> {
        let schema = self.frame.logical_plan().schema();
        let expression = with_json_casts(resolved(expression.expr.clone(), schema)?, schema, &self.kinds)?;
        // what is wrong with a question is said where it is written, not where the rows are wanted
        DataFrame::check(&expression).map_err(of_frame)?;
        Ok(expression)
    }

    /// An expression as a column under a readable name.
    fn column(&self, expression: &PyExpr) -> PyResult<Expr> {
        let expression = self.resolved(expression)?;
        Ok(match &expression {
            Expr::Column(_) | Expr::Alias(_) => expression,
            other => {
                let name = output_name(other);
                expression.alias(name)
            }
        })
    }

    fn columns_of(&self, expressions: &[PyRef<'_, PyExpr>]) -> PyResult<Vec<Expr>> {
        expressions.iter().map(|expression| self.column(expression)).collect()
    }

    /// The name of a column as it is spelled in the table.
    fn spelled(&self, name: &str) -> PyResult<String> {
        match self.resolved(&PyExpr::new(plain(name)))? {
            Expr::Column(column) => Ok(column.name),
            _ => Err(query(&format!("{name:?} is a field of a struct, and a column is wanted here"))),
        }
    }

    fn type_of(&self, expression: &Expr) -> PyResult<DataType> {
        expression.get_type(self.frame.logical_plan().schema()).map_err(of_engine)
    }
}

#[pymethods]
impl PyFrame {
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.frame.columns()
    }

    /// The columns as pairs of a name and a type, the type as nested tuples.
    fn schema_tuples<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
        let schema = self.frame.schema();
        let told = schema.fields().iter().map(|field| {
            let data_type = match self.kinds.get(field.name()) {
                Some(Kind::Json) => "json".into_pyobject(py)?.into_any(),
                Some(Kind::JsonList) => ("list", "json").into_pyobject(py)?.into_any(),
                None => type_tuple(py, field.data_type())?,
            };
            Ok((field.name().clone(), data_type))
        });
        told.collect()
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        schema_capsule(py, &self.frame.schema())
    }

    fn select(&self, columns: Vec<PyRef<'_, PyExpr>>) -> PyResult<PyFrame> {
        let columns = self.columns_of(&columns)?;
        let mut names = HashSet::new();
        if let Some(twice) = columns.iter().map(output_name).find(|name| !names.insert(name.clone())) {
            return Err(query(&format!("two columns are called {twice:?}: give one of them another name with alias()")));
        }
        let kinds = kinds_of(&columns, &self.kinds);
        Ok(self.of(self.frame.clone().select(columns))?.with_kinds(kinds))
    }

    fn filter(&self, condition: PyRef<'_, PyExpr>) -> PyResult<PyFrame> {
        let condition = self.resolved(&condition)?;
        must_be_condition(&condition, self.frame.logical_plan().schema())?;
        self.of(self.frame.clone().filter(condition))
    }

    fn with_columns(&self, columns: Vec<(String, PyRef<'_, PyExpr>)>) -> PyResult<PyFrame> {
        let columns = columns.into_iter().map(|(name, value)| Ok((name, self.resolved(&value)?))).collect::<PyResult<Vec<_>>>()?;
        let mut kinds = self.kinds.clone();
        for (name, value) in &columns {
            match kind_of(value, &self.kinds) {
                Some(kind) => kinds.insert(name.clone(), kind),
                None => kinds.remove(name),
            };
        }
        let made = self.of(self.frame.clone().with_columns(columns.iter().map(|(name, value)| (name.as_str(), value.clone()))))?;
        Ok(made.with_kinds(kinds))
    }

    fn rename(&self, column: &str, name: &str) -> PyResult<PyFrame> {
        let column = self.spelled(column)?;
        let renamed = self.frame.columns().into_iter().map(|known| if known == column { plain(&known).alias(name) } else { plain(&known) });
        let kinds = self.kinds.iter().map(|(known, kind)| (if *known == column { name.to_owned() } else { known.clone() }, *kind));
        Ok(self.of(self.frame.clone().select(renamed.collect::<Vec<_>>()))?.with_kinds(kinds.collect()))
    }

    fn drop(&self, columns: Vec<String>) -> PyResult<PyFrame> {
        let columns = columns.iter().map(|name| self.spelled(name)).collect::<PyResult<Vec<_>>>()?;
        self.of(self.frame.clone().drop(columns.iter().map(String::as_str)))
    }

    fn sort(&self, keys: Vec<SortKey<'_>>) -> PyResult<PyFrame> {
        let keys = sort_keys(&keys).into_iter().map(|mut key| {
            key.expr = resolved(key.expr, self.frame.logical_plan().schema())?;
            Ok(key)
        });
        self.of(self.frame.clone().sort(keys.collect::<PyResult<Vec<_>>>()?))
    }

    fn limit(&self, rows: usize) -> PyResult<PyFrame> {
        self.of(self.frame.clone().limit(rows))
    }

    fn skip(&self, rows: usize) -> PyResult<PyFrame> {
        self.of(self.frame.clone().skip(rows))
    }

    fn distinct(&self) -> PyResult<PyFrame> {
        self.of(self.frame.clone().distinct())
    }

    /// One row for each value of these columns: the first.
    fn distinct_on(&self, columns: Vec<String>) -> PyResult<PyFrame> {
        let keys = columns.iter().map(|name| Ok(plain(&self.spelled(name)?))).collect::<PyResult<Vec<_>>>()?;
        let none: [Expr; 0] = [];
        let made = self.frame.clone().distinct_on(keys, none).map_err(of_frame)?;
        Ok(PyFrame::tidy(Arc::clone(&self.session), made)?.with_kinds(self.kinds.clone()))
    }

    fn union(&self, other: PyRef<'_, PyFrame>) -> PyResult<PyFrame> {
        let (own, others) = (self.frame.columns(), other.frame.columns());
        if own.len() != others.len() {
            return Err(query(&format!("a union needs as many columns on both sides, not {} and {}", own.len(), others.len())));
        }
        // columns of the same names belong together, in whatever order they stand
        let mut right = other.frame.clone();
        if own != others && own.iter().all(|name| others.contains(name)) {
            right = right.select(own.iter().map(|name| plain(name)).collect::<Vec<_>>()).map_err(of_frame)?;
        }
        for (left, right) in self.frame.schema().fields().iter().zip(right.schema().fields()) {
            if is_text(left.data_type()) != is_text(right.data_type()) && ![left, right].iter().any(|field| field.data_type().is_null()) {
                return Err(type_mismatch(&format!(
                    "a union needs the same types on both sides, but {} is {} and {}: cast one of them",
                    left.name(),
                    left.data_type(),
                    right.data_type()
                )));
            }
        }
        let made = self.frame.clone().union(right).map_err(of_frame)?;
        Ok(PyFrame::tidy(Arc::clone(&self.session), made)?.with_kinds(self.kinds.clone()))
    }

    /// A column for each field of these structs, in their place.
    fn unnest(&self, structs: Vec<String>) -> PyResult<PyFrame> {
        let structs = structs.iter().map(|name| self.spelled(name)).collect::<PyResult<Vec<_>>>()?;
        let mut columns = Vec::new();
        for field in self.frame.schema().fields() {
            match field.data_type() {
                DataType::Struct(inner) if structs.contains(field.name()) => {
                    for own in inner {
                        columns.push(call("get_field", vec![plain(field.name()), lit(own.name().as_str())])?.alias(own.name()));
                    }
                }
                other if structs.contains(field.name()) => {
                    return Err(type_mismatch(&format!("unnest takes structs apart, but {} is {other}", field.name())));
                }
                _ => columns.push(plain(field.name())),
            }
        }
        let mut names = HashSet::new();
        if let Some(twice) = columns.iter().map(output_name).find(|name| !names.insert(name.clone())) {
            return Err(query(&format!("there would be two columns {twice:?}: rename or drop one before")));
        }
        self.of(self.frame.clone().select(columns))
    }

    /// A row for each item of a list. `outer` keeps rows whose list is empty or NULL; `index` is the name of a column for the
    /// item's place, from 0.
    #[pyo3(signature = (column, value, outer = false, index = None))]
    fn explode(&self, column: PyRef<'_, PyExpr>, value: &str, outer: bool, index: Option<&str>) -> PyResult<PyFrame> {
        let list = self.resolved(&column)?;
        let (DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)) = self.type_of(&list)? else {
            return Err(type_mismatch(&format!("explode takes lists apart, but {} is {}", output_name(&list), self.type_of(&list)?)));
        };
        // a row that stays for want of items has one that is NULL, in no place
        let or_nothing = |items: Expr, item: &DataType| -> PyResult<Expr> {
            if !outer {
                return Ok(items);
            }
            let nothing = call("make_array", vec![lit(ScalarValue::try_from(item).map_err(of_engine)?)])?;
            let filled = call("array_length", vec![list.clone()])?.gt(lit(0));
            Ok(Expr::Case(Case::new(None, vec![(Box::new(filled), Box::new(items))], Some(Box::new(nothing)))))
        };
        let mut made = vec![or_nothing(list.clone(), item.data_type())?.alias(value)];
        if let Some(index) = index {
            made.push(or_nothing(places(&list)?, &DataType::Int64)?.alias(index));
        }
        let mut kept: Vec<Expr> = Vec::new();
        let own = matches!(&list, Expr::Column(own) if self.frame.columns().contains(&own.name));
        for name in self.frame.columns() {
            let replaced = own && output_name(&list) == name;
            if !replaced && name != value && Some(name.as_str()) != index {
                kept.push(plain(&name));
            } else if replaced {
                kept.append(&mut made);
            }
        }
        kept.append(&mut made);
        let names: Vec<&str> = index.into_iter().chain([value]).collect();
        let made = self.frame.clone().select(kept).and_then(|frame| frame.unnest(names)).map_err(of_frame)?;
        let mut kinds = self::kept(&self.kinds, &made.columns());
        match kind_of(&list, &self.kinds) {
            Some(Kind::JsonList) => kinds.insert(value.to_owned(), Kind::Json),
            _ => kinds.remove(value),
        };
        Ok(PyFrame::tidy(Arc::clone(&self.session), made)?.with_kinds(kinds))
    }

    /// A row for each group, or one over all rows without keys.
    fn aggregate(&self, keys: Vec<PyRef<'_, PyExpr>>, aggregates: Vec<PyRef<'_, PyExpr>>) -> PyResult<PyFrame> {
        let (keys, aggregates) = (self.columns_of(&keys)?, self.columns_of(&aggregates)?);
        // a key that is computed is a column before it is a group, so that it has its name in the result
        let computed: Vec<(String, Expr)> =
            keys.iter().filter(|key| !matches!(key, Expr::Column(_))).map(|key| (output_name(key), key.clone().unalias())).collect();
        let named: Vec<Expr> = keys.iter().map(|key| plain(&output_name(key))).collect();
        let mut frame = self.frame.clone();
        if !computed.is_empty() {
            frame = frame.with_columns(computed.iter().map(|(name, key)| (name.as_str(), key.clone()))).map_err(of_frame)?;
        }
        let mut kinds = kinds_of(&keys, &self.kinds);
        kinds.extend(kinds_of(&aggregates, &self.kinds));
        let made = frame.group_by(named).aggregate(aggregates).map_err(of_frame)?;
        Ok(PyFrame::tidy(Arc::clone(&self.session), made)?.with_kinds(kinds))
    }

    fn __repr__(&self) -> String {
        let schema = self.frame.schema();
        let columns: Vec<String> = schema.fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type())).collect();
        format!("DataFrame[{}]", columns.join(", "))
    }
}

/// What of these columns is JSON, by the names they get.
fn kinds_of(columns: &[Expr], kinds: &Kinds) -> Kinds {
    columns.iter().filter_map(|column| Some((output_name(column), kind_of(column, kinds)?))).collect()
}

fn kept(kinds: &Kinds, columns: &[String]) -> Kinds {
    kinds.iter().filter(|(name, _)| columns.contains(name)).map(|(name, kind)| (name.clone(), *kind)).collect()
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The places of a list's items, from 0.
fn places(items: &Expr) -> PyResult<Expr> {
    let length = datafusion::logical_expr::cast(call("array_length", vec![items.clone()])?, DataType::Int64);
    call("range", vec![lit(0_i64), length])
}
