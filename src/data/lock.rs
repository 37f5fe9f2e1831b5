//! The data lock: size and SHA-256 of each official file, recorded at the first download and verified ever after.
//! A TOML file that people may read, commit and edit. Knows no network.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const VERSION: u32 = 1;
const OPENING: &str = "# Official data files as first downloaded. Every later download must be the same.\n\
                       # Remove an entry to accept a new version of its file.\n\n";

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: expected a data lock of version {VERSION}: {problem}; restore it, or remove it to record anew")]
    Format { path: PathBuf, problem: String },
    #[error(
        "{path}: file `{name}` of {task}: expected {expected}, found {found}; if the publisher changed it, remove the entry, \
         otherwise the download is damaged"
    )]
    Differs { path: PathBuf, task: String, name: String, expected: String, found: String },
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub task: String,
    pub name: String,
    pub bytes: u64,
    pub sha256: Digest,
    /// Path of the address it came from, without the host.
    pub origin: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    #[serde(default)]
    file: Vec<Entry>,
}

/// The entry of a file, if the lock has one. A lock that is not there is empty.
pub fn lookup(path: &Path, task: &str, name: &str) -> Result<Option<Entry>, LockError> {
    Ok(read(path)?.into_iter().find(|entry| entry.task == task && entry.name == name))
}

/// Adds an entry, sorted by task and name; several processes may do so at once.
///
/// # Errors
/// `Differs` where there already is an entry for the file with other bytes: nothing is written then.
pub fn record(path: &Path, new: &Entry) -> Result<(), LockError> {
    let io = |source| LockError::Io { path: path.to_path_buf(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(io)?;
    // The system frees this lock when a process dies. Where a file system ignores it, the rename below still keeps the file
    // whole: at worst an entry is recorded later.
    let guard = path.with_extension("lock-guard");
    let guard = File::options().create(true).truncate(false).write(true).open(guard).map_err(io)?;
    guard.lock().or_else(|e| if e.kind() == io::ErrorKind::Unsupported { Ok(()) } else { Err(e) }).map_err(io)?;
    let mut entries = read(path)?;
    if let Some(old) = entries.iter().find(|entry| entry.task == new.task && entry.name == new.name) {
        if (old.bytes, old.sha256) == (new.bytes, new.sha256) {
            return Ok(());
        }
        return Err(LockError::Differs {
            path: path.to_path_buf(),
            task: new.task.clone(),
            name: new.name.clone(),
            expected: format!("{} bytes, SHA-256 {}", old.bytes, old.sha256),
            found: format!("{} bytes, SHA-256 {}", new.bytes, new.sha256),
        });
    }
    entries.push(new.clone());
    entries.sort_by(|a, b| (&a.task, &a.name).cmp(&(&b.task, &b.name)));
    let text = toml::to_string(&Contents { version: VERSION, file: entries });
    let text = text.map_err(|e| LockError::Format { path: path.to_path_buf(), problem: e.to_string() })?;
    let mut aside = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    aside.write_all(OPENING.as_bytes()).map_err(io)?;
    aside.write_all(text.as_bytes()).map_err(io)?;
    aside.as_file().sync_all().map_err(io)?;
    aside.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}

fn read(path: &Path) -> Result<Vec<Entry>, LockError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(LockError::Io { path: path.to_path_buf(), source }),
    };
    let format = |problem: String| LockError::Format { path: path.to_path_buf(), problem };
    let contents: Contents = toml::from_str(&text).map_err(|e| format(e.to_string()))?;
    if contents.version != VERSION {
        return Err(format(format!("found version {}", contents.version)));
    }
    Ok(contents.file)
}

#[cfg(test)]
mod tests {
    use super::{Entry, LockError, lookup, record};
    use crate::digest::Digest;

    fn entry(name: &str, content: &str) -> Entry {
        Entry {
            task: "darcy".into(),
            name: name.into(),
            bytes: content.len() as u64,
            sha256: Digest::of(content),
            origin: format!("/{name}"),
        }
    }

    #[test]
    fn entries_are_recorded_sorted_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.lock");
        assert_eq!(lookup(&path, "darcy", "b").unwrap(), None);
        record(&path, &entry("b", "bb")).unwrap();
        record(&path, &entry("a", "a")).unwrap();
        record(&path, &entry("b", "bb")).unwrap();
        assert_eq!(lookup(&path, "darcy", "b").unwrap(), Some(entry("b", "bb")));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.find("name = \"a\"").unwrap() < text.find("name = \"b\"").unwrap(), "{text}");
        let differs = record(&path, &entry("b", "other")).unwrap_err();
        assert!(matches!(differs, LockError::Differs { .. }));
        assert!(differs.to_string().contains(&Digest::of("other").to_string()));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn writers_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.lock");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    for i in 0..5 {
                        record(path, &entry(&format!("{thread}-{i}"), "x")).unwrap();
                    }
                });
            }
        });
        assert_eq!(super::read(&path).unwrap().len(), 40);
    }

    #[test]
    fn a_lock_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.lock");
        for text in ["version = 2", "nonsense", "version = 1\n[[file]]\nname = 3"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(lookup(&path, "darcy", "a"), Err(LockError::Format { .. })), "{text}");
        }
    }
}
