//! Where things are kept: the ledger and the catalog under `CORSAC_HOME`, weights in the user's cache.

use std::path::PathBuf;

use corsac_ledger::Ledger;

use crate::exit::{Exit, Stop};

/// `CORSAC_HOME`, else `corsac` in the platform's data folder.
pub(crate) fn folder() -> Result<PathBuf, Stop> {
    let given = std::env::var_os("CORSAC_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    given.or_else(|| dirs::data_dir().map(|data| data.join("corsac"))).ok_or_else(|| {
        Stop::new(Exit::Configuration, "there is no home folder to keep the ledger in: set CORSAC_HOME to a folder of yours")
    })
}

/// The ledger.
pub(crate) fn ledger() -> Result<Ledger, Stop> {
    Ok(Ledger::open(&folder()?.join("ledger.sqlite"))?)
}

/// The catalog of an address, kept on disk.
pub(crate) fn catalog_file(address: &str) -> Result<PathBuf, Stop> {
    let host: String = address.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    Ok(folder()?.join("catalog").join(format!("{}.json", host.trim_end_matches('-'))))
}

/// The weights of the embedded model.
pub(crate) fn weights_folder() -> Result<PathBuf, Stop> {
    corsac_local::weights::default_cache_dir()
        .or_else(|| folder().ok().map(|home| home.join("models")))
        .ok_or_else(|| Stop::new(Exit::Configuration, "there is no folder to keep the model in: set CORSAC_HOME or CORSAC_LOCAL_MODEL"))
}
