//! Tables out of files: found by path, glob or directory, read by format, registered under a name or straight out of the
//! SQL text.

mod cell_type;
mod delimited;
mod examples;
mod json;
mod locate;
mod named;
#[cfg(feature = "s3")]
mod remote;
mod scan;
mod text;
mod unpack;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::common::TableReference;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::logical_expr::Expr;
use datafusion::prelude::SessionContext;

use crate::catalog::Catalog;
use crate::error::{FrameError, nearest};
use crate::functions::Functions;
pub(crate) use locate::Format as Readable;
pub(crate) use locate::is_remote;
use locate::{Format, Source};
#[cfg(feature = "s3")]
pub(crate) use remote::store;
pub(crate) use scan::FileScan;
use scan::FileTable;
use unpack::Unpacked;

/// The files a session reads.
pub(crate) struct Tables {
    context: SessionContext,
    catalog: Catalog,
    functions: Arc<Functions>,
    /// Names that stand for entries of the catalog; they are looked up again for each query.
    from_catalog: Mutex<BTreeSet<String>>,
    warnings: Mutex<Vec<String>>,
    /// Files that queries named themselves; they are looked through again for each query, since they may have changed.
    named_in_queries: Mutex<BTreeSet<String>>,
    /// What standard input held, kept as long as the session.
    spooled: Mutex<Option<tempfile::NamedTempFile>>,
    #[cfg(feature = "s3")]
    remote: remote::Remote,
}

/// One file in text form, with the name people know it by.
#[derive(Debug, Clone)]
pub(crate) struct TextFile {
    pub(crate) path: PathBuf,
    pub(crate) shown: String,
}

impl TextFile {
    /// Its text, unpacked if it is packed.
    fn open(&self) -> Result<Unpacked, FrameError> {
        let opened = std::fs::File::open(&self.path).and_then(Unpacked::open);
        opened.map_err(|error| FrameError::table(format!("{} cannot be opened: {error}", self.shown)))
    }
}

impl Tables {
    pub(crate) fn new(context: SessionContext, catalog: Catalog, functions: Arc<Functions>) -> Tables {
        Tables {
            context,
            catalog,
            functions,
            from_catalog: Mutex::default(),
            warnings: Mutex::default(),
            named_in_queries: Mutex::default(),
            spooled: Mutex::default(),
            #[cfg(feature = "s3")]
            remote: remote::Remote::default(),
        }
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The table of a source, whose files are of this format or known by their endings.
    pub(crate) async fn open(&self, source: &str, format: Option<Format>) -> Result<Arc<dyn TableProvider>, FrameError> {
        let found = match format {
            _ if source == "-" => {
                let spooled = self.spool_standard_input().await?;
                Source { format: format.unwrap_or(spooled.format), ..spooled }
            }
            _ => self.located(source, format).await?,
        };
        self.provider(found).await
    }

    /// The files of a source, which may be objects on a server.
    async fn located(&self, source: &str, format: Option<Format>) -> Result<Source, FrameError> {
        if locate::is_remote(source) {
            #[cfg(feature = "s3")]
            return self.remote.locate(source, format).await;
            #[cfg(not(feature = "s3"))]
            return Err(FrameError::table(without_s3(source)));
        }
        match format {
            Some(format) => locate::locate_as(source, format),
            None => locate::locate(source),
        }
    }

    /// Registers a source under a name.
    pub(crate) async fn register(&self, name: &str, source: &str) -> Result<(), FrameError> {
        let provider = self.open(source, None).await?;
        let reference = TableReference::bare(name);
        // a name given again stands for the new source
        self.context.deregister_table(reference.clone()).map_err(FrameError::from_planning)?;
        self.context.register_table(reference, provider).map_err(FrameError::from_planning)?;
        Ok(())
    }

    /// Registers a file that a query names itself.
    async fn register_file(&self, table: &str, known: bool) -> Result<(), FrameError> {
        let again = table != "-" && self.named().contains(table);
        if !known || again {
            self.register(table, table).await?;
            self.named().insert(table.to_owned());
        }
        Ok(())
    }

    fn named(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.named_in_queries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn provider(&self, source: Source) -> Result<Arc<dyn TableProvider>, FrameError> {
        let Source { format, files } = source;
        if matches!(format, Format::Parquet | Format::Arrow) {
            return self.columnar(format, &files).await;
        }
        let read = tokio::task::spawn_blocking(move || FileTable::read(format, files)).await;
        let (table, mut warnings) = read.map_err(|error| FrameError::table(format!("reading was broken off: {error}")))??;
        let mut known = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.retain(|warning| !known.contains(warning));
        known.append(&mut warnings);
        Ok(Arc::new(table))
    }

    /// Reads files in the engine's own forms.
    async fn columnar(&self, format: Format, files: &[TextFile]) -> Result<Arc<dyn TableProvider>, FrameError> {
        let cannot = |error: DataFusionError| {
            let names = files.iter().map(|file| file.shown.as_str()).collect::<Vec<_>>().join(", ");
            FrameError::table(format!("{names} cannot be read as {format:?}: {}", FrameError::from_planning(error)))
        };
        let mut urls = Vec::with_capacity(files.len());
        for file in files {
            let path = std::path::absolute(&file.path).map_err(|error| FrameError::table(format!("{}: {error}", file.shown)))?;
            let url = url::Url::from_file_path(&path).map_err(|()| FrameError::table(format!("{} is not a usable path", file.shown)))?;
            urls.push(ListingTableUrl::try_new(url, None).map_err(cannot)?);
        }
        let state = self.context.state();
        let form: Arc<dyn FileFormat> = match format {
            Format::Arrow => Arc::new(ArrowFormat),
            _ => Arc::new(ParquetFormat::default()),
        };
        let options = ListingOptions::new(form).with_file_extension("");
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
        missing.map(|missing| self.missing(missing)).unwrap_or(planned)
    }

    /// Says that there is no such table, and which ones there are.
    pub(crate) fn missing(&self, missing: &str) -> FrameError {
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
        let mut names: BTreeSet<String> = schema.map(|schema| schema.table_names().into_iter().collect()).unwrap_or_default();
        names.extend(self.catalog.entries().unwrap_or_default().into_keys());
        names.into_iter().collect()
    }
}

/// What a build without objects says of one.
#[cfg(not(feature = "s3"))]
pub(crate) fn without_s3(source: &str) -> String {
    format!(
        "{source}: this build knows no objects on servers: build it with the feature s3 (cargo build --features s3), or copy the object here"
    )
}

/// `read_text('notes/**/*.md')`: files as texts, whatever their endings are.
#[derive(Debug)]
pub(crate) struct ReadText;

impl ReadText {
    pub(crate) const NAME: &str = "read_text";

    /// The table of such files.
    pub(crate) fn table(source: &str) -> Result<Arc<dyn TableProvider>, FrameError> {
        let Source { format, files } = locate::locate_as(source, Format::Text)?;
        Ok(Arc::new(FileTable::read(format, files)?.0))
    }
}

impl TableFunctionImpl for ReadText {
    fn call_with_args(&self, arguments: TableFunctionArgs<'_, '_>) -> datafusion::common::Result<Arc<dyn TableProvider>> {
        match arguments.exprs() {
            [Expr::Literal(value, _)] if value.try_as_str().flatten().is_some() => {
                Ok(ReadText::table(value.try_as_str().flatten().unwrap_or_default())?)
            }
            _ => {
                datafusion::common::plan_err!("read_text takes one text: a file, a folder, or a pattern such as read_text('notes/**/*.md')")
            }
        }
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
