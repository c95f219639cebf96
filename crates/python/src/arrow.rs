//! Rows between Python and the engine, through Arrow's C interface: nothing is copied, and neither side has to know the
//! other's Arrow library. This file alone holds `unsafe` code.

use std::ffi::CStr;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, RecordBatchIterator, RecordBatchOptions, RecordBatchReader, StructArray, make_array};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow::ffi_stream::{ArrowArrayStreamReader, FFI_ArrowArrayStream};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyCapsuleMethods, PyDict, PyList, PyTuple};

use crate::arrow_types::type_tuple;
use crate::arrow_values::python_values;

const STREAM: &CStr = c"arrow_array_stream";
const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";

/// The columns and rows of anything that speaks Arrow's C interface: a stream of tables, or one array of structs.
///
/// # Errors
/// `TypeError` for other objects, `ValueError` for columns that Rust's Arrow cannot hold or texts that are not UTF-8.
pub(crate) fn import_rows(source: &Bound<'_, PyAny>) -> PyResult<(SchemaRef, Vec<RecordBatch>)> {
    let py = source.py();
    if source.hasattr("__arrow_c_stream__")? {
        let capsule = source.call_method0("__arrow_c_stream__")?;
        let mut stream = take_stream(&capsule)?;
        // the producer's callbacks are C code that takes the interpreter's lock itself where it needs it
        let read = move || -> Result<_, ArrowError> {
            let mut reader = ArrowArrayStreamReader::try_new(std::mem::replace(&mut stream, FFI_ArrowArrayStream::empty()))?;
            let schema = reader.schema();
            let batches = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
            checked(&schema, &batches)?;
            Ok((schema, batches))
        };
        return py.detach(read).map_err(|error| refused(&error));
    }
    if source.hasattr("__arrow_c_array__")? {
        let pair = source.call_method0("__arrow_c_array__")?;
        let batch = take_array(&pair)?;
        checked(&batch.schema(), std::slice::from_ref(&batch)).map_err(|error| refused(&error))?;
        return Ok((batch.schema(), vec![batch]));
    }
    Err(PyTypeError::new_err(format!("{} has no Arrow interface (__arrow_c_stream__)", source.get_type().name()?)))
}

/// The type that an object with `__arrow_c_schema__` stands for.
pub(crate) fn import_type(source: &Bound<'_, PyAny>) -> PyResult<DataType> {
    let capsule = source.call_method0("__arrow_c_schema__")?;
    let capsule = capsule.cast::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(SCHEMA))?;
    #[expect(unsafe_code, reason = "the C interface is a pointer; its name was checked, and the capsule keeps it alive")]
    let schema = unsafe { pointer.cast::<FFI_ArrowSchema>().as_ref() };
    DataType::try_from(schema).map_err(|error| refused(&error))
}

fn take_stream(capsule: &Bound<'_, PyAny>) -> PyResult<FFI_ArrowArrayStream> {
    let capsule = capsule.cast::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(STREAM))?;
    #[expect(unsafe_code, reason = "the C interface is a pointer; its name was checked, and what it points to is moved out once")]
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.cast::<FFI_ArrowArrayStream>().as_ptr()) };
    Ok(stream)
}

fn take_array(pair: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    let pair = pair.cast::<PyTuple>()?;
    let (schema, array) = (pair.get_item(0)?, pair.get_item(1)?);
    let schema = schema.cast::<PyCapsule>()?.pointer_checked(Some(SCHEMA))?;
    let array = array.cast::<PyCapsule>()?.pointer_checked(Some(ARRAY))?;
    #[expect(unsafe_code, reason = "the C interface is two pointers; their names were checked, and the array is moved out once")]
    let data =
        unsafe { from_ffi(FFI_ArrowArray::from_raw(array.cast::<FFI_ArrowArray>().as_ptr()), schema.cast::<FFI_ArrowSchema>().as_ref()) };
    let array = make_array(data.map_err(|error| refused(&error))?);
    let length = array.len();
    let Some(rows) = array.as_any().downcast_ref::<StructArray>() else {
        return Err(PyTypeError::new_err("an Arrow array of a single column is no table: give it a name, as in {'column': array}"));
    };
    let (fields, columns, _) = rows.clone().into_parts();
    let options = RecordBatchOptions::new().with_row_count(Some(length));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).map_err(|error| refused(&error))
}

/// Whether the rows are what their types say: a producer may hand out texts that are not UTF-8, which Rust must never see.
fn checked(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<(), ArrowError> {
    for batch in batches {
        for (column, field) in batch.columns().iter().zip(schema.fields()) {
            column.to_data().validate_full().map_err(|error| {
                let hint = if error.to_string().contains("UTF") { ": cast it to binary, or clean it before" } else { "" };
                ArrowError::InvalidArgumentError(format!("column {:?} cannot be read: {error}{hint}", field.name()))
            })?;
        }
    }
    Ok(())
}

fn refused(error: &ArrowError) -> PyErr {
    let message = error.to_string();
    let plain = message.strip_prefix("Invalid argument error: ").or(message.strip_prefix("C Data interface error: ")).unwrap_or(&message);
    PyValueError::new_err(plain.to_owned())
}

/// Rows in memory.
#[pyclass(frozen, module = "corsac._corsac", name = "Rows")]
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
}

impl Rows {
    pub(crate) fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Rows {
        Rows { schema, batches }
    }

    fn count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

#[pymethods]
impl Rows {
    fn __len__(&self) -> usize {
        self.count()
    }

    #[getter]
    fn num_rows(&self) -> usize {
        self.count()
    }

    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The columns as pairs of a name and a type, the type as nested tuples.
    fn schema_tuples<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
        self.schema.fields().iter().map(|field| Ok((field.name().clone(), type_tuple(py, field.data_type())?))).collect()
    }

    /// So many rows from the beginning.
    fn head(&self, rows: usize) -> Rows {
        let mut left = rows;
        let mut batches = Vec::new();
        for batch in &self.batches {
            let taken = batch.num_rows().min(left);
            batches.push(batch.slice(0, taken));
            left -= taken;
            if left == 0 {
                break;
            }
        }
        Rows::new(Arc::clone(&self.schema), batches)
    }

    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(&self, py: Python<'py>, requested_schema: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyCapsule>> {
        // a consumer may wish for a schema; the standard lets a producer give its own
        let _ = requested_schema;
        let batches: Vec<Result<RecordBatch, ArrowError>> = self.batches.iter().cloned().map(Ok).collect();
        let reader = RecordBatchIterator::new(batches, Arc::clone(&self.schema));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), STREAM)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        schema_capsule(py, &self.schema)
    }

    /// A list of values for each column, by its name.
    fn to_pydict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        for (place, field) in self.schema.fields().iter().enumerate() {
            columns.set_item(field.name(), PyList::new(py, self.values(py, place)?)?)?;
        }
        Ok(columns)
    }

    /// A dict for each row.
    fn to_pylist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let names = self.column_names();
        let mut columns = (0..names.len()).map(|place| Ok(self.values(py, place)?.into_iter())).collect::<PyResult<Vec<_>>>()?;
        let rows = PyList::empty(py);
        for _ in 0..self.count() {
            let row = PyDict::new(py);
            for (name, column) in names.iter().zip(&mut columns) {
                row.set_item(name, column.next())?;
            }
            rows.append(row)?;
        }
        Ok(rows)
    }
}

impl Rows {
    fn values<'py>(&self, py: Python<'py>, place: usize) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let mut values = Vec::with_capacity(self.count());
        for batch in &self.batches {
            values.extend(python_values(py, batch.column(place))?);
        }
        Ok(values)
    }
}

pub(crate) fn schema_capsule<'py>(py: Python<'py>, schema: &Schema) -> PyResult<Bound<'py, PyCapsule>> {
    let exported = FFI_ArrowSchema::try_from(schema).map_err(|error| refused(&error))?;
    PyCapsule::new_with_value(py, exported, SCHEMA)
}
