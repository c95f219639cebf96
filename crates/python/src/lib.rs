//! The extension module `corsac._corsac`, which the Python package is a thin dress of.

mod engine;
mod errors;
mod lm;
mod program;
mod program_measure;
mod program_python;
mod runtime;
mod sim;

use pyo3::prelude::*;

/// The engine below the package `corsac`.
#[pymodule]
mod _corsac {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::engine::{PyEngine, close_engines, home_folder};
    #[pymodule_export]
    use crate::lm::{Pieces, ask_chat, ask_chat_async, stream_chat};
    #[pymodule_export]
    use crate::program::{Place, PyProgram, parse_signature};
    #[pymodule_export]
    use crate::program_measure::{evaluate_program, tune_program};
    #[pymodule_export]
    use crate::sim::Simulator;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
