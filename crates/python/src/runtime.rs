//! The bridge between Python's threads and the engine's: one runtime a process, waits that let other threads run and that
//! Ctrl-C interrupts, and futures as awaitables. It knows nothing of models.

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::BoundObject;
use pyo3::prelude::*;
use pyo3::types::PyAnyMethods;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often a wait on the main thread looks whether the user pressed Ctrl-C.
const LOOK: Duration = Duration::from_millis(100);

/// A runtime and the process it belongs to: its threads do not survive a fork.
#[derive(Debug)]
struct Home {
    process: u32,
    runtime: Runtime,
}

static FIRST: OnceLock<Home> = OnceLock::new();
/// Of a forked child. The parent never takes this lock, so no fork can find it taken by a thread that is gone.
static FORKED: Mutex<Option<&'static Home>> = Mutex::new(None);

fn begin() -> std::io::Result<Home> {
    let runtime = Builder::new_multi_thread().enable_all().thread_name("corsac").build()?;
    Ok(Home { process: std::process::id(), runtime })
}

/// The process's runtime, begun when it is first needed.
pub(crate) fn handle() -> PyResult<&'static Handle> {
    let process = std::process::id();
    if let Some(home) = FIRST.get() {
        if home.process == process {
            return Ok(home.runtime.handle());
        }
        let mut forked = FORKED.lock();
        if let Some(home) = forked.filter(|home| home.process == process) {
            return Ok(home.runtime.handle());
        }
        // the parent's runtime stays as it is: its threads are not here to be stopped
        let home: &'static Home = Box::leak(Box::new(begin()?));
        *forked = Some(home);
        return Ok(home.runtime.handle());
    }
    let made = begin()?;
    Ok(FIRST.get_or_init(|| made).runtime.handle())
}

/// Waits for a future while other Python threads run. Ctrl-C drops the future and raises `KeyboardInterrupt`: what was asked
/// for it and is under way is still recorded.
pub(crate) fn wait<F>(py: Python<'_>, future: F) -> PyResult<F::Output>
where
    F: Future + Send,
    F::Output: Send,
{
    let handle = handle()?;
    py.detach(|| {
        let mut future = pin!(future);
        let mut looks = true;
        loop {
            let pause = async { if looks { tokio::time::sleep(LOOK).await } else { std::future::pending().await } };
            let done = handle.block_on(async {
                tokio::select! {
                    biased;
                    output = future.as_mut() => Some(output),
                    () = pause => None,
                }
            });
            if let Some(output) = done {
                return Ok(output);
            }
            looks = Python::attach(|py| {
                py.check_signals()?;
                is_main_thread(py)
            })?;
        }
    })
}

/// Signals come to the main thread alone.
fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?.getattr("ident")?;
    threading.call_method0("get_ident")?.eq(main)
}

/// A future as an awaitable of the running event loop. Who gives up the awaitable gives up the future.
pub(crate) fn awaitable<'py, F, T>(py: Python<'py>, future: F) -> PyResult<Bound<'py, PyAny>>
where
    F: Future<Output = PyResult<T>> + Send + 'static,
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    let event_loop = py.import("asyncio")?.call_method0("get_running_loop")?;
    let awaited = event_loop.call_method0("create_future")?;
    let given_up = CancellationToken::new();
    awaited.call_method1("add_done_callback", (GivesUp(given_up.clone().drop_guard()),))?;
    let (event_loop, ours) = (event_loop.unbind(), awaited.clone().unbind());
    handle()?.spawn(async move {
        let output = tokio::select! {
            biased;
            () = given_up.cancelled() => None,
            output = future => Some(output),
        };
        // an interpreter that is going away waits for nobody
        let _ = Python::try_attach(|py| settle(py, &event_loop, ours, output));
    });
    Ok(awaited)
}

fn settle<T>(py: Python<'_>, event_loop: &Py<PyAny>, awaited: Py<PyAny>, output: Option<PyResult<T>>)
where
    T: for<'a> IntoPyObject<'a>,
{
    let Some(output) = output else { return };
    let value = output.and_then(|value| value.into_pyobject(py).map(|value| value.into_any().unbind()).map_err(Into::into));
    let settled = Settled { awaited, value: Mutex::new(Some(value)) };
    // a loop that was closed in the meantime has nobody left who waits
    let _ = event_loop.call_method1(py, "call_soon_threadsafe", (settled,));
}

/// Drops a future's guard when its awaitable is done or given up.
#[pyclass(frozen)]
struct GivesUp(#[expect(dead_code, reason = "acts when it is dropped")] DropGuard);

#[pymethods]
impl GivesUp {
    #[expect(clippy::unused_self, reason = "Python calls the object")]
    fn __call__(&self, _awaited: &Bound<'_, PyAny>) {}
}

/// Gives an awaitable its result, on the loop's own thread.
#[pyclass(frozen)]
struct Settled {
    awaited: Py<PyAny>,
    value: Mutex<Option<PyResult<Py<PyAny>>>>,
}

#[pymethods]
impl Settled {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let Some(value) = self.value.lock().take() else { return Ok(()) };
        if self.awaited.call_method0(py, "done")?.extract::<bool>(py)? {
            return Ok(());
        }
        match value {
            Ok(value) => self.awaited.call_method1(py, "set_result", (value,))?,
            Err(error) => self.awaited.call_method1(py, "set_exception", (error.into_value(py),))?,
        };
        Ok(())
    }
}
