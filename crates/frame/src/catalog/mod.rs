//! What persists between sessions under a name: views, tables and the places of files, each with descriptions. It is one
//! file beside the ledger, read when a query names something that no file is, and changed under a lock.

mod describe;
mod function;
mod meaning;
mod routine;
mod statement;
mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use describe::{DESCRIBED, Named, described};
pub(crate) use function::{CreateFunction, KeptFunction, create_function};
pub(crate) use meaning::{Made, Meaning, meaning};
pub(crate) use routine::{ROUTINES, routines};
pub use statement::{Change, Destination, Keep, Statement};
pub(crate) use statement::{ChangeKind, Place, may_make, may_make_function, parse};
pub(crate) use store::{Catalog, Entries};

/// Everything the catalog knows of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(flatten)]
    pub(crate) what: What,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// Descriptions of columns by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) columns: BTreeMap<String, String>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum What {
    /// A query, planned anew wherever it is named.
    View {
        /// Its text, with the paths of files made absolute.
        query: String,
    },
    /// Rows kept as Parquet in a folder of the catalog's own.
    Table {
        /// The folder's name under `tables`.
        folder: String,
        /// The files in it that hold rows, in the order in which they came.
        parts: Vec<String>,
    },
    /// Files of somebody else.
    External {
        /// A path, a glob or a folder; absolute.
        location: String,
    },
}

impl What {
    /// The word for it in messages.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            What::View { .. } => "view",
            What::Table { .. } | What::External { .. } => "table",
        }
    }
}

impl Entry {
    /// The files of a table whose rows are kept here.
    pub(crate) fn parts(&self, tables: &Path) -> Vec<PathBuf> {
        match &self.what {
            What::Table { folder, parts } => parts.iter().map(|part| tables.join(folder).join(part)).collect(),
            What::View { .. } | What::External { .. } => Vec::new(),
        }
    }
}
