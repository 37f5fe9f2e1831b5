//! Blobs by content: `objects-v1/ab/<sha256 of the uncompressed bytes>`. Knows not what they mean nor who refers to them.

use crate::digest::{Digest, Hasher};
use crate::store::aside::Aside;
use crate::store::clock::touch;
use crate::store::codec::{Packer, Unpacker, Unreadable};
use crate::store::error::StoreError;
use crate::store::store::Store;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};

/// What is known of a blob without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobRef {
    /// Of the uncompressed bytes.
    pub digest: Digest,
    /// Uncompressed bytes.
    pub size: u64,
}

/// A growing blob: memory stays at a few megabytes. Dropped without `finish` it leaves nothing behind.
pub struct BlobWriter {
    store: Store,
    packer: Packer<Aside>,
    hasher: Hasher,
    size: u64,
}

/// A blob being read. Its digest is compared once the end is reached: until then the bytes are not yet vouched for.
/// Damage gives an `io::Error` with `StoreError::Corrupt` inside, after the object was moved to the quarantine.
pub struct BlobReader {
    store: Store,
    digest: Digest,
    file: File,
    unpacker: Unpacker,
    hasher: Option<Hasher>,
    corrupt: bool,
}

impl Store {
    pub fn create(&self) -> Result<BlobWriter, StoreError> {
        let packer = Packer::new(self.aside()?);
        Ok(BlobWriter { store: self.clone(), packer, hasher: Hasher::new(), size: 0 })
    }

    pub fn put(&self, bytes: &[u8]) -> Result<BlobRef, StoreError> {
        let mut writer = self.create()?;
        writer.write_all(bytes).map_err(|error| StoreError::from_io("write", &self.tmp(), error))?;
        writer.finish()
    }

    /// Errors: `Missing`, `Io`. Damage shows while reading.
    pub fn reader(&self, digest: &Digest) -> Result<BlobReader, StoreError> {
        let path = self.object_path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(StoreError::Missing { digest: *digest }),
            Err(source) => return Err(StoreError::io("open", &path, source)),
        };
        let unpacker =
            file.try_clone().and_then(Unpacker::new).map_err(|source| StoreError::io("open", &path, source))?;
        let hasher = Some(Hasher::new());
        Ok(BlobReader { store: self.clone(), digest: *digest, file, unpacker, hasher, corrupt: false })
    }

    /// The whole blob, verified. Errors: `Missing`, `Corrupt`, `Io`.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        let path = self.object_path(digest);
        self.reader(digest)?.read_to_end(&mut bytes).map_err(|error| StoreError::from_io("read", &path, error))?;
        Ok(bytes)
    }

    /// Whether the object is there, without reading it: damage is not seen.
    pub fn has(&self, digest: &Digest) -> bool {
        // No object is empty: an empty file is what some file systems leave after a power cut.
        fs::metadata(self.object_path(digest)).is_ok_and(|found| found.is_file() && found.len() > 0)
    }

    /// Reads the object and compares its digest. Errors: `Missing`, `Corrupt` (then it is quarantined), `Io`.
    pub fn verify(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.object_path(digest);
        io::copy(&mut self.reader(digest)?, &mut io::sink())
            .map_err(|error| StoreError::from_io("read", &path, error))?;
        Ok(())
    }
}

impl BlobWriter {
    /// Puts the blob in its place. Under full durability its bytes are on the disk then; the entry of its folder is
    /// flushed when a record that names it is published.
    pub fn finish(self) -> Result<BlobRef, StoreError> {
        let BlobWriter { store, packer, hasher, size } = self;
        let (aside, packed) = packer.finish().map_err(|error| StoreError::from_io("write", &store.tmp(), error))?;
        let digest = hasher.finish();
        let path = store.object_path(&digest);
        // An object of the same length is kept; of another length it is torn, or from another compressor and as good.
        let kept = fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() == packed);
        if kept {
            // The sweep spares what is young: it is as if it were written now. Another user's file may refuse.
            if let Ok(file) = File::open(&path) {
                let _ = touch(&file);
            }
            return Ok(BlobRef { digest, size });
        }
        aside.sync()?;
        aside.replace(&path)?;
        Ok(BlobRef { digest, size })
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.packer.write(bytes)?;
        self.hasher.write_all(&bytes[..count])?;
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BlobReader {
    fn corrupt(&mut self) -> io::Error {
        if !self.corrupt {
            self.corrupt = true;
            let path = self.store.object_path(&self.digest);
            if let Err(error) = self.store.quarantine("object", &path, &self.file) {
                return error.into();
            }
        }
        StoreError::Corrupt { digest: self.digest }.into()
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.corrupt {
            return Err(self.corrupt());
        }
        if buffer.is_empty() {
            return Ok(0);
        }
        let Some(hasher) = &mut self.hasher else { return Ok(0) };
        match self.unpacker.read(buffer) {
            Ok(0) => {
                let found = self.hasher.take().expect("present above").finish();
                if found == self.digest { Ok(0) } else { Err(self.corrupt()) }
            }
            Ok(count) => {
                hasher.write_all(&buffer[..count])?;
                Ok(count)
            }
            Err(Unreadable::Io(error)) => {
                let path = self.store.object_path(&self.digest);
                Err(StoreError::io("read", &path, error).into())
            }
            Err(Unreadable::Damaged) => Err(self.corrupt()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BlobRef;
    use crate::digest::Digest;
    use crate::store::error::StoreError;
    use crate::store::store::Store;
    use std::fs;
    use std::io::{Read, Write};

    fn store() -> (tempfile::TempDir, Store) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
        (home, store)
    }

    #[test]
    fn a_blob_is_named_by_its_content_and_comes_back() {
        let (_home, store) = store();
        for bytes in [&b""[..], b"abc", &vec![7; 3_000_000]] {
            let blob = store.put(bytes).unwrap();
            assert_eq!(blob, BlobRef { digest: Digest::of(bytes), size: bytes.len() as u64 });
            assert!(store.has(&blob.digest));
            assert_eq!(store.read(&blob.digest).unwrap(), bytes);
            store.verify(&blob.digest).unwrap();
            assert_eq!(store.put(bytes).unwrap(), blob);
        }
        let absent = Digest::of("absent");
        assert!(!store.has(&absent));
        assert!(matches!(store.read(&absent), Err(StoreError::Missing { digest }) if digest == absent));
        assert_eq!(fs::read_dir(store.tmp()).unwrap().count(), 0);
    }

    #[test]
    fn an_abandoned_writer_leaves_nothing() {
        let (_home, store) = store();
        let mut writer = store.create().unwrap();
        writer.write_all(&vec![1; 2_000_000]).unwrap();
        assert_eq!(fs::read_dir(store.tmp()).unwrap().count(), 1);
        drop(writer);
        assert_eq!(fs::read_dir(store.tmp()).unwrap().count(), 0);
        assert_eq!(fs::read_dir(store.objects()).unwrap().count(), 0);
    }

    #[test]
    fn damage_is_quarantined_and_told_again_and_the_object_can_be_written_again() {
        let (_home, store) = store();
        let blob = store.put(b"weights").unwrap();
        let path = store.object_path(&blob.digest);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        fs::write(&path, bad).unwrap();
        let mut reader = store.reader(&blob.digest).unwrap();
        let mut bytes = Vec::new();
        for _ in 0..2 {
            let error = reader.read_to_end(&mut bytes).unwrap_err();
            let inner = error.downcast::<StoreError>().unwrap();
            assert!(matches!(inner, StoreError::Corrupt { digest } if digest == blob.digest), "{inner}");
        }
        assert!(!store.has(&blob.digest));
        assert_eq!(fs::read_dir(store.quarantine_root()).unwrap().count(), 1);
        store.put(b"weights").unwrap();
        assert_eq!(store.read(&blob.digest).unwrap(), b"weights");
    }

    #[test]
    fn a_reader_of_the_damaged_file_does_not_take_away_its_good_successor() {
        let (_home, store) = store();
        let blob = store.put(b"weights").unwrap();
        let path = store.object_path(&blob.digest);
        fs::write(&path, b"rubbish").unwrap();
        let mut late = store.reader(&blob.digest).unwrap();
        store.verify(&blob.digest).unwrap_err();
        store.put(b"weights").unwrap();
        late.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(store.read(&blob.digest).unwrap(), b"weights");
    }

    #[test]
    fn a_torn_object_does_not_stand_in_the_way_of_a_whole_one() {
        let (_home, store) = store();
        let blob = store.put(b"weights").unwrap();
        let path = store.object_path(&blob.digest);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            store.put(b"weights").unwrap();
            assert_eq!(store.read(&blob.digest).unwrap(), b"weights");
        }
    }
}
