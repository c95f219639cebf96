//! A struct as a signature: two structs beside it, conversions, and the trait.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Error, Fields, Result};

use crate::field::Options;
use crate::names::{Whole, doc, plain};

struct Part<'a> {
    field: &'a syn::Field,
    ident: &'a syn::Ident,
    name: String,
    options: Options,
}

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let named = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => &named.named,
            other => return Err(Error::new_spanned(other, "a signature is a struct with named fields")),
        },
        Data::Enum(_) | Data::Union(_) => return Err(Error::new_spanned(&input.ident, "a signature is a struct with named fields")),
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "a signature takes no type parameters and no lifetimes"));
    }
    let whole = Whole::read(&input.attrs)?;
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for field in named {
        let Some(ident) = &field.ident else { continue };
        let of = |name: &str| field.attrs.iter().find(|attribute| attribute.path().is_ident(name));
        let (attribute, side) = match (of("input"), of("output")) {
            (Some(attribute), None) => (attribute, &mut inputs),
            (None, Some(attribute)) => (attribute, &mut outputs),
            (Some(_), Some(second)) => return Err(Error::new_spanned(second, format!("`{ident}` cannot be both an input and an output"))),
            (None, None) => {
                let message = format!("`{ident}` is neither an input nor an output: put #[input] or #[output] on it");
                return Err(Error::new_spanned(field, message));
            }
        };
        let options = Options::read(&field.attrs, Some(attribute))?;
        if options.rename.is_some() {
            return Err(Error::new_spanned(attribute, "a field of a signature keeps its name; `rename` is for variants and members"));
        }
        side.push(Part { field, ident, name: plain(ident), options });
    }
    if outputs.is_empty() {
        return Err(Error::new_spanned(&input.ident, "a signature needs an output: put #[output] on what the model is to write"));
    }
    Ok(generate(input, &whole, &inputs, &outputs))
}

fn generate(input: &DeriveInput, whole: &Whole, inputs: &[Part<'_>], outputs: &[Part<'_>]) -> TokenStream {
    let krate = whole.krate();
    let (ident, vis) = (&input.ident, &input.vis);
    let (input_ident, output_ident) = (format_ident!("{ident}Input"), format_ident!("{ident}Output"));
    let name = whole.name.clone().unwrap_or_else(|| crate::names::snake(&ident.to_string()));
    let instructions = doc(&input.attrs).unwrap_or_default();
    let input_struct = side_struct(vis, &input_ident, &format!("What [`{ident}`] is given."), inputs);
    let output_struct = side_struct(vis, &output_ident, &format!("What [`{ident}`] gives."), outputs);
    let (input_fields, output_fields) = (fields(&krate, inputs), fields(&krate, outputs));
    let (input_idents, output_idents): (Vec<_>, Vec<_>) =
        (inputs.iter().map(|part| part.ident).collect(), outputs.iter().map(|part| part.ident).collect());
    let input_names: Vec<&str> = inputs.iter().map(|part| part.name.as_str()).collect();
    let output_names: Vec<&str> = outputs.iter().map(|part| part.name.as_str()).collect();
    quote! {
        #input_struct
        #output_struct

        #[automatically_derived]
        impl #krate::SignatureType for #ident {
            type Input = #input_ident;
            type Output = #output_ident;

            fn signature() -> ::core::result::Result<#krate::Signature, #krate::SignatureError> {
                #krate::Signature::new(#name, #instructions, ::std::vec![#(#input_fields),*], ::std::vec![#(#output_fields),*])
            }

            fn inputs(input: &#input_ident) -> #krate::Record {
                let mut values = #krate::Record::new();
                #(values.insert(#input_names.into(), #krate::FieldValue::to_value(&input.#input_idents));)*
                let _ = input;
                values
            }

            fn outputs(outputs: &#krate::Record) -> ::core::result::Result<#output_ident, #krate::Misfit> {
                ::core::result::Result::Ok(#output_ident { #(#output_idents: #krate::read_field(outputs, #output_names)?),* })
            }
        }

        #[automatically_derived]
        impl ::core::convert::From<(#input_ident, #output_ident)> for #ident {
            fn from((input, output): (#input_ident, #output_ident)) -> Self {
                let _ = &input;
                #ident { #(#input_idents: input.#input_idents,)* #(#output_idents: output.#output_idents),* }
            }
        }

        #[automatically_derived]
        impl ::core::convert::From<#ident> for (#input_ident, #output_ident) {
            fn from(whole: #ident) -> Self {
                (#input_ident { #(#input_idents: whole.#input_idents),* }, #output_ident { #(#output_idents: whole.#output_idents),* })
            }
        }
    }
}

fn side_struct(vis: &syn::Visibility, ident: &syn::Ident, doc: &str, parts: &[Part<'_>]) -> TokenStream {
    let members = parts.iter().map(|part| {
        let (ident, ty) = (part.ident, &part.field.ty);
        let doc = part.options.description.clone().unwrap_or_else(|| format!("`{}`.", part.name));
        quote!(#[doc = #doc] pub #ident: #ty)
    });
    quote! {
        #[doc = #doc]
        #[derive(Debug, Clone)]
        #vis struct #ident { #(#members),* }
    }
}

fn fields(krate: &TokenStream, parts: &[Part<'_>]) -> Vec<TokenStream> {
    let fields = parts.iter().map(|part| {
        let (name, ty) = (&part.name, &part.field.ty);
        let (description, constraints) = (part.options.description(), part.options.constraints(krate));
        let default = match part.options.has_default() {
            Some(value) => quote!(::core::option::Option::Some(#krate::Value::from(#value))),
            None => quote!(::core::option::Option::None),
        };
        quote!(#krate::Field {
            name: #name.into(),
            ty: <#ty as #krate::FieldValue>::field_type(),
            description: #description,
            prefix: ::core::option::Option::None,
            constraints: #constraints,
            default: #default,
        })
    });
    fields.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn complaint(input: &DeriveInput) -> String {
        expand(input).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_signature_says_why() {
        assert_eq!(
            complaint(&parse_quote!(
                enum E {
                    A,
                }
            )),
            "a signature is a struct with named fields"
        );
        assert_eq!(
            complaint(&parse_quote!(
                struct S(String);
            )),
            "a signature is a struct with named fields"
        );
        assert_eq!(
            complaint(&parse_quote!(
                struct S {
                    a: String,
                }
            )),
            "`a` is neither an input nor an output: put #[input] or #[output] on it"
        );
        assert_eq!(
            complaint(&parse_quote!(
                struct S {
                    #[input]
                    #[output]
                    a: String,
                }
            )),
            "`a` cannot be both an input and an output"
        );
        assert_eq!(
            complaint(&parse_quote!(
                struct S {
                    #[input]
                    a: String,
                }
            )),
            "a signature needs an output: put #[output] on what the model is to write"
        );
        assert_eq!(
            complaint(&parse_quote!(
                struct S<T> {
                    #[output]
                    a: T,
                }
            )),
            "a signature takes no type parameters and no lifetimes"
        );
        let unknown = complaint(&parse_quote!(
            struct S {
                #[output(minimum = 3)]
                a: u8,
            }
        ));
        assert!(unknown.starts_with("a field has no option `minimum`; there are description, default, rename, min, max"), "{unknown}");
        let unknown = complaint(&parse_quote!(
            #[signature(model = "x")]
            struct S {
                #[output]
                a: u8,
            }
        ));
        assert_eq!(unknown, "`signature` takes `name` and `crate`, not `model`");
    }
}
