//! The extension module `corsac._corsac`, which the Python package is a thin dress of.

use pyo3::prelude::*;

/// The engine below the package `corsac`.
#[pymodule]
mod _corsac {
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
