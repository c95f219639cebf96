//! The embedded model: GGUF weights, tokens and grammar-constrained decoding on the CPU
