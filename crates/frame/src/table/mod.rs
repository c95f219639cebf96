//! Tables out of files: found by path, glob or directory, read by format, registered under a name or straight out of the
//! SQL text.

mod cell_type;
mod delimited;
mod json;
mod locate;
mod scan;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::common::TableReference;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::prelude::SessionContext;

use crate::error::{FrameError, nearest};
use locate::{Format, Source};
pub(crate) use scan::FileScan;
use scan::FileTable;

/// The files a session reads.
pub(crate) struct Tables {
    context: SessionContext,
    warnings: Mutex<Vec<String>>,
    /// Files that queries named themselves; they are looked through again for each query, since they may have changed.
    named_in_queries: Mutex<BTreeSet<String>>,
    /// What standard input held, kept as long as the session.
    spooled: Mutex<Option<tempfile::NamedTempFile>>,
}

/// One file in text form, with the name people know it by.
#[derive(Debug, Clone)]
pub(crate) struct TextFile {
    pub(crate) path: PathBuf,
    pub(crate) shown: String,
}

impl TextFile {
    fn open(&self) -> Result<std::fs::File, FrameError> {
        std::fs::File::open(&self.path).map_err(|error| FrameError::table(format!("{} cannot be opened: {error}", self.shown)))
    }
}

impl Tables {
    pub(crate) fn new(context: SessionContext) -> Tables {
        Tables { context, warnings: Mutex::default(), named_in_queries: Mutex::default(), spooled: Mutex::default() }
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Registers a source under a name.
    pub(crate) async fn register(&self, name: &str, source: &str) -> Result<(), FrameError> {
        let source = if source == "-" { self.spool_standard_input().await? } else { locate::locate(source)? };
        let provider = self.provider(source).await?;
        let reference = TableReference::bare(name);
        // a name given again stands for the new source
        self.context.deregister_table(reference.clone()).map_err(FrameError::from_planning)?;
        self.context.register_table(reference, provider).map_err(FrameError::from_planning)?;
        Ok(())
    }

    /// Registers the files that a query names itself.
    pub(crate) async fn register_files_in(&self, references: &[TableReference]) -> Result<(), FrameError> {
        for reference in references {
            let known = self.context.table_exist(reference.clone()).unwrap_or(false);
            match reference {
                TableReference::Bare { table } if locate::looks_like_path(table) => {
                    let table = table.as_ref();
                    let again = table != "-" && self.named().contains(table);
                    if !known || again {
                        self.register(table, table).await?;
                        self.named().insert(table.to_owned());
                    }
                }
                TableReference::Partial { schema, table } if !known => {
                    let path = format!("{schema}.{table}");
                    if Path::new(&path).is_file() {
                        return Err(FrameError::query(format!("a file in FROM stands in quotes: write FROM '{path}'")));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn named(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.named_in_queries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn provider(&self, source: Source) -> Result<Arc<dyn TableProvider>, FrameError> {
        let Source { format, files } = source;
        if format == Format::Parquet {
            return self.parquet(&files).await;
        }
        let read = tokio::task::spawn_blocking(move || FileTable::read(format, files)).await;
        let (table, mut warnings) = read.map_err(|error| FrameError::table(format!("reading was broken off: {error}")))??;
        let mut known = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.retain(|warning| !known.contains(warning));
        known.append(&mut warnings);
        Ok(Arc::new(table))
    }

    async fn parquet(&self, files: &[TextFile]) -> Result<Arc<dyn TableProvider>, FrameError> {
        let cannot = |error: DataFusionError| {
            let names = files.iter().map(|file| file.shown.as_str()).collect::<Vec<_>>().join(", ");
            FrameError::table(format!("{names} cannot be read as Parquet: {}", FrameError::from_planning(error)))
        };
        let mut urls = Vec::with_capacity(files.len());
        for file in files {
            let path = std::path::absolute(&file.path).map_err(|error| FrameError::table(format!("{}: {error}", file.shown)))?;
            let url = url::Url::from_file_path(&path).map_err(|()| FrameError::table(format!("{} is not a usable path", file.shown)))?;
            urls.push(ListingTableUrl::try_new(url, None).map_err(cannot)?);
        }
        let state = self.context.state();
        let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("");
        let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options);
        let config = config.infer_schema(&state).await.map_err(cannot)?;
        Ok(Arc::new(ListingTable::try_new(config).map_err(cannot)?))
    }

    /// Writes standard input to a temporary file, so that it can be looked through before it is read.
    async fn spool_standard_input(&self) -> Result<Source, FrameError> {
        let spooled = tokio::task::spawn_blocking(|| spool(&mut std::io::stdin().lock())).await;
        let file = spooled.map_err(|error| FrameError::table(format!("standard input was broken off: {error}")))??;
        let path = file.path().to_owned();
        *self.spooled.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        let format = locate::sniff(&path)?;
        Ok(Source { format, files: vec![TextFile { path, shown: "standard input".to_owned() }] })
    }

    /// Says which tables there are when a query names another.
    pub(crate) fn explain_missing(&self, error: DataFusionError) -> FrameError {
        let planned = FrameError::from_planning(error);
        let FrameError::Query { message } = &planned else { return planned };
        let missing = message.strip_prefix("table 'datafusion.public.").and_then(|rest| rest.strip_suffix("' not found"));
        let Some(missing) = missing else { return planned };
        let tables = self.names();
        let mut message = format!("there is no table {missing}.");
        match nearest(missing, tables.iter().map(String::as_str)) {
            Some(near) => message.push_str(&format!(" Did you mean {near}?")),
            None if tables.is_empty() => message.push_str(" No table is registered."),
            None => message.push_str(&format!(" The tables are: {}.", tables.join(", "))),
        }
        message.push_str(" A file is named in quotes: FROM 'reviews.csv'");
        FrameError::Query { message }
    }

    fn names(&self) -> Vec<String> {
        let schema = self.context.catalog("datafusion").and_then(|catalog| catalog.schema("public"));
        schema.map(|schema| schema.table_names()).unwrap_or_default()
    }
}

fn spool(input: &mut impl Read) -> Result<tempfile::NamedTempFile, FrameError> {
    let cannot = |error: std::io::Error| FrameError::table(format!("standard input cannot be kept in a temporary file: {error}"));
    let mut file = tempfile::NamedTempFile::new().map_err(cannot)?;
    std::io::copy(input, &mut file).map_err(cannot)?;
    file.flush().map_err(cannot)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_is_sniffed() {
        let format_of = |text: &str| locate::sniff(spool(&mut text.as_bytes()).unwrap().path()).unwrap();
        assert_eq!(format_of("\n {\"a\": 1}\n"), Format::Json);
        assert_eq!(format_of("a\tb\n1\t2\n"), Format::TabSeparated);
        assert_eq!(format_of("a,b\tc\n1,2\n"), Format::CommaSeparated);
        assert_eq!(format_of("text\nhello\n"), Format::CommaSeparated);
        assert_eq!(format_of(""), Format::CommaSeparated);
    }
}
