//! The embedded model: a small language model that runs inside the process, on the processor, in pure Rust.
//!
//! It reads GGUF files of llama-architecture chat models (SmolLM2-135M-Instruct by default), answers many requests in
//! one batch, computes a shared prompt beginning once, holds answers to a JSON Schema token by token, and scores
//! labels where an answer is a choice. It is for trying Corsac out, for tests and for work without a key; it is no
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
