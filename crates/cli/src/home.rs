//! Where things are kept: the ledger and the catalog under `CORSAC_HOME`, weights in the user's cache.

use std::path::PathBuf;

use corsac_dispatch::home::{self, ledger_file};
use corsac_ledger::Ledger;

use crate::exit::{Exit, Stop};

/// `CORSAC_HOME`, else `corsac` in the platform's data folder.
pub(crate) fn folder() -> Result<PathBuf, Stop> {
    home::folder().ok_or_else(|| {
        Stop::new(Exit::Configuration, "there is no home folder to keep the ledger in: set CORSAC_HOME to a folder of yours")
    })
}

/// The ledger.
pub(crate) fn ledger() -> Result<Ledger, Stop> {
    Ok(Ledger::open(&ledger_file(&folder()?))?)
}

/// The ledger, if there is one already and it can be read.
pub(crate) fn ledger_if_any() -> Option<Ledger> {
    let file = ledger_file(&folder().ok()?);
    file.is_file().then(|| Ledger::open(&file).ok())?
}

/// The catalog of an address, kept on disk.
pub(crate) fn catalog_file(address: &str) -> Result<PathBuf, Stop> {
    Ok(home::catalog_file(&folder()?, address))
}

/// The weights of the embedded model.
pub(crate) fn weights_folder() -> Result<PathBuf, Stop> {
    corsac_local::weights::default_cache_dir()
        .or_else(|| folder().ok().map(|home| home.join("models")))
        .ok_or_else(|| Stop::new(Exit::Configuration, "there is no folder to keep the model in: set CORSAC_HOME or CORSAC_LOCAL_MODEL"))
}
