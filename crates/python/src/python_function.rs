//! Functions of Python's as scalar functions of the engine. A batch is one call: the values of each argument as a list, a list
//! of results back. What a function raises ends the query with its words.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use corsac_frame::FrameError;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::arrow_build::column_of;
use crate::arrow_values::python_values;

/// A call of a function of Python's.
pub(crate) fn python_function(name: &str, function: Py<PyAny>, return_type: DataType, arguments: Vec<Expr>) -> Expr {
    // volatile: nobody knows what it does, so it is called where it stands and not before
    let signature = Signature::user_defined(Volatility::Volatile);
    let function = PythonFunction { name: name.to_owned(), function, return_type, signature };
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::new_from_impl(function)), arguments))
}

#[derive(Debug)]
struct PythonFunction {
    name: String,
    function: Py<PyAny>,
    return_type: DataType,
    signature: Signature,
}

// the same object of Python's is the same function
impl PartialEq for PythonFunction {
    fn eq(&self, other: &PythonFunction) -> bool {
        self.function.as_ptr() == other.function.as_ptr() && self.name == other.name && self.return_type == other.return_type
    }
}

impl Eq for PythonFunction {}

impl Hash for PythonFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.as_ptr().hash(state);
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for PythonFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.return_type.clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let columns = ColumnarValue::values_to_arrays(&arguments.args)?;
        let values = Python::attach(|py| self.called(py, &columns, rows).map_err(|error| self.failed(&error.value(py).to_string())))?;
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let fits = cast_with_options(&values, &self.return_type, &options);
        Ok(ColumnarValue::Array(fits.map_err(|error| self.failed(&format!("its values are no {}: {error}", self.return_type)))?))
    }
}

impl PythonFunction {
    fn called(&self, py: Python<'_>, columns: &[ArrayRef], rows: usize) -> PyResult<ArrayRef> {
        let lists = columns.iter().map(|column| PyList::new(py, python_values(py, column)?)).collect::<PyResult<Vec<_>>>()?;
        let given = self.function.bind(py).call1((rows, PyTuple::new(py, lists)?))?;
        let values = given.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        column_of(&self.name, &values)
    }

    fn failed(&self, why: &str) -> DataFusionError {
        DataFusionError::External(Box::new(FrameError::Execution { message: format!("{}: {why}", self.name) }))
    }
}
