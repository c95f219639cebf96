//! The built-in semantic programs: what an operator says to a model and what it expects back.
//!
//! A program is a signature (instructions, named inputs, one typed output). It turns a row's values into a prompt and
//! a reply into a value; it never speaks HTTP and knows no provider.
//!
//! ```
//! use corsac_program::Program;
//! use serde_json::json;
//!
//! let program = Program::classify(&["positive".into(), "negative".into()])?;
//! let prompt = program.prompt(&[json!("I love it")])?.expect("a text that is not blank is asked about");
//! assert_eq!(prompt.user, "I love it");
//! assert!(program.prompt(&[json!("  ")])?.is_none());
//! # Ok::<(), corsac_program::ProgramError>(())
//! ```

mod builtin;
mod error;
mod template;

pub use builtin::{Output, Program, Prompt};
pub use error::ProgramError;
pub use template::Template;
