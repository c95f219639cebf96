//! Ask a language model about every row: the facade crate
