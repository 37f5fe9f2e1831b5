//! The state of an interrupted node: `checkpoints-v1/<key>/state`, and `previous`, the one before. Knows not what it
//! says. A file is a line with format and SHA-256 of the state, then the state, compressed.

use crate::digest::{Digest, Hasher};
use crate::store::codec::{Packer, Unpacker, Unreadable};
use crate::store::error::StoreError;
use crate::store::store::Store;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: &str = "nasperf-checkpoint-1 ";
/// Magic, 64 digits, line break.
const HEADER: usize = MAGIC.len() + 65;

/// The place for one node's state. Only the holder of the node's lease writes to it.
pub struct Checkpoint {
    store: Store,
    folder: PathBuf,
}

impl Store {
    pub fn checkpoint(&self, key: &Digest) -> Checkpoint {
        Checkpoint { store: self.clone(), folder: self.checkpoints().join(key.to_string()) }
    }

    /// A folder for the node's own files, such as partial downloads; made empty, kept between attempts.
    pub fn scratch(&self, key: &Digest) -> Result<PathBuf, StoreError> {
        let path = self.scratch_path(key);
        self.make_folder(&path)?;
        Ok(path)
    }

    /// Removes the node's scratch folder, if there is one.
    pub fn clear_scratch(&self, key: &Digest) -> Result<(), StoreError> {
        remove_folder(&self.scratch_path(key))
    }

    pub(super) fn scratch_path(&self, key: &Digest) -> PathBuf {
        self.tmp().join(format!("scratch-{key}"))
    }
}

impl Checkpoint {
    /// The state saved last. A torn or damaged file is quarantined and the one before it taken.
    pub fn load(&self) -> Result<Option<Vec<u8>>, StoreError> {
        for name in ["state", "previous"] {
            let path = self.folder.join(name);
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(source) => return Err(StoreError::io("open", &path, source)),
            };
            match read(&file, &path)? {
                Some(state) => return Ok(Some(state)),
                None => self.store.quarantine("checkpoint", &path, &file)?,
            };
        }
        Ok(None)
    }

    /// Replaces the state. At every instant, also in a power cut, this one or the one before can be loaded.
    pub fn save(&self, state: &[u8]) -> Result<(), StoreError> {
        let (current, previous) = (self.folder.join("state"), self.folder.join("previous"));
        let failed = |error| StoreError::from_io("write", &current, error);
        let mut aside = self.store.aside()?;
        writeln!(aside, "{MAGIC}{}", Digest::of(state)).map_err(failed)?;
        let mut packer = Packer::new(aside);
        packer.write_all(state).map_err(failed)?;
        let (aside, _) = packer.finish().map_err(failed)?;
        aside.sync()?;
        match fs::rename(&current, &previous) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(StoreError::io("keep the earlier state as", &previous, source));
            }
            _ => {}
        }
        aside.replace(&current)?;
        self.store.sync_folder(&self.folder)
    }

    /// Removes all states.
    pub fn clear(&self) -> Result<(), StoreError> {
        remove_folder(&self.folder)
    }
}

/// The state in a checkpoint file; `None` where it is not as it was written.
fn read(mut file: &File, path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let failed = |source| StoreError::io("read", path, source);
    let mut header = [0u8; HEADER];
    match file.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(source) => return Err(failed(source)),
    }
    let digest = std::str::from_utf8(&header)
        .ok()
        .and_then(|text| text.strip_prefix(MAGIC)?.strip_suffix('\n')?.parse::<Digest>().ok());
    let Some(digest) = digest else { return Ok(None) };
    let mut unpacker = Unpacker::new(file.try_clone().map_err(failed)?).map_err(failed)?;
    let (mut state, mut buffer, mut hasher) = (Vec::new(), vec![0; 128 << 10], Hasher::new());
    loop {
        match unpacker.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.write_all(&buffer[..count]).map_err(failed)?;
                state.extend_from_slice(&buffer[..count]);
            }
            Err(Unreadable::Damaged) => return Ok(None),
            Err(Unreadable::Io(source)) => return Err(failed(source)),
        }
    }
    Ok((hasher.finish() == digest).then_some(state))
}

fn remove_folder(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", path, source)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::digest::Digest;
    use crate::store::store::Store;
    use std::fs;

    #[test]
    fn the_last_state_comes_back_and_damage_falls_back_on_the_one_before() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
        let checkpoint = store.checkpoint(&Digest::of("key"));
        assert_eq!(checkpoint.load().unwrap(), None);
        checkpoint.save(b"one").unwrap();
        assert_eq!(checkpoint.load().unwrap().unwrap(), b"one");
        checkpoint.save(b"two").unwrap();
        let state = checkpoint.folder.join("state");
        let whole = fs::read(&state).unwrap();
        let mut bad: Vec<Vec<u8>> = (0..whole.len()).map(|length| whole[..length].to_vec()).collect();
        bad.extend((0..whole.len() * 8).map(|bit| {
            let mut bad = whole.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            bad
        }));
        for bytes in bad {
            fs::write(&state, &bytes).unwrap();
            let loaded = checkpoint.load().unwrap().unwrap();
            // Upper-case digits of the digest, or bits that zstd does not use, may still give the right state.
            assert!(loaded == b"one" || loaded == b"two");
            if bytes.len() < whole.len() {
                assert_eq!(loaded, b"one");
                assert!(!state.exists(), "damage is moved away");
            }
        }
        fs::write(&state, "x").unwrap();
        fs::write(checkpoint.folder.join("previous"), "x").unwrap();
        assert_eq!(checkpoint.load().unwrap(), None);
        checkpoint.save(b"three").unwrap();
        assert_eq!(checkpoint.load().unwrap().unwrap(), b"three");
        checkpoint.clear().unwrap();
        checkpoint.clear().unwrap();
        assert_eq!(checkpoint.load().unwrap(), None);
    }

    #[test]
    fn scratch_is_kept_until_cleared() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
        let key = Digest::of("key");
        let folder = store.scratch(&key).unwrap();
        fs::write(folder.join("part"), "half a download").unwrap();
        assert!(store.scratch(&key).unwrap().join("part").exists());
        store.clear_scratch(&key).unwrap();
        assert_eq!(fs::read_dir(store.scratch(&key).unwrap()).unwrap().count(), 0);
    }
}
