//! Damaged files are moved out of the way and kept for a look; `sweep` removes them.

use crate::store::error::StoreError;
use crate::store::process::Process;
use crate::store::store::Store;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

impl Store {
    /// Moves the file at `path` into `quarantine/`, if it is still the one that was `opened`: another process may have
    /// put a good one there meanwhile. Gives its new path, or `None` where it had gone already.
    pub(super) fn quarantine(&self, kind: &str, path: &Path, opened: &File) -> Result<Option<PathBuf>, StoreError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let opened = opened.metadata().map_err(|source| StoreError::io("look at", path, source))?;
        match fs::symlink_metadata(path) {
            Ok(found) if (found.dev(), found.ino()) == (opened.dev(), opened.ino()) => {}
            _ => return Ok(None),
        }
        let this = Process::this();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let target = self.quarantine_root().join(format!("{kind}-{name}-{}-{}-{count}", this.pid, this.start));
            if target.exists() {
                continue; // two machines with the same process id
            }
            return match fs::rename(path, &target) {
                Ok(()) => Ok(Some(target)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(source) => Err(StoreError::io("move to the quarantine", path, source)),
            };
        }
    }
}
