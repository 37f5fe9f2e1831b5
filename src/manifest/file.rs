//! Reads the text of a manifest file. Knows no TOML.

use crate::manifest::diagnostic::{Diagnostic, Source};
use crate::manifest::suggest;
use std::fs;
use std::io;
use std::path::Path;

/// No manifest written by people comes near; what is larger is another file (and would be read whole).
const LARGEST: u64 = 16 << 20;

/// The text of the file at `path`, named `origin` in messages. Errors: missing, a folder, too large, not UTF-8.
pub fn read(path: &Path, origin: &str) -> Result<String, Box<Diagnostic>> {
    let nothing = Source::new(origin, "");
    let fail = |message: String| Box::new(Diagnostic::of(&nothing, message));
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let mut one = fail("there is no such manifest".to_string());
            one.help = neighbours(path);
            one
        }
        _ => fail(format!("the manifest cannot be read: {error}")),
    })?;
    if metadata.is_dir() {
        let mut one = fail("this is a folder, expected a manifest (a TOML file)".to_string());
        one.help = neighbours(&path.join("x"));
        return Err(one);
    }
    if metadata.len() > LARGEST {
        let mut one = fail(format!("{} bytes are too many for a manifest", metadata.len()));
        one.help = vec![format!("expected a TOML file of at most {LARGEST} bytes; is this a data file?")];
        return Err(one);
    }
    let bytes = fs::read(path).map_err(|error| fail(format!("the manifest cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        // The rest is shown with the replacement character; the places before it are unchanged.
        let source = Source::new(origin, String::from_utf8_lossy(bytes));
        let message = format!("byte 0x{:02x} at offset {at} is not UTF-8", bytes[at]);
        Box::new(Diagnostic::at(&source, at..at + '\u{fffd}'.len_utf8(), message).help("save the file as UTF-8 text"))
    })
}

/// The manifests beside a path that does not exist, nearest first.
fn neighbours(path: &Path) -> Vec<String> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut names: Vec<String> = match fs::read_dir(folder) {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.ends_with(".toml"))
            .collect(),
        Err(_) => return vec![format!("there is no folder `{}` either", folder.display())],
    };
    names.sort();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let word = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    suggest::remedies(word, &known, &format!("TOML files in `{}`", folder.display()))
}
