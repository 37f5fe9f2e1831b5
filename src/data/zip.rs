//! The files of a zip archive in one pass from its start, by their local headers: stored or deflated, zip64, sizes behind the
//! data. Checks every sum. Writes nothing to disk and does not need the directory at the end.
//! Format: PKWARE APPNOTE 6.3.10.

use crate::data::lookahead::Lookahead;
use crate::data::member_path::refusal;
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use std::io::{self, BufRead, Read};

const LOCAL: &[u8] = b"PK\x03\x04";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
/// A descriptor at its longest, with the signature that follows it.
const LONGEST_DESCRIPTOR: usize = 24 + 4;

#[derive(Debug, thiserror::Error)]
#[error("{file}, offset {offset}: {problem}")]
pub struct ZipError {
    pub file: String,
    pub offset: u64,
    pub problem: String,
}

/// True where the first bytes are those of a zip archive, of one part or the first of many.
pub fn is_zip(magic: &[u8]) -> bool {
    magic.starts_with(LOCAL) || magic.starts_with(b"PK\x05\x06") || is_split(magic)
}

/// Archives that were meant to be split start with a signature of their own (§8.5.4).
fn is_split(magic: &[u8]) -> bool {
    magic.starts_with(DESCRIPTOR) || magic.starts_with(b"PK00")
}

/// Calls `visit` for every file, in archive order, with its path and bytes. What `visit` leaves unread is skipped; a sum is
/// checked where a file is read to its end. Parts of a split archive are read one behind the other as one `raw`.
pub fn members<E: From<ZipError>>(
    file: &str,
    raw: &mut dyn Read,
    visit: &mut dyn FnMut(&str, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let mut source = Lookahead::new(raw);
    let fail = |offset, problem: String| ZipError { file: file.to_string(), offset, problem };
    let broken = |offset, e: io::Error| fail(offset, format!("{e}; the file may be cut or damaged, fetch it again"));
    if is_split(source.peek(4).map_err(|e| broken(0, e))?) {
        source.consume(4);
    }
    loop {
        let start = source.at();
        let next = source.peek(4).map_err(|e| broken(start, e))?;
        match next.get(..4) {
            Some(LOCAL) => {}
            // directory, its zip64 end, its end, or data that precede it (§4.3.6)
            Some(b"PK\x01\x02" | b"PK\x06\x06" | b"PK\x05\x06" | b"PK\x06\x08") => return Ok(()),
            Some(other) => {
                let other = other.escape_ascii();
                return Err(
                    fail(start, format!("expected the header of a member or the directory, found `{other}`")).into()
                );
            }
            None => {
                return Err(fail(start, "the archive is cut: its directory is missing; fetch it again".into()).into());
            }
        }
        let header = Header::read(&mut source).map_err(|e| broken(start, e))?;
        let name = header.name.clone();
        if let Some(reason) = refusal(&name) {
            return Err(fail(start, format!("the member path `{}` is refused: {reason}", name.escape_debug())).into());
        }
        if let Some(problem) = header.unreadable() {
            return Err(fail(start, format!("member `{name}`: {problem}")).into());
        }
        let mut member = Member::open(header, &mut source);
        if !name.ends_with('/') {
            visit(&name, &mut member)?;
        }
        let ended = member.skip();
        ended.map_err(|e| fail(source.at(), format!("member `{name}`: {e}")))?;
    }
}

/// A local header (§4.3.7).
struct Header {
    name: String,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    len: u64,
    /// Its sizes have 8 bytes.
    zip64: bool,
}

impl Header {
    fn read(source: &mut Lookahead<'_>) -> io::Result<Self> {
        let mut bytes = [0u8; 30];
        source.read_exact(&mut bytes)?;
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (packed, len) = (u32_at(18), u32_at(22));
        // Both lengths have 16 bits.
        let mut name = vec![0; usize::from(u16_at(26))];
        source.read_exact(&mut name)?;
        let mut extra = vec![0; usize::from(u16_at(28))];
        source.read_exact(&mut extra)?;
        let mut header = Header {
            name: String::from_utf8_lossy(&name).into_owned(),
            flags: u16_at(6),
            method: u16_at(8),
            crc: u32_at(14),
            packed: u64::from(packed),
            len: u64::from(len),
            zip64: false,
        };
        if let Some(field) = extra_field(&extra, 1) {
            header.zip64 = true;
            let mut sizes = field.chunks_exact(8).map(|b| b.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)));
            let missing = || io::Error::other("the zip64 sizes of a member are missing");
            if len == u32::MAX {
                header.len = sizes.next().ok_or_else(missing)?;
            }
            if packed == u32::MAX {
                header.packed = sizes.next().ok_or_else(missing)?;
            }
        }
        Ok(header)
    }

    /// Sizes and sum come behind the data (bit 3).
    fn described(&self) -> bool {
        self.flags & 0x0008 != 0
    }

    fn unreadable(&self) -> Option<String> {
        if self.flags & 0x2041 != 0 {
            return Some("it is encrypted; unpack the archive and name the files instead".into());
        }
        match self.method {
            0 | 8 => None,
            other => {
                let name = match other {
                    9 => " (deflate64)",
                    12 => " (bzip2)",
                    14 => " (LZMA)",
                    93 => " (zstd)",
                    95 => " (xz)",
                    _ => "",
                };
                Some(format!(
                    "expected stored or deflated data, found method {other}{name}; pack it again with deflate"
                ))
            }
        }
    }
}

/// The field `id` among extra fields: id, length, bytes (§4.5.1).
fn extra_field(mut extra: &[u8], id: u16) -> Option<&[u8]> {
    while let [a, b, c, d, rest @ ..] = extra {
        let (found, len) = (u16::from_le_bytes([*a, *b]), usize::from(u16::from_le_bytes([*c, *d])));
        let body = rest.get(..len)?;
        if found == id {
            return Some(body);
        }
        extra = &rest[len..];
    }
    None
}

/// How the data end.
enum Body<'s, 'a> {
    Stored(io::Take<&'s mut Lookahead<'a>>),
    Deflated(Box<DeflateDecoder<io::Take<&'s mut Lookahead<'a>>>>),
    /// Stored, of unknown length: the descriptor that fits the bytes before it ends the data.
    Sought(&'s mut Lookahead<'a>),
}

/// One member's bytes.
struct Member<'s, 'a> {
    header: Header,
    body: Body<'s, 'a>,
    crc: Crc,
    /// Bytes given so far.
    len: u64,
    ended: bool,
}

impl<'s, 'a> Member<'s, 'a> {
    fn open(header: Header, source: &'s mut Lookahead<'a>) -> Self {
        let limit = if header.described() { u64::MAX } else { header.packed };
        let body = match (header.method, header.described()) {
            (0, true) => Body::Sought(source),
            (0, false) => Body::Stored(Read::take(source, limit)),
            _ => Body::Deflated(Box::new(DeflateDecoder::new(Read::take(source, limit)))),
        };
        Member { header, body, crc: Crc::new(), len: 0, ended: false }
    }

    fn some(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.body {
            Body::Stored(body) => body.read(out),
            Body::Deflated(body) => body.read(out),
            Body::Sought(source) => {
                let zip64 = self.header.zip64;
                let next = source.peek(LONGEST_DESCRIPTOR)?;
                let sought = &next[..next.len().min(out.len().saturating_add(3))];
                let count = match sought.windows(4).position(|window| window == DESCRIPTOR) {
                    Some(0) if descriptor(next, self.crc.sum(), self.len, self.len, zip64).is_some() => 0,
                    Some(0) => 1,
                    Some(at) => at,
                    // a signature may have begun in the last three bytes
                    None if sought.len() > 3 => sought.len() - 3,
                    None => return Err(io::Error::other("the archive is cut; fetch it again")),
                };
                out[..count].copy_from_slice(&next[..count]);
                source.consume(count);
                Ok(count)
            }
        }
    }

    /// At the end of the data: the sizes and the sum.
    fn end(&mut self) -> io::Result<()> {
        self.ended = true;
        let (crc, len, zip64) = (self.crc.sum(), self.len, self.header.zip64);
        let packed = match &self.body {
            Body::Deflated(body) => body.total_in(),
            _ => len,
        };
        if !self.header.described() {
            let expected = (self.header.crc, self.header.len, self.header.packed);
            if (crc, len, packed) != expected {
                return Err(io::Error::other(format!(
                    "expected {} bytes with sum {:08x}, found {len} with {crc:08x}; fetch the archive again",
                    expected.1, expected.0
                )));
            }
            return Ok(());
        }
        let source = match &mut self.body {
            Body::Sought(source) => source,
            Body::Deflated(body) => body.get_mut().get_mut(),
            Body::Stored(body) => body.get_mut(),
        };
        let found = descriptor(source.peek(LONGEST_DESCRIPTOR)?, crc, packed, len, zip64);
        let found = found.ok_or_else(|| {
            io::Error::other(format!(
                "no record behind its {len} bytes has their sum {crc:08x}; fetch the archive again"
            ))
        })?;
        source.consume(found);
        Ok(())
    }

    /// Goes to the end of the member, without decoding where its size is known.
    fn skip(&mut self) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        if self.header.described() {
            return io::copy(self, &mut io::sink()).map(drop);
        }
        let left = match &mut self.body {
            Body::Stored(body) => body,
            Body::Deflated(body) => body.get_mut(),
            Body::Sought(_) => return Ok(()),
        };
        io::copy(left, &mut io::sink())?;
        match left.limit() {
            0 => Ok(()),
            missing => {
                Err(io::Error::other(format!("the archive is cut, {missing} bytes are missing; fetch it again")))
            }
        }
    }
}

impl Read for Member<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ended || out.is_empty() {
            return Ok(0);
        }
        let count = self.some(out)?;
        self.crc.update(&out[..count]);
        self.len += count as u64;
        if !self.header.described() && self.len > self.header.len {
            return Err(io::Error::other(format!("expected {} bytes, found more", self.header.len)));
        }
        if count == 0 {
            self.end()?;
        }
        Ok(count)
    }
}

/// Length of the data descriptor at the start of `next` that holds these values (§4.3.9). Its signature is optional and its
/// sizes have 4 or 8 bytes, whatever the header says; the next record decides.
fn descriptor(next: &[u8], crc: u32, packed: u64, len: u64, zip64: bool) -> Option<usize> {
    let fits = |signed: bool, wide: bool| {
        let mut expected = Vec::new();
        if signed {
            expected.extend(DESCRIPTOR);
        }
        expected.extend(crc.to_le_bytes());
        for size in [packed, len] {
            match (wide, u32::try_from(size)) {
                (true, _) => expected.extend(size.to_le_bytes()),
                (false, Ok(size)) => expected.extend(size.to_le_bytes()),
                (false, Err(_)) => return None,
            }
        }
        let rest = next.strip_prefix(expected.as_slice())?;
        rest.starts_with(b"PK").then_some(expected.len())
    };
    [(true, zip64), (true, !zip64), (false, zip64), (false, !zip64)]
        .into_iter()
        .find_map(|(signed, wide)| fits(signed, wide))
}
