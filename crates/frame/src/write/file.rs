//! A file that is not there until it is complete.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Existing;
use super::append;
use super::format::Format;
use crate::error::FrameError;

/// The temporary file beside the one that is wanted; removed unless it is kept.
#[derive(Debug)]
pub(super) struct PendingFile {
    wanted: PathBuf,
    existing: Existing,
    temporary: PathBuf,
    kept: bool,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl PendingFile {
    /// Creates the temporary file. `existing` says what becomes of a file that has the name already.
    pub(super) fn create(wanted: &Path, existing: Existing) -> Result<(PendingFile, File), FrameError> {
        let refused = |message: String| FrameError::Write { path: wanted.to_owned(), message };
        let Some(name) = wanted.file_name() else { return Err(refused("it names no file".to_owned())) };
        if wanted.is_dir() {
            return Err(refused("it is a directory: name a file in it".to_owned()));
        }
        if existing == Existing::Refuse && wanted.exists() {
            return Err(refused(THERE.to_owned()));
        }
        let directory = folder_of(wanted);
        if !directory.is_dir() {
            return Err(refused(format!("the directory {} does not exist: create it first", directory.display())));
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let temporary = directory.join(format!(".{}.{}-{number}.part", name.to_string_lossy(), std::process::id()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary).map_err(|error| refused(advice(&error)))?;
        Ok((PendingFile { wanted: wanted.to_owned(), existing, temporary, kept: false }, file))
    }

    /// The error of a write into this file.
    pub(super) fn cannot(&self, error: &io::Error) -> FrameError {
        FrameError::Write { path: self.wanted.clone(), message: advice(error) }
    }

    /// Puts everything on the disk and gives the file its name.
    pub(super) fn keep(mut self, format: Format) -> Result<(), FrameError> {
        let directory = File::open(folder_of(&self.wanted));
        match self.existing {
            Existing::Append => {
                // one at a time: otherwise of two that append at once, one would be lost. Where folders cannot be locked, they are not
                let locked = directory.as_ref().is_ok_and(|directory| directory.lock().is_ok());
                let joined = self.temporary.with_extension("joined.part");
                let joining = append::join(&self.wanted, &self.temporary, &joined, format);
                let done = joining.and_then(|()| self.sync(&joined)).and_then(|()| self.rename(&joined));
                if done.is_err() {
                    let _ = std::fs::remove_file(&joined);
                }
                if let (true, Ok(directory)) = (locked, &directory) {
                    let _ = directory.unlock();
                }
                done?;
            }
            Existing::Refuse => {
                self.sync(&self.temporary)?;
                // a link does not replace what came there meanwhile; where there are no links, a look must do
                match std::fs::hard_link(&self.temporary, &self.wanted) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(self.refused(THERE)),
                    Err(_) if self.wanted.exists() => return Err(self.refused(THERE)),
                    Err(_) => {
                        self.rename(&self.temporary)?;
                        self.kept = true;
                    }
                }
            }
            Existing::Replace => {
                self.sync(&self.temporary)?;
                self.rename(&self.temporary)?;
                self.kept = true;
            }
        }
        // the name is on the disk once its directory is; not every file system lets a directory be synced
        let _ = directory.and_then(|directory| directory.sync_all());
        Ok(())
    }

    fn sync(&self, file: &Path) -> Result<(), FrameError> {
        File::open(file).and_then(|file| file.sync_all()).map_err(|error| self.cannot(&error))
    }

    fn rename(&self, file: &Path) -> Result<(), FrameError> {
        std::fs::rename(file, &self.wanted).map_err(|error| self.cannot(&error))
    }

    fn refused(&self, message: &str) -> FrameError {
        FrameError::Write { path: self.wanted.clone(), message: message.to_owned() }
    }
}

pub(super) const THERE: &str = "it is there already, and was to be a new file: name another one, or say append or overwrite";

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

fn advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => {
            format!("the disk is full ({error}). Free some space and run again: what was answered is not asked again")
        }
        io::ErrorKind::PermissionDenied => format!("it may not be written ({error}). Choose another place"),
        _ => error.to_string(),
    }
}
