//! A file that is not there until it is complete.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::FrameError;

/// The temporary file beside the one that is wanted; removed unless it is kept.
#[derive(Debug)]
pub(super) struct PendingFile {
    wanted: PathBuf,
    temporary: PathBuf,
    kept: bool,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl PendingFile {
    /// Creates the temporary file.
    pub(super) fn create(wanted: &Path) -> Result<(PendingFile, File), FrameError> {
        let refused = |message: String| FrameError::Write { path: wanted.to_owned(), message };
        let Some(name) = wanted.file_name() else { return Err(refused("it names no file".to_owned())) };
        if wanted.is_dir() {
            return Err(refused("it is a directory: name a file in it".to_owned()));
        }
        let directory = wanted.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !directory.is_dir() {
            return Err(refused(format!("the directory {} does not exist: create it first", directory.display())));
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let temporary = directory.join(format!(".{}.{}-{number}.part", name.to_string_lossy(), std::process::id()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary).map_err(|error| refused(advice(&error)))?;
        Ok((PendingFile { wanted: wanted.to_owned(), temporary, kept: false }, file))
    }

    /// The error of a write into this file.
    pub(super) fn cannot(&self, error: &io::Error) -> FrameError {
        FrameError::Write { path: self.wanted.clone(), message: advice(error) }
    }

    /// Puts everything on the disk and gives the file its name.
    pub(super) fn keep(mut self) -> Result<(), FrameError> {
        let finished =
            File::open(&self.temporary).and_then(|file| file.sync_all()).and_then(|()| std::fs::rename(&self.temporary, &self.wanted));
        finished.map_err(|error| self.cannot(&error))?;
        self.kept = true;
        // the name is on the disk once its directory is; not every file system lets a directory be synced
        let directory = self.wanted.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
        Ok(())
    }
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
