//! The crate seen from outside: texts into schemas, schemas into dialects, answers into values.

mod dialects;
mod documents;
mod laws;
mod reading;
mod short_form;
mod speed;
