//! Where the weights of the embedded models are for this process: named by a variable, in the cache, in a Python package,
//! or nowhere yet, in which case they are fetched when a model is first loaded.

use std::path::{Path, PathBuf};

use crate::model::model_name;
use crate::weights::{self, Progress};
use crate::{EmbeddingModel, EmbeddingOptions, LoadOptions, LocalError, LocalExchange, LocalModel};

const CHAT_VARIABLE: &str = "CORSAC_LOCAL_MODEL";
const EMBEDDING_VARIABLE: &str = "CORSAC_LOCAL_EMBEDDING_MODEL";

/// Where weights are looked for, and put.
#[derive(Debug, Clone)]
pub struct Places {
    chat: Option<PathBuf>,
    embedding: Option<PathBuf>,
    cache: PathBuf,
}

impl Places {
    /// As the environment has it: `CORSAC_LOCAL_MODEL` (a file) and `CORSAC_LOCAL_EMBEDDING_MODEL` (a folder), else the
    /// user's cache, else `models` below `home`.
    ///
    /// # Errors
    /// A variable names what is not there, or there is no folder to fetch weights into.
    pub fn from_env(home: Option<&Path>) -> Result<Places, LocalError> {
        Places::needed(home, true, true)
    }

    /// As [`Places::from_env`], for a process that needs one of the models alone: what is named for the other need not be there.
    ///
    /// # Errors
    /// A variable names what is needed and is not there, or there is no folder to fetch weights into.
    pub fn needed(home: Option<&Path>, for_chat: bool, for_vectors: bool) -> Result<Places, LocalError> {
        let named = |variable: &str| std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
        let (chat, embedding) = (named(CHAT_VARIABLE), named(EMBEDDING_VARIABLE));
        if let Some(path) = chat.clone().filter(|path| for_chat && !path.is_file()) {
            return Err(LocalError::NotThere { variable: CHAT_VARIABLE, path });
        }
        if let Some(path) = embedding.clone().filter(|path| for_vectors && !path.exists()) {
            return Err(LocalError::NotThere { variable: EMBEDDING_VARIABLE, path });
        }
        let cache = weights::default_cache_dir().or_else(|| Some(home?.join("models"))).ok_or(LocalError::NoFolder)?;
        Ok(Places { chat, embedding, cache })
    }

    /// The folder into which weights are fetched.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The chat model's file, if it is here.
    pub fn located_chat(&self) -> Option<PathBuf> {
        weights::locate(self.chat.as_deref(), &self.cache)
    }

    /// The embedding model's folder, if it is here.
    pub fn located_embedding(&self) -> Option<PathBuf> {
        weights::locate_embedding(self.embedding.as_deref(), &self.cache)
    }

    /// The name of the chat model that would be loaded.
    pub fn chat_name(&self) -> String {
        self.chat.as_deref().map_or_else(|| weights::CHAT_NAME.to_owned(), |path| model_name(path, None))
    }

    /// Loads the chat model; fetches it first where it is not here. Blocks.
    ///
    /// # Errors
    /// The weights cannot be fetched or used.
    pub fn load_chat(&self, show: impl FnMut(Progress)) -> Result<LocalModel, LocalError> {
        let path = match self.located_chat() {
            Some(path) => path,
            None => weights::pull(&self.cache, show)?.path,
        };
        LocalModel::load(&path, LoadOptions::default())
    }

    /// Loads the embedding model; fetches it first where it is not here. Blocks.
    ///
    /// # Errors
    /// The weights cannot be fetched or used.
    pub fn load_embedding(&self, show: impl FnMut(Progress)) -> Result<EmbeddingModel, LocalError> {
        let folder = match self.located_embedding() {
            Some(folder) => folder,
            None => weights::pull_embedding(&self.cache, show)?.path,
        };
        EmbeddingModel::load(&folder, EmbeddingOptions::default())
    }

    /// Both models, each loaded when it is first asked.
    pub fn exchange(self, show: impl Fn(Progress) + Clone + Send + Sync + 'static) -> LocalExchange {
        let (places, chat_show) = (self.clone(), show.clone());
        LocalExchange::lazy(self.chat_name(), move || places.load_chat(&chat_show)).with_embeddings(move || self.load_embedding(&show))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_named_or_the_default_ones() {
        let places = Places { chat: None, embedding: None, cache: PathBuf::from("/nowhere") };
        assert_eq!(places.chat_name(), weights::CHAT_NAME);
        let places = Places { chat: Some("/models/tiny.gguf".into()), ..places };
        assert_eq!(places.chat_name(), "tiny");
        assert_eq!(places.located_chat().as_deref(), Some(Path::new("/models/tiny.gguf")));
    }
}
