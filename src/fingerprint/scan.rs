//! One source file to what cache keys must know of it. Knows no other file: names stay names, resolved in `closure`.

use crate::digest::Digest;
use crate::fingerprint::cuts::{Cuts, is_punct};
use crate::fingerprint::names::{Names, Path};
use crate::fingerprint::rules::{Rule, Violation, check};
use crate::fingerprint::tokens::digest;
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeSet;

/// What one file is and names. Paths of files are relative to `src/` (`stages/retrain.rs`, `../kernels/conv.cu`).
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// Digest of the bytes.
    pub raw: Digest,
    /// Digest of the meaning: of the normalised tokens of a Rust file, of the bytes of any other.
    pub code: Digest,
    /// Absolute paths of Rust items: `crate::ops::conv::forward`, `candle_core::Tensor`, `std::fmt`.
    pub names: BTreeSet<Path>,
    /// Files taken in by `include!` and its kin, or by `#include "…"` in a kernel.
    pub includes: BTreeSet<String>,
    pub violations: Vec<Violation>,
    /// False for a Rust file that could not be parsed: its names are unknown.
    pub parsed: bool,
}

/// Scans the file at `path` (relative to `src/`, with `/`).
pub fn scan(path: &str, bytes: &[u8]) -> Scan {
    let raw = Digest::of(bytes);
    let (names, includes) = (BTreeSet::new(), BTreeSet::new());
    let scan = Scan { raw, code: raw, names, includes, violations: Vec::new(), parsed: true };
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("rs") => scan_rust(path, bytes, scan),
        Some("cu" | "cuh") => Scan { includes: kernel_includes(path, bytes), ..scan },
        _ => scan,
    }
}

/// The module of a file: `ops/conv/mod.rs` and `ops/conv.rs` are `crate::ops::conv`, `lib.rs` and `main.rs` are `crate`.
/// `None` for what is no Rust file under `src/`.
pub fn module(path: &str) -> Option<Path> {
    let stem = path.strip_suffix(".rs").filter(|stem| !stem.starts_with("../"))?;
    let mut module = vec!["crate".to_string()];
    if stem != "lib" && stem != "main" {
        module.extend(stem.strip_suffix("/mod").unwrap_or(stem).split('/').map(str::to_string));
    }
    Some(module)
}

fn scan_rust(path: &str, bytes: &[u8], mut scan: Scan) -> Scan {
    let parsed = std::str::from_utf8(bytes).map_err(|error| (1, error.to_string())).and_then(|text| {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let place = |error: &dyn std::fmt::Display, span: proc_macro2::Span| (span.start().line, error.to_string());
        let stream: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| place(&error, error.span()))?;
        let file: syn::File = syn::parse2(stream.clone()).map_err(|error| place(&error, error.span()))?;
        Ok((stream, file))
    });
    let (stream, file) = match parsed {
        Ok(parsed) => parsed,
        Err((line, what)) => {
            scan.violations.push(Violation { file: path.to_string(), line, rule: Rule::Unparsed, what });
            scan.parsed = false;
            return scan;
        }
    };
    let cuts = Cuts::of(&file);
    let module = module(path).unwrap_or_else(|| vec!["crate".to_string()]);
    let names = Names::of(&module, &file, stream.clone(), &cuts);
    scan.code = digest(&file, stream.clone(), &cuts);
    scan.violations = check(path, &module, &file, &names);
    rust_includes(path, stream, &cuts, &mut scan);
    scan.names = names.paths;
    // The positions of a file are of no use once it is scanned, and would pile up.
    drop((file, cuts));
    proc_macro2::extra::invalidate_current_thread_spans();
    scan
}

/// What `build.rs` writes for this binary: the table itself cannot be part of what it lists.
pub const TABLE_FILE: &str = "fingerprint.json";

fn rust_includes(path: &str, stream: TokenStream, cuts: &Cuts, scan: &mut Scan) {
    let (tokens, _) = cuts.visible(stream);
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        rust_includes(path, group.stream(), cuts, scan);
        let [.., TokenTree::Ident(name), bang] = &tokens[..at] else { continue };
        if !is_punct(bang, '!') || !["include", "include_str", "include_bytes"].iter().any(|known| name == known) {
            continue;
        }
        let mut literals = Vec::new();
        string_literals(group.stream(), &mut literals);
        let literal = matches!(group.stream().into_iter().next(), Some(TokenTree::Literal(_)));
        match (literals.as_slice(), literals.last().and_then(|last| compiled_kernel(last))) {
            ([file, ..], _) if literal => drop(scan.includes.insert(beside(path, file))),
            (_, Some(kernel)) => drop(scan.includes.insert(kernel)),
            ([.., last], None) if last.trim_start_matches('/') == TABLE_FILE => {}
            _ => scan.violations.push(Violation {
                file: path.to_string(),
                line: name.span().start().line,
                rule: Rule::ComputedInclude,
                what: format!("{name}!({})", group.stream()),
            }),
        }
    }
}

fn string_literals(stream: TokenStream, found: &mut Vec<String>) {
    for token in stream {
        match token {
            TokenTree::Group(group) => string_literals(group.stream(), found),
            TokenTree::Literal(literal) => {
                found.extend(syn::parse_str::<syn::LitStr>(&literal.to_string()).map(|text| text.value()));
            }
            _ => {}
        }
    }
}

/// `…/conv.cubin`, made at build time, stands for `kernels/conv.cu`.
fn compiled_kernel(include: &str) -> Option<String> {
    let (stem, extension) = include.rsplit('/').next()?.split_once('.')?;
    ["ptx", "cubin", "fatbin"].contains(&extension).then(|| format!("../kernels/{stem}.cu"))
}

fn kernel_includes(path: &str, bytes: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(bytes);
    let quoted = text.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("include")?;
        rest.trim_start().strip_prefix('"')?.split('"').next()
    });
    quoted.map(|file| beside(path, file)).collect()
}

/// `file` as named from the folder of `path`, with `.` and `..` taken out where possible.
fn beside(path: &str, file: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use crate::digest::Digest;
    use crate::fingerprint::scan::{module, scan};

    fn includes(path: &str, text: &str) -> Vec<String> {
        scan(path, text.as_bytes()).includes.into_iter().collect()
    }

    #[test]
    fn includes_are_relative_to_src() {
        assert_eq!(
            includes("ops/conv/cuda.rs", "const K: &str = include_str!(\"../../../kernels/conv.cu\");"),
            ["../kernels/conv.cu"]
        );
        assert_eq!(includes("ops/a.rs", "fn f() { g(&[include_bytes!(\"./b.bin\")]) }"), ["ops/b.bin"]);
        assert_eq!(includes("ops/a.rs", "include!(\"table.rs\");"), ["ops/table.rs"]);
        let compiled = "const K: &[u8] = include_bytes!(concat!(env!(\"OUT_DIR\"), \"/conv.cubin\"));";
        assert_eq!(includes("ops/conv/cuda.rs", compiled), ["../kernels/conv.cu"]);
        assert_eq!(
            includes("../kernels/conv.cu", "#include <math.h>\n# include \"warp.cuh\"\n//"),
            ["../kernels/warp.cuh"]
        );
        assert_eq!(includes("a.rs", "#[cfg(test)] const X: &str = include_str!(\"x\");"), Vec::<String>::new());
    }

    #[test]
    fn other_files_and_broken_ones_count_by_bytes() {
        assert_eq!(scan("../kernels/a.cu", b"// x").code, Digest::of("// x"));
        let broken = scan("a.rs", b"fn f( {");
        assert_eq!((broken.parsed, broken.code), (false, Digest::of("fn f( {")));
        assert!(!scan("a.rs", b"\xff").parsed);
        assert!(scan("a.rs", "\u{feff}fn f() {}".as_bytes()).parsed);
    }

    #[test]
    fn files_have_modules() {
        let text = |path| module(path).map(|module| module.join("::"));
        assert_eq!(text("ops/conv/mod.rs").as_deref(), Some("crate::ops::conv"));
        assert_eq!(text("ops/conv/cpu.rs").as_deref(), Some("crate::ops::conv::cpu"));
        assert_eq!(text("lib.rs").as_deref(), Some("crate"));
        assert_eq!(text("../kernels/a.cu"), None);
    }
}
