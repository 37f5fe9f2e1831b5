//! The stretches of a Rust file that its digest and its names do not take as they stand. Knows one file at a time.
//!
//! Left out are doc and lint attributes, whatever `#[cfg(test)]` or `#[test]` removes, and `mod x;` (a table of files is not
//! code). `use` items are set aside, and blocks and commas that rustfmt may add or remove are marked.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Attribute, UseTree};

/// Stretches of a file that are not taken as they stand, by byte position. Made once per file, from its syntax tree.
#[derive(Default)]
pub struct Cuts {
    /// Start of a removed stretch, to its end and, for a `use`, its leaves.
    removed: BTreeMap<usize, (usize, Vec<String>)>,
    /// Starts of blocks that are only braces around one expression.
    pub unwrapped: BTreeSet<usize>,
    /// Starts of match arms.
    pub arms: BTreeSet<usize>,
    /// Positions of the commas after match arms.
    pub commas: BTreeSet<usize>,
}

impl Cuts {
    pub fn of(file: &syn::File) -> Self {
        let mut cuts = Cuts::default();
        if is_test(&file.attrs) {
            cuts.removed.insert(0, (usize::MAX, Vec::new()));
        } else {
            cuts.visit_file(file);
        }
        cuts
    }

    /// The tokens of one level without the removed ones and without ignored attributes, and the leaves of its `use` items.
    pub fn visible(&self, stream: TokenStream) -> (Vec<TokenTree>, Vec<String>) {
        let mut tokens: Vec<TokenTree> = Vec::new();
        let mut leaves = Vec::new();
        let mut source = stream.into_iter().peekable();
        while let Some(token) = source.next() {
            let start = range(&token).start;
            let removed = match self.removed.first_key_value() {
                Some((0, (usize::MAX, _))) => return (Vec::new(), Vec::new()),
                _ => self.removed.get(&start),
            };
            if let Some((end, uses)) = removed {
                leaves.extend(uses.iter().cloned());
                while source.next_if(|next| range(next).start < *end).is_some() {}
                // The comma of a removed field or variant goes with it; a `use` or `mod` has none.
                source.next_if(|next| is_punct(next, ','));
                continue;
            }
            if is_punct(&token, '#') {
                let mut ahead = source.clone();
                let inner = ahead.next_if(|next| is_punct(next, '!')).is_some();
                if let Some(TokenTree::Group(group)) = ahead.peek()
                    && group.delimiter() == Delimiter::Bracket
                    && is_ignored(group.stream())
                {
                    source.next();
                    if inner {
                        source.next();
                    }
                    continue;
                }
            }
            tokens.push(token);
        }
        leaves.sort();
        (tokens, leaves)
    }

    fn remove(&mut self, node: &impl Spanned, leaves: Vec<String>) {
        let range = node.span().byte_range();
        self.removed.insert(range.start, (range.end, leaves));
    }

    fn unwrap_block(&mut self, body: &syn::Expr) {
        if let syn::Expr::Block(block) = body
            && block.label.is_none()
            && block.attrs.is_empty()
            && let [syn::Stmt::Expr(_, None)] = block.block.stmts.as_slice()
        {
            self.unwrapped.insert(block.block.brace_token.span.open().byte_range().start);
        }
    }
}

impl<'a> Visit<'a> for Cuts {
    fn visit_item(&mut self, item: &'a syn::Item) {
        match item {
            _ if is_test(item_attrs(item)) => self.remove(item, Vec::new()),
            syn::Item::Use(item) => {
                let leaves = use_leaves(item);
                self.remove(item, leaves);
            }
            syn::Item::Mod(module) if module.content.is_none() => self.remove(item, Vec::new()),
            _ => syn::visit::visit_item(self, item),
        }
    }

    fn visit_impl_item(&mut self, item: &'a syn::ImplItem) {
        let attrs = match item {
            syn::ImplItem::Const(item) => &item.attrs,
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            syn::ImplItem::Macro(item) => &item.attrs,
            _ => return syn::visit::visit_impl_item(self, item),
        };
        if is_test(attrs) { self.remove(item, Vec::new()) } else { syn::visit::visit_impl_item(self, item) }
    }

    fn visit_trait_item(&mut self, item: &'a syn::TraitItem) {
        let attrs = match item {
            syn::TraitItem::Const(item) => &item.attrs,
            syn::TraitItem::Fn(item) => &item.attrs,
            syn::TraitItem::Type(item) => &item.attrs,
            syn::TraitItem::Macro(item) => &item.attrs,
            _ => return syn::visit::visit_trait_item(self, item),
        };
        if is_test(attrs) { self.remove(item, Vec::new()) } else { syn::visit::visit_trait_item(self, item) }
    }

    fn visit_field(&mut self, field: &'a syn::Field) {
        if is_test(&field.attrs) { self.remove(field, Vec::new()) } else { syn::visit::visit_field(self, field) }
    }

    fn visit_field_value(&mut self, field: &'a syn::FieldValue) {
        if is_test(&field.attrs) { self.remove(field, Vec::new()) } else { syn::visit::visit_field_value(self, field) }
    }

    fn visit_variant(&mut self, variant: &'a syn::Variant) {
        if is_test(&variant.attrs) {
            self.remove(variant, Vec::new())
        } else {
            syn::visit::visit_variant(self, variant)
        }
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        if is_test(&arm.attrs) {
            return self.remove(arm, Vec::new());
        }
        let start = arm.attrs.iter().find(|a| !is_ignored(attr_tokens(a))).map_or(arm.pat.span(), |a| a.span());
        self.arms.insert(start.byte_range().start);
        if let Some(comma) = &arm.comma {
            self.commas.insert(comma.span().byte_range().start);
        }
        self.unwrap_block(&arm.body);
        syn::visit::visit_arm(self, arm);
    }

    fn visit_expr_closure(&mut self, closure: &'a syn::ExprClosure) {
        if matches!(closure.output, syn::ReturnType::Default) {
            self.unwrap_block(&closure.body);
        }
        syn::visit::visit_expr_closure(self, closure);
    }

    fn visit_stmt(&mut self, statement: &'a syn::Stmt) {
        let attrs = match statement {
            syn::Stmt::Local(local) => local.attrs.as_slice(),
            syn::Stmt::Macro(call) => call.attrs.as_slice(),
            syn::Stmt::Expr(syn::Expr::Block(block), _) => block.attrs.as_slice(),
            syn::Stmt::Expr(syn::Expr::Call(call), _) => call.attrs.as_slice(),
            syn::Stmt::Expr(syn::Expr::MethodCall(call), _) => call.attrs.as_slice(),
            _ => &[],
        };
        if is_test(attrs) { self.remove(statement, Vec::new()) } else { syn::visit::visit_stmt(self, statement) }
    }
}

/// The source bytes of a token. For doc comments every token carries the span of the comment, so starts agree with those of syn.
pub fn range(token: &TokenTree) -> Range<usize> {
    token.span().byte_range()
}

pub fn is_punct(token: &TokenTree, char: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == char)
}

/// The inside of `#[…]`.
fn attr_tokens(attribute: &Attribute) -> TokenStream {
    attribute.meta.to_token_stream()
}

/// Whether the inside of an attribute cannot change what the program computes: docs, lints and formatting.
fn is_ignored(inside: TokenStream) -> bool {
    const IGNORED: &[&str] = &[
        "doc",
        "allow",
        "warn",
        "deny",
        "forbid",
        "expect",
        "must_use",
        "deprecated",
        "rustfmt",
        "clippy",
        "diagnostic",
    ];
    let mut tokens = inside.into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Ident(name)), _) if IGNORED.contains(&name.to_string().as_str()) => true,
        (Some(TokenTree::Ident(name)), Some(TokenTree::Group(group))) if name == "cfg_attr" => {
            let parts = split(group.stream());
            let test = parts.first().is_some_and(|condition| is_test_condition(condition.clone()));
            test || parts.len() > 1 && parts[1..].iter().all(|part| is_ignored(part.clone()))
        }
        _ => false,
    }
}

/// The parts between top-level commas.
fn split(stream: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![Vec::new()];
    for token in stream {
        if is_punct(&token, ',') {
            parts.push(Vec::new());
        } else {
            parts.last_mut().expect("never empty").push(token);
        }
    }
    parts.into_iter().filter(|part: &Vec<TokenTree>| !part.is_empty()).map(TokenStream::from_iter).collect()
}

/// `test`, or `all(…)` with it.
fn is_test_condition(condition: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(name)] => name == "test",
        [TokenTree::Ident(name), TokenTree::Group(group)] => {
            name == "all" && split(group.stream()).into_iter().any(is_test_condition)
        }
        _ => false,
    }
}

/// Whether a node exists only in test builds.
pub fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::Path(path) => path.is_ident("test") || path.is_ident("bench"),
        syn::Meta::List(list) => list.path.is_ident("cfg") && is_test_condition(list.tokens.clone()),
        syn::Meta::NameValue(_) => false,
    })
}

pub fn item_attrs(item: &syn::Item) -> &[Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::ExternCrate(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::ForeignMod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::TraitAlias(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// One line per imported name, whatever the grouping.
fn use_leaves(item: &syn::ItemUse) -> Vec<String> {
    let mut head = String::new();
    for attribute in item.attrs.iter().filter(|a| !is_ignored(attr_tokens(a))) {
        head += &attribute.to_token_stream().to_string();
    }
    head += &item.vis.to_token_stream().to_string();
    head += if item.leading_colon.is_some() { " ::" } else { " " };
    let mut leaves = Vec::new();
    flatten(&item.tree, head, &mut leaves);
    leaves
}

fn flatten(tree: &UseTree, head: String, leaves: &mut Vec<String>) {
    match tree {
        UseTree::Path(path) => flatten(&path.tree, format!("{head}{}::", path.ident), leaves),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, head.clone(), leaves)),
        UseTree::Name(name) => leaves.push(format!("{head}{}", name.ident)),
        UseTree::Rename(rename) => leaves.push(format!("{head}{} as {}", rename.ident, rename.rename)),
        UseTree::Glob(_) => leaves.push(format!("{head}*")),
    }
}
