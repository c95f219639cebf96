//! `#[derive(Signature)]` and `#[derive(FieldValue)]`: Rust types as signatures and as types of their fields.
//!
//! The derives stand beside the types of the same names in `corsac::program`, which documents them; they are no use alone.

mod field;
mod names;
mod signature;
mod value;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct a signature. Its doc comment is the instructions, the doc comment of a field its description.
///
/// ```ignore
/// /// Decide who must look at a support ticket.
/// #[derive(Signature)]
/// struct Triage {
///     /// As the customer wrote it.
///     #[input]
///     body: String,
///     #[output]
///     team: Team,
///     #[output(min = 0, max = 10)]
///     urgency: u8,
/// }
/// ```
///
/// Beside the struct there are then `TriageInput` and `TriageOutput`, and conversions between the three. A field takes
/// `description`, `default`, `min`, `max`, `above`, `below`, `multiple_of`, `min_length`, `max_length` and `pattern`; the
/// constraints are said to the model and enforced on its answer. The struct takes `#[signature(name = "…", crate = path)]`.
/// All types must be `Clone + Debug + FieldValue`.
#[proc_macro_derive(Signature, attributes(input, output, signature))]
pub fn derive_signature(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    signature::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes a struct of named fields, or an enum of plain variants, a type that fields can have.
///
/// A variant is written in snake case (`NeedsReview` as `needs_review`) unless `#[field(rename = "…")]` says otherwise.
/// Fields take the same options as those of a signature, in `#[field(…)]`; the type takes `#[signature(crate = path)]`.
#[proc_macro_derive(FieldValue, attributes(field, signature))]
pub fn derive_field_value(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    value::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
