//! A file written aside in `tmp/`, which then appears under its name whole or not at all. Knows not what is in it.

use crate::store::error::StoreError;
use crate::store::process::Process;
use crate::store::store::Store;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A growing file in `tmp/`; dropped, it is gone.
pub struct Aside {
    store: Store,
    path: PathBuf,
    file: File,
    /// The name in `tmp/` still exists.
    there: bool,
}

impl Store {
    pub(super) fn aside(&self) -> Result<Aside, StoreError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let this = Process::this();
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let machine = if this.machine.is_empty() { "unknown" } else { &this.machine };
            let path = self.tmp().join(format!("part-{machine}-{}-{}-{count}", this.pid, this.start));
            match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let aside = Aside { store: self.clone(), path, file, there: true };
                    self.permit_file(&aside.file)
                        .map_err(|source| StoreError::io("set the permissions of", &aside.path, source))?;
                    return Ok(aside);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                // Somebody emptied the store by hand while it was open.
                Err(error) if error.kind() == ErrorKind::NotFound && !self.tmp().exists() => {
                    self.make_folder(&self.tmp())?;
                }
                Err(source) => return Err(StoreError::io("make", &path, source)),
            }
        }
    }
}

/// The process that made a file of this name in `tmp/`; `None` for other names.
pub(super) fn maker(name: &str) -> Option<Process> {
    let mut parts = name.strip_prefix("part-")?.split('-');
    let machine = parts.next().filter(|&machine| machine != "unknown").unwrap_or_default().to_string();
    let pid = parts.next()?.parse().ok()?;
    let start = parts.next()?.parse().ok()?;
    Some(Process { host: String::new(), user: String::new(), machine, pid, start })
}

impl Aside {
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Flushes the content to the disk, under full durability.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        if self.store.full_durability() {
            self.file.sync_all().map_err(|source| StoreError::io("flush", &self.path, source))?;
        }
        Ok(())
    }

    /// Takes the name `target`, in place of what had it before.
    pub(super) fn replace(mut self, target: &Path) -> Result<File, StoreError> {
        self.in_folder_of(target, |from| fs::rename(from, target))
            .map_err(|source| StoreError::from_io("write", target, source))?;
        self.there = false;
        self.file.try_clone().map_err(|source| StoreError::io("keep open", target, source))
    }

    /// Moves or links the file to `target`, whose folder is made where it is missing. Another process may make or
    /// remove that folder in between, so that one answer proves little.
    fn in_folder_of(&self, target: &Path, step: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
        let mut answer = step(&self.path);
        for _ in 0..10 {
            match &answer {
                Err(error) if error.kind() == ErrorKind::NotFound && self.path.exists() => {
                    self.store.make_folder(target.parent().expect("targets lie in a folder of the store"))?;
                    answer = step(&self.path);
                }
                _ => break,
            }
        }
        answer
    }

    /// Takes the name `target` if nothing has it: false where something has. Of any number of processes, on any
    /// number of hosts, one gets true.
    pub(super) fn claim(&mut self, target: &Path) -> Result<bool, StoreError> {
        match self.in_folder_of(target, |from| fs::hard_link(from, target)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // An NFS client that lost the server's answer asks again and is then told so of its own link (open(2)):
                // the link count knows.
                let own = self.file.metadata().map_err(|source| StoreError::io("look at", &self.path, source))?;
                let taken = fs::symlink_metadata(target)
                    .is_ok_and(|found| own.nlink() == 2 && (found.dev(), found.ino()) == (own.dev(), own.ino()));
                Ok(taken)
            }
            // Without hard links (FAT, some FUSE): a rename that refuses to replace.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EOPNOTSUPP | libc::ENOSYS)) => {
                match rename_exclusive(&self.path, target) {
                    Ok(()) => {
                        self.there = false;
                        Ok(true)
                    }
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
                    Err(error)
                        if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP | libc::ENOSYS)) =>
                    {
                        Err(StoreError::NotExclusive { path: target.to_path_buf() })
                    }
                    Err(source) => Err(StoreError::io("write", target, source)),
                }
            }
            Err(source) => Err(StoreError::from_io("write", target, source)),
        }
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| StoreError::io("write", &self.path, error).into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if self.there {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(target_os = "linux")]
fn rename_exclusive(from: &Path, to: &Path) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    let from = CString::new(from.as_os_str().as_bytes())?;
    let to = CString::new(to.as_os_str().as_bytes())?;
    // SAFETY: both names are valid C strings that outlive the call.
    let answer =
        unsafe { libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::RENAME_NOREPLACE) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn rename_exclusive(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

#[cfg(test)]
mod tests {
    use super::{maker, rename_exclusive};
    use crate::store::process::Process;
    use crate::store::store::Store;
    use std::fs;
    use std::io::Write;

    #[test]
    fn a_name_is_claimed_once_and_a_dropped_file_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
        let target = store.leases().join("new/name");
        let mut first = store.aside().unwrap();
        first.write_all(b"first").unwrap();
        let name = first.path().file_name().unwrap().to_str().unwrap().to_string();
        assert!(!maker(&name).unwrap().gone());
        assert_eq!(maker(&name).unwrap().pid, Process::this().pid);
        assert!(first.claim(&target).unwrap());
        let mut second = store.aside().unwrap();
        second.write_all(b"second").unwrap();
        assert!(!second.claim(&target).unwrap());
        drop((first, second));
        assert_eq!(fs::read(&target).unwrap(), b"first");
        assert_eq!(fs::read_dir(store.tmp()).unwrap().count(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_way_without_links_does_not_replace() {
        let home = tempfile::tempdir().unwrap();
        let (a, b) = (home.path().join("a"), home.path().join("b"));
        fs::write(&a, "a").unwrap();
        rename_exclusive(&a, &b).unwrap();
        fs::write(&a, "again").unwrap();
        assert_eq!(rename_exclusive(&a, &b).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&b).unwrap(), b"a");
    }
}
