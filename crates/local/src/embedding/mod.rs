//! The handle to a loaded embedding model: texts in, one vector of length 1 for each out.

mod attention;
mod bert;
mod dense;
mod normalize;
mod queue;
mod safetensors;
mod wordpiece;

#[cfg(test)]
#[path = "../../tests/it/synthetic_bert.rs"]
mod synthetic;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use self::bert::{Bert, Workspace};
use self::queue::Queue;
use self::safetensors::{SafeTensors, Unusable};
use self::wordpiece::WordPiece;
use crate::error::LocalError;
use crate::weights;

/// Most tokens of a text that are looked at, with the marks at both ends: what the model was published with.
const MOST_TOKENS: usize = 256;
/// Tokens that one thread takes through the layers together: enough to use the weights well once they are in the
/// cache, few enough to stay there with them.
const BATCH_TOKENS: usize = 192;
/// Fewer tokens than this are not worth a thread of their own.
const LEAST_TOKENS: usize = 32;

/// How to run an embedding model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EmbeddingOptions {
    /// Threads that compute; 0 for all cores.
    pub threads: usize,
}

/// What came back for some texts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Embedded {
    /// One vector for each text, in order, each of length 1.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens that were computed.
    pub tokens: usize,
}

/// A loaded sentence encoder of the MiniLM family. Clones share one copy of the weights and its threads.
#[derive(Clone)]
pub struct EmbeddingModel {
    encoder: Arc<Encoder>,
    /// Started by the first who waits in line.
    queue: Arc<OnceLock<Queue>>,
}

/// What computes; it knows nothing of who waits.
struct Encoder {
    name: String,
    wordpiece: WordPiece,
    bert: Bert,
    most_tokens: usize,
    pool: rayon::ThreadPool,
    /// Buffers that nobody uses at the moment.
    workspaces: Mutex<Vec<Workspace>>,
}

impl std::fmt::Debug for EmbeddingModel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("EmbeddingModel").field("name", &self.name()).field("dimensions", &self.dimensions()).finish()
    }
}

impl EmbeddingModel {
    /// Reads the folder's `model.safetensors` and `vocab.txt`, or those beside the named file.
    ///
    /// It runs uncased BERT encoders with attention heads of 32 values whose vectors are the mean over all tokens:
    /// all-MiniLM-L6-v2 and its kin. Blocks for a fraction of a second; call it from a blocking task.
    pub fn load(path: &Path, options: EmbeddingOptions) -> Result<Self, LocalError> {
        let folder = if path.is_file() { path.parent().unwrap_or(path) } else { path };
        let file = |name: &str| folder.join(name);
        let bad = |name: &str, why: Unusable| LocalError::BadEmbeddingModel { path: file(name), why: why.0 };
        let vocabulary = std::fs::read_to_string(file(weights::EMBEDDING_VOCABULARY));
        let wordpiece = vocabulary.map_err(Unusable::from).and_then(|text| WordPiece::read(&text));
        let wordpiece = wordpiece.map_err(|why| bad(weights::EMBEDDING_VOCABULARY, why))?;
        let no_thread = |error: rayon::ThreadPoolBuildError| LocalError::Decode(format!("its threads could not be started: {error}"));
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.threads)
            .thread_name(|index| format!("local-embed-{index}"))
            .build()
            .map_err(no_thread)?;
        let model = file(weights::EMBEDDING_WEIGHTS);
        let read = || -> Result<(Bert, String), Unusable> {
            let name = model_name(folder, &mut File::open(&model)?)?;
            let mut tensors = SafeTensors::open(BufReader::new(File::open(&model)?))?;
            Ok((Bert::read(&mut tensors, wordpiece.vocabulary())?, name))
        };
        let (bert, name) = pool.install(read).map_err(|why| bad(weights::EMBEDDING_WEIGHTS, why))?;
        let most_tokens = MOST_TOKENS.min(bert.shape.positions);
        let encoder = Encoder { name, wordpiece, bert, most_tokens, pool, workspaces: Mutex::new(Vec::new()) };
        Ok(Self { encoder: Arc::new(encoder), queue: Arc::default() })
    }

    /// The model's name: `all-MiniLM-L6-v2`, or of other weights the name of their folder.
    pub fn name(&self) -> &str {
        &self.encoder.name
    }

    /// Numbers in each vector.
    pub fn dimensions(&self) -> usize {
        self.encoder.bert.shape.width
    }

    /// Most tokens of a text that are looked at, with the marks at both ends; what is behind them does not count.
    pub fn most_tokens(&self) -> usize {
        self.encoder.most_tokens
    }

    /// Tokens that a text is computed as, with the marks at both ends: at most `most_tokens`.
    pub fn token_count(&self, text: &str) -> usize {
        self.encoder.tokens(text).len()
    }

    /// The vector of each text, in order, on all of the model's threads. Blocks; a text's vector does not depend on the
    /// texts beside it.
    ///
    /// Fails only where a damaged model computes what is no number.
    pub fn embed<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<Vec<f32>>, LocalError> {
        Ok(self.encoder.embed(texts)?.into_iter().map(|(vector, _)| vector).collect())
    }

    /// As `embed`, from any task: texts of other callers who wait are computed together with these, and nobody waits
    /// for all of somebody else's. Dropping the future drops the work.
    pub async fn embed_in_line(&self, texts: Vec<String>) -> Result<Embedded, LocalError> {
        let queue = self.queue.get_or_init(|| Queue::start(self.encoder.clone()));
        queue.embed(texts).await
    }
}

impl Encoder {
    fn tokens(&self, text: &str) -> Vec<u32> {
        self.wordpiece.encode(text, self.most_tokens)
    }

    /// The vector of each text with the tokens it was computed from.
    fn embed<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<(Vec<f32>, usize)>, LocalError> {
        let threads = self.pool.current_num_threads();
        let embedded = self.pool.install(|| {
            let sequences: Vec<Vec<u32>> = texts.par_iter().with_min_len(16).map(|text| self.tokens(text.as_ref())).collect();
            let lengths: Vec<usize> = sequences.iter().map(Vec::len).collect();
            let batches = batches(&lengths, threads);
            // fewer batches than threads: the threads share each batch's rows instead
            let share = threads / batches.len().max(1);
            let computed: Vec<Vec<Vec<f32>>> =
                batches.par_iter().with_max_len(1).map(|batch| self.compute(batch, &sequences, share)).collect();
            let mut embedded: Vec<(Vec<f32>, usize)> = lengths.into_iter().map(|tokens| (Vec::new(), tokens)).collect();
            for (index, vector) in batches.into_iter().flatten().zip(computed.into_iter().flatten()) {
                embedded[index].0 = vector;
            }
            embedded
        });
        if embedded.iter().flat_map(|(vector, _)| vector).any(|value| !value.is_finite()) {
            return Err(LocalError::Decode("its weights are damaged: a vector holds what is no number".into()));
        }
        Ok(embedded)
    }

    /// One batch, by at most `share` threads together.
    fn compute(&self, batch: &[usize], sequences: &[Vec<u32>], share: usize) -> Vec<Vec<f32>> {
        let rows: Vec<&[u32]> = batch.iter().map(|index| &sequences[*index][..]).collect();
        let tokens: usize = rows.iter().map(|row| row.len()).sum();
        let mut workspace = self.workspaces.lock().pop().unwrap_or_default();
        let vectors = self.bert.embed(&rows, share.min(tokens / LEAST_TOKENS), &mut workspace);
        self.workspaces.lock().push(workspace);
        vectors
    }
}

/// Shares out texts of these lengths: texts of like length together, the longest first, so that the threads end
/// together.
fn batches(lengths: &[usize], threads: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(lengths[*index]));
    let each = lengths.iter().sum::<usize>().div_ceil(threads.max(1)).clamp(LEAST_TOKENS, BATCH_TOKENS);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for index in order {
        match batches.last_mut() {
            Some(batch) if lengths[index] <= room => {
                batch.push(index);
                room -= lengths[index];
            }
            _ => {
                batches.push(vec![index]);
                room = each.saturating_sub(lengths[index]);
            }
        }
    }
    batches
}

/// The default model is known by how its file begins, which every training run changes; others go by their folder.
fn model_name(folder: &Path, model: &mut impl Read) -> Result<String, Unusable> {
    let mut beginning = Vec::new();
    model.take(weights::EMBEDDING_BEGINNING_BYTES).read_to_end(&mut beginning)?;
    if weights::hexadecimal(&Sha256::digest(&beginning)) == weights::EMBEDDING_BEGINNING_SHA256 {
        return Ok(weights::EMBEDDING_NAME.to_owned());
    }
    let folder = folder.canonicalize()?;
    Ok(folder.file_name().map_or_else(|| "embedding model".to_owned(), |name| name.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_every_text_once_and_end_together() {
        let lengths: Vec<usize> = (0..200).map(|index| 2 + index * 37 % 255).collect();
        for threads in [1, 2, 8] {
            let batches = batches(&lengths, threads);
            let mut all: Vec<usize> = batches.iter().flatten().copied().collect();
            all.sort_unstable();
            assert_eq!(all, (0..200).collect::<Vec<_>>());
            let tokens = |batch: &Vec<usize>| batch.iter().map(|index| lengths[*index]).sum::<usize>();
            assert!(batches.iter().all(|batch| batch.len() == 1 || tokens(batch) <= BATCH_TOKENS));
        }
        assert!(batches(&[], 2).is_empty());
        assert_eq!(batches(&[20, 20, 20, 20], 2).len(), 2);
        assert_eq!(batches(&[3, 3], 8).len(), 1);
    }
}
