//! A session: where tables come from, whom their questions go to, and what each run came to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::Schema;
use corsac_dispatch::{LateAsk, home};
use corsac_frame::{DataFrame, FrameError, OnError, Session, SessionOptions, Statement};
use corsac_ledger::{CallViewOutcome, RunId};
use datafusion::logical_expr::LogicalPlan;
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arrow::{Rows, import_rows};
use crate::arrow_build::column_of;
use crate::arrow_types::read_type;
use crate::engine::{Core, PyEngine};
use crate::errors::{dollars, of_ledger};
use crate::frame::PyFrame;
use crate::frame_error::{of_frame, query, type_mismatch};
use crate::{frame_view, runtime};

/// What the frames of a session share.
#[derive(Debug)]
pub(crate) struct SessionCore {
    pub(crate) engine: Arc<Core>,
    pub(crate) on_error: OnError,
    pub(crate) home: Option<PathBuf>,
    /// Frames under names, as long as the session lasts.
    views: Mutex<BTreeMap<String, LogicalPlan>>,
}

impl SessionCore {
    /// A session of the engine below, whose questions go through a door that is opened later. Each run has one of its own,
    /// with its own figures; plans and tables are the same for all.
    pub(crate) fn begin(&self) -> PyResult<(Session, Arc<LateAsk>)> {
        let door = Arc::new(LateAsk::default());
        let options = SessionOptions { on_error: self.on_error, home: self.home.clone(), ..SessionOptions::default() };
        let session = Session::new(Arc::clone(&door) as _, RunId::unrecorded(), options);
        for (name, plan) in self.views.lock().iter() {
            let frame = in_session(&session, plan.clone()).map_err(of_frame)?;
            session.register_frame(name, &frame).map_err(of_frame)?;
        }
        Ok((session, door))
    }
}

/// A plan in another session.
pub(crate) fn in_session(session: &Session, plan: LogicalPlan) -> Result<DataFrame, FrameError> {
    Ok(session.from_batches(Arc::new(Schema::empty()), Vec::new())?.with_plan(plan))
}

/// A session of tables.
#[pyclass(frozen, module = "corsac._corsac", name = "FrameSession")]
pub(crate) struct PySession {
    core: Arc<SessionCore>,
}

#[pymethods]
impl PySession {
    #[new]
    #[pyo3(signature = (engine, *, on_error = "null", home = None))]
    fn new(engine: PyRef<'_, PyEngine>, on_error: &str, home: Option<PathBuf>) -> PyResult<PySession> {
        let on_error = match on_error {
            "null" => OnError::Null,
            "fail" => OnError::Fail,
            other => return Err(PyValueError::new_err(format!("on_error is \"null\" or \"fail\", not {other:?}"))),
        };
        let home = home.or_else(home::folder);
        Ok(PySession { core: Arc::new(SessionCore { engine: Arc::clone(&engine.core), on_error, home, views: Mutex::default() }) })
    }

    /// Rows of anything with an Arrow interface.
    fn read_arrow(&self, source: &Bound<'_, PyAny>) -> PyResult<PyFrame> {
        let (schema, batches) = import_rows(source)?;
        self.framed(schema, batches)
    }

    /// Columns as lists of values, by their names; `types` for those whose type is not to be guessed.
    fn read_columns(&self, columns: Vec<(String, Bound<'_, PyAny>)>, types: BTreeMap<String, Bound<'_, PyAny>>) -> PyResult<PyFrame> {
        let rows = rows_of(columns, &types)?;
        self.framed(rows.schema, rows.batches)
    }

    /// Files of a format; without one, their endings tell.
    #[pyo3(signature = (source, format = None))]
    fn read(&self, py: Python<'_>, source: &str, format: Option<&str>) -> PyResult<PyFrame> {
        let (session, _) = self.core.begin()?;
        let read = async {
            match format {
                None => session.read(source).await,
                Some("csv") => session.read_csv(source).await,
                Some("json") => session.read_json(source).await,
                Some("parquet") => session.read_parquet(source).await,
                Some("arrow") => session.read_arrow(source).await,
                Some("text") => session.read_text(source).await,
                Some(other) => Err(FrameError::Table { message: format!("{other:?} is no format: csv, json, parquet, arrow, text") }),
            }
        };
        let frame = runtime::wait(py, read)?.map_err(of_frame)?;
        warn(py, &session)?;
        PyFrame::tidy(Arc::clone(&self.core), frame)
    }

    /// A table of the catalog, a view of this session, or a file.
    fn table(&self, py: Python<'_>, name: &str) -> PyResult<PyFrame> {
        let (session, _) = self.core.begin()?;
        let frame = runtime::wait(py, session.table(name))?.map_err(of_frame)?;
        warn(py, &session)?;
        PyFrame::tidy(Arc::clone(&self.core), frame)
    }

    /// The rows of a query, over the catalog, files and these frames.
    fn sql(&self, py: Python<'_>, text: &str, frames: Vec<(String, PyRef<'_, PyFrame>)>) -> PyResult<PyFrame> {
        let (session, _) = self.core.begin()?;
        for (name, frame) in &frames {
            session.register_frame(name, &frame.frame).map_err(of_frame)?;
        }
        drop(frames);
        let frame = runtime::wait(py, session.sql(text))?.map_err(of_frame)?;
        warn(py, &session)?;
        PyFrame::tidy(Arc::clone(&self.core), frame)
    }

    /// Runs a statement that changes the catalog, and says what was done.
    fn change(&self, py: Python<'_>, text: &str) -> PyResult<String> {
        let (session, _) = self.core.begin()?;
        let done = runtime::wait(py, async {
            match session.statement(text).await? {
                Statement::Change(change) => change.apply(),
                Statement::Keep(keep) => {
                    let (query, destination) = keep.into_parts();
                    if query.has_semantic_calls() {
                        return Err(FrameError::Query {
                            message: "write.save_as_table() keeps rows that a model is asked about".to_owned(),
                        });
                    }
                    let place = destination.describe();
                    let written = destination.fill(query.stream().await?).await?;
                    Ok(format!("{place}: {} rows", written.rows))
                }
                Statement::Rows(_) => Err(FrameError::Query { message: "a query changes nothing: use sql()".to_owned() }),
            }
        })?;
        done.map_err(of_frame)
    }

    /// Makes a view of the catalog out of a frame, which every session has; why that cannot be, where it cannot.
    fn keep_view(&self, py: Python<'_>, name: &str, frame: PyRef<'_, PyFrame>) -> PyResult<Option<String>> {
        let (core, frame) = (Arc::clone(&self.core), frame.clone());
        let kept = runtime::wait(py, async move { frame_view::keep(&core, name, &frame).await })?.map_err(of_frame)?;
        if kept.is_ok() {
            self.core.views.lock().remove(name);
        }
        Ok(kept.err())
    }

    /// Gives a frame a name, as long as the session lasts.
    fn register(&self, name: String, frame: PyRef<'_, PyFrame>) {
        self.core.views.lock().insert(name, frame.frame.logical_plan().clone());
    }

    /// Takes a name away; whether it was there.
    fn unregister(&self, name: &str) -> bool {
        self.core.views.lock().remove(name).is_some()
    }

    /// Names that frames have in this session.
    fn registered(&self) -> Vec<String> {
        self.core.views.lock().keys().cloned().collect()
    }

    /// The calls that made the values of a row of a run, from the ledger. Nothing is asked.
    #[pyo3(signature = (run, row, operator = None))]
    fn trace<'py>(&self, py: Python<'py>, run: &str, row: u64, operator: Option<&str>) -> PyResult<Bound<'py, PyList>> {
        let opened = runtime::wait(py, self.core.engine.opened())??;
        let run = opened.ledger.run(run).map_err(|error| of_ledger(&error))?.id;
        let calls = py.detach(|| opened.ledger.calls_of_row(&run, operator, row)).map_err(|error| of_ledger(&error))?;
        let told = PyList::empty(py);
        for call in calls {
            let one = PyDict::new(py);
            one.set_item("operator", call.operator.as_ref())?;
            one.set_item("row", call.row)?;
            one.set_item("rows", call.rows)?;
            one.set_item("input", &call.input)?;
            one.set_item("cost", dollars(call.cost()))?;
            one.set_item("attempts", call.attempts.len())?;
            match &call.outcome {
                CallViewOutcome::Answered(answer) | CallViewOutcome::FromMemory(answer) => {
                    one.set_item("from_memory", matches!(&call.outcome, CallViewOutcome::FromMemory(_)))?;
                    one.set_item("answer", answer.as_ref().map(|answer| answer.body.as_str()))?;
                    one.set_item("model", answer.as_ref().map(|answer| answer.model.as_ref()))?;
                    one.set_item("provider", answer.as_ref().and_then(|answer| answer.provider.as_deref()))?;
                }
                CallViewOutcome::Failed { kind, message } => {
                    one.set_item("error_kind", kind.as_ref())?;
                    one.set_item("error", message)?;
                }
            }
            told.append(one)?;
        }
        Ok(told)
    }
}

impl PySession {
    fn framed(&self, schema: Arc<Schema>, batches: Vec<arrow::array::RecordBatch>) -> PyResult<PyFrame> {
        let mut names = std::collections::HashSet::new();
        if let Some(twice) = schema.fields().iter().map(|field| field.name()).find(|name| !names.insert(name.as_str())) {
            return Err(query(&format!("two columns are called {twice:?}: rename one of them")));
        }
        let (session, _) = self.core.begin()?;
        let frame = session.from_batches(schema, batches).map_err(of_frame)?;
        PyFrame::tidy(Arc::clone(&self.core), frame)
    }
}

/// What was read leniently, as Python's warnings.
fn warn(py: Python<'_>, session: &Session) -> PyResult<()> {
    for warning in session.warnings() {
        py.import("warnings")?.call_method1("warn", (warning,))?;
    }
    Ok(())
}

/// Columns of Python's values as rows.
pub(crate) fn rows_of(columns: Vec<(String, Bound<'_, PyAny>)>, types: &BTreeMap<String, Bound<'_, PyAny>>) -> PyResult<Rows> {
    use arrow::array::{RecordBatch, RecordBatchOptions};
    use arrow::datatypes::Field;
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    let mut length: Option<(String, usize)> = None;
    for (name, values) in columns {
        let values = values.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        match &length {
            None => length = Some((name.clone(), values.len())),
            Some((first, count)) if *count != values.len() => {
                return Err(query(&format!("column {name:?} has {} values and {first:?} has {count}", values.len())));
            }
            Some(_) => {}
        }
        let mut array = column_of(&name, &values)?;
        if let Some(wanted) = types.get(&name) {
            let wanted = read_type(wanted)?;
            let options = arrow::compute::CastOptions { safe: false, ..arrow::compute::CastOptions::default() };
            array = arrow::compute::cast_with_options(&array, &wanted, &options)
                .map_err(|error| type_mismatch(&format!("column {name:?} cannot be {wanted}: {error}")))?;
        }
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let schema = Arc::new(Schema::new(fields));
    let options = RecordBatchOptions::new().with_row_count(Some(length.map_or(0, |(_, count)| count)));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options);
    let batch = batch.map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(Rows::new(schema, vec![batch]))
}

/// Columns of Python's values as a table of Arrow, without a session.
#[pyfunction]
pub(crate) fn arrow_rows(columns: Vec<(String, Bound<'_, PyAny>)>, types: BTreeMap<String, Bound<'_, PyAny>>) -> PyResult<Rows> {
    rows_of(columns, &types)
}

/// Rows of anything with an Arrow interface, without a session.
#[pyfunction]
pub(crate) fn arrow_import(source: &Bound<'_, PyAny>) -> PyResult<Rows> {
    let (schema, batches) = import_rows(source)?;
    Ok(Rows::new(schema, batches))
}
