//! Opens the store's folder and knows its layout; what the files mean is known by the other modules of this folder.

use crate::digest::Digest;
use crate::store::error::StoreError;
use crate::store::lease::Heart;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The version in the folder names; another layout or encoding gets another number.
pub const VERSION: u32 = 1;

const FOLDERS: [&str; 8] =
    ["objects-v1", "records-v1", "checkpoints-v1", "runs-v1", "leases-v1", "logs", "tmp", "quarantine"];

/// What a power cut may take away. A crash of the program never takes anything, under either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Files and folders are flushed to the disk, blobs before the record: what was published stays.
    #[default]
    Full,
    /// Nothing is flushed: the last seconds before a power cut may be lost, and run again. What is torn is noticed by
    /// its digest and counts as missing.
    Rename,
}

#[derive(Clone, Debug)]
pub struct Options {
    /// Share with the Unix group: folders 2775, files 0664, whatever the umask. Also on where the store's folder
    /// already has these bits, so that one person's decision holds for all.
    pub group: bool,
    pub durability: Durability,
    /// A lease whose heartbeat is older than this may be taken over; it beats six times as often.
    pub stale: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options { group: false, durability: Durability::Full, stale: Duration::from_secs(60) }
    }
}

/// A handle on the store: cheap to clone, shared by threads.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    durability: Durability,
}

struct Inner {
    root: PathBuf,
    group: bool,
    stale: Duration,
    heart: Arc<Heart>,
}

impl Store {
    /// Opens the store at `root`, and makes it where there is none.
    ///
    /// Errors: `NotAFolder`, `NotWritable`, `Version` (the folder holds a store of another format), `Full`, `Io`.
    pub fn open(root: &Path) -> Result<Store, StoreError> {
        Store::open_with(root, Options::default())
    }

    /// As [`Store::open`], with options.
    pub fn open_with(root: &Path, options: Options) -> Result<Store, StoreError> {
        match fs::metadata(root) {
            Ok(found) if !found.is_dir() => return Err(StoreError::NotAFolder { path: root.to_path_buf() }),
            Ok(_) => check_version(root)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(StoreError::NotAFolder { path: root.to_path_buf() });
            }
            Err(source) => return Err(StoreError::io("look at", root, source)),
        }
        let group = options.group || shared_by_group(root);
        let inner = Inner {
            // Absolute, so that a later change of the working directory does not matter.
            root: std::path::absolute(root).map_err(|source| StoreError::io("find", root, source))?,
            group,
            stale: options.stale,
            heart: Arc::new(Heart::new(options.stale / 6)),
        };
        let store = Store { inner: Arc::new(inner), durability: options.durability };
        store.make_folder(&store.inner.root).map_err(not_writable)?;
        for name in FOLDERS {
            let path = store.inner.root.join(name);
            store.make_folder(&path).map_err(not_writable)?;
            check_writable(&path)?;
        }
        Ok(store)
    }

    /// The same store under another durability: a node of a second's work is cheaper to run again than to flush.
    /// Publishing under full durability flushes the blobs too, whichever handle wrote them.
    pub fn with_durability(mut self, durability: Durability) -> Store {
        self.durability = durability;
        self
    }

    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// The folder of the nodes' logs. Their names are the caller's business; `sweep` removes old ones.
    pub fn logs(&self) -> PathBuf {
        self.inner.root.join("logs")
    }

    /// The folder of the runs' plans and states. Their names are the caller's business.
    pub fn runs(&self) -> PathBuf {
        self.inner.root.join("runs-v1")
    }

    pub(super) fn objects(&self) -> PathBuf {
        self.inner.root.join("objects-v1")
    }

    /// `objects-v1/ab/<digest>`, where `ab` are the digest's first two characters.
    pub(super) fn object_path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        let mut path = self.objects();
        path.push(&name[..2]);
        path.push(name);
        path
    }

    pub(super) fn records_root(&self) -> PathBuf {
        self.inner.root.join("records-v1")
    }

    pub(super) fn checkpoints(&self) -> PathBuf {
        self.inner.root.join("checkpoints-v1")
    }

    pub(super) fn leases(&self) -> PathBuf {
        self.inner.root.join("leases-v1")
    }

    pub(super) fn tmp(&self) -> PathBuf {
        self.inner.root.join("tmp")
    }

    pub(super) fn quarantine_root(&self) -> PathBuf {
        self.inner.root.join("quarantine")
    }

    pub(super) fn index_path(&self) -> PathBuf {
        self.inner.root.join("index-v1")
    }

    pub(super) fn heart(&self) -> &Arc<Heart> {
        &self.inner.heart
    }

    pub(super) fn stale(&self) -> Duration {
        self.inner.stale
    }

    pub(super) fn full_durability(&self) -> bool {
        self.durability == Durability::Full
    }

    /// Makes a folder and its parents, with the store's permissions; one that is there is left as it is.
    pub(super) fn make_folder(&self, path: &Path) -> Result<(), StoreError> {
        let mut made = fs::create_dir(path);
        if let (Err(error), Some(parent)) = (&made, path.parent())
            && error.kind() == ErrorKind::NotFound
        {
            if path == self.inner.root {
                // Above the store's own folder as `mkdir -p` does.
                fs::create_dir_all(parent).map_err(|source| StoreError::io("make the folder", parent, source))?;
            } else {
                self.make_folder(parent)?;
            }
            made = fs::create_dir(path);
        }
        match made {
            Ok(()) => {
                self.permit_folder(path)?;
                path.parent().map_or(Ok(()), |parent| self.sync_folder(parent))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(source) => Err(StoreError::io("make the folder", path, source)),
        }
    }

    /// Flushes a folder's entries to the disk, under full durability.
    pub(super) fn sync_folder(&self, path: &Path) -> Result<(), StoreError> {
        if !self.full_durability() {
            return Ok(());
        }
        let folder = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match File::open(folder).and_then(|folder| folder.sync_all()) {
            Ok(()) => Ok(()),
            // Some network file systems cannot flush a folder, and keep its entries on the server at once anyway; and
            // the folder above the store may be closed to us.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied
                ) =>
            {
                Ok(())
            }
            Err(source) => Err(StoreError::io("flush the folder", path, source)),
        }
    }

    #[cfg(unix)]
    fn permit_folder(&self, path: &Path) -> Result<(), StoreError> {
        use std::os::unix::fs::PermissionsExt;
        if self.inner.group {
            let bits = fs::Permissions::from_mode(0o2775);
            fs::set_permissions(path, bits).map_err(|source| StoreError::io("set the permissions of", path, source))?;
        }
        Ok(())
    }

    /// Gives an open new file the store's permissions.
    pub(super) fn permit_file(&self, file: &File) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        if self.inner.group {
            file.set_permissions(fs::Permissions::from_mode(0o664))?;
        }
        Ok(())
    }
}

fn not_writable(error: StoreError) -> StoreError {
    match error {
        StoreError::Io { path, source, .. }
            if matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
        {
            StoreError::NotWritable { path, source }
        }
        StoreError::Io { path, source, .. } if source.kind() == ErrorKind::NotADirectory => {
            StoreError::NotAFolder { path: path.parent().map_or(path.clone(), Path::to_path_buf) }
        }
        other => other,
    }
}

/// A store of another version keeps its folders under other numbers: `objects-v2`.
fn check_version(root: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(root).map_err(|source| StoreError::io("list", root, source))?;
    for entry in entries {
        let name = entry.map_err(|source| StoreError::io("list", root, source))?.file_name();
        let Some(name) = name.to_str() else { continue };
        for ours in FOLDERS {
            let Some((stem, _)) = ours.split_once("-v") else { continue };
            if let Some(found) = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix("-v"))
                && found != "1"
            {
                let (path, found) = (root.to_path_buf(), format!("{found} (folder {name})"));
                return Err(StoreError::Version { path, found, expected: VERSION });
            }
        }
    }
    Ok(())
}

fn shared_by_group(root: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(root).is_ok_and(|found| found.permissions().mode() & 0o2070 == 0o2070)
}

fn check_writable(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::ffi::OsStrExt;
    if !path.is_dir() {
        return Err(StoreError::NotAFolder { path: path.to_path_buf() });
    }
    let name = std::ffi::CString::new(path.as_os_str().as_bytes())
        .map_err(|_| StoreError::io("look at", path, io::Error::from(ErrorKind::InvalidInput)))?;
    // SAFETY: the name is a valid C string that outlives the call; access changes nothing.
    if unsafe { libc::access(name.as_ptr(), libc::W_OK | libc::X_OK) } != 0 {
        return Err(StoreError::NotWritable { path: path.to_path_buf(), source: io::Error::last_os_error() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Options, Store};
    use crate::store::error::StoreError;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn opening_makes_the_folders_and_opening_again_changes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("a/b/cache");
        Store::open(&root).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(&root).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(
            names,
            ["checkpoints-v1", "leases-v1", "logs", "objects-v1", "quarantine", "records-v1", "runs-v1", "tmp"]
        );
        Store::open(&root).unwrap();
    }

    #[test]
    fn a_file_another_version_and_a_read_only_folder_are_clear_errors() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(matches!(Store::open(&file), Err(StoreError::NotAFolder { .. })));
        assert!(matches!(Store::open(&file.join("below")), Err(StoreError::NotAFolder { .. })));

        let newer = home.path().join("newer");
        fs::create_dir_all(newer.join("records-v2")).unwrap();
        let error = Store::open(&newer).err().unwrap();
        assert!(matches!(error, StoreError::Version { .. }), "{error}");
        assert!(error.to_string().contains("records-v2"), "{error}");

        let clash = home.path().join("clash");
        fs::create_dir(&clash).unwrap();
        fs::write(clash.join("tmp"), "x").unwrap();
        assert!(matches!(Store::open(&clash), Err(StoreError::NotAFolder { .. })));

        // /proc refuses new folders to everybody, root included.
        let error = Store::open(std::path::Path::new("/proc/nasperf")).err().unwrap();
        assert!(!error.to_string().is_empty());
    }

    #[test]
    fn group_mode_sets_the_bits_and_is_found_again() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("shared");
        Store::open_with(&root, Options { group: true, ..Options::default() }).unwrap();
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&root), 0o2775);
        assert_eq!(mode(&root.join("tmp")), 0o2775);
        let store = Store::open(&root).unwrap(); // another person, without the option
        let blob = store.put(b"hello").unwrap();
        let path = store.object_path(&blob.digest);
        assert_eq!(mode(&path), 0o664);
        assert_eq!(mode(path.parent().unwrap()), 0o2775);
    }
}
