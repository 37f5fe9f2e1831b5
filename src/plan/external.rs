//! Digests of files outside the store (user data, published tables), so that a change of their content changes the key.
//! Knows a memo by path, size, time and inode, so that unchanged terabytes are not read again.

use crate::digest::{Digest, Hasher};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that a node names is not there or cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{label} reads `{name}` from {path}: {message}")]
pub struct ExternalError {
    pub label: String,
    pub name: String,
    pub path: String,
    pub message: String,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Seen {
    size: u64,
    mtime: i64,
    mtime_nsec: i64,
    inode: u64,
    digest: Digest,
}

/// Content digests by path; saved between runs.
#[derive(Default, Serialize, Deserialize)]
pub struct Memo {
    files: BTreeMap<PathBuf, Seen>,
    #[serde(skip)]
    changed: bool,
}

impl Memo {
    /// Reads the memo; a missing or damaged one is empty, since it only saves time.
    pub fn load(path: &Path) -> Memo {
        std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Writes the memo aside and renames it; failing is harmless.
    pub fn save(&self, path: &Path) {
        if !self.changed {
            return;
        }
        let aside = path.with_extension(format!("tmp{}", std::process::id()));
        let bytes = serde_json::to_vec(self).expect("a map of paths is JSON");
        if std::fs::write(&aside, bytes).and_then(|()| std::fs::rename(&aside, path)).is_err() {
            let _ = std::fs::remove_file(&aside);
        }
    }

    /// The digest found by `digest` in this process; else the file is read.
    pub fn known(&self, path: &Path) -> io::Result<Digest> {
        match self.files.get(path) {
            Some(seen) => Ok(seen.digest),
            None => file_digest(path),
        }
    }

    /// The content digest of a regular file.
    pub fn digest(&mut self, path: &Path) -> io::Result<Digest> {
        let regular = |meta: std::fs::Metadata| match meta.is_file() {
            true => Ok(meta),
            false => Err(io::Error::other("not a regular file")),
        };
        let meta = std::fs::metadata(path).and_then(regular).inspect_err(|_| {
            // What is gone is no longer known.
            self.files.remove(path);
        })?;
        if let Some(seen) = self.files.get(path) {
            let same = seen.size == meta.len()
                && seen.mtime == meta.mtime()
                && seen.mtime_nsec == meta.mtime_nsec()
                && seen.inode == meta.ino();
            if same {
                return Ok(seen.digest);
            }
        }
        let digest = file_digest(path)?;
        let seen =
            Seen { size: meta.len(), mtime: meta.mtime(), mtime_nsec: meta.mtime_nsec(), inode: meta.ino(), digest };
        self.files.insert(path.to_path_buf(), seen);
        self.changed = true;
        Ok(digest)
    }
}

/// Reads a file through, without the memo.
pub fn file_digest(path: &Path) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finish())
}
