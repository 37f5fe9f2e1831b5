//! Writes every report file into a folder, each aside and then renamed. Knows no format.

use crate::artifacts::summary::Summary;
use crate::report::TABLE;
use crate::report::entry::File;
use crate::report::searched::Searched;
use crate::report::searches;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Names of the files of the last report in a folder, one a line, so that a plot whose panel is gone does not stay behind.
const LISTING: &str = ".nasperf-report";

#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}; choose a report folder that can be written")]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// All files of all formats, in the order of the table.
pub fn render(summary: &Summary) -> Vec<File> {
    TABLE.iter().flat_map(|entry| (entry.render)(summary)).collect()
}

/// Writes all formats and what is shown of searches into `dir`, which is made if need be; the paths, in the order of the table. Files that an earlier report
/// listed and this one lacks are removed; nothing else in the folder is touched.
pub fn write(summary: &Summary, searches: &[Searched], dir: &Path) -> Result<Vec<PathBuf>, WriteError> {
    let mut files = render(summary);
    files.extend(searches::files(searches));
    fs::create_dir_all(dir).map_err(|source| WriteError { path: dir.to_path_buf(), source })?;
    let listing = dir.join(LISTING);
    let names: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let before = fs::read_to_string(&listing).unwrap_or_default();
    let mut paths = Vec::with_capacity(files.len());
    for (name, bytes) in &files {
        replace(dir, name, bytes)?;
        paths.push(dir.join(name));
    }
    for old in before.lines().filter(|old| plain(old) && !names.contains(old)) {
        match fs::remove_file(dir.join(old)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(WriteError { path: dir.join(old), source });
            }
            _ => {}
        }
    }
    let list: String = names.iter().map(|name| format!("{name}\n")).collect();
    replace(dir, LISTING, list.as_bytes())?;
    Ok(paths)
}

/// Whether a line of the listing is the name of a file right in the folder.
fn plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0'])
}

fn replace(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), WriteError> {
    let path = dir.join(name);
    let aside = dir.join(format!(".{name}.{}.part", std::process::id()));
    let written = fs::write(&aside, bytes).and_then(|()| fs::rename(&aside, &path));
    written.map_err(|source| {
        // The first error is the one to tell; what it left behind goes as far as it can.
        let _ = fs::remove_file(&aside);
        WriteError { path, source }
    })
}
