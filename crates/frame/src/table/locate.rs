//! From what a person writes as a source to files and their format.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::TextFile;
use super::unpack::{Packing, Unpacked};
use crate::error::{FrameError, nearest};

/// A format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Commas, unless the header has semicolons or bars instead.
    CommaSeparated,
    TabSeparated,
    /// JSON lines, one JSON array, or JSON objects one after the other.
    Json,
    Parquet,
    /// Arrow IPC.
    Arrow,
    /// One row a file.
    Text,
}

const FORMATS: &str = "csv, tsv, jsonl, ndjson, json, txt and md, also packed as .gz or .zst, parquet and arrow";
/// Packed in ways that are not unpacked here.
const COMPRESSED: [&str; 6] = ["bz2", "xz", "zip", "lz4", "br", "7z"];

impl Format {
    fn is_text(self) -> bool {
        !matches!(self, Format::Parquet | Format::Arrow)
    }

    fn of_extension(extension: &str) -> Option<Format> {
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Some(Format::CommaSeparated),
            "tsv" | "tab" => Some(Format::TabSeparated),
            "jsonl" | "ndjson" | "json" => Some(Format::Json),
            "parquet" | "pq" => Some(Format::Parquet),
            "arrow" | "feather" | "ipc" => Some(Format::Arrow),
            "txt" | "text" | "md" | "markdown" => Some(Format::Text),
            _ => None,
        }
    }
}

/// Files of one format, in the order in which they are read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) format: Format,
    pub(crate) files: Vec<TextFile>,
}

/// Whether a source is an object on a server.
pub(crate) fn is_remote(source: &str) -> bool {
    source.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("s3://"))
}

/// Whether a table's name in SQL can only be meant as a file.
pub(crate) fn looks_like_path(name: &str) -> bool {
    name == "-" || name.contains(['.', '/', '\\', '*', '?']) || name.starts_with('~')
}

/// Finds the files of a source and takes each as of this format, whatever its ending is.
pub(super) fn locate_as(source: &str, format: Format) -> Result<Source, FrameError> {
    let path = with_home(source);
    let found = if path.is_dir() {
        file_names(&path).into_iter().map(|name| path.join(name)).collect()
    } else if path.is_file() {
        vec![path]
    } else if source.contains(['*', '?', '[']) {
        matching(source, &path)?
    } else {
        return Err(missing(source, &path));
    };
    if found.is_empty() {
        return Err(FrameError::table(format!("the directory {source} holds no file")));
    }
    let files = found.into_iter().map(|path| TextFile { shown: path.display().to_string(), path }).collect();
    Ok(Source { format, files })
}

/// Finds the files of a source.
pub(crate) fn locate(source: &str) -> Result<Source, FrameError> {
    let path = with_home(source);
    if path.is_dir() {
        return in_directory(source, &path);
    }
    if path.is_file() {
        return Ok(Source { format: format_of(source, &path)?, files: vec![TextFile { path, shown: source.to_owned() }] });
    }
    if source.contains(['*', '?', '[']) {
        return by_glob(source, &path);
    }
    Err(missing(source, &path))
}

pub(super) fn with_home(source: &str) -> PathBuf {
    match (source.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(source),
    }
}

fn missing(source: &str, path: &Path) -> FrameError {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return FrameError::table(format!("there is no file {source}: the directory {} does not exist", parent.display()));
    }
    let names = file_names(parent);
    let wanted = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut message = format!("there is no file {source}");
    match nearest(&wanted, names.iter().map(String::as_str)) {
        Some(near) => message.push_str(&format!(". Did you mean {}?", shown_beside(source, near))),
        None => {
            let known: Vec<&str> =
                names.iter().map(String::as_str).filter(|name| extension_format(Path::new(name)).is_some()).take(8).collect();
            match known.as_slice() {
                [] => message.push_str(&format!(" in {}", absolute(parent).display())),
                known => message.push_str(&format!(". In {} there are: {}", absolute(parent).display(), known.join(", "))),
            }
        }
    }
    FrameError::table(message)
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn shown_beside(source: &str, name: &str) -> String {
    match source.rsplit_once('/') {
        Some((directory, _)) => format!("{directory}/{name}"),
        None => name.to_owned(),
    }
}

fn file_names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

fn in_directory(source: &str, directory: &Path) -> Result<Source, FrameError> {
    let base = source.trim_end_matches('/');
    let files: Vec<TextFile> = tables_among(file_names(directory), |name| Path::new(name))
        .into_iter()
        .map(|name| TextFile { path: directory.join(&name), shown: format!("{base}/{name}") })
        .collect();
    if files.is_empty() {
        return Err(FrameError::table(format!("the directory {source} holds no file of a known format ({FORMATS})")));
    }
    of_one_format(source, files)
}

/// Those of a folder's files that are read: a folder of tables often has a README beside them.
pub(super) fn tables_among<T>(files: Vec<T>, path: impl Fn(&T) -> &Path) -> Vec<T> {
    let only_texts = files.iter().filter_map(|file| extension_format(path(file))).all(|format| format == Format::Text);
    let is_read = |file: &T| extension_format(path(file)).is_some_and(|format| only_texts || format != Format::Text);
    files.into_iter().filter(is_read).collect()
}

fn by_glob(source: &str, pattern: &Path) -> Result<Source, FrameError> {
    let files = matching(source, pattern)?.into_iter().map(|path| TextFile { shown: path.display().to_string(), path }).collect();
    of_one_format(source, files)
}

fn matching(source: &str, pattern: &Path) -> Result<Vec<PathBuf>, FrameError> {
    let paths = glob::glob(&pattern.to_string_lossy()).map_err(|error| {
        FrameError::table(format!("the pattern {source} cannot be used: {} (at character {})", error.msg, error.pos + 1))
    })?;
    let files: Vec<PathBuf> = paths.flatten().filter(|path| path.is_file()).collect();
    if files.is_empty() {
        return Err(FrameError::table(format!("no file matches {source}")));
    }
    Ok(files)
}

pub(super) fn of_one_format(source: &str, files: Vec<TextFile>) -> Result<Source, FrameError> {
    let mut formats = Vec::with_capacity(files.len());
    for file in &files {
        formats.push((format_of(&file.shown, &file.path)?, &file.shown));
    }
    let Some((format, first)) = formats.first().copied() else {
        return Err(FrameError::table(format!("{source} names no file")));
    };
    if let Some((_, other)) = formats.iter().find(|(other, _)| *other != format) {
        return Err(FrameError::table(format!(
            "{source} holds files of different formats, such as {first} and {other}: name those of one format with a pattern such as '*.csv'"
        )));
    }
    Ok(Source { format, files })
}

fn extension_format(path: &Path) -> Option<Format> {
    let ending = |path: &Path| path.extension().map(|extension| extension.to_string_lossy().into_owned());
    match ending(path).filter(|outer| Packing::of_extension(outer).is_some()) {
        // what holds columns is packed inside, and is read at places that only unpacking would find
        Some(_) => path.file_stem().and_then(|inner| Format::of_extension(&ending(Path::new(inner))?)).filter(|format| format.is_text()),
        None => Format::of_extension(&ending(path)?),
    }
}

pub(super) fn format_of(shown: &str, path: &Path) -> Result<Format, FrameError> {
    if let Some(format) = extension_format(path) {
        return Ok(format);
    }
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    if COMPRESSED.contains(&extension.as_str()) {
        return Err(FrameError::table(format!(
            "{shown} is compressed in a way that is not read: unpack it, pack it as .gz or .zst, or pipe it in with FROM '-'"
        )));
    }
    if let Some(packing) = Packing::of_extension(&extension) {
        let inner =
            path.file_stem().map(Path::new).and_then(Path::extension).and_then(|inner| Format::of_extension(&inner.to_string_lossy()));
        return Err(FrameError::table(match inner {
            Some(_) => {
                format!("{shown}: Parquet and Arrow files are compressed inside, and are not read out of {}. Unpack it", packing.name())
            }
            None => {
                format!("the format of {shown} is not known by its ending: write it before .{extension}, such as reviews.csv.{extension}")
            }
        }));
    }
    Err(FrameError::table(format!("the format of {shown} is not known by its ending: {FORMATS} are read")))
}

/// The format of text by its beginning.
pub(crate) fn sniff(path: &Path) -> Result<Format, FrameError> {
    let mut beginning = Vec::new();
    std::fs::File::open(path)
        .and_then(Unpacked::open)
        .and_then(|file| file.take(64 * 1024).read_to_end(&mut beginning))
        .map_err(|error| FrameError::table(format!("{} cannot be read: {error}", path.display())))?;
    let text = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&beginning).trim_ascii_start();
    let header = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(match text.first() {
        Some(b'{' | b'[') => Format::Json,
        _ if header.contains(&b'\t') && !header.contains(&b',') => Format::TabSeparated,
        _ => Format::CommaSeparated,
    })
}
