//! Reads MAT-files of version 5 (plain or zlib-compressed elements, either byte order) variable by variable, in pieces,
//! in one pass. Numeric arrays only; other variables are skipped. Knows no variable by name.
//! Format: MathWorks, *MAT-File Format* (R2023a), chapter 1.

use crate::data::dtype::Dtype;
use flate2::read::ZlibDecoder;
use std::io::{self, Read};

const HEADER: usize = 128;
/// Variable names and dimension lists longer than this are damage.
const LONGEST_LIST: u64 = 1 << 16;
/// Elements converted at once.
const PIECE: usize = 1 << 14;

#[derive(Debug, thiserror::Error)]
pub enum MatError {
    #[error("{file}: this is a MAT-file of version 7.3 (HDF5), expected version 5; save it again with `-v7`")]
    Version73 { file: String },
    #[error("{file}: {problem}")]
    Hdf5 { file: String, problem: String },
    #[error("{file}, offset {offset}: {problem}")]
    Damaged { file: String, offset: u64, problem: String },
}

/// What a variable is.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    pub name: String,
    /// Sizes as written: the first index varies fastest in the file.
    pub dims: Vec<u64>,
    /// `double`, `single`, `int8`, …; `None` for text, cells, structures and sparse arrays.
    pub class: Option<&'static str>,
    pub complex: bool,
}

impl Header {
    /// Product of the sizes.
    pub fn elements(&self) -> u64 {
        self.dims.iter().product()
    }
}

/// A MAT-file open for one pass.
pub struct Mat5<R> {
    file: String,
    source: Counting<R>,
    big_endian: bool,
    /// Where the next top-level element starts.
    next: u64,
}

impl<R: Read> Mat5<R> {
    /// Reads the file's header. `file` is the name for messages.
    pub fn open(file: &str, reader: R) -> Result<Self, MatError> {
        let mut source = Counting { inner: reader, at: 0 };
        let damaged = |offset, problem: &str| MatError::Damaged { file: file.into(), offset, problem: problem.into() };
        let mut header = [0u8; HEADER];
        let found = read_up_to(&mut source, &mut header).map_err(|e| damaged(0, &e.to_string()))?;
        if is_version73(&header) {
            return Err(MatError::Version73 { file: file.into() });
        }
        if found < HEADER {
            return Err(damaged(0, &format!("expected a header of {HEADER} bytes, found {found}")));
        }
        let big_endian = match &header[126..128] {
            b"IM" => false,
            b"MI" => true,
            _ => return Err(damaged(126, "not a MAT-file of version 5: the byte-order mark `IM` or `MI` is missing")),
        };
        let version = if big_endian {
            u16::from_be_bytes([header[124], header[125]])
        } else {
            u16::from_le_bytes([header[124], header[125]])
        };
        match version {
            0x0100 => Ok(Mat5 { file: file.into(), source, big_endian, next: HEADER as u64 }),
            other => Err(damaged(124, &format!("expected version 0x0100, found {other:#06x}"))),
        }
    }

    /// The next variable; what was left unread of the one before is skipped. `None` at the end.
    pub fn next_variable(&mut self) -> Result<Option<Variable<'_>>, MatError> {
        loop {
            let ahead = self.next - self.source.at;
            let file = self.file.clone();
            let damaged = |offset, problem| MatError::Damaged { file: file.clone(), offset, problem };
            let skipped = io::copy(&mut self.source.by_ref().take(ahead), &mut io::sink())
                .map_err(|e| damaged(self.source.at, e.to_string()))?;
            if skipped < ahead {
                return Err(damaged(self.source.at, format!("the file ends {} bytes early", ahead - skipped)));
            }
            let start = self.source.at;
            let mut tag = [0u8; 8];
            match read_up_to(&mut self.source, &mut tag).map_err(|e| damaged(start, e.to_string()))? {
                0 => return Ok(None),
                8 => {}
                found => return Err(damaged(start, format!("expected an element tag of 8 bytes, found {found}"))),
            }
            let (kind, len) = (self.word(&tag[..4]), self.word(&tag[4..]));
            self.next = self.source.at + u64::from(len);
            let big_endian = self.big_endian;
            match kind {
                // miMATRIX
                14 => {
                    let body = Box::new(Read::take(&mut self.source, u64::from(len)));
                    return Variable::open(file, start, big_endian, u64::from(len), body).map(Some);
                }
                // miCOMPRESSED: a zlib stream that holds one miMATRIX element
                15 => {
                    let packed = Read::take(&mut self.source, u64::from(len));
                    let mut body = ZlibDecoder::new(packed);
                    let mut tag = [0u8; 8];
                    body.read_exact(&mut tag).map_err(|e| damaged(start, format!("compressed element: {e}")))?;
                    let (kind, len) = (word(big_endian, &tag[..4]), word(big_endian, &tag[4..]));
                    if kind != 14 {
                        return Err(damaged(start, format!("expected a matrix inside, found element type {kind}")));
                    }
                    return Variable::open(file, start, big_endian, u64::from(len), Box::new(body)).map(Some);
                }
                // Other top-level elements hold no variable.
                _ => {}
            }
        }
    }

    fn word(&self, bytes: &[u8]) -> u32 {
        word(self.big_endian, bytes)
    }
}

/// One variable; its values come in column-major order.
pub struct Variable<'a> {
    file: String,
    /// Offset of the element in the file, for messages.
    start: u64,
    pub header: Header,
    big_endian: bool,
    storage: Storage,
    body: Box<dyn Read + 'a>,
    /// Values not read yet.
    left: u64,
    bytes: Vec<u8>,
}

impl<'a> Variable<'a> {
    fn open(file: String, start: u64, big_endian: bool, len: u64, body: Box<dyn Read + 'a>) -> Result<Self, MatError> {
        let damaged = |problem: String| MatError::Damaged { file: file.clone(), offset: start, problem };
        let cut = |e: io::Error| damaged(format!("the variable's header is cut: {e}"));
        let mut elements = Elements { body, big_endian, left: len };
        let flags = elements.small_list(6).map_err(cut)?;
        if flags.len() < 4 {
            return Err(damaged("array flags are missing".into()));
        }
        let flags = word(big_endian, &flags[..4]);
        let class = match flags & 0xff {
            6 => Some("double"),
            7 => Some("single"),
            8 => Some("int8"),
            9 => Some("uint8"),
            10 => Some("int16"),
            11 => Some("uint16"),
            12 => Some("int32"),
            13 => Some("uint32"),
            14 => Some("int64"),
            15 => Some("uint64"),
            _ => None,
        };
        let complex = flags & 0x0800 != 0;
        // Opaque objects (class 17) have no dimensions; they are skipped like all that is not numeric.
        if class.is_none() && flags & 0xff == 17 {
            let header = Header { name: String::new(), dims: vec![], class, complex };
            let storage = Storage::Unsigned(1);
            return Ok(Variable {
                file,
                start,
                header,
                big_endian,
                storage,
                body: elements.body,
                left: 0,
                bytes: vec![],
            });
        }
        let dims = elements.small_list(5).map_err(cut)?;
        let mut sizes = Vec::new();
        for size in dims.chunks_exact(4) {
            let size = word(big_endian, size) as i32;
            sizes.push(u64::try_from(size).map_err(|_| damaged(format!("negative dimension {size}")))?);
        }
        let count = sizes.iter().try_fold(1u64, |product, size| product.checked_mul(*size));
        let count = count.ok_or_else(|| damaged(format!("impossible dimensions {sizes:?}")))?;
        let name = elements.small_list(1).map_err(cut)?;
        let name = String::from_utf8_lossy(&name).into_owned();
        let header = Header { name, dims: sizes, class, complex };
        if class.is_none() {
            let (body, storage) = (elements.body, Storage::Unsigned(1));
            return Ok(Variable { file, start, header, big_endian, storage, body, left: 0, bytes: vec![] });
        }
        let (kind, bytes, inline) = elements.tag().map_err(cut)?;
        let storage = Storage::of(kind).ok_or_else(|| damaged(format!("element type {kind} holds no numbers")))?;
        if count.checked_mul(storage.width() as u64) != Some(bytes) {
            return Err(damaged(format!(
                "variable `{}` of dimensions {:?} needs {count} values of {} bytes, found {bytes} bytes",
                header.name,
                header.dims,
                storage.width()
            )));
        }
        let body: Box<dyn Read + 'a> = match inline {
            Some(inline) => Box::new(io::Cursor::new(inline)),
            None => elements.body,
        };
        Ok(Variable { file, start, header, big_endian, storage, body, left: count, bytes: Vec::new() })
    }

    /// Reads as many values as `out` is long, as f64 (exact for all classes but 64-bit integers above 2⁵³).
    pub fn read(&mut self, out: &mut [f64]) -> Result<(), MatError> {
        for out in out.chunks_mut(PIECE) {
            self.fill(out.len())?;
            self.storage.dtype(self.big_endian).f64s(&self.bytes, out);
        }
        Ok(())
    }

    /// Passes over `count` values.
    pub fn skip(&mut self, mut count: u64) -> Result<(), MatError> {
        while count > 0 {
            let piece = count.min(PIECE as u64);
            self.fill(piece as usize)?;
            count -= piece;
        }
        Ok(())
    }

    fn fill(&mut self, values: usize) -> Result<(), MatError> {
        let damaged = |problem| MatError::Damaged { file: self.file.clone(), offset: self.start, problem };
        if self.header.class.is_none() {
            return Err(damaged(format!("variable `{}` is not numeric", self.header.name)));
        }
        if values as u64 > self.left {
            return Err(damaged(format!("variable `{}` holds only {} more values", self.header.name, self.left)));
        }
        self.bytes.resize(values * self.storage.width(), 0);
        let read = self.body.read_exact(&mut self.bytes);
        read.map_err(|e| {
            damaged(format!("variable `{}`, {} values before its end: {e}", self.header.name, self.left))
        })?;
        self.left -= values as u64;
        Ok(())
    }
}

/// How numbers are stored, which may be narrower than the class: MATLAB stores a double array of small integers as bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Storage {
    Signed(u8),
    Unsigned(u8),
    Float(u8),
}

impl Storage {
    /// By the number of the data type (miINT8 = 1, …).
    fn of(kind: u32) -> Option<Self> {
        Some(match kind {
            1 => Storage::Signed(1),
            2 => Storage::Unsigned(1),
            3 => Storage::Signed(2),
            4 => Storage::Unsigned(2),
            5 => Storage::Signed(4),
            6 => Storage::Unsigned(4),
            7 => Storage::Float(4),
            9 => Storage::Float(8),
            12 => Storage::Signed(8),
            13 => Storage::Unsigned(8),
            _ => return None,
        })
    }

    fn width(self) -> usize {
        match self {
            Storage::Signed(width) | Storage::Unsigned(width) | Storage::Float(width) => usize::from(width),
        }
    }

    fn dtype(self, big_endian: bool) -> Dtype {
        let kind = match self {
            Storage::Signed(_) => 'i',
            Storage::Unsigned(_) => 'u',
            Storage::Float(_) => 'f',
        };
        Dtype { kind, width: self.width(), big_endian }
    }
}

/// Walks the sub-elements of a matrix.
struct Elements<'a> {
    body: Box<dyn Read + 'a>,
    big_endian: bool,
    left: u64,
}

impl Elements<'_> {
    /// Type, bytes, and for the small-element format (up to 4 bytes inside the tag) the data themselves.
    fn tag(&mut self) -> io::Result<(u32, u64, Option<Vec<u8>>)> {
        let mut tag = [0u8; 8];
        self.take(8)?;
        self.body.read_exact(&mut tag)?;
        let first = word(self.big_endian, &tag[..4]);
        let small = first >> 16;
        if small != 0 {
            if small > 4 {
                return Err(io::Error::other(format!("a small element of {small} bytes")));
            }
            return Ok((first & 0xffff, u64::from(small), Some(tag[4..4 + small as usize].to_vec())));
        }
        Ok((first, u64::from(word(self.big_endian, &tag[4..])), None))
    }

    /// The bytes of a short element of the given type, with its padding to 8 bytes.
    fn small_list(&mut self, expected: u32) -> io::Result<Vec<u8>> {
        let (kind, len, inline) = self.tag()?;
        // Writers disagree on the signedness of names (miINT8, miUINT8, miUTF8).
        if kind != expected && !(expected == 1 && matches!(kind, 2 | 16)) {
            return Err(io::Error::other(format!("expected element type {expected}, found {kind}")));
        }
        if let Some(bytes) = inline {
            return Ok(bytes);
        }
        if len > LONGEST_LIST {
            return Err(io::Error::other(format!("a list of {len} bytes")));
        }
        let padded = len.next_multiple_of(8);
        self.take(padded)?;
        let mut bytes = vec![0u8; padded as usize];
        self.body.read_exact(&mut bytes)?;
        bytes.truncate(len as usize);
        Ok(bytes)
    }

    fn take(&mut self, bytes: u64) -> io::Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| io::Error::other("its length is too small"))?;
        Ok(())
    }
}

struct Counting<R> {
    inner: R,
    at: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.at += count as u64;
        Ok(count)
    }
}

fn word(big_endian: bool, bytes: &[u8]) -> u32 {
    let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
    if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}

/// Whether a file that begins so is HDF5; MATLAB puts 512 bytes of its own before.
pub fn is_version73(head: &[u8]) -> bool {
    head.starts_with(b"\x89HDF\r\n\x1a\n")
        || head.starts_with(b"MATLAB 7.3")
        || matches!(head.get(124..128), Some(b"\x00\x02IM" | b"\x02\x00MI"))
}

/// Fills `out` as far as the reader goes; the bytes found.
pub fn read_up_to(reader: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut found = 0;
    while found < out.len() {
        match reader.read(&mut out[found..]) {
            Ok(0) => break,
            Ok(count) => found += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(found)
}
