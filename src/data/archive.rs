//! Compression by its first bytes, and the regular files of a tar or zip archive in one pass. Writes nothing to disk.

use crate::data::member_path::refusal;
use crate::data::zip::{ZipError, is_zip, members as zip_members};
use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;
use std::io::{self, Cursor, Read};

/// A file name inside an archive longer than this is an error (Linux allows 4,096 in a path).
const LONGEST_NAME: u64 = 8192;
/// KiB that a decoder of xz may ask for: `xz -9` needs 65 MiB, and its long mode up to 1.5 GiB.
const XZ_MEMORY: u32 = 1 << 17;
/// Largest window of zstd, as a power of two: `zstd -19` has 23, `--long` 27.
const ZSTD_WINDOW: u32 = 27;

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(
        "{file}: expected one file, plain or compressed by gzip, bzip2, xz or zstd, found a zip archive; unpack it first"
    )]
    Zip { file: String },
    #[error("{file}: not a readable archive: {source}; the file may be cut or damaged, fetch it again")]
    Damaged { file: String, source: io::Error },
    #[error("{file}: member name at offset {offset} is longer than {LONGEST_NAME} bytes")]
    Name { file: String, offset: u64 },
    #[error("{file}: the member path `{path}` is refused: {reason}")]
    Path { file: String, path: String, reason: &'static str },
    #[error(transparent)]
    Member(#[from] ZipError),
}

/// Undoes gzip, bzip2, xz or zstd where the first bytes show it; anything else passes unchanged.
pub fn decompress<'a>(file: &str, raw: &'a mut dyn Read) -> Result<Box<dyn Read + 'a>, ArchiveError> {
    let magic = magic(file, raw)?;
    if is_zip(&magic) {
        return Err(ArchiveError::Zip { file: file.to_string() });
    }
    unpacked(file, magic, raw)
}

/// Calls `visit` for every regular file of a tar archive, compressed or not, or of a zip archive, in archive order, with its
/// path and bytes. What `visit` leaves unread is skipped; `raw` may end up short of its end. Paths that lead out of the
/// archive are errors.
pub fn members<E: From<ArchiveError>>(
    file: &str,
    raw: &mut dyn Read,
    visit: &mut dyn FnMut(&str, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let magic = magic(file, raw)?;
    if is_zip(&magic) {
        let mut raw = Cursor::new(magic).chain(raw);
        let mut visit = |path: &str, reader: &mut dyn Read| visit(path, reader).map_err(Stop::Visitor);
        return match zip_members(file, &mut raw, &mut visit) {
            Ok(()) => Ok(()),
            Err(Stop::Archive(e)) => Err(ArchiveError::Member(e).into()),
            Err(Stop::Visitor(e)) => Err(e),
        };
    }
    tar_members(file, unpacked(file, magic, raw)?, visit)
}

/// Who stopped the pass over a zip archive.
enum Stop<E> {
    Archive(ZipError),
    Visitor(E),
}

impl<E> From<ZipError> for Stop<E> {
    fn from(error: ZipError) -> Self {
        Stop::Archive(error)
    }
}

/// The first bytes, taken off `raw`.
fn magic(file: &str, raw: &mut dyn Read) -> Result<Vec<u8>, ArchiveError> {
    let mut magic = Vec::new();
    let read = Read::take(raw, 6).read_to_end(&mut magic);
    read.map_err(|source| ArchiveError::Damaged { file: file.to_string(), source })?;
    Ok(magic)
}

fn unpacked<'a>(file: &str, magic: Vec<u8>, raw: &'a mut dyn Read) -> Result<Box<dyn Read + 'a>, ArchiveError> {
    let (gzip, bzip2) = (magic.starts_with(&[0x1f, 0x8b]), magic.starts_with(b"BZh"));
    let (xz, zstd) = (magic.starts_with(b"\xfd7zXZ\0"), magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
    let raw = Cursor::new(magic).chain(raw);
    Ok(if gzip {
        Box::new(MultiGzDecoder::new(raw))
    } else if bzip2 {
        Box::new(MultiBzDecoder::new(raw))
    } else if xz {
        // It reads a few bytes at a time.
        Box::new(XzReader::new_mem_limit(io::BufReader::with_capacity(1 << 16, raw), true, XZ_MEMORY))
    } else if zstd {
        let damaged = |source| ArchiveError::Damaged { file: file.to_string(), source };
        let mut decoder = zstd::Decoder::new(raw).map_err(damaged)?;
        decoder.window_log_max(ZSTD_WINDOW).map_err(damaged)?;
        Box::new(decoder)
    } else {
        Box::new(raw)
    })
}

fn tar_members<E: From<ArchiveError>>(
    file: &str,
    reader: Box<dyn Read + '_>,
    visit: &mut dyn FnMut(&str, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let damaged = |source| ArchiveError::Damaged { file: file.to_string(), source };
    let mut archive = tar::Archive::new(reader);
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
            if let Some(reason) = refusal(&name) {
                let path = name.escape_debug().to_string();
                return Err(ArchiveError::Path { file: file.to_string(), path, reason }.into());
            }
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
    use super::{ArchiveError, base_name, decompress, members};
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
    fn every_compression_holds_the_same_members() {
        let plain = sample();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let mut bzip = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip.write_all(&plain).unwrap();
        let expected = vec![("a".to_string(), 5), ("b".to_string(), 2000), ("c".to_string(), 0)];
        assert_eq!(read(plain.clone()).unwrap(), expected);
        assert_eq!(read(gzip.finish().unwrap()).unwrap(), expected);
        assert_eq!(read(bzip.finish().unwrap()).unwrap(), expected);
        let zstd = zstd::encode_all(plain.as_slice(), 1).unwrap();
        assert_eq!(read(zstd).unwrap(), expected);
        assert!(read(b"\xfd7zXZ\0rest".to_vec()).is_err());
        let zip = decompress("x.gz", &mut Cursor::new(b"PK\x03\x04...")).err().unwrap().to_string();
        assert!(zip.contains("found a zip archive"), "{zip}");
    }

    #[test]
    fn paths_that_lead_out_are_errors() {
        for path in ["../a", "/etc/passwd", "C:a"] {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(0);
            header.set_cksum();
            let mut bytes = header.as_bytes().to_vec();
            bytes.resize(2048, 0);
            let message = read(bytes).unwrap_err().to_string();
            assert!(message.contains(path), "{message}");
        }
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
