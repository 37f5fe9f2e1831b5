//! What can go wrong between the program and the store's folder. Knows no layout.

use crate::digest::Digest;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{path}: expected a folder for the store, found a file; name another one with --cache")]
    NotAFolder { path: PathBuf },
    #[error(
        "{path}: the store is not writable ({source}); name another folder with --cache, or ask its owner for group write permission"
    )]
    NotWritable { path: PathBuf, source: io::Error },
    #[error(
        "{path}: expected store format version {expected}, found {found}; name another folder with --cache, or use the program that wrote it"
    )]
    Version { path: PathBuf, found: String, expected: u32 },
    #[error("object {digest} is not in the store; the node that makes it has to run again")]
    Missing { digest: Digest },
    #[error(
        "object {digest} was damaged and has been moved to the store's quarantine; the node that makes it has to run again"
    )]
    Corrupt { digest: Digest },
    #[error("{path}: no space left (disk or quota); free some with `nasperf-pipe gc`, then run the same command again")]
    Full { path: PathBuf },
    #[error("`{name}` cannot name {what}: expected {expected}")]
    Name { what: &'static str, name: String, expected: &'static str },
    #[error(
        "{path}: this file system can neither link files nor rename without replacing; put the store on another one with --cache"
    )]
    NotExclusive { path: PathBuf },
    #[error("{path}: cannot {action}: {source}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl StoreError {
    /// Sorts an operating system error: a full disk has its own class.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full { path: path.to_path_buf() },
            _ => StoreError::Io { action, path: path.to_path_buf(), source },
        }
    }

    /// The store's error inside an `io::Error` that came out of a reader or writer of the store, or the error itself
    /// as [`StoreError::Io`].
    pub fn from_io(action: &'static str, path: &Path, error: io::Error) -> Self {
        error.downcast::<StoreError>().unwrap_or_else(|other| StoreError::io(action, path, other))
    }
}

/// Keeps the kind that `StageError` looks at (`StorageFull`), and the store's error inside.
impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Full { .. } => ErrorKind::StorageFull,
            StoreError::Missing { .. } => ErrorKind::NotFound,
            StoreError::Corrupt { .. } => ErrorKind::InvalidData,
            StoreError::NotWritable { .. } => ErrorKind::PermissionDenied,
            StoreError::Name { .. } => ErrorKind::InvalidInput,
            StoreError::NotExclusive { .. } => ErrorKind::Unsupported,
            StoreError::NotAFolder { .. } | StoreError::Version { .. } => ErrorKind::Other,
            StoreError::Io { source, .. } => source.kind(),
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::StoreError;
    use crate::digest::Digest;
    use std::io::{self, ErrorKind};
    use std::path::Path;

    #[test]
    fn a_full_disk_keeps_its_kind_through_io_errors() {
        let path = Path::new("objects-v1");
        let full = StoreError::io("write", path, io::Error::from(ErrorKind::StorageFull));
        assert!(matches!(full, StoreError::Full { .. }), "{full}");
        let outer = io::Error::from(full);
        assert_eq!(outer.kind(), ErrorKind::StorageFull);
        assert!(matches!(StoreError::from_io("write", path, outer), StoreError::Full { .. }));
    }

    #[test]
    fn corruption_travels_inside_an_io_error() {
        let digest = Digest::of("x");
        let outer = io::Error::from(StoreError::Corrupt { digest });
        assert!(outer.to_string().contains(&digest.to_string()));
        let back = StoreError::from_io("read", Path::new("p"), outer);
        assert!(matches!(back, StoreError::Corrupt { digest: found } if found == digest));
    }
}
