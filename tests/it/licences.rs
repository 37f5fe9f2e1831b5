//! Every crate that is linked or used to build comes under terms that may be passed on with this project.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Permissive licences (SPDX identifiers) whose only duty is to keep notices.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    // The root certificates in webpki-roots: data, permissive.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    // libbz2-rs-sys keeps bzip2's own terms, which are those of a three-clause BSD licence without its third.
    "bzip2-1.0.6",
];

/// Exceptions that only add permissions, with the licence they come with.
const ALLOWED_WITH: &[(&str, &str)] = &[("Apache-2.0", "LLVM-exception")];

/// An SPDX licence expression (SPDX 2.3, annex D).
#[derive(Debug, PartialEq)]
enum Terms {
    Licence(String),
    With(String, String),
    All(Vec<Terms>),
    Any(Vec<Terms>),
}

impl Terms {
    fn allowed(&self) -> bool {
        match self {
            Terms::Licence(name) => ALLOWED.contains(&name.as_str()),
            Terms::With(name, exception) => ALLOWED_WITH.contains(&(name.as_str(), exception.as_str())),
            Terms::All(parts) => parts.iter().all(Terms::allowed),
            Terms::Any(parts) => parts.iter().any(Terms::allowed),
        }
    }
}

/// Reads an expression. `MIT/Apache-2.0` is the older spelling of `MIT OR Apache-2.0` in crate manifests.
fn parse(text: &str) -> Result<Terms, String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (terms, rest) = any(&words)?;
    if rest.is_empty() { Ok(terms) } else { Err(format!("`{}` after the end of `{text}`", rest.join(" "))) }
}

type Parsed<'a> = Result<(Terms, &'a [&'a str]), String>;

/// `OR` binds least, then `AND`, then `WITH`.
fn any<'a>(words: &'a [&'a str]) -> Parsed<'a> {
    joined(words, "OR", all, Terms::Any)
}

fn all<'a>(words: &'a [&'a str]) -> Parsed<'a> {
    joined(words, "AND", one, Terms::All)
}

fn joined<'a>(
    words: &'a [&'a str],
    joint: &str,
    part: fn(&'a [&'a str]) -> Parsed<'a>,
    join: fn(Vec<Terms>) -> Terms,
) -> Parsed<'a> {
    let (first, mut rest) = part(words)?;
    let mut parts = vec![first];
    while let [word, tail @ ..] = rest
        && *word == joint
    {
        let (next, left) = part(tail)?;
        parts.push(next);
        rest = left;
    }
    let terms = match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    };
    Ok((terms, rest))
}

fn one<'a>(words: &'a [&'a str]) -> Parsed<'a> {
    match words {
        ["(", rest @ ..] => match any(rest)? {
            (terms, [")", rest @ ..]) => Ok((terms, rest)),
            _ => Err("a bracket is not closed".to_owned()),
        },
        [word @ (")" | "OR" | "AND" | "WITH"), ..] => Err(format!("`{word}` where a licence was expected")),
        [name, "WITH", exception, rest @ ..] => Ok((Terms::With((*name).to_owned(), (*exception).to_owned()), rest)),
        [name, rest @ ..] => Ok((Terms::Licence((*name).to_owned()), rest)),
        [] => Err("a licence is missing at the end".to_owned()),
    }
}

fn metadata(extra: &[&str]) -> Result<serde_json::Value, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--locked", "--format-version", "1", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .args(extra)
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

/// The platform of this toolchain: crates for other platforms need not have been downloaded.
fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("rustc speaks UTF-8");
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host").to_owned()
}

#[test]
fn every_dependency_may_be_passed_on() {
    let (metadata, scope) = match metadata(&[]) {
        Ok(metadata) => (metadata, "all platforms".to_owned()),
        Err(_) => {
            let host = host();
            (metadata(&["--filter-platform", &host]).unwrap_or_else(|error| panic!("{error}")), host)
        }
    };
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 100, "only {} packages: was the dependency graph read?", packages.len());

    let (mut seen, mut refused) = (BTreeMap::<&str, usize>::new(), Vec::new());
    for package in packages {
        let name = format!("{} {}", package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        let Some(expression) = package["license"].as_str() else {
            refused.push(format!("{name}: no licence expression (its licence file: {})", package["license_file"]));
            continue;
        };
        *seen.entry(expression).or_default() += 1;
        match parse(expression) {
            Ok(terms) if terms.allowed() => {}
            Ok(_) => refused.push(format!("{name}: {expression}")),
            Err(error) => refused.push(format!("{name}: {expression}: {error}")),
        }
    }
    println!("{} packages ({scope}):", packages.len());
    for (expression, count) in &seen {
        println!("{count:5}  {expression}");
    }
    assert!(
        refused.is_empty(),
        "not on the list of tests/it/licences.rs; replace the crate, or add its licence after reading it:\n{}",
        refused.join("\n")
    );
}

#[test]
fn this_project_offers_the_licences_it_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(env!("CARGO_PKG_LICENSE"), "MIT OR Apache-2.0");
    for (file, title) in [("LICENSE-MIT", "MIT License"), ("LICENSE-APACHE", "Apache License")] {
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.lines().take(3).any(|line| line.trim() == title), "{file} does not begin with `{title}`");
    }
}

#[test]
fn expressions_mean_what_they_say() {
    let cases = [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT OR GPL-3.0-only", true),
        ("MIT AND GPL-3.0-only", false),
        ("GPL-3.0-only/MIT", true),
        ("Apache-2.0 / MIT", true),
        // AND binds more than OR: (GPL AND MIT) OR ISC, and GPL OR (MIT AND ISC).
        ("GPL-3.0-only AND MIT OR ISC", true),
        ("GPL-3.0-only OR MIT AND ISC", true),
        ("(GPL-3.0-only OR MIT) AND ISC", true),
        ("GPL-3.0-only AND (MIT OR ISC)", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("GPL-2.0-only WITH Classpath-exception-2.0", false),
        ("MIT WITH LLVM-exception", false),
        ("GPL-2.0-only WITH Classpath-exception-2.0 OR (MIT AND (0BSD OR Zlib))", true),
        // Identifiers are compared whole.
        ("Apache-2.0+", false),
    ];
    for (text, allowed) in cases {
        assert_eq!(parse(text).unwrap().allowed(), allowed, "{text}");
    }
    for text in ["", "MIT OR", "OR MIT", "(MIT", "MIT)", "MIT ISC", "MIT WITH", "AND"] {
        assert!(parse(text).is_err(), "{text:?} was read as {:?}", parse(text));
    }
}
