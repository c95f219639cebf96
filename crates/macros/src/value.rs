//! A struct or an enum as the type of a field.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DataEnum, DataStruct, DeriveInput, Error, Fields, Result};

use crate::field::Options;
use crate::names::{Whole, plain, snake};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "a field's type takes no type parameters and no lifetimes"));
    }
    let krate = Whole::read(&input.attrs)?.krate();
    match &input.data {
        Data::Struct(data) => of_struct(input, data, &krate),
        Data::Enum(data) => of_enum(input, data, &krate),
        Data::Union(_) => Err(Error::new_spanned(&input.ident, "a field's type is a struct or an enum")),
    }
}

fn of_struct(input: &DeriveInput, data: &DataStruct, krate: &TokenStream) -> Result<TokenStream> {
    let Fields::Named(named) = &data.fields else {
        return Err(Error::new_spanned(&input.ident, "a struct in a signature has named fields"));
    };
    if named.named.is_empty() {
        return Err(Error::new_spanned(&input.ident, "a struct in a signature needs a field"));
    }
    let ident = &input.ident;
    let type_name = ident.to_string();
    let (mut members, mut writes, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    for field in &named.named {
        let Some(member) = &field.ident else { continue };
        let attribute = field.attrs.iter().find(|attribute| attribute.path().is_ident("field"));
        let options = Options::read(&field.attrs, attribute)?;
        if let Some(default) = options.has_default() {
            return Err(Error::new_spanned(default, "a member has no default; make it an Option"));
        }
        let name = options.rename.clone().unwrap_or_else(|| plain(member));
        let (ty, description, constraints) = (&field.ty, options.description(), options.constraints(krate));
        members.push(quote!(#krate::Member {
            name: #name.into(),
            ty: <#ty as #krate::FieldValue>::field_type(),
            description: #description,
            constraints: #constraints,
        }));
        writes.push(quote!(values.insert(#name.into(), #krate::FieldValue::to_value(&self.#member));));
        reads.push(quote!(#member: #krate::read_field(values, #name)?));
    }
    Ok(quote! {
        #[automatically_derived]
        impl #krate::FieldValue for #ident {
            fn field_type() -> #krate::FieldType {
                #krate::nested_type::<Self>(|| #krate::FieldType::Object { name: #type_name.into(), members: ::std::vec![#(#members),*] })
            }

            fn to_value(&self) -> #krate::Value {
                let mut values = #krate::Record::new();
                #(#writes)*
                #krate::Value::Object(values)
            }

            fn from_value(value: &#krate::Value) -> ::core::result::Result<Self, #krate::Misfit> {
                let values = value.as_object().ok_or_else(|| #krate::Misfit::new("an object", value))?;
                ::core::result::Result::Ok(#ident { #(#reads),* })
            }
        }
    })
}

fn of_enum(input: &DeriveInput, data: &DataEnum, krate: &TokenStream) -> Result<TokenStream> {
    let ident = &input.ident;
    let (mut labels, mut variants): (Vec<String>, Vec<&syn::Ident>) = (Vec::new(), Vec::new());
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            let message = format!("`{}` holds data; the variants of an enum in a signature are plain names", variant.ident);
            return Err(Error::new_spanned(variant, message));
        }
        let attribute = variant.attrs.iter().find(|attribute| attribute.path().is_ident("field"));
        let label = Options::read(&[], attribute)?.rename.unwrap_or_else(|| snake(&plain(&variant.ident)));
        if labels.contains(&label) {
            return Err(Error::new_spanned(
                variant,
                format!("two variants are written `{label}`; rename one with #[field(rename = \"…\")]"),
            ));
        }
        labels.push(label);
        variants.push(&variant.ident);
    }
    if labels.is_empty() {
        return Err(Error::new_spanned(ident, "an enum in a signature needs a variant"));
    }
    let expected = format!("one of {}", labels.join(", "));
    Ok(quote! {
        #[automatically_derived]
        impl #krate::FieldValue for #ident {
            fn field_type() -> #krate::FieldType {
                #krate::FieldType::labels([#(#labels),*])
            }

            fn to_value(&self) -> #krate::Value {
                #krate::Value::from(match self { #(#ident::#variants => #labels),* })
            }

            fn from_value(value: &#krate::Value) -> ::core::result::Result<Self, #krate::Misfit> {
                match value.as_str() {
                    #(::core::option::Option::Some(#labels) => ::core::result::Result::Ok(#ident::#variants),)*
                    _ => ::core::result::Result::Err(#krate::Misfit::new(#expected, value)),
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn what_no_field_can_hold_says_why() {
        let complaint = |input: &DeriveInput| expand(input).unwrap_err().to_string();
        assert_eq!(
            complaint(&parse_quote!(
                enum E {
                    A,
                    B(u8),
                }
            )),
            "`B` holds data; the variants of an enum in a signature are plain names"
        );
        assert_eq!(
            complaint(&parse_quote!(
                enum E {}
            )),
            "an enum in a signature needs a variant"
        );
        assert_eq!(
            complaint(&parse_quote!(
                struct S;
            )),
            "a struct in a signature has named fields"
        );
        assert_eq!(
            complaint(&parse_quote!(
                struct S<'a> {
                    a: &'a str,
                }
            )),
            "a field's type takes no type parameters and no lifetimes"
        );
        let twice = complaint(&parse_quote!(
            enum E {
                A,
                #[field(rename = "a")]
                B,
            }
        ));
        assert!(twice.starts_with("two variants are written `a`"), "{twice}");
    }
}
