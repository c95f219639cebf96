//! The embedded models: a small language model and a sentence encoder that run inside the process, on the processor, in
//! pure Rust.
//!
//! **Chat.** [`LocalModel`] reads GGUF files of llama-architecture chat models (SmolLM2-135M-Instruct by default), answers
//! many requests in one batch, computes a shared prompt beginning once, holds answers to a JSON Schema token by token, and
//! scores labels where an answer is a choice. It is for trying Corsac out, for tests and for work without a key; it is no
//! substitute for a large model, and it knows nothing of rows, providers or prompts' wording.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use corsac_local::{LoadOptions, LocalMessage, LocalModel, LocalRequest, Role, weights};
//!
//! let cache = weights::default_cache_dir().ok_or("no home directory")?;
//! let path = match weights::locate(None, &cache) {
//!     Some(path) => path,
//!     None => weights::pull(&cache, |progress| drop(progress))?.path,
//! };
//! let model = LocalModel::load(&path, LoadOptions::default())?;
//! let answer = model
//!     .answer(LocalRequest {
//!         messages: vec![LocalMessage { role: Role::User, content: "What is the capital of France?".into() }],
//!         schema: None,
//!         max_tokens: 50,
//!         temperature: 0.0,
//!         seed: 0,
//!     })
//!     .await?;
//! assert_eq!(answer.text, "The capital of France is Paris.");
//! # Ok(())
//! # }
//! ```
//!
//! **Embeddings.** [`EmbeddingModel`] runs all-MiniLM-L6-v2: 384 numbers for each text, of length 1, so that the product of
//! two vectors is their cosine. Texts are read as the published tokenizer reads them and cut after 256 tokens. In 32-bit
//! floats its vectors differ from the reference's by less than a millionth in each number, and a text's vector does not
//! depend, bit for bit, on the texts beside it or on the number of threads.
//!
//! ```no_run
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use corsac_local::{EmbeddingModel, EmbeddingOptions, weights};
//!
//! let cache = weights::default_cache_dir().ok_or("no home directory")?;
//! let folder = match weights::locate_embedding(None, &cache) {
//!     Some(folder) => folder,
//!     None => weights::pull_embedding(&cache, |progress| drop(progress))?.path,
//! };
//! let model = EmbeddingModel::load(&folder, EmbeddingOptions::default())?;
//! let vectors = model.embed(&["The parcel came late.", "Shipping took far too long."])?;
//! let cosine: f32 = vectors[0].iter().zip(&vectors[1]).map(|(a, b)| a * b).sum();
//! assert!(cosine > 0.5);
//! # Ok(())
//! # }
//! ```
//!
//! Measured by `examples/measure_embedding.rs` on a core with AVX-512, in processor time: a text of 22 tokens takes 5.5 ms,
//! one of 106 tokens 30 ms, one of 256 tokens 76 ms, loading 0.13 s. All of it takes 110 MB of memory. Nearly all the time
//! goes into the weight products, which run at the core's limit for 32-bit floats; texts share a pass without padding, and
//! passes share out over the cores.
//!
//! [`LocalExchange`] puts either or both behind the engine's exchange, each loaded when it is first asked for.

mod bound;
mod chat;
mod elementary;
mod embedding;
mod error;
mod exchange;
mod gguf;
mod grammar;
mod kernel;
mod labels;
mod llama;
mod matrix;
mod model;
mod places;
mod prefix;
mod pretokenize;
mod quant;
mod row;
mod sampling;
mod scheduler;
mod scoring;
mod sequence;
mod tokenizer;
pub mod weights;

#[cfg(test)]
#[path = "../tests/it/synthetic.rs"]
mod synthetic;

pub use chat::{LocalMessage, Role};
pub use embedding::{Embedded, EmbeddingModel, EmbeddingOptions};
pub use error::LocalError;
pub use exchange::LocalExchange;
pub use model::{Finish, LoadOptions, LocalAnswer, LocalModel, LocalRequest};
pub use places::Places;
