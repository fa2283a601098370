//! `#[derive(Module)]`: the walk over a model's parts, written for you.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{format_ident, quote};
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, GenericParam, Generics, Index, Member, Path, TypeParamBound,
    parse_macro_input, parse_quote,
};

/// Implements `Module` for a struct (or enum) of modules: parameters, buffers, other modules, and `Vec`, `Option`,
/// `Box`, tuples and arrays of them.
///
/// - The number type is the type parameter bounded by `Float`. Without such a parameter it is the one that the fields
///   name (`Param<f64>`, `Vec<Linear<f64>>`), and `f32` if they name none. `#[module(scalar = f64)]` on the type sets
///   it where the fields do not show it, behind a type alias, say.
/// - Every other type parameter is taken for a module, unless all fields that use it are skipped.
/// - `#[module(skip)]` on a field leaves the field out: for settings, functions, names.
/// - `#[module(name = "…")]` on a field sets its name in paths, for example to the name in another framework.
/// - `#[module(crate = path)]` on the type names the crate that contains `Module`, `::gradus` by default.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(input).unwrap_or_else(Error::into_compile_error).into()
}

#[derive(Default)]
struct Options {
    skip: bool,
    name: Option<syn::LitStr>,
    scalar: Option<syn::Type>,
    root: Option<Path>,
}

fn options(attributes: &[Attribute]) -> Result<Options, Error> {
    let mut options = Options::default();
    for attribute in attributes.iter().filter(|a| a.path().is_ident("module")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("skip") {
                options.skip = true;
            } else if meta.path.is_ident("name") {
                options.name = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("scalar") {
                options.scalar = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("crate") {
                options.root = Some(meta.value()?.call(Path::parse_mod_style)?);
            } else {
                return Err(
                    meta.error("unknown setting: `module` takes `skip`, `name = …`, `scalar = …` or `crate = …`")
                );
            }
            Ok(())
        })?;
    }
    Ok(options)
}

/// Returns the type parameter bounded by `Float`, inline or in the where clause.
fn float_parameter(generics: &Generics) -> Option<syn::Ident> {
    let is_float = |bound: &TypeParamBound| match bound {
        TypeParamBound::Trait(t) => t.path.segments.last().is_some_and(|s| s.ident == "Float"),
        _ => false,
    };
    for parameter in generics.type_params() {
        let ident = &parameter.ident;
        let in_where = generics.where_clause.iter().flat_map(|w| &w.predicates).any(|p| match p {
            syn::WherePredicate::Type(t) => {
                matches!(&t.bounded_ty, syn::Type::Path(p) if p.path.is_ident(ident)) && t.bounds.iter().any(is_float)
            }
            _ => false,
        });
        if in_where || parameter.bounds.iter().any(is_float) {
            return Some(ident.clone());
        }
    }
    None
}

/// Returns whether a type contains an identifier anywhere.
fn mentions(tokens: Tokens, ident: &syn::Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(found) => found == *ident,
        proc_macro2::TokenTree::Group(group) => mentions(group.stream(), ident),
        _ => false,
    })
}

/// Returns the number type that the visited fields name: `f64` in `Vec<Linear<f64>>`. `None` if they name none.
fn named_number_type(parts: &[&Part]) -> Result<Option<syn::Ident>, Error> {
    let mut found: Option<(syn::Ident, String)> = None;
    for part in parts {
        let ty = &part.ty;
        for name in ["f32", "f64"] {
            let ident = syn::Ident::new(name, syn::spanned::Spanned::span(ty));
            if !mentions(quote!(#ty), &ident) {
                continue;
            }
            match &found {
                Some((before, path)) if *before != ident => {
                    let message = format!(
                        "`{}` is of {name}, but `{path}` is of {before}: all parts of a module have one number type",
                        part.path()
                    );
                    return Err(Error::new(ident.span(), message));
                }
                _ => found = Some((ident, part.path())),
            }
        }
    }
    Ok(found.map(|(ident, _)| ident))
}

/// A field that is visited: its member, its name in paths if it is set, the variable that the pattern binds it to, its
/// type.
struct Part {
    member: Member,
    name: Option<syn::LitStr>,
    binding: syn::Ident,
    ty: syn::Type,
}

impl Part {
    fn path(&self) -> String {
        Self::path_of(&self.member, self.name.as_ref())
    }

    fn path_of(member: &Member, name: Option<&syn::LitStr>) -> String {
        match (name, member) {
            (Some(name), _) => name.value(),
            (None, Member::Named(ident)) => ident.to_string().trim_start_matches("r#").to_owned(),
            (None, Member::Unnamed(index)) => index.index.to_string(),
        }
    }
}

fn parts(fields: &Fields) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    for (i, field) in fields.iter().enumerate() {
        let Options { skip, name, .. } = options(&field.attrs)?;
        if skip {
            continue;
        }
        let member = match &field.ident {
            Some(ident) => Member::Named(ident.clone()),
            None => Member::Unnamed(Index::from(i)),
        };
        let taken = |other: &Part| other.path() == Part::path_of(&member, name.as_ref());
        if let Some(name) = name.as_ref().filter(|_| parts.iter().any(taken)) {
            return Err(Error::new(name.span(), format!("there is a field `{}` already", name.value())));
        }
        parts.push(Part { member, name, binding: format_ident!("part_{i}"), ty: field.ty.clone() });
    }
    Ok(parts)
}

/// Generates a match arm: `Pattern { field: part_0, .. } => { visitor.field("field", part_0); … }`
fn arm(pattern: Tokens, parts: &[Part], method: &Tokens) -> Tokens {
    let bindings = parts.iter().map(|Part { member, binding, .. }| quote!(#member: #binding));
    let calls = parts.iter().map(|part| {
        let Part { member, name, binding, ty } = part;
        let name = match member {
            Member::Unnamed(index) if name.is_none() => {
                let index = index.index as usize;
                quote!(#index)
            }
            _ => {
                let path = part.path();
                quote!(#path)
            }
        };
        // naming the type lets a compiler message about the type point at the field
        quote!(visitor.#method::<#ty>(#name, #binding);)
    });
    quote!(#pattern { #(#bindings,)* .. } => { #(#calls)* })
}

fn expand(input: DeriveInput) -> Result<Tokens, Error> {
    let Options { scalar, root, skip, name } = options(&input.attrs)?;
    if skip || name.is_some() {
        return Err(Error::new(input.ident.span(), "`#[module(skip)]` and `#[module(name = …)]` belong on a field"));
    }
    let root = root.unwrap_or_else(|| parse_quote!(::gradus));
    let name = &input.ident;
    let variants: Vec<(Tokens, Vec<Part>)> = match &input.data {
        Data::Struct(data) => vec![(quote!(Self), parts(&data.fields)?)],
        Data::Enum(data) => data
            .variants
            .iter()
            .map(|v| {
                let ident = &v.ident;
                Ok((quote!(Self::#ident), parts(&v.fields)?))
            })
            .collect::<Result<_, Error>>()?,
        Data::Union(data) => {
            return Err(Error::new(data.union_token.span, "a union cannot be a module: use a struct or an enum"));
        }
    };
    let float = float_parameter(&input.generics);
    let scalar = match (scalar, &float) {
        (Some(scalar), _) => scalar,
        (None, Some(float)) => parse_quote!(#float),
        (None, None) => {
            let all: Vec<&Part> = variants.iter().flat_map(|(_, parts)| parts).collect();
            named_number_type(&all)?.map_or_else(|| parse_quote!(f32), |named| parse_quote!(#named))
        }
    };

    // every other type parameter that a visited field mentions is a module
    let mut generics = input.generics.clone();
    for parameter in &mut generics.params {
        if let GenericParam::Type(parameter) = parameter {
            let ident = parameter.ident.clone();
            let is_float = float.as_ref() == Some(&ident);
            let used = variants.iter().flat_map(|(_, parts)| parts).any(|p| {
                let ty = &p.ty;
                mentions(quote!(#ty), &ident)
            });
            if !is_float && used {
                parameter.bounds.push(parse_quote!(#root::Module<#scalar>));
            }
        }
    }
    // whatever else a module holds, it must be `Send` and `Sync`
    let where_clause = generics.make_where_clause();
    where_clause.predicates.push(parse_quote!(Self: ::core::marker::Send + ::core::marker::Sync));
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = input.generics.split_for_impl();

    let shared = variants.iter().map(|(pattern, parts)| arm(pattern.clone(), parts, &quote!(field)));
    let exclusive = variants.iter().map(|(pattern, parts)| arm(pattern.clone(), parts, &quote!(field_mut)));
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #root::Module<#scalar> for #name #type_generics #where_clause {
            fn visit<'module>(&'module self, visitor: &mut #root::Visitor<'_, #root::Leaf<'module, #scalar>>) {
                let _ = &visitor;
                match self { #(#shared)* }
            }
            fn visit_mut<'module>(
                &'module mut self,
                visitor: &mut #root::Visitor<'_, #root::LeafMut<'module, #scalar>>,
            ) {
                let _ = &visitor;
                match self { #(#exclusive)* }
            }
        }
    })
}
