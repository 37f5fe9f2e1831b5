//! The names that a Rust file uses of other files and crates, as absolute paths. Knows no other file: whether a path
//! ends in a file, in an item or nowhere is decided where all files are known.
//!
//! Paths are read from tokens, not from the syntax tree, so those in the arguments of macros, in attributes and in their
//! strings (`#[serde(with = "crate::a::b")]`) count as well. Scopes are not told apart: a name bound twice means both.

use crate::fingerprint::cuts::{Cuts, is_punct, is_test, item_attrs};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::UseTree;
use syn::visit::Visit;

/// Segments of a path; the first is `crate`, or the name of a crate.
pub type Path = Vec<String>;

/// All that one file names.
#[derive(Default)]
pub struct Names {
    /// Absolute paths, those of `use` included.
    pub paths: BTreeSet<Path>,
    /// Macros called by a bare name that no `use` binds and no `macro_rules!` of the file defines, with their line.
    pub unbound_macros: Vec<(String, usize)>,
    /// Names that `use` or `mod x;` binds, to absolute paths.
    pub bindings: BTreeMap<String, BTreeSet<Path>>,
    /// Modules declared by `mod x;`: they are other files.
    pub children: BTreeSet<Path>,
    /// `macro_rules!` of the file.
    pub macros: BTreeSet<String>,
}

impl Names {
    /// The names of a file whose module is `module` (`["crate", "ops", "conv"]`).
    pub fn of(module: &Path, file: &syn::File, stream: TokenStream, cuts: &Cuts) -> Self {
        if is_test(&file.attrs) {
            return Names::default();
        }
        let mut declared = Declared { scope: module.clone(), ..Declared::default() };
        declared.visit_file(file);
        let mut names = Names { macros: declared.macros, ..Names::default() };
        for (scope, name) in &declared.inline {
            names.bindings.entry(name.clone()).or_default().insert(joined(scope, name));
        }
        for (scope, name) in &declared.files {
            let path = joined(scope, name);
            names.bindings.entry(name.clone()).or_default().insert(path.clone());
            names.children.insert(path);
        }
        // A `use` may go through a name that another one binds; two rounds suffice for a chain of two, three for three.
        for _ in 0..3 {
            for (scope, name, path) in &declared.uses {
                for target in names.absolute(scope, path) {
                    if !name.is_empty() {
                        names.bindings.entry(name.clone()).or_default().insert(target);
                    }
                }
            }
        }
        for (scope, _, path) in &declared.uses {
            let targets = names.absolute(scope, path);
            names.paths.extend(targets);
        }
        names.level(module, stream, cuts);
        names
    }

    /// What a path in `scope` can mean. A leading empty segment stands for `::`.
    pub fn absolute(&self, scope: &Path, path: &[String]) -> BTreeSet<Path> {
        let Some((first, rest)) = path.split_first() else { return BTreeSet::new() };
        let from = |base: &[String]| BTreeSet::from([base.iter().chain(rest).cloned().collect::<Path>()]);
        match first.as_str() {
            "crate" | "nasperf_pipe" => from(&["crate".to_string()]),
            "" => BTreeSet::from([rest.to_vec()]),
            "self" if rest.first().is_some_and(|next| next == "super") => self.absolute(scope, rest),
            "self" => from(scope),
            "super" => {
                let parent = scope[..scope.len().saturating_sub(1).max(1)].to_vec();
                match rest.first().map(String::as_str) {
                    Some("super") => self.absolute(&parent, rest),
                    _ => from(&parent),
                }
            }
            "Self" => BTreeSet::new(),
            name => match self.bindings.get(name) {
                // `use conv::conv` binds `conv` to a path that starts with it: one step is enough, bindings are absolute.
                Some(targets) => targets.iter().flat_map(|target| from(target)).collect(),
                None => BTreeSet::from([path.to_vec()]),
            },
        }
    }

    fn level(&mut self, scope: &Path, stream: TokenStream, cuts: &Cuts) {
        let (tokens, _) = cuts.visible(stream);
        let mut at = 0;
        while at < tokens.len() {
            at += self.token(scope, &tokens, at, cuts);
        }
    }

    /// Reads what starts at one token and gives how many tokens that took.
    fn token(&mut self, scope: &Path, tokens: &[TokenTree], at: usize, cuts: &Cuts) -> usize {
        match &tokens[at] {
            TokenTree::Group(group) => {
                let attribute = at > 0
                    && (is_punct(&tokens[at - 1], '#')
                        || is_punct(&tokens[at - 1], '!') && at > 1 && is_punct(&tokens[at - 2], '#'));
                if attribute {
                    self.strings(scope, group.stream(), cuts);
                }
                let inner = match tokens[..at] {
                    [.., TokenTree::Ident(ref keyword), TokenTree::Ident(ref name)] if keyword == "mod" => {
                        joined(scope, &name.to_string())
                    }
                    _ => scope.clone(),
                };
                self.level(&inner, group.stream(), cuts);
                1
            }
            TokenTree::Ident(ident) => {
                let global = at >= 2 && is_colons(&tokens[at - 2..]) && !(at >= 3 && ends_type(&tokens[at - 3]));
                let mut path = if global { vec![String::new()] } else { Vec::new() };
                path.push(plain(ident));
                let mut end = at + 1;
                while is_colons(&tokens[end..])
                    && let Some(TokenTree::Ident(next)) = tokens.get(end + 2)
                {
                    path.push(plain(next));
                    end += 3;
                }
                // `Vec::<T>::new` and `<T as Trait>::f`: what follows belongs to no path that starts here.
                let continued = !global && at >= 2 && is_colons(&tokens[at - 2..]);
                if path.len() > 1 && !continued {
                    let targets = self.absolute(scope, &path);
                    self.paths.extend(targets);
                }
                if path.len() == 1 && !continued {
                    self.bare_macro(ident, &tokens[end..]);
                }
                end - at
            }
            _ => 1,
        }
    }

    fn bare_macro(&mut self, ident: &proc_macro2::Ident, after: &[TokenTree]) {
        let name = plain(ident);
        let called = matches!(after, [bang, TokenTree::Group(_), ..] if is_punct(bang, '!'));
        if called
            && !KEYWORDS.contains(&name.as_str())
            && !STANDARD.contains(&name.as_str())
            && !self.macros.contains(&name)
            && !self.bindings.contains_key(&name)
        {
            self.unbound_macros.push((name, ident.span().start().line));
        }
    }

    /// Paths in the string literals of an attribute.
    fn strings(&mut self, scope: &Path, stream: TokenStream, cuts: &Cuts) {
        for token in stream {
            match token {
                TokenTree::Group(group) => self.strings(scope, group.stream(), cuts),
                TokenTree::Literal(literal) => {
                    if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string())
                        && let Ok(path) = syn::parse_str::<syn::Path>(&text.value())
                    {
                        let path: Path = path.segments.iter().map(|segment| plain(&segment.ident)).collect();
                        if path.len() > 1 {
                            let targets = self.absolute(scope, &path);
                            self.paths.extend(targets);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// Macros of the standard library that need no import.
const STANDARD: &[&str] = &[
    "addr_of",
    "assert",
    "assert_eq",
    "assert_ne",
    "cfg",
    "column",
    "compile_error",
    "concat",
    "dbg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "env",
    "eprint",
    "eprintln",
    "file",
    "format",
    "format_args",
    "include",
    "include_bytes",
    "include_str",
    "is_x86_feature_detected",
    "line",
    "matches",
    "module_path",
    "option_env",
    "panic",
    "print",
    "println",
    "stringify",
    "thread_local",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

/// After these, `!` and parentheses are a negation.
const KEYWORDS: &[&str] = &["if", "in", "match", "return", "while", "else", "break", "as", "move", "let"];

fn plain(ident: &proc_macro2::Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map(str::to_string).unwrap_or(text)
}

fn is_colons(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [a, b, ..] if is_punct(a, ':') && is_punct(b, ':'))
}

/// Whether `::` after this token continues a path rather than starting a global one. After `>` it may do either
/// (`<T>::f`, `=> ::f`) and is taken for a start: a name that is no crate's does no harm.
fn ends_type(token: &TokenTree) -> bool {
    const BEFORE_PATH: &[&str] = &["dyn", "impl", "for", "where", "mut", "const", "ref", "unsafe", "static", "type"];
    match token {
        TokenTree::Ident(ident) => {
            let name = ident.to_string();
            !KEYWORDS.contains(&name.as_str()) && !BEFORE_PATH.contains(&name.as_str())
        }
        _ => false,
    }
}

fn joined(scope: &Path, name: &str) -> Path {
    let mut path = scope.clone();
    path.push(name.to_string());
    path
}

/// What the items of a file declare, each with the module it stands in.
#[derive(Default)]
struct Declared {
    scope: Path,
    uses: Vec<(Path, String, Path)>,
    files: Vec<(Path, String)>,
    inline: Vec<(Path, String)>,
    macros: BTreeSet<String>,
}

impl<'a> Visit<'a> for Declared {
    fn visit_item(&mut self, item: &'a syn::Item) {
        if is_test(item_attrs(item)) {
            return;
        }
        match item {
            syn::Item::Use(item) => {
                let head = if item.leading_colon.is_some() { vec![String::new()] } else { Vec::new() };
                self.leaves(&item.tree, head);
            }
            syn::Item::ExternCrate(item) => {
                let name = item.rename.as_ref().map_or(&item.ident, |(_, name)| name);
                let path = vec![String::new(), plain(&item.ident)];
                self.uses.push((self.scope.clone(), plain(name), path));
            }
            syn::Item::Mod(module) => {
                let name = plain(&module.ident);
                match &module.content {
                    None => self.files.push((self.scope.clone(), name)),
                    Some(_) => {
                        self.inline.push((self.scope.clone(), name.clone()));
                        self.scope.push(name);
                        syn::visit::visit_item_mod(self, module);
                        self.scope.pop();
                    }
                }
            }
            syn::Item::Macro(syn::ItemMacro { ident: Some(ident), .. }) => {
                self.macros.insert(plain(ident));
            }
            _ => syn::visit::visit_item(self, item),
        }
    }
}

impl Declared {
    fn leaves(&mut self, tree: &UseTree, mut head: Path) {
        let (name, rename) = match tree {
            UseTree::Path(path) => {
                head.push(plain(&path.ident));
                return self.leaves(&path.tree, head);
            }
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.leaves(tree, head.clone()));
            }
            UseTree::Name(name) => (plain(&name.ident), plain(&name.ident)),
            UseTree::Rename(rename) => (plain(&rename.ident), plain(&rename.rename)),
            // A glob binds nothing that could be followed; it is reported as a violation, and its path counts.
            _ => (String::new(), String::new()),
        };
        // `use a::b::{self}` binds `b`.
        let bound = if rename == "self" { head.last().cloned().unwrap_or_default() } else { rename };
        if !name.is_empty() && (name != "self" || head.is_empty()) {
            head.push(name);
        }
        let bound = if bound == "_" { String::new() } else { bound };
        self.uses.push((self.scope.clone(), bound, head));
    }
}

#[cfg(test)]
mod tests {
    use crate::fingerprint::scan::scan;
    use std::collections::BTreeSet;

    /// Paths that start at the crate or at a crate, of a text that stands in `ops/conv/mod.rs`.
    fn names(text: &str) -> BTreeSet<String> {
        let scan = scan("ops/conv/mod.rs", text.as_bytes());
        assert!(scan.parsed, "not Rust: {text}");
        scan.names.iter().map(|path| path.join("::")).collect()
    }

    #[track_caller]
    fn finds(text: &str, expected: &[&str]) {
        let found = names(text);
        for path in expected {
            assert!(found.contains(*path), "{path} not in {found:?}");
        }
    }

    #[test]
    fn every_kind_of_import_is_seen() {
        finds("use crate::a::b::Item;", &["crate::a::b::Item"]);
        finds("use crate::{a::b::{self, X}, c::Y as Z};", &["crate::a::b", "crate::a::b::X", "crate::c::Y"]);
        finds(
            "use super::add::forward; use self::cpu::run;",
            &["crate::ops::add::forward", "crate::ops::conv::cpu::run"],
        );
        finds("fn f() { use super::super::seed::Stream; }", &["crate::seed::Stream"]);
        finds(
            "use candle_core::Tensor; use ::half::f16; extern crate gemm;",
            &["candle_core::Tensor", "half::f16", "gemm"],
        );
        finds("use nasperf_pipe::digest::Digest;", &["crate::digest::Digest"]);
        finds("use crate::a::*;", &["crate::a"]);
    }

    #[test]
    fn every_kind_of_inline_path_is_seen() {
        finds(
            "fn f(x: crate::a::T) -> candle_nn::Module { crate::b::g::<u8>(x) }",
            &["crate::a::T", "candle_nn::Module", "crate::b::g"],
        );
        finds("fn f() { <crate::a::T as crate::b::Trait>::go() }", &["crate::a::T", "crate::b::Trait"]);
        finds(
            "fn f(x: u8) { match x { crate::a::LIMIT => 1, _ => ::half::f16::NAN } }",
            &["crate::a::LIMIT", "half::f16::NAN"],
        );
        finds("impl crate::a::Trait for S {}", &["crate::a::Trait"]);
        finds(
            "mod inner { fn f() { super::super::add::g(); self::h() } }",
            &["crate::ops::add::g", "crate::ops::conv::inner::h"],
        );
        finds("mod cpu; fn f() { cpu::run() }", &["crate::ops::conv::cpu::run"]);
        finds("use crate::spaces; fn f() { spaces::cell::mixed() }", &["crate::spaces::cell::mixed"]);
        finds("use crate::spaces as s; use s::cell; fn f() { cell::mixed() }", &["crate::spaces::cell::mixed"]);
        finds("use candle_core as cc; fn f() { cc::Device::Cpu }", &["candle_core::Device::Cpu"]);
        finds("pub(in crate::ops) fn f() {}", &["crate::ops"]);
    }

    #[test]
    fn paths_inside_macros_and_attributes_are_seen() {
        finds(
            "fn f() { println!(\"{}\", [crate::a::g(vec![super::add::h()])]) }",
            &["crate::a::g", "crate::ops::add::h"],
        );
        finds("macro_rules! m { () => { crate::a::g() } }", &["crate::a::g"]);
        finds("fn f() { crate::a::shout!(1) }", &["crate::a::shout"]);
        finds("#[derive(thiserror::Error)] struct S;", &["thiserror::Error"]);
        finds(
            "struct S { #[serde(with = \"crate::a::hex\", default = \"super::add::zero\")] x: u8 }",
            &["crate::a::hex", "crate::ops::add::zero"],
        );
        finds("mod cpu; #[serde(with = \"cpu::hex\")] struct S;", &["crate::ops::conv::cpu::hex"]);
    }

    #[test]
    fn tests_and_docs_name_nothing() {
        let text = "/// See [`crate::a::b`].\n#[doc = \"crate::c::d\"] fn f() {} #[cfg(test)] mod tests { use crate::x::Y; } #[cfg(test)] use crate::z::W; mod cpu;";
        assert_eq!(names(text), BTreeSet::new());
    }
}
