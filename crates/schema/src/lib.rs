//! JSON Schema for answers: short form, strict dialect, validation and a tolerant reader that records its repairs
