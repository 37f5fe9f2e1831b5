//! What a file must be (size, SHA-256, MD5) and what it is, computed while it is copied. Knows no network.

use crate::digest::{Digest, Hasher};
use md5::{Digest as _, Md5};
use std::io::{self, Read, Write};

/// What is known of a file beforehand; nothing known, nothing checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    pub bytes: Option<u64>,
    pub sha256: Option<Digest>,
    /// 32 lower-case hexadecimal characters. Some publishers give no better.
    pub md5: Option<String>,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq)]
pub struct Sums {
    pub bytes: u64,
    pub sha256: Digest,
    pub md5: String,
}

impl Expected {
    /// `Err` says what was expected and what was found.
    pub fn check(&self, found: &Sums) -> Result<(), String> {
        if let Some(bytes) = self.bytes.filter(|bytes| *bytes != found.bytes) {
            return Err(format!("expected {bytes} bytes, found {}", found.bytes));
        }
        if let Some(sha256) = self.sha256.filter(|sha256| *sha256 != found.sha256) {
            return Err(format!("expected SHA-256 {sha256}, found {}", found.sha256));
        }
        match &self.md5 {
            Some(md5) if *md5 != found.md5 => Err(format!("expected MD5 {md5}, found {}", found.md5)),
            _ => Ok(()),
        }
    }

    /// True where bytes that pass `check` can only be the right ones.
    pub fn identifies(&self) -> bool {
        self.sha256.is_some() || self.md5.is_some()
    }
}

/// Copies all bytes. `watch` sees the count so far, now and then; `false` from it stops with `ErrorKind::Interrupted`.
pub fn copy(reader: &mut dyn Read, writer: &mut dyn Write, watch: &mut dyn FnMut(u64) -> bool) -> io::Result<Sums> {
    let (mut sha256, mut md5, mut bytes) = (Hasher::new(), Md5::new(), 0);
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        let piece = &buffer[..count];
        sha256.write_all(piece)?;
        md5.update(piece);
        writer.write_all(piece)?;
        bytes += count as u64;
        if !watch(bytes) {
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
    let md5 = md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Sums { bytes, sha256: sha256.finish(), md5 })
}

#[cfg(test)]
mod tests {
    use super::{Expected, copy};
    use crate::digest::Digest;

    #[test]
    fn sums_are_the_published_ones_and_differences_are_named() {
        let mut out = Vec::new();
        let sums = copy(&mut b"abc".as_slice(), &mut out, &mut |_| true).unwrap();
        assert_eq!(out, b"abc");
        assert_eq!(sums.md5, "900150983cd24fb0d6963f7d28e17f72"); // RFC 1321, A.5
        assert_eq!(sums.sha256, Digest::of("abc"));
        let right = Expected { bytes: Some(3), sha256: Some(Digest::of("abc")), md5: Some(sums.md5.clone()) };
        assert_eq!(right.check(&sums), Ok(()));
        assert_eq!(Expected::default().check(&sums), Ok(()));
        for (wrong, word) in [
            (Expected { bytes: Some(4), ..right.clone() }, "4 bytes, found 3"),
            (Expected { sha256: Some(Digest::of("x")), ..right.clone() }, "SHA-256"),
            (Expected { md5: Some("00".repeat(16)), ..right.clone() }, "MD5"),
        ] {
            assert!(wrong.check(&sums).unwrap_err().contains(word));
        }
        assert!(copy(&mut b"abc".as_slice(), &mut Vec::new(), &mut |_| false).is_err());
    }
}
