//! Where things are kept from one process to the next.

use std::path::{Path, PathBuf};

/// `CORSAC_HOME`, else `corsac` in the platform's data folder; `None` where there is neither.
pub fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("CORSAC_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    given.or_else(|| dirs::data_dir().map(|data| data.join("corsac")))
}

/// The ledger below that folder.
pub fn ledger_file(home: &Path) -> PathBuf {
    home.join("ledger.sqlite")
}

/// Below that folder, what is known of models and who serves them.
pub fn catalog_folder(home: &Path) -> PathBuf {
    home.join("catalog")
}

/// The catalog of an address, kept on disk.
pub fn catalog_file(home: &Path, address: &str) -> PathBuf {
    let host: String = address.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    catalog_folder(home).join(format!("{}.json", host.trim_end_matches('-')))
}
