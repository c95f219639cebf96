//! Names and texts that are read off an item: its doc comment, its crate path, snake case.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Path, Result};

/// The doc comment as one text, a blank taken off each line.
pub(crate) fn doc(attributes: &[Attribute]) -> Option<String> {
    let lines: Vec<String> = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
        .flat_map(|text| text.split('\n').map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()).collect::<Vec<_>>())
        .collect();
    let text = lines.join("\n").trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// What `#[signature(…)]` says of a whole item.
#[derive(Default)]
pub(crate) struct Whole {
    pub(crate) name: Option<String>,
    krate: Option<Path>,
}

impl Whole {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Whole> {
        let mut whole = Whole::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("signature")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    whole.name = Some(meta.value()?.parse::<LitStr>()?.value());
                    Ok(())
                } else if meta.path.is_ident("crate") {
                    whole.krate = Some(meta.value()?.parse()?);
                    Ok(())
                } else {
                    let found = meta.path.to_token_stream();
                    Err(meta.error(format!("`signature` takes `name` and `crate`, not `{found}`")))
                }
            })?;
        }
        Ok(whole)
    }

    /// Where the traits are.
    pub(crate) fn krate(&self) -> TokenStream {
        self.krate.as_ref().map_or_else(|| quote!(::corsac::program), ToTokens::to_token_stream)
    }
}

/// `NeedsReview` as `needs_review`, `HTTPError` as `http_error`.
pub(crate) fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut text = String::with_capacity(name.len() + 4);
    for (place, c) in chars.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| chars.get(before));
        let after = chars.get(place + 1);
        let seam = c.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase() || before.is_numeric() || before.is_uppercase() && after.is_some_and(|after| after.is_lowercase())
            });
        if seam {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

/// A field's name without the `r#` of a raw identifier.
pub(crate) fn plain(ident: &syn::Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_written_in_snake_case() {
        for (name, label) in [("Good", "good"), ("NeedsReview", "needs_review"), ("HTTPError", "http_error"), ("V2", "v2")] {
            assert_eq!(snake(name), label);
        }
    }
}
