//! The import rules without which a closure would miss code (house style, rules 1, 6 and 7), checked in one file.
//! Knows no other file.

use crate::fingerprint::cuts::{is_test, item_attrs};
use crate::fingerprint::names::{Names, Path};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use syn::UseTree;
use syn::spanned::Spanned;
use syn::visit::Visit;

/// A rule of the house that a file breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// `pub use`: an import would end at a file that does not define the item.
    ReExport,
    /// `use x::*`: what it brings in cannot be seen.
    Glob,
    /// A module named `prelude`.
    Prelude,
    /// `#[path]`: a file would have two names.
    PathAttribute,
    /// `#[macro_use]`, `#[macro_export]`, or a macro called by a name that nothing in the file brings in.
    TextualMacro,
    /// `impl` in a file that defines neither the trait nor the type.
    ThirdFileImpl,
    /// `include!` of a path that is no string literal.
    ComputedInclude,
    /// An included file that is not there.
    MissingInclude,
    /// A file that cannot be parsed: taken to reach every other.
    Unparsed,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::ReExport => "`pub use`: import the item from the file that defines it",
            Rule::Glob => "glob import: name the items",
            Rule::Prelude => "prelude: import each item from the file that defines it",
            Rule::PathAttribute => "`#[path]`: put the file where its module is",
            Rule::TextualMacro => "textual macro: import it by path (`pub(crate) use name;` after its definition)",
            Rule::ThirdFileImpl => "`impl` in a third file: move it to the file of the trait or of the type",
            Rule::ComputedInclude => "include of a computed path: use a string literal",
            Rule::MissingInclude => "included file not found",
            Rule::Unparsed => "not parsed as Rust: hashed as bytes and taken to reach every file",
        })
    }
}

/// One breach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Violation {
    /// Relative to `src/`.
    pub file: String,
    /// From 1.
    pub line: usize,
    pub rule: Rule,
    /// The offending name.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} (`{}`)", self.file, self.line, self.rule, self.what)
    }
}

/// The breaches of one parsed file. Globs, re-exports and `#[path]` are looked for in test code too.
pub fn check(path: &str, module: &Path, file: &syn::File, names: &Names) -> Vec<Violation> {
    let mut check = Check { path, names, module, scope: module.clone(), in_test: false, found: Vec::new() };
    check.attributes(&file.attrs);
    if path.ends_with("prelude.rs") || path.contains("prelude/") {
        check.report(1, Rule::Prelude, "prelude");
    }
    check.in_test = is_test(&file.attrs);
    check.visit_file(file);
    for (name, line) in &names.unbound_macros {
        check.report(*line, Rule::TextualMacro, &format!("{name}!"));
    }
    check.found.sort();
    check.found
}

struct Check<'n> {
    path: &'n str,
    names: &'n Names,
    module: &'n Path,
    scope: Path,
    in_test: bool,
    found: Vec<Violation>,
}

/// Where the definition behind a name stands.
#[derive(PartialEq)]
enum Home {
    Here,
    OtherFile,
    OtherCrate,
}

impl Check<'_> {
    fn report(&mut self, line: usize, rule: Rule, what: &str) {
        self.found.push(Violation { file: self.path.to_string(), line, rule, what: what.to_string() });
    }

    fn attributes(&mut self, attributes: &[syn::Attribute]) {
        for attribute in attributes {
            let line = attribute.span().start().line;
            match attribute.path().get_ident().map(ToString::to_string).as_deref() {
                Some("path") => self.report(line, Rule::PathAttribute, "#[path]"),
                Some(name @ ("macro_use" | "macro_export")) => {
                    self.report(line, Rule::TextualMacro, &format!("#[{name}]"));
                }
                _ => {}
            }
        }
    }

    fn use_item(&mut self, item: &syn::ItemUse) {
        let line = item.span().start().line;
        if !matches!(item.vis, syn::Visibility::Inherited) {
            // The one way to import a `macro_rules!` by path is to re-export it under its own name where it stands.
            let own_macro =
                matches!(&item.tree, UseTree::Name(name) if self.names.macros.contains(&name.ident.to_string()));
            if !own_macro {
                let tree = &item.tree;
                self.report(line, Rule::ReExport, &quote::quote!(#tree).to_string().replace(' ', ""));
            }
        }
        self.tree(&item.tree, line, "", true);
    }

    fn tree(&mut self, tree: &UseTree, line: usize, head: &str, first: bool) {
        match tree {
            UseTree::Path(path) => {
                let name = path.ident.to_string();
                if name == "prelude" && !first && head.starts_with("crate::") {
                    self.report(line, Rule::Prelude, &format!("{head}prelude"));
                }
                self.tree(&path.tree, line, &format!("{head}{name}::"), false);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, line, head, first)),
            UseTree::Glob(_) => self.report(line, Rule::Glob, &format!("{head}*")),
            _ => {}
        }
    }

    fn impl_item(&mut self, item: &syn::ItemImpl) {
        let mut heads = Heads::default();
        heads.visit_type(&item.self_ty);
        if let Some((path, _)) = &item.trait_ {
            heads.visit_path(path);
        }
        let generics: BTreeSet<String> = item.generics.type_params().map(|p| p.ident.to_string()).collect();
        let homes: Vec<(String, Home)> = heads
            .0
            .into_iter()
            .filter(|path| !(path.len() == 1 && generics.contains(&path[0])))
            .flat_map(|path| self.home(&path).map(|home| (path.join("::"), home)))
            .collect();
        let here = homes.iter().any(|(_, home)| *home == Home::Here);
        if !here && let Some((name, _)) = homes.iter().find(|(_, home)| *home == Home::OtherFile) {
            let what = match &item.trait_ {
                Some((path, _)) => {
                    format!("impl {} for {name}", path.segments.last().expect("a path has segments").ident)
                }
                None => format!("impl {name}"),
            };
            self.report(item.span().start().line, Rule::ThirdFileImpl, &what);
        }
    }

    /// `None` for names that are nobody's, such as `Self`.
    fn home(&self, path: &[String]) -> Option<Home> {
        if path[0] == "Self" {
            return None;
        }
        if path.len() == 1 && !self.names.bindings.contains_key(&path[0]) {
            return Some(if BUILT_IN.contains(&path[0].as_str()) { Home::OtherCrate } else { Home::Here });
        }
        let homes = self.names.absolute(&self.scope, path).into_iter().map(|target| {
            let child = self.names.children.iter().any(|child| target.starts_with(child));
            match target.first().map(String::as_str) {
                Some("crate") if target.starts_with(self.module) && !child => Home::Here,
                Some("crate") => Home::OtherFile,
                _ => Home::OtherCrate,
            }
        });
        // A name bound twice: the kinder reading, since scopes are not told apart.
        let homes: Vec<Home> = homes.collect();
        [Home::Here, Home::OtherCrate, Home::OtherFile].into_iter().find(|home| homes.contains(home))
    }
}

/// Types and traits that need no import.
const BUILT_IN: &[&str] = &[
    "bool",
    "char",
    "str",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "f32",
    "f64",
    "String",
    "Vec",
    "Box",
    "Option",
    "Result",
    "Drop",
    "Fn",
    "FnMut",
    "FnOnce",
    "Clone",
    "Copy",
    "Send",
    "Sync",
    "Sized",
    "Default",
    "Eq",
    "PartialEq",
    "Ord",
    "PartialOrd",
    "From",
    "Into",
    "TryFrom",
    "TryInto",
    "AsRef",
    "AsMut",
    "Iterator",
    "IntoIterator",
    "FromIterator",
    "Extend",
    "ToString",
    "ToOwned",
    "DoubleEndedIterator",
    "ExactSizeIterator",
];

/// Heads of all paths in a type or a trait, generic arguments included.
#[derive(Default)]
struct Heads(Vec<Path>);

impl<'a> Visit<'a> for Heads {
    fn visit_path(&mut self, path: &'a syn::Path) {
        self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }
}

impl<'a> Visit<'a> for Check<'_> {
    fn visit_item(&mut self, item: &'a syn::Item) {
        let outer = self.in_test;
        self.in_test |= is_test(item_attrs(item));
        self.attributes(item_attrs(item));
        match item {
            syn::Item::Use(item) => self.use_item(item),
            syn::Item::Impl(item) if !self.in_test => {
                self.impl_item(item);
                syn::visit::visit_item_impl(self, item);
            }
            syn::Item::Mod(module) => {
                self.scope.push(module.ident.to_string());
                if module.ident == "prelude" {
                    self.report(module.span().start().line, Rule::Prelude, "mod prelude");
                }
                syn::visit::visit_item_mod(self, module);
                self.scope.pop();
            }
            _ => syn::visit::visit_item(self, item),
        }
        self.in_test = outer;
    }
}

#[cfg(test)]
mod tests {
    use crate::fingerprint::rules::Rule;
    use crate::fingerprint::scan::scan;

    /// Rules broken by a text that stands in `ops/conv.rs`, with their lines.
    fn broken(text: &str) -> Vec<(usize, Rule)> {
        scan("ops/conv.rs", text.as_bytes()).violations.iter().map(|v| (v.line, v.rule)).collect()
    }

    #[test]
    fn imports_end_at_the_defining_file() {
        assert_eq!(broken("\npub use crate::a::B;"), [(2, Rule::ReExport)]);
        assert_eq!(broken("pub(crate) use crate::a::B;"), [(1, Rule::ReExport)]);
        assert_eq!(broken("use crate::a::{B,\n c::*};"), [(1, Rule::Glob)]);
        assert_eq!(broken("#[cfg(test)] mod tests { use super::*; }"), [(1, Rule::Glob)]);
        assert_eq!(broken("fn f() { use rayon::prelude::*; }"), [(1, Rule::Glob)]);
        assert_eq!(broken("use crate::prelude::B;"), [(1, Rule::Prelude)]);
        assert_eq!(broken("mod prelude { }"), [(1, Rule::Prelude)]);
        assert_eq!(broken("use crate::a::B; use rayon::iter::ParallelIterator;"), []);
        let file = scan("nn/prelude.rs", b"");
        assert_eq!(file.violations[0].rule, Rule::Prelude);
    }

    #[test]
    fn files_have_one_name_and_macros_come_by_path() {
        assert_eq!(broken("#[path = \"x.rs\"] mod y;"), [(1, Rule::PathAttribute)]);
        assert_eq!(broken("#[macro_export] macro_rules! m { () => {} }"), [(1, Rule::TextualMacro)]);
        assert_eq!(broken("#[macro_use] mod a;"), [(1, Rule::TextualMacro)]);
        assert_eq!(broken("fn f() {\n g!(1) }"), [(2, Rule::TextualMacro)]);
        assert_eq!(broken("macro_rules! m { () => {} } pub(crate) use m; fn f() { m!() }"), []);
        assert_eq!(broken("use crate::a::m; fn f() { m!(); crate::b::n!(); assert!(!(1 > 2)); if !(a) {} }"), []);
        assert_eq!(broken("#[cfg(test)] mod tests { fn f() { g!(1) } }"), []);
    }

    #[test]
    fn impls_stand_with_the_trait_or_the_type() {
        let head = "use crate::a::{Trait, Type}; use std::fmt;";
        let one = |text: &str| broken(&format!("{head}\n{text}"));
        assert_eq!(one("impl Trait for Type {}"), [(2, Rule::ThirdFileImpl)]);
        assert_eq!(one("impl crate::b::Trait for Vec<f32> {}"), [(2, Rule::ThirdFileImpl)]);
        assert_eq!(one("impl<T: Copy> Trait for T {}"), [(2, Rule::ThirdFileImpl)]);
        assert_eq!(one("impl fmt::Display for Type {}"), [(2, Rule::ThirdFileImpl)]);
        assert_eq!(one("impl Type { fn f() {} }"), [(2, Rule::ThirdFileImpl)]);
        assert_eq!(one("fn f() { impl From<std::io::Error> for Type {} }"), [(2, Rule::ThirdFileImpl)]);
        assert_eq!(one("mod inner { use crate::a::Other; impl Trait for Other {} }"), [(2, Rule::ThirdFileImpl)][..]);
        assert_eq!(one("struct S; impl Trait for S {} impl fmt::Display for S {} impl S {}"), []);
        assert_eq!(one("trait Own {} impl Own for Type {} impl<T> Own for T {}"), []);
        assert_eq!(one("struct E; impl From<E> for Type {} impl Trait for Vec<E> {}"), []);
        assert_eq!(one("struct S; mod inner { use super::S; impl S {} } impl Trait for self::inner::T {}"), []);
        assert_eq!(one("#[cfg(test)] mod tests { impl Trait for Type {} }"), []);
    }

    #[test]
    fn includes_name_their_file() {
        assert_eq!(broken("const A: &str = include_str!(concat!(\"a\", \"b\"));"), [(1, Rule::ComputedInclude)]);
        assert_eq!(broken("const A: &[u8] = include_bytes!(\"../../kernels/a.cu\");"), []);
        assert_eq!(broken("fn f( {"), [(1, Rule::Unparsed)]);
    }
}
