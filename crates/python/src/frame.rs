//! A lazy table as Python holds it: a frame of the engine and the session it belongs to. Columns go by their names alone:
//! where tables come in, their qualifiers are taken off, so that a name means one column.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use corsac_frame::{DataFrame, FrameError};
use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::{Case, Expr, ExprSchemable, lit};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::arrow::schema_capsule;
use crate::arrow_types::type_tuple;
use crate::column::{PyExpr, SortKey, call, must_be_condition, output_name, resolved, sort_keys};
use crate::frame_error::{of_engine, of_frame};
use crate::session::SessionCore;

/// A lazy table.
#[pyclass(frozen, module = "corsac._corsac", name = "Frame")]
#[derive(Clone)]
pub(crate) struct PyFrame {
    pub(crate) frame: DataFrame,
    pub(crate) session: Arc<SessionCore>,
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
        if columns.iter().all(|column| taken.insert(column.name.clone())) {
            return Ok(PyFrame { frame, session });
        }
        let frame = frame.select(apart(&columns)).map_err(of_frame)?;
        Ok(PyFrame { frame, session })
    }

    fn of(&self, made: Result<DataFrame, FrameError>) -> PyResult<PyFrame> {
        Ok(PyFrame { frame: made.map_err(of_frame)?, session: Arc::clone(&self.session) })
    }

    pub(crate) fn resolved(&self, expression: &PyExpr) -> PyResult<Expr> {
        resolved(expression.expr.clone(), self.frame.logical_plan().schema())
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
            _ => Err(PyValueError::new_err(format!("{name:?} is a field of a struct, and a column is wanted here"))),
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
        schema.fields().iter().map(|field| Ok((field.name().clone(), type_tuple(py, field.data_type())?))).collect()
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        schema_capsule(py, &self.frame.schema())
    }

    fn select(&self, columns: Vec<PyRef<'_, PyExpr>>) -> PyResult<PyFrame> {
        let columns = self.columns_of(&columns)?;
        let mut names = HashSet::new();
        if let Some(twice) = columns.iter().map(output_name).find(|name| !names.insert(name.clone())) {
            return Err(PyValueError::new_err(format!("two columns are called {twice:?}: give one of them another name with alias()")));
        }
        self.of(self.frame.clone().select(columns))
    }

    fn filter(&self, condition: PyRef<'_, PyExpr>) -> PyResult<PyFrame> {
        let condition = self.resolved(&condition)?;
        must_be_condition(&condition, self.frame.logical_plan().schema())?;
        self.of(self.frame.clone().filter(condition))
    }

    fn with_columns(&self, columns: Vec<(String, PyRef<'_, PyExpr>)>) -> PyResult<PyFrame> {
        let columns = columns.into_iter().map(|(name, value)| Ok((name, self.resolved(&value)?))).collect::<PyResult<Vec<_>>>()?;
        self.of(self.frame.clone().with_columns(columns.iter().map(|(name, value)| (name.as_str(), value.clone()))))
    }

    fn rename(&self, column: &str, name: &str) -> PyResult<PyFrame> {
        let column = self.spelled(column)?;
        let renamed = self.frame.columns().into_iter().map(|known| if known == column { plain(&known).alias(name) } else { plain(&known) });
        self.of(self.frame.clone().select(renamed.collect::<Vec<_>>()))
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
        PyFrame::tidy(Arc::clone(&self.session), made)
    }

    fn union(&self, other: PyRef<'_, PyFrame>) -> PyResult<PyFrame> {
        let (own, others) = (self.frame.columns(), other.frame.columns());
        if own.len() != others.len() {
            return Err(PyValueError::new_err(format!(
                "a union needs as many columns on both sides, not {} and {}",
                own.len(),
                others.len()
            )));
        }
        let made = self.frame.clone().union(other.frame.clone()).map_err(of_frame)?;
        PyFrame::tidy(Arc::clone(&self.session), made)
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
                    return Err(PyTypeError::new_err(format!("unnest takes structs apart, but {} is {other}", field.name())));
                }
                _ => columns.push(plain(field.name())),
            }
        }
        let mut names = HashSet::new();
        if let Some(twice) = columns.iter().map(output_name).find(|name| !names.insert(name.clone())) {
            return Err(PyValueError::new_err(format!("there would be two columns {twice:?}: rename or drop one before")));
        }
        self.of(self.frame.clone().select(columns))
    }

    /// A row for each item of a list. `outer` keeps rows whose list is empty or NULL; `index` is the name of a column for the
    /// item's place, from 0.
    #[pyo3(signature = (column, value, outer = false, index = None))]
    fn explode(&self, column: PyRef<'_, PyExpr>, value: &str, outer: bool, index: Option<&str>) -> PyResult<PyFrame> {
        let list = self.resolved(&column)?;
        let (DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)) = self.type_of(&list)? else {
            return Err(PyTypeError::new_err(format!("explode takes lists apart, but {} is {}", output_name(&list), self.type_of(&list)?)));
        };
        let items = match outer {
            false => list.clone(),
            true => {
                let nothing =
                    call("make_array", vec![lit(datafusion::common::ScalarValue::try_from(item.data_type()).map_err(of_engine)?)])?;
                let filled = call("array_length", vec![list.clone()])?.gt(lit(0));
                Expr::Case(Case::new(None, vec![(Box::new(filled), Box::new(list.clone()))], Some(Box::new(nothing))))
            }
        };
        let mut kept: Vec<Expr> = Vec::new();
        let own = matches!(&list, Expr::Column(own) if self.frame.columns().contains(&own.name));
        for name in self.frame.columns() {
            let replaced = own && output_name(&list) == name;
            if !replaced && name != value && Some(name.as_str()) != index {
                kept.push(plain(&name));
            } else if replaced {
                if let Some(index) = index {
                    kept.push(places(&items)?.alias(index));
                }
                kept.push(items.clone().alias(value));
            }
        }
        if !own {
            if let Some(index) = index {
                kept.push(places(&items)?.alias(index));
            }
            kept.push(items.alias(value));
        }
        let names: Vec<&str> = index.into_iter().chain([value]).collect();
        let made = self.frame.clone().select(kept).and_then(|frame| frame.unnest(names)).map_err(of_frame)?;
        PyFrame::tidy(Arc::clone(&self.session), made)
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
        let made = frame.group_by(named).aggregate(aggregates).map_err(of_frame)?;
        PyFrame::tidy(Arc::clone(&self.session), made)
    }

    fn __repr__(&self) -> String {
        let schema = self.frame.schema();
        let columns: Vec<String> = schema.fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type())).collect();
        format!("DataFrame[{}]", columns.join(", "))
    }
}

/// The places of a list's items, from 0.
fn places(items: &Expr) -> PyResult<Expr> {
    let length = datafusion::logical_expr::cast(call("array_length", vec![items.clone()])?, DataType::Int64);
    call("range", vec![lit(0_i64), length])
}
