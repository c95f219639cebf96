//! The catalog's file. It is replaced as a whole, so that a reader meets the old one or the new one; a lock beside it lets
//! one process change it at a time. A file that cannot be read is never written over.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::{Entry, KeptFunction};
use crate::error::FrameError;

/// The version of the file's form; a later one is not touched.
const VERSION: u32 = 1;

/// The names of a home folder, or of a session alone.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Home(PathBuf),
    /// A folder that is made when it is first needed and goes with the session.
    Session(Arc<Mutex<Option<TempDir>>>),
}

/// All entries by name.
pub(crate) type Entries = BTreeMap<String, Entry>;

/// All functions made of programs, by name in lower case.
pub(crate) type KeptFunctions = BTreeMap<String, KeptFunction>;

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    version: u32,
    entries: Entries,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    functions: KeptFunctions,
}

impl Catalog {
    /// The catalog of a home folder; without one, what is made lasts as long as the session.
    pub(crate) fn new(home: Option<PathBuf>) -> Catalog {
        Catalog { place: home.map_or_else(|| Place::Session(Arc::default()), Place::Home) }
    }

    fn folder(&self) -> Result<PathBuf, FrameError> {
        match &self.place {
            Place::Home(home) => Ok(home.clone()),
            Place::Session(made) => {
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(folder) = made.as_ref() {
                    return Ok(folder.path().to_owned());
                }
                let folder =
                    tempfile::tempdir().map_err(|error| FrameError::table(format!("no folder for tables can be made: {error}")))?;
                Ok(made.insert(folder).path().to_owned())
            }
        }
    }

    /// Where the rows of tables are.
    pub(crate) fn tables(&self) -> Result<PathBuf, FrameError> {
        Ok(self.folder()?.join("tables"))
    }

    /// All entries as they are now.
    pub(crate) fn entries(&self) -> Result<Entries, FrameError> {
        Ok(self.kept()?.entries)
    }

    /// All functions as they are now.
    pub(crate) fn functions(&self) -> Result<KeptFunctions, FrameError> {
        Ok(self.kept()?.functions)
    }

    fn kept(&self) -> Result<Kept, FrameError> {
        if let Place::Session(made) = &self.place
            && made.lock().unwrap_or_else(PoisonError::into_inner).is_none()
        {
            return Ok(Kept::default());
        }
        read(&self.folder()?.join("catalog.json"))
    }

    /// Changes the entries; nobody else does so at the same time. When the change fails, nothing is written.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Entries) -> Result<T, FrameError>) -> Result<T, FrameError> {
        self.change_kept(|kept| change(&mut kept.entries))
    }

    /// Changes the functions, in the same way.
    pub(crate) fn change_functions<T>(&self, change: impl FnOnce(&mut KeptFunctions) -> Result<T, FrameError>) -> Result<T, FrameError> {
        self.change_kept(|kept| change(&mut kept.functions))
    }

    fn change_kept<T>(&self, change: impl FnOnce(&mut Kept) -> Result<T, FrameError>) -> Result<T, FrameError> {
        let folder = self.folder()?;
        let file = folder.join("catalog.json");
        let cannot = |error: std::io::Error| FrameError::Write { path: file.clone(), message: error.to_string() };
        std::fs::create_dir_all(&folder).map_err(cannot)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("catalog.lock")).map_err(cannot)?;
        lock.lock().map_err(cannot)?;
        let mut kept = read(&file)?;
        let made = change(&mut kept)?;
        let text = serde_json::to_string_pretty(&Kept { version: VERSION, ..kept }).map_err(|error| cannot(error.into()))?;
        let mut pending = tempfile::NamedTempFile::new_in(&folder).map_err(cannot)?;
        pending.write_all(text.as_bytes()).and_then(|()| pending.as_file().sync_all()).map_err(cannot)?;
        pending.persist(&file).map_err(|error| cannot(error.error))?;
        // the name is on the disk once its folder is; not every file system lets a folder be synced
        let _ = File::open(&folder).and_then(|folder| folder.sync_all());
        Ok(made)
    }
}

fn read(file: &Path) -> Result<Kept, FrameError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return Err(FrameError::table(format!("the catalog {} cannot be read: {error}", file.display()))),
    };
    let damaged = |error: serde_json::Error| {
        FrameError::table(format!(
            "the catalog {} is damaged ({error}). It was left as it is: mend it, or move it away to begin with an empty one; the rows of \
             tables are in the folder tables beside it",
            file.display()
        ))
    };
    let written: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
    if let Some(version) = written.get("version").and_then(serde_json::Value::as_u64)
        && version > u64::from(VERSION)
    {
        return Err(FrameError::table(format!(
            "the catalog {} was written by a later version of Corsac: use that one, or set CORSAC_HOME to another folder",
            file.display()
        )));
    }
    serde_json::from_value(written).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::What;

    fn view(query: &str) -> Entry {
        Entry { what: What::View { query: query.to_owned() }, description: None, columns: BTreeMap::new() }
    }

    #[test]
    fn what_is_changed_is_read_again() {
        let home = tempfile::tempdir().unwrap();
        let catalog = Catalog::new(Some(home.path().join("new")));
        assert_eq!(catalog.entries().unwrap(), Entries::new());
        catalog.change(|entries| Ok(entries.insert("v".into(), view("SELECT 1")))).unwrap();
        assert_eq!(Catalog::new(Some(home.path().join("new"))).entries().unwrap()["v"], view("SELECT 1"));
    }

    #[test]
    fn a_change_that_fails_changes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let catalog = Catalog::new(Some(home.path().to_owned()));
        let refused = catalog.change(|entries| {
            entries.insert("v".into(), view("SELECT 1"));
            Err::<(), _>(FrameError::query("no"))
        });
        assert!(refused.is_err());
        assert_eq!(catalog.entries().unwrap(), Entries::new());
    }

    #[test]
    fn a_damaged_file_is_told_and_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("catalog.json");
        let catalog = Catalog::new(Some(home.path().to_owned()));
        for (damaged, told) in [("{\"version\": 1, \"entr", "is damaged"), ("{}", "is damaged"), ("{\"version\": 2}", "later version")] {
            std::fs::write(&file, damaged).unwrap();
            assert!(catalog.entries().unwrap_err().to_string().contains(told));
            assert!(catalog.change(|entries| Ok(entries.remove("v"))).unwrap_err().to_string().contains(told));
            assert_eq!(std::fs::read_to_string(&file).unwrap(), damaged);
        }
    }

    #[test]
    fn two_that_change_at_once_lose_nothing() {
        let home = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let catalog = Catalog::new(Some(home.path().to_owned()));
                scope.spawn(move || {
                    for number in 0..10 {
                        catalog.change(|entries| Ok(entries.insert(format!("v{writer}_{number}"), view("SELECT 1")))).unwrap();
                    }
                });
            }
        });
        assert_eq!(Catalog::new(Some(home.path().to_owned())).entries().unwrap().len(), 40);
    }
}
