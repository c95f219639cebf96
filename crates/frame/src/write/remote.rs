//! Results as objects: written into a file here first and then put, so that an object is there whole or not at all.

use std::path::Path;

use corsac_s3::{Address, Condition, S3Error};
use datafusion::execution::SendableRecordBatchStream;

use super::file::THERE;
use super::{Existing, Format, Target, Written, write};
use crate::error::FrameError;
use crate::table;

/// Writes all rows of a stream into an object. Rows are appended to a copy of what is there, which takes its place only if
/// nobody changed it meanwhile.
pub(super) async fn put(rows: SendableRecordBatchStream, format: Format, wanted: &Path, existing: Existing) -> Result<Written, FrameError> {
    let refused = |message: String| FrameError::Write { path: wanted.to_owned(), message };
    let told = |error: S3Error| refused(error.to_string());
    let address = Address::parse(&wanted.to_string_lossy()).map_err(told)?;
    if !address.is_single() {
        return Err(refused("it names no object: write s3://BUCKET/KEY with an ending that names the format".to_owned()));
    }
    let store = table::store()?;
    let folder = tempfile::tempdir().map_err(|error| refused(format!("nothing can be written here first: {error}")))?;
    let here = folder.path().join(address.file_name());
    let there = if existing == Existing::Replace { None } else { store.look(&address).await.map_err(told)? };
    let condition = match (existing, there) {
        (Existing::Replace, _) => Condition::Always,
        (Existing::Refuse, Some(_)) => return Err(refused(THERE.to_owned())),
        (Existing::Append, Some(_)) => Condition::Unchanged(store.fetch(&address, &here).await.map_err(told)?.etag),
        (Existing::Refuse | Existing::Append, None) => Condition::New,
    };
    let existing = if matches!(condition, Condition::Unchanged(_)) { Existing::Append } else { Existing::Replace };
    let written = Box::pin(write(rows, format, Target::Place { path: here.clone(), existing })).await.map_err(|error| match error {
        FrameError::Write { path, message } if path == here => refused(message),
        other => other,
    })?;
    store.put(&address, &here, &condition).await.map_err(told)?;
    Ok(written)
}
