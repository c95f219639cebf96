//! The extension module `corsac._corsac`, which the Python package is a thin dress of.

mod arrow;
mod arrow_build;
mod arrow_types;
mod arrow_values;
mod column;
mod engine;
mod errors;
mod frame;
mod frame_error;
mod frame_join;
mod frame_run;
mod frame_view;
mod json_kind;
mod lm;
mod program;
mod program_measure;
mod program_python;
mod python_function;
mod runtime;
mod session;
mod sim;

use pyo3::prelude::*;

/// The engine below the package `corsac`.
#[pymodule]
mod _corsac {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::arrow::Rows;
    #[pymodule_export]
    use crate::column::{PyExpr, template_names};
    #[pymodule_export]
    use crate::engine::{PyEngine, close_engines, home_folder};
    #[pymodule_export]
    use crate::frame::PyFrame;
    #[pymodule_export]
    use crate::lm::{Pieces, ask_chat, ask_chat_async, ask_chats, ask_chats_async, stream_chat, takes_tools};
    #[pymodule_export]
    use crate::program::{Place, PyProgram, parse_signature};
    #[pymodule_export]
    use crate::program_measure::{evaluate_program, tune_program};
    #[pymodule_export]
    use crate::session::{PySession, arrow_import, arrow_rows};
    #[pymodule_export]
    use crate::sim::Simulator;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
