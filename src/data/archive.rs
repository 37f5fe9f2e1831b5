//! Compression by its first bytes, and the regular files of a tar archive in one pass. Writes nothing to disk.

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use std::io::{self, Cursor, Read};

/// A file name inside an archive longer than this is an error (Linux allows 4,096 in a path).
const LONGEST_NAME: u64 = 8192;

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("{file}: expected gzip, bzip2 or no compression, found {found}; unpack it first")]
    Compression { file: String, found: &'static str },
    #[error("{file}: not a readable archive: {source}; the file may be cut or damaged, fetch it again")]
    Damaged { file: String, source: io::Error },
    #[error("{file}: member name at offset {offset} is longer than {LONGEST_NAME} bytes")]
    Name { file: String, offset: u64 },
}

/// Undoes gzip or bzip2 where the first bytes show it; anything else passes unchanged.
pub fn decompress<'a>(file: &str, raw: &'a mut dyn Read) -> Result<Box<dyn Read + 'a>, ArchiveError> {
    let mut magic = Vec::new();
    let damaged = |source| ArchiveError::Damaged { file: file.to_string(), source };
    Read::take(&mut *raw, 6).read_to_end(&mut magic).map_err(damaged)?;
    let refuse = |found| Err(ArchiveError::Compression { file: file.to_string(), found });
    if magic.starts_with(b"\xfd7zXZ\0") {
        return refuse("xz");
    }
    if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return refuse("zstd");
    }
    if magic.starts_with(b"PK\x03\x04") {
        return refuse("zip");
    }
    let (gzip, bzip2) = (magic.starts_with(&[0x1f, 0x8b]), magic.starts_with(b"BZh"));
    let raw = Cursor::new(magic).chain(raw);
    Ok(if gzip {
        Box::new(MultiGzDecoder::new(raw))
    } else if bzip2 {
        Box::new(MultiBzDecoder::new(raw))
    } else {
        Box::new(raw)
    })
}

/// Calls `visit` for every regular file, in archive order, with its path and bytes. What `visit` leaves unread is skipped;
/// `raw` may end up short of its end.
pub fn members<E: From<ArchiveError>>(
    file: &str,
    raw: &mut dyn Read,
    visit: &mut dyn FnMut(&str, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let damaged = |source| ArchiveError::Damaged { file: file.to_string(), source };
    let mut archive = tar::Archive::new(decompress(file, raw)?);
    let mut long_name: Option<String> = None;
    // Raw entries: the tar crate would read a long name whole, however long it claims to be.
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            let offset = entry.raw_header_position();
            let mut bytes = Vec::new();
            entry.by_ref().take(LONGEST_NAME + 1).read_to_end(&mut bytes).map_err(damaged)?;
            if bytes.len() as u64 > LONGEST_NAME {
                return Err(ArchiveError::Name { file: file.to_string(), offset }.into());
            }
            let name = if kind.is_gnu_longname() { Some(bytes.as_slice()) } else { pax_path(&bytes) };
            if let Some(name) = name {
                long_name = Some(String::from_utf8_lossy(name).trim_end_matches('\0').to_string());
            }
            continue;
        }
        let own = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = long_name.take().unwrap_or(own);
        if kind.is_file() || kind.is_contiguous() {
            visit(&name, &mut entry)?;
        }
    }
    Ok(())
}

/// The `path` record of a pax header: lines `length key=value`.
fn pax_path(bytes: &[u8]) -> Option<&[u8]> {
    bytes.split(|b| *b == b'\n').find_map(|line| {
        let space = line.iter().position(|b| *b == b' ')?;
        line[space + 1..].strip_prefix(b"path=")
    })
}

/// The last component of a member's path.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::{ArchiveError, base_name, members};
    use std::io::{Cursor, Read, Write};

    fn sample() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in
            [("folder/a", b"alpha".to_vec()), (&format!("{}/b", "deep".repeat(60)), vec![7; 2000]), ("c", Vec::new())]
        {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, bytes.as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn read(bytes: Vec<u8>) -> Result<Vec<(String, usize)>, ArchiveError> {
        let mut seen = Vec::new();
        members::<ArchiveError>("x.tar", &mut Cursor::new(bytes), &mut |name, reader| {
            let mut body = Vec::new();
            let damaged = |source| ArchiveError::Damaged { file: "x.tar".into(), source };
            reader.take(1 << 20).read_to_end(&mut body).map_err(damaged)?;
            seen.push((base_name(name).to_string(), body.len()));
            Ok(())
        })?;
        Ok(seen)
    }

    #[test]
    fn plain_gzip_and_bzip2_hold_the_same_members() {
        let plain = sample();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let mut bzip = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip.write_all(&plain).unwrap();
        let expected = vec![("a".to_string(), 5), ("b".to_string(), 2000), ("c".to_string(), 0)];
        assert_eq!(read(plain).unwrap(), expected);
        assert_eq!(read(gzip.finish().unwrap()).unwrap(), expected);
        assert_eq!(read(bzip.finish().unwrap()).unwrap(), expected);
        let xz = read(b"\xfd7zXZ\0rest".to_vec()).unwrap_err().to_string();
        assert!(xz.contains("xz"), "{xz}");
    }

    #[test]
    fn damaged_archives_are_errors_or_short_but_never_panics() {
        let plain = sample();
        assert!(read(plain[..700].to_vec()).is_err());
        let mut stream =
            crate::data::synthetic::Stream::new("archive", "test", crate::data::synthetic::Purpose::Noise, 0, None);
        for _ in 0..2000 {
            let mut bytes = plain.clone();
            for _ in 0..=stream.below(4) {
                let at = stream.below(bytes.len() as u64) as usize;
                bytes[at] = stream.bits() as u8;
            }
            let _ = read(bytes);
        }
    }
}
