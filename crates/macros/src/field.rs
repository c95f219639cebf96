//! The options of one field: description, default, constraints.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Expr, LitInt, LitStr, Meta, Result};

use crate::names::doc;

/// What is said of a field.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) description: Option<String>,
    pub(crate) rename: Option<String>,
    default: Option<Expr>,
    numbers: Vec<(&'static str, Expr)>,
    lengths: Vec<(&'static str, LitInt)>,
    pattern: Option<LitStr>,
}

/// What stands in an attribute and the member of `Constraints` it sets.
const NUMBERS: [(&str, &str); 5] =
    [("min", "minimum"), ("max", "maximum"), ("above", "above"), ("below", "below"), ("multiple_of", "multiple_of")];
const LENGTHS: [&str; 2] = ["min_length", "max_length"];
const KNOWN: &str = "description, default, rename, min, max, above, below, multiple_of, min_length, max_length, pattern";

impl Options {
    /// Reads the doc comment and one attribute.
    pub(crate) fn read(attributes: &[Attribute], attribute: Option<&Attribute>) -> Result<Options> {
        let mut options = Options { description: doc(attributes), ..Options::default() };
        let Some(attribute) = attribute else { return Ok(options) };
        if matches!(attribute.meta, Meta::Path(_)) {
            return Ok(options);
        }
        attribute.parse_nested_meta(|meta| {
            if let Some((_, member)) = NUMBERS.iter().find(|(name, _)| meta.path.is_ident(name)) {
                options.numbers.push((member, meta.value()?.parse()?));
            } else if let Some(name) = LENGTHS.iter().find(|name| meta.path.is_ident(name)) {
                options.lengths.push((name, meta.value()?.parse()?));
            } else if meta.path.is_ident("description") || meta.path.is_ident("desc") {
                options.description = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.path.is_ident("rename") {
                options.rename = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.path.is_ident("default") {
                options.default = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("pattern") {
                options.pattern = Some(meta.value()?.parse()?);
            } else {
                return Err(meta.error(format!("a field has no option `{}`; there are {KNOWN}", meta.path.to_token_stream())));
            }
            Ok(())
        })?;
        Ok(options)
    }

    pub(crate) fn has_default(&self) -> Option<&Expr> {
        self.default.as_ref()
    }

    /// An expression of the type `Constraints`.
    pub(crate) fn constraints(&self, krate: &TokenStream) -> TokenStream {
        let numbers = self.numbers.iter().map(|(member, number)| {
            let member = quote::format_ident!("{member}");
            quote!(constraints.#member = #krate::number(#number);)
        });
        let lengths = self.lengths.iter().map(|(member, length)| {
            let member = quote::format_ident!("{member}");
            quote!(constraints.#member = ::core::option::Option::Some(#length);)
        });
        let pattern = self.pattern.iter().map(|pattern| quote!(constraints.pattern = ::core::option::Option::Some(#pattern.into());));
        let (numbers, lengths, pattern): (Vec<_>, Vec<_>, Vec<_>) = (numbers.collect(), lengths.collect(), pattern.collect());
        if numbers.is_empty() && lengths.is_empty() && pattern.is_empty() {
            return quote!(#krate::Constraints::default());
        }
        quote!({
            let mut constraints = #krate::Constraints::default();
            #(#numbers)* #(#lengths)* #(#pattern)*
            constraints
        })
    }

    /// An expression of the type `Option<String>`.
    pub(crate) fn description(&self) -> TokenStream {
        match &self.description {
            Some(text) => quote!(::core::option::Option::Some(#text.into())),
            None => quote!(::core::option::Option::None),
        }
    }
}
