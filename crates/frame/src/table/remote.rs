//! Objects as files: what an `s3://` address stands for is fetched into a folder that vanishes with the session. An
//! object is fetched again only when it has changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use corsac_s3::{Address, S3Error, Settings, Store};
use tokio::sync::Mutex;

use super::TextFile;
use super::locate::{self, Format, Source};
use crate::error::FrameError;

/// The objects that a session has.
#[derive(Default)]
pub(super) struct Remote {
    opened: Mutex<Option<Opened>>,
}

struct Opened {
    store: Store,
    folder: tempfile::TempDir,
    /// Where each object lies, with what tells its state.
    fetched: HashMap<Address, (String, PathBuf)>,
}

impl Remote {
    /// The files of an address, all as of this format or known by their endings.
    pub(super) async fn locate(&self, source: &str, format: Option<Format>) -> Result<Source, FrameError> {
        let address = Address::parse(source).map_err(told)?;
        let mut opened = self.opened.lock().await;
        let opened = match &mut *opened {
            Some(opened) => opened,
            closed => closed.insert(Opened::new()?),
        };
        let mut wanted = vec![address.clone()];
        if !address.is_single() {
            wanted = opened.store.find(&address).await.map_err(told)?;
            if source.ends_with('/') && format.is_none() {
                wanted = locate::tables_among(wanted, |address| Path::new(&address.key));
            }
        }
        if wanted.is_empty() {
            return Err(FrameError::table(format!("there is no object that {source} stands for")));
        }
        let mut files = Vec::with_capacity(wanted.len());
        for one in &wanted {
            // what cannot be read is not fetched
            if format.is_none() {
                locate::format_of(&one.to_string(), Path::new(&one.key))?;
            }
        }
        for one in wanted {
            files.push(TextFile { path: opened.file(&one).await?, shown: one.to_string() });
        }
        match format {
            Some(format) => Ok(Source { format, files }),
            None => locate::of_one_format(source, files),
        }
    }
}

impl Opened {
    fn new() -> Result<Opened, FrameError> {
        let folder = tempfile::tempdir().map_err(|error| FrameError::table(format!("objects cannot be kept here: {error}")))?;
        Ok(Opened { store: store()?, folder, fetched: HashMap::new() })
    }

    /// The object as a file of its name.
    async fn file(&mut self, address: &Address) -> Result<PathBuf, FrameError> {
        let missing = || told(S3Error::Missing { address: address.to_string() });
        let there = self.store.look(address).await.map_err(told)?.ok_or_else(missing)?;
        if let Some((etag, path)) = self.fetched.get(address)
            && *etag == there.etag
            && !etag.is_empty()
        {
            return Ok(path.clone());
        }
        // plans made before may still read what was fetched before
        let folder = tempfile::tempdir_in(self.folder.path()).map(tempfile::TempDir::keep);
        let here = |error: std::io::Error| FrameError::table(format!("{address} cannot be kept here: {error}"));
        let path = folder.map_err(here)?.join(address.file_name());
        let fetched = self.store.fetch(address, &path).await.map_err(told)?;
        if let Some(modified) = fetched.modified {
            // only the column `modified` of texts would tell
            let _ = std::fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(modified));
        }
        self.fetched.insert(address.clone(), (fetched.etag, path.clone()));
        Ok(path)
    }
}

/// The server that the environment names.
pub(crate) fn store() -> Result<Store, FrameError> {
    Settings::from_environment(|name| std::env::var(name).ok()).and_then(Store::new).map_err(told)
}

fn told(error: S3Error) -> FrameError {
    FrameError::table(error.to_string())
}
