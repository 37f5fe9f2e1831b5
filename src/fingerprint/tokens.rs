//! A Rust file to the digest of its meaning: its tokens in one form, whatever the layout. Knows no names.
//!
//! Comments, docs, lints, tests and `mod x;` are cut. Brought to one form are what rustfmt changes: spacing, the order and
//! grouping of `use`, trailing commas, and the braces around a match arm or closure that is a single expression.

use crate::digest::{Digest, Hasher};
use crate::fingerprint::cuts::{Cuts, is_punct, is_test, range};
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use std::io::Write;

/// The digest of what is left of a file.
pub fn digest(file: &syn::File, stream: TokenStream, cuts: &Cuts) -> Digest {
    let mut hasher = Hasher::new();
    if !is_test(&file.attrs) {
        write_level(stream, None, false, cuts, &mut hasher);
    }
    hasher.finish()
}

/// No token holds this byte: it is never part of UTF-8.
const END: u8 = 0xff;

fn word(hasher: &mut Hasher, text: &str) {
    hasher.write_all(text.as_bytes()).and_then(|()| hasher.write_all(&[END])).expect("a hasher never fails");
}

fn write_level(stream: TokenStream, around: Option<Delimiter>, call: bool, cuts: &Cuts, hasher: &mut Hasher) {
    let (tokens, leaves) = cuts.visible(stream);
    for leaf in &leaves {
        word(hasher, "use");
        word(hasher, leaf);
    }
    let commas = tokens.iter().filter(|token| is_punct(token, ',')).count();
    let mut in_where = false;
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        let next = tokens.get(at + 1);
        let start = range(token).start;
        if cuts.arms.contains(&start) {
            word(hasher, "arm");
        }
        match token {
            TokenTree::Group(group) => {
                in_where = false;
                if group.delimiter() == Delimiter::Brace && cuts.unwrapped.contains(&start) {
                    write_level(group.stream(), Some(Delimiter::Brace), false, cuts, hasher);
                } else {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    word(hasher, open);
                    write_level(group.stream(), Some(group.delimiter()), is_call(&tokens[..at]), cuts, hasher);
                    word(hasher, close);
                }
            }
            TokenTree::Ident(ident) => {
                in_where |= ident == "where";
                word(hasher, &ident.to_string());
            }
            TokenTree::Literal(literal) => word(hasher, &literal.to_string()),
            TokenTree::Punct(punct) => {
                let comma = punct.as_char() == ',';
                let optional = comma
                    && match next {
                        None => match around {
                            // `(x,)` is a tuple and `(x)` is not, but in a call both are one argument.
                            Some(Delimiter::Parenthesis) => commas > 1 || call,
                            Some(Delimiter::Brace | Delimiter::Bracket) => true,
                            _ => false,
                        },
                        Some(TokenTree::Group(group)) => in_where && group.delimiter() == Delimiter::Brace,
                        Some(next) => is_punct(next, '>') || in_where && is_punct(next, ';'),
                    };
                in_where &= punct.as_char() != ';';
                let double = matches!(punct.as_char(), '&' | '|')
                    && punct.spacing() == Spacing::Joint
                    && next.is_some_and(|next| is_punct(next, punct.as_char()));
                if double {
                    // Only here does spacing tell two valid programs apart: `a && b` from `a & &b`.
                    word(hasher, if punct.as_char() == '&' { "&&" } else { "||" });
                    at += 1;
                } else if !optional && !cuts.commas.contains(&start) {
                    word(hasher, punct.as_char().encode_utf8(&mut [0; 4]));
                }
            }
        }
        at += 1;
    }
}

/// Whether parentheses after these tokens hold arguments or parameters.
fn is_call(before: &[TokenTree]) -> bool {
    const KEYWORDS: &[&str] = &[
        "as", "box", "break", "else", "for", "if", "in", "let", "match", "move", "mut", "ref", "return", "while",
        "yield", "where", "static", "const", "dyn", "impl", "type",
    ];
    match before {
        [.., TokenTree::Punct(a), TokenTree::Punct(b)] if b.as_char() == '>' => !matches!(a.as_char(), '-' | '='),
        [.., TokenTree::Ident(_), TokenTree::Punct(bang)] => matches!(bang.as_char(), '!' | '>'),
        [.., TokenTree::Punct(b)] => matches!(b.as_char(), '>' | '?'),
        [.., TokenTree::Ident(ident)] => !KEYWORDS.contains(&ident.to_string().as_str()),
        [.., TokenTree::Group(group)] => group.delimiter() != Delimiter::Brace,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::digest::Digest;
    use crate::fingerprint::scan::scan;

    fn code(text: &str) -> Digest {
        let scan = scan("a.rs", text.as_bytes());
        assert!(scan.parsed, "not Rust: {text}");
        scan.code
    }

    /// Both texts are one program.
    fn same(a: &str, b: &str) {
        assert!(code(a) == code(b), "told apart:\n{a}\n---\n{b}");
    }

    /// The texts are two programs.
    fn different(a: &str, b: &str) {
        assert!(code(a) != code(b), "not told apart:\n{a}\n---\n{b}");
    }

    #[test]
    fn comments_docs_and_lints_do_not_count() {
        let plain = "struct S { a: u8 } fn f() -> u8 { g(|x| x) }";
        same(plain, "//! Top.\n/// Doc.\nstruct S { /** in */ a: u8 } // end\nfn f() -> u8 { /* why */ g(|x| x) }");
        same(
            plain,
            "#![allow(dead_code)]\n#[doc(hidden)] #[must_use] struct S { #[deprecated] a: u8 } #[expect(x)] fn f() -> u8 { g(|x| x) }",
        );
        same(
            plain,
            "#[rustfmt::skip] #[clippy::msrv] struct S { a: u8 } #[cfg_attr(x, allow(y), doc = \"z\")] fn f() -> u8 { g(|x| x) }",
        );
        same("fn f() { m! { a b } }", "fn f() { m! { /// doc\n a /* b */ b } }");
    }

    #[test]
    fn attributes_that_act_count() {
        different("struct S;", "#[derive(Clone)] struct S;");
        different("struct S { a: u8 }", "struct S { #[serde(default)] a: u8 }");
        different("fn f() {}", "#[inline] fn f() {}");
        different("fn f() {}", "#[cfg(feature = \"x\")] fn f() {}");
        different("fn f() {}", "#[cfg_attr(feature = \"x\", inline)] fn f() {}");
        different("fn f() {}", "#[cfg(not(test))] fn f() {}");
        different("fn f() {}", "#[cfg(any(test, feature = \"x\"))] fn f() {}");
    }

    #[test]
    fn test_code_does_not_count() {
        let plain = "struct S { b: u8 } enum E { B } fn f(x: u8) { match x { _ => 1 }; }";
        same(
            plain,
            "struct S { #[cfg(test)] a: u8, b: u8 } enum E { #[cfg(test)] A(u8), B } fn f(x: u8) { match x { #[cfg(test)] 7 => 0, _ => 1 }; }",
        );
        same(plain, &format!("{plain} #[cfg(test)] mod tests {{ #[test] fn t() {{ super::f(2) }} }}"));
        same(
            plain,
            &format!(
                "#[cfg(test)] use a::b; #[cfg(all(unix, test))] const C: u8 = {{ 1 }}; {plain} #[test] fn t() {{}}"
            ),
        );
        same("fn f() { a(); }", "fn f() { #[cfg(test)] let x = 1; a(); #[cfg(test)] println!(); }");
        same("impl S { fn a() {} }", "impl S { fn a() {} #[cfg(test)] fn b() {} }");
        same("struct S;", "#[cfg_attr(test, derive(Debug))] struct S;");
        same("", "#![cfg(test)] fn f() {}");
        same("mod a;", "mod b; #[cfg(test)] mod tests;");
        different(plain, &plain.replace("=> 1", "=> 2"));
    }

    #[test]
    fn layout_does_not_count() {
        same(
            "fn f(a: u8, b: Vec<Vec<u8>>) { g(a, b) }",
            "fn f(\n  a : u8,\n  b : Vec<Vec<u8> >,\n)\n{\n  g(\n a,\n b,\n )\n}",
        );
        same("use a::{b, c as d}; use e::f;", "use e::f;\nuse a::{\n  c as d,\n  b,\n};");
        same("use a::b; use a::c;", "use a::{c, b};");
        same("fn f(x: T) { match x { A => a(), B => b(), } }", "fn f(x: T) { match x { A => { a() } B => { b() }, } }");
        same("fn f() { g(|x| x + 1) }", "fn f() { g(|x| { x + 1 }) }");
        same("fn f<T>() where T: A { }", "fn f<T,>()\nwhere\n    T: A,\n{\n}");
        same(
            "fn f() { let x=-1; let v = vec![1,2]; a(x)?(y) }",
            "fn f() { let x = - 1; let v = vec![ 1, 2, ]; a(x,)?(y,) }",
        );
        same(
            "struct S { a: u8 } #[derive(A, B)] struct T(u8, u8);",
            "struct S { a: u8, } #[derive(A, B,)] struct T(u8, u8,);",
        );
    }

    #[test]
    fn what_layout_cannot_do_counts() {
        different("fn f() { (x) }", "fn f() { (x,) }");
        different("fn f() -> (u8,) { g() }", "fn f() -> (u8) { g() }");
        different("fn f() { a && b }", "fn f() { a & b }");
        different("fn f() { a(&&b) }", "fn f() { a(&b) }");
        different("fn f() { 1.0 }", "fn f() { 2.0 }");
        different("fn f() { \"a b\" }", "fn f() { \"ab\" }");
        different("fn f() { a; b }", "fn f() { b; a }");
        different("fn f() { a }", "fn f() { a; }");
        different("fn f() { m!(ab) }", "fn f() { m!(a b) }");
        different("fn f(x: T) { match x { A => { a(); } _ => {} } }", "fn f(x: T) { match x { A => a(), _ => {} } }");
        different("use a::b;", "use a::b as c;");
        different("use a::b;", "use ::a::b;");
        different("fn f() { use a::g; g() } fn h() { }", "fn f() { g() } fn h() { use a::g; }");
        different("fn f(x: T) { match x { A => a, B => b } }", "fn f(x: T) { match x { B => a, A => b } }");
    }
}
