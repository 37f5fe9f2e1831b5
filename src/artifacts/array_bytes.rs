//! The bytes of an array: in memory, or in a mapped file, of which the system holds in memory what there is room for and takes
//! the rest from the disk. Knows no array.

use memmap2::Mmap;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// Reads like a slice of bytes.
#[derive(Clone)]
pub enum ArrayBytes {
    Memory(Vec<u8>),
    Mapped(Arc<Mmap>),
}

impl ArrayBytes {
    /// The bytes of a file that nobody changes while they are in use: a nameless one.
    ///
    /// # Errors
    /// Where the system cannot map the file.
    pub fn map(file: &File) -> io::Result<ArrayBytes> {
        // SAFETY: the file has no name and its only handle is the caller's, who gives it away: nobody writes to it or cuts it.
        let map = unsafe { Mmap::map(file) }?;
        Ok(ArrayBytes::Mapped(Arc::new(map)))
    }
}

impl From<Vec<u8>> for ArrayBytes {
    fn from(bytes: Vec<u8>) -> Self {
        ArrayBytes::Memory(bytes)
    }
}

impl Deref for ArrayBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            ArrayBytes::Memory(bytes) => bytes,
            ArrayBytes::Mapped(map) => map,
        }
    }
}

impl DerefMut for ArrayBytes {
    /// A mapped file is read into memory first.
    fn deref_mut(&mut self) -> &mut [u8] {
        if let ArrayBytes::Mapped(map) = self {
            *self = ArrayBytes::Memory(map.to_vec());
        }
        match self {
            ArrayBytes::Memory(bytes) => bytes,
            ArrayBytes::Mapped(_) => &mut [],
        }
    }
}

impl AsRef<[u8]> for ArrayBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for ArrayBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<const N: usize> PartialEq<[u8; N]> for ArrayBytes {
    fn eq(&self, other: &[u8; N]) -> bool {
        **self == *other
    }
}

/// Long bytes would fill a screen.
impl fmt::Debug for ArrayBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = &self[..self.len().min(32)];
        write!(f, "{} bytes {some:?}", self.len())
    }
}
