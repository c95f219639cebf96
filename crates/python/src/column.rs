//! Columns: the query engine's own expressions, built from Python. What a column computes stands in the engine; nothing is
//! computed here.

use std::sync::{Arc, OnceLock};

use corsac_dispatch::LateAsk;
use corsac_frame::{Session, SessionOptions};
use corsac_ledger::RunId;
use corsac_program::{ProgramError, Template};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{Alias, InList, Like, Sort};
use datafusion::logical_expr::{Case, Cast, Expr, ExprSchemable, Operator, TryCast, binary_expr, lit};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::arrow_build::column_of;
use crate::arrow_types::read_type;
use crate::errors::usage;
use crate::frame_error::{column_not_found, nearest, of_engine, of_frame, type_mismatch};
use crate::python_function::python_function;

/// A session that columns take their functions from: the engine's own and those of this house.
fn functions() -> &'static Session {
    static FUNCTIONS: OnceLock<Session> = OnceLock::new();
    FUNCTIONS.get_or_init(|| Session::new(Arc::new(LateAsk::default()), RunId::unrecorded(), SessionOptions::default()))
}

/// A function of the engine over arguments.
pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> PyResult<Expr> {
    functions().function(name, arguments).map_err(of_frame)
}

/// A key of an order: what to sort by, whether upwards, whether NULL comes first.
pub(crate) type SortKey<'py> = (PyRef<'py, PyExpr>, bool, bool);

pub(crate) fn sort_keys(keys: &[SortKey<'_>]) -> Vec<Sort> {
    keys.iter().map(|(expr, ascending, nulls_first)| Sort::new(expr.expr.clone(), *ascending, *nulls_first)).collect()
}

/// An expression.
#[pyclass(frozen, module = "corsac._corsac", name = "Expr")]
#[derive(Debug, Clone)]
pub(crate) struct PyExpr {
    pub(crate) expr: Expr,
}

impl PyExpr {
    pub(crate) fn new(expr: Expr) -> PyExpr {
        PyExpr { expr }
    }
}

fn all(expressions: &[PyRef<'_, PyExpr>]) -> Vec<Expr> {
    expressions.iter().map(|expression| expression.expr.clone()).collect()
}

#[pymethods]
impl PyExpr {
    /// A column by its name; a dot leads into a struct where no column has the whole name.
    #[staticmethod]
    fn column(name: String) -> PyExpr {
        PyExpr::new(Expr::Column(Column::new_unqualified(name)))
    }

    /// A constant; `data_type` where the value alone does not say it.
    #[staticmethod]
    #[pyo3(signature = (value, data_type = None))]
    fn literal(value: &Bound<'_, PyAny>, data_type: Option<&Bound<'_, PyAny>>) -> PyResult<PyExpr> {
        let column = column_of("literal", std::slice::from_ref(value))?;
        let mut scalar = ScalarValue::try_from_array(&column, 0).map_err(of_engine)?;
        if let Some(wanted) = data_type {
            scalar = scalar.cast_to(&read_type(wanted)?).map_err(of_engine)?;
        }
        Ok(PyExpr::new(Expr::Literal(scalar, None)))
    }

    /// A scalar function over arguments. `named` are the arguments that semantic functions take by name.
    #[staticmethod]
    #[pyo3(signature = (name, arguments, named = Vec::new()))]
    fn call(name: &str, arguments: Vec<PyRef<'_, PyExpr>>, named: Vec<(String, PyRef<'_, PyExpr>)>) -> PyResult<PyExpr> {
        Ok(PyExpr::new(call(name, with_named(all(&arguments), &named)?)?))
    }

    /// An aggregate over arguments.
    #[staticmethod]
    #[pyo3(signature = (name, arguments, named = Vec::new(), distinct = false, order_by = Vec::new(), filter = None))]
    fn aggregate(
        name: &str,
        arguments: Vec<PyRef<'_, PyExpr>>,
        named: Vec<(String, PyRef<'_, PyExpr>)>,
        distinct: bool,
        order_by: Vec<SortKey<'_>>,
        filter: Option<PyRef<'_, PyExpr>>,
    ) -> PyResult<PyExpr> {
        let Expr::AggregateFunction(mut aggregate) = call(name, with_named(all(&arguments), &named)?)? else {
            return Err(PyValueError::new_err(format!("{name} is no aggregate")));
        };
        aggregate.params.distinct = distinct;
        aggregate.params.order_by = sort_keys(&order_by);
        aggregate.params.filter = filter.map(|filter| Box::new(filter.expr.clone()));
        Ok(PyExpr::new(Expr::AggregateFunction(aggregate)))
    }

    /// The value of the first condition that holds, else of `otherwise`, else NULL.
    #[staticmethod]
    #[pyo3(signature = (branches, otherwise = None))]
    fn case(branches: Vec<(PyRef<'_, PyExpr>, PyRef<'_, PyExpr>)>, otherwise: Option<PyRef<'_, PyExpr>>) -> PyExpr {
        let branches = branches.iter().map(|(when, then)| (Box::new(when.expr.clone()), Box::new(then.expr.clone()))).collect();
        PyExpr::new(Expr::Case(Case::new(None, branches, otherwise.map(|otherwise| Box::new(otherwise.expr.clone())))))
    }

    /// A function of Python's over arguments: called once for each batch with a list of values for each argument, it gives a
    /// list of as many values.
    #[staticmethod]
    fn python_function(
        name: &str,
        function: Py<PyAny>,
        return_type: &Bound<'_, PyAny>,
        arguments: Vec<PyRef<'_, PyExpr>>,
    ) -> PyResult<PyExpr> {
        Ok(PyExpr::new(python_function(name, function, read_type(return_type)?, all(&arguments))))
    }

    fn binary(&self, operator: &str, other: PyRef<'_, PyExpr>) -> PyResult<PyExpr> {
        let operator = match operator {
            "+" => Operator::Plus,
            "-" => Operator::Minus,
            "*" => Operator::Multiply,
            "/" => Operator::Divide,
            "%" => Operator::Modulo,
            "==" => Operator::Eq,
            "!=" => Operator::NotEq,
            "<" => Operator::Lt,
            "<=" => Operator::LtEq,
            ">" => Operator::Gt,
            ">=" => Operator::GtEq,
            "&" => Operator::And,
            "|" => Operator::Or,
            "<=>" => Operator::IsNotDistinctFrom,
            "~" => Operator::RegexMatch,
            other => return Err(PyValueError::new_err(format!("{other:?} is no operator"))),
        };
        Ok(PyExpr::new(binary_expr(self.expr.clone(), operator, other.expr.clone())))
    }

    fn negate(&self) -> PyExpr {
        PyExpr::new(Expr::Negative(Box::new(self.expr.clone())))
    }

    fn invert(&self) -> PyExpr {
        PyExpr::new(Expr::Not(Box::new(self.expr.clone())))
    }

    fn is_null(&self) -> PyExpr {
        PyExpr::new(self.expr.clone().is_null())
    }

    fn is_not_null(&self) -> PyExpr {
        PyExpr::new(self.expr.clone().is_not_null())
    }

    #[pyo3(signature = (pattern, ignore_case = false))]
    fn like(&self, pattern: PyRef<'_, PyExpr>, ignore_case: bool) -> PyExpr {
        let pattern = Box::new(pattern.expr.clone());
        PyExpr::new(Expr::Like(Like::new(false, Box::new(self.expr.clone()), pattern, None, ignore_case)))
    }

    fn is_in(&self, values: Vec<PyRef<'_, PyExpr>>) -> PyExpr {
        PyExpr::new(Expr::InList(InList::new(Box::new(self.expr.clone()), all(&values), false)))
    }

    /// Another type; `lenient` gives NULL for what cannot be converted, in place of an error.
    #[pyo3(signature = (data_type, lenient = false))]
    fn cast(&self, data_type: &Bound<'_, PyAny>, lenient: bool) -> PyResult<PyExpr> {
        if data_type.cast::<PyString>().is_ok_and(|name| name.to_str().is_ok_and(|name| name == "json")) {
            return Ok(PyExpr::new(call("json_of", vec![self.expr.clone()])?));
        }
        let (inner, wanted) = (Box::new(self.expr.clone()), read_type(data_type)?);
        Ok(PyExpr::new(if lenient { Expr::TryCast(TryCast::new(inner, wanted)) } else { Expr::Cast(Cast::new(inner, wanted)) }))
    }

    fn alias(&self, name: String) -> PyExpr {
        let inner = match &self.expr {
            Expr::Alias(Alias { expr, .. }) => expr.as_ref().clone(),
            other => other.clone(),
        };
        PyExpr::new(inner.alias(name))
    }

    /// The name of the column it becomes.
    fn name(&self) -> String {
        output_name(&self.expr)
    }

    fn is_alias(&self) -> bool {
        matches!(self.expr, Expr::Alias(_))
    }

    fn __repr__(&self) -> String {
        self.expr.human_display().to_string()
    }
}

fn with_named(mut arguments: Vec<Expr>, named: &[(String, PyRef<'_, PyExpr>)]) -> PyResult<Vec<Expr>> {
    for (name, value) in named {
        arguments.push(call("semantic_argument", vec![lit(name.as_str()), value.expr.clone()])?);
    }
    Ok(arguments)
}

/// The name a column gets when none was given: its own, the field's, or that of the function and of the column inside.
pub(crate) fn output_name(expression: &Expr) -> String {
    match expression {
        Expr::Alias(alias) => alias.name.clone(),
        Expr::Column(column) => column.name.clone(),
        Expr::ScalarFunction(function) if function.name() == "get_field" => match function.args.get(1) {
            Some(Expr::Literal(name, _)) => name.try_as_str().flatten().unwrap_or("get_field").to_owned(),
            _ => "get_field".to_owned(),
        },
        Expr::ScalarFunction(function) if function.name() == "array_element" => {
            let inside = function.args.first().map(output_name).unwrap_or_default();
            match function.args.get(1) {
                Some(Expr::Literal(ScalarValue::Int64(Some(place)), _)) if *place > 0 => format!("{inside}[{}]", place - 1),
                _ => named_after(function.name(), &function.args),
            }
        }
        Expr::ScalarFunction(function) if function.name().starts_with("semantic_") => function.name().to_owned(),
        Expr::ScalarFunction(function) => named_after(function.name(), &function.args),
        Expr::AggregateFunction(function) if function.func.name().starts_with("semantic_") => function.func.name().to_owned(),
        Expr::AggregateFunction(function) if matches!(function.params.args.first(), Some(Expr::Literal(..))) => {
            function.func.name().to_owned()
        }
        Expr::AggregateFunction(function) => named_after(function.func.name(), &function.params.args),
        Expr::Cast(Cast { expr, .. }) | Expr::TryCast(TryCast { expr, .. }) => output_name(expr),
        Expr::BinaryExpr(binary) => format!("({} {} {})", output_name(&binary.left), binary.op, output_name(&binary.right)),
        Expr::Literal(value, _) => format!("lit({value})"),
        other => other.schema_name().to_string(),
    }
}

fn named_after(function: &str, arguments: &[Expr]) -> String {
    let of: Vec<String> = arguments.iter().filter(|argument| !matches!(argument, Expr::Literal(..))).map(output_name).collect();
    format!("{function}({})", of.join(", "))
}

/// The same expression over the columns there are: a dotted name leads into a struct, and a name that differs in case
/// alone is that of the column.
///
/// # Errors
/// `ColumnNotFoundError` for a name that is none of them, with the nearest.
pub(crate) fn resolved(expression: Expr, schema: &DFSchema) -> PyResult<Expr> {
    let mut unknown = None;
    let found = expression.transform_up(|inner| {
        let Expr::Column(column) = &inner else { return Ok(Transformed::no(inner)) };
        if column.relation.is_some() {
            return Ok(Transformed::no(inner));
        }
        if let Ok(known) = schema.qualified_field_with_unqualified_name(&column.name) {
            return Ok(Transformed::yes(Expr::Column(Column::from(known))));
        }
        match inside(&column.name, schema) {
            Some(expression) => Ok(Transformed::yes(expression)),
            None => {
                unknown.get_or_insert_with(|| column.name.clone());
                Ok(Transformed::no(inner))
            }
        }
    });
    match unknown {
        None => Ok(found.map_err(of_engine)?.data),
        Some(name) => {
            let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            let hint = nearest(&name, &names).map(|near| format!(". Did you mean {near:?}?")).unwrap_or_else(|| ".".to_owned());
            Err(column_not_found(&format!("there is no column {name:?}{hint} The columns are: {}", names.join(", "))))
        }
    }
}

/// A field of a struct by its dotted path, or a column whose name differs in case.
fn inside(name: &str, schema: &DFSchema) -> Option<Expr> {
    let mut alike = schema.fields().iter().filter(|field| field.name().eq_ignore_ascii_case(name));
    if let (Some(field), None) = (alike.next(), alike.next()) {
        return Some(Expr::Column(schema.qualified_field_with_unqualified_name(field.name()).map(Column::from).ok()?));
    }
    for (dot, _) in name.match_indices('.') {
        let (head, path) = (&name[..dot], &name[dot + 1..]);
        let Ok(known) = schema.qualified_field_with_unqualified_name(head) else { continue };
        let mut expression = Expr::Column(Column::from(known));
        for field in path.split('.') {
            expression = call("get_field", vec![expression, lit(field)]).ok()?;
        }
        if expression.get_type(schema).is_ok() {
            return Some(expression);
        }
    }
    None
}

/// Refuses what is no condition, such as a text in place of a comparison.
pub(crate) fn must_be_condition(expression: &Expr, schema: &DFSchema) -> PyResult<()> {
    use arrow::datatypes::DataType;
    match expression.get_type(schema).map_err(of_engine)? {
        DataType::Boolean | DataType::Null => Ok(()),
        other => Err(type_mismatch(&format!("a condition must be true or false, but {} is {other}", output_name(expression)))),
    }
}

/// The names of a template's variables, in the order in which they first stand in it.
#[pyfunction]
pub(crate) fn template_names(template: &str) -> PyResult<Vec<String>> {
    match Template::parse(template) {
        Ok(parsed) => Ok(parsed.variables().to_vec()),
        Err(ProgramError::NoVariable { .. }) => Ok(Vec::new()),
        Err(error) => Err(usage(error.to_string())),
    }
}
