//! Reads npy files (versions 1 to 3) in one pass: numbers of any type in pieces, rows of the first axis, texts, and the
//! pickle behind an array of objects. Memory does not depend on sizes that the file claims. Knows no array by name.
//! Format: NumPy Enhancement Proposal 1 and `numpy/lib/format.py`.

use crate::data::columns::Columns;
use crate::data::dtype::Dtype;
use crate::data::npy_header::parse_header;
use crate::data::pickle::Pickle;
use crate::data::pickle_object::{Arriving, Id, Object, Taker};
use bytemuck::Pod;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Bytes read at once.
const PIECE: usize = 1 << 16;
/// Values for which room is made before they come.
const AHEAD: usize = 1 << 18;
/// A column-by-column array is turned in memory up to this many values, and in blocks of as many from a scratch file above.
const BLOCK: usize = 1 << 24;

#[derive(Debug, thiserror::Error)]
#[error("{file}, offset {offset}: {problem}")]
pub struct NpyError {
    pub file: String,
    pub offset: u64,
    pub problem: String,
}

/// What the array is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpyHeader {
    /// `b` bool, `i` signed, `u` unsigned, `f` float, `c` complex, `O` object, `S` bytes, `U` text.
    pub kind: char,
    /// Bytes per element (a character of `U` has 4).
    pub width: usize,
    pub big_endian: bool,
    /// True where the first axis varies fastest in the file.
    pub fortran: bool,
    pub shape: Vec<usize>,
}

impl NpyHeader {
    pub fn dtype(&self) -> Dtype {
        Dtype { kind: self.kind, width: self.width, big_endian: self.big_endian }
    }

    /// Product of the sizes; 1 for an array without axes.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// An array open for one pass.
pub struct Npy<R: Read> {
    file: String,
    reader: R,
    /// Bytes read so far.
    at: u64,
    header: NpyHeader,
    /// Elements not read yet.
    left: usize,
    bytes: Vec<u8>,
}

impl<R: Read> Npy<R> {
    /// Reads the header. `file` is the name for messages.
    pub fn open(file: &str, mut reader: R) -> Result<Npy<R>, NpyError> {
        let fail = |offset: usize, problem| NpyError { file: file.to_string(), offset: offset as u64, problem };
        let cut = |offset, e: io::Error| fail(offset, format!("the header is cut ({e}); fetch the file again"));
        let mut start = [0u8; 8];
        reader.read_exact(&mut start).map_err(|e| cut(0, e))?;
        if !start.starts_with(MAGIC) {
            return Err(fail(0, format!("expected an npy file (\\x93NUMPY), found `{}`", start[..6].escape_ascii())));
        }
        let len_bytes = match start[6] {
            1 => 2,
            2 | 3 => 4,
            version => return Err(fail(6, format!("expected npy version 1, 2 or 3, found {version}"))),
        };
        let mut len = [0u8; 4];
        reader.read_exact(&mut len[..len_bytes]).map_err(|e| cut(8, e))?;
        let (len, text_at) = (u32::from_le_bytes(len), 8 + len_bytes);
        let mut text = Vec::new();
        // One byte more than a header may have: the parser then refuses it.
        let wanted = u64::from(len).min((1 << 16) + 1);
        let found = Read::take(&mut reader, wanted).read_to_end(&mut text).map_err(|e| cut(text_at, e))?;
        if (found as u64) < wanted {
            return Err(fail(
                text_at,
                format!("expected a header of {len} bytes, found {found}; fetch the file again"),
            ));
        }
        let fields = parse_header(&text).map_err(|(at, problem)| fail(text_at + at, format!("header: {problem}")))?;
        let (order, code) = match fields.descr.as_bytes().first() {
            Some(b'<' | b'>' | b'|' | b'=') => fields.descr.split_at(1),
            _ => ("<", fields.descr.as_str()),
        };
        let known = |dtype: &Dtype| dtype.is_number() || "OSU".contains(dtype.kind) || is_complex(*dtype);
        let dtype = Dtype::parse(code).filter(known).ok_or_else(|| {
            fail(text_at, format!("expected numbers, texts or objects, found elements of type `{}`", fields.descr))
        })?;
        let header = NpyHeader {
            kind: dtype.kind,
            width: dtype.width,
            big_endian: order == ">",
            fortran: fields.fortran,
            shape: fields.shape,
        };
        Npy::start(file, reader, text_at as u64 + u64::from(len), header)
    }

    fn start(file: &str, reader: R, at: u64, header: NpyHeader) -> Result<Npy<R>, NpyError> {
        // Every partial product is checked, so that those of callers hold too.
        let sizes = header.shape.iter().map(|size| (*size).max(1));
        let bytes = sizes.chain([header.width.max(1)]).try_fold(1usize, usize::checked_mul);
        if bytes.is_none_or(|bytes| bytes > isize::MAX as usize) {
            let problem =
                format!("an array of shape {:?} and {}-byte elements fits no memory", header.shape, header.width);
            return Err(NpyError { file: file.to_string(), offset: at, problem });
        }
        let left = header.elements();
        Ok(Npy { file: file.to_string(), reader, at, header, left, bytes: Vec::new() })
    }

    pub fn header(&self) -> &NpyHeader {
        &self.header
    }

    /// Elements not read yet.
    pub fn remaining(&self) -> usize {
        self.left
    }

    /// The next values in file order; integers above 2⁵³ are rounded.
    pub fn next_f64(&mut self, out: &mut [f64]) -> Result<(), NpyError> {
        let dtype = self.number()?;
        if dtype.is_native('f', 8) {
            return self.fill_as_they_are(out);
        }
        for out in out.chunks_mut(PIECE / dtype.width) {
            self.fill(out.len())?;
            dtype.f64s(&self.bytes, out);
        }
        Ok(())
    }

    /// The next values in file order, rounded to f32.
    pub fn next_f32(&mut self, out: &mut [f32]) -> Result<(), NpyError> {
        let dtype = self.number()?;
        if dtype.is_native('f', 4) {
            return self.fill_as_they_are(out);
        }
        for out in out.chunks_mut(PIECE / dtype.width) {
            self.fill(out.len())?;
            dtype.f32s(&self.bytes, out);
        }
        Ok(())
    }

    /// The next values in file order; an error for one that is no integer of 64 bits.
    pub fn next_i64(&mut self, out: &mut [i64]) -> Result<(), NpyError> {
        let dtype = self.number()?;
        for out in out.chunks_mut(PIECE / 8) {
            self.fill(out.len())?;
            if let Err(index) = dtype.i64s(&self.bytes, out) {
                let element = self.header.elements() - self.left - out.len() + index;
                return Err(self.error(format!("expected whole numbers, element {element} is none of 64 bits")));
            }
        }
        Ok(())
    }

    /// The next elements of a type of one byte, as they are.
    pub fn next_bytes(&mut self, out: &mut [u8]) -> Result<(), NpyError> {
        if self.header.width != 1 {
            return Err(self.error(format!("expected elements of 1 byte, found {}", self.kind_found())));
        }
        self.count(out.len())?;
        let read = self.reader.read_exact(out);
        read.map_err(|e| self.cut(&e))?;
        self.at += out.len() as u64;
        self.left -= out.len();
        Ok(())
    }

    /// The next element of an array of texts (`U`) or byte strings (`S`, UTF-8), without trailing zeros.
    pub fn next_text(&mut self) -> Result<String, NpyError> {
        if !matches!(self.header.kind, 'U' | 'S') {
            return Err(self.error(format!("expected texts, found {}", self.kind_found())));
        }
        self.fill(1)?;
        let text = self.header.dtype().text(&self.bytes);
        text.ok_or_else(|| self.error("expected text, found what is not Unicode".into()))
    }

    /// Visits the rows of the first axis with their index, each in C order, rounded to f32, whichever order the file has.
    /// An array without elements has no rows. A column-by-column array that is large goes through a nameless file in
    /// `scratch`; memory then is one block of rows. Must come before anything else is read.
    pub fn rows_f32<E: From<NpyError>>(
        &mut self,
        scratch: &Path,
        visit: &mut dyn FnMut(usize, &[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.number()?;
        let Some((rows, inner)) = self.header.shape.split_first() else {
            return Err(self.error("expected an array with rows, found a single value".into()).into());
        };
        let (rows, inner) = (*rows, inner.to_vec());
        if self.left != self.header.elements() {
            return Err(self.error("rows are read from the first element on".into()).into());
        }
        if self.left == 0 {
            return Ok(());
        }
        let len: usize = inner.iter().product();
        // With one row or rows of one value, both orders agree up to the order within a row.
        if !self.header.fortran || inner.iter().all(|size| *size == 1) {
            let mut row = Vec::new();
            for index in 0..rows {
                self.append_f32(len, &mut row)?;
                visit(index, &row)?;
                row.clear();
            }
            return Ok(());
        }
        let columns = Columns { rows, inner };
        if self.left <= BLOCK {
            let mut all = Vec::new();
            self.append_f32(self.left, &mut all)?;
            return columns.visit(&all, 0, rows, &mut Vec::new(), visit);
        }
        let file = self.spill_f32(scratch)?;
        let failed = |e: io::Error| self.error(format!("scratch file: {e}"));
        let height = (BLOCK / len).max(1);
        let (mut block, mut row) = (Vec::new(), Vec::new());
        for first in (0..rows).step_by(height) {
            let height = height.min(rows - first);
            columns.block(&file, first, height, &mut block).map_err(failed)?;
            columns.visit(&block, first, height, &mut row, visit)?;
        }
        Ok(())
    }

    /// The pickle behind an array of objects. Its root is an array of the header's shape whose `data` lists the elements.
    pub fn into_object(self, scratch: &Path) -> Result<Pickle, NpyError> {
        self.into_object_taking(scratch, &mut |_, _| Ok(false))
    }

    /// As `into_object`; `taker` may read arrays inside as they arrive.
    pub fn into_object_taking(mut self, scratch: &Path, taker: &mut Taker<'_>) -> Result<Pickle, NpyError> {
        if self.header.kind != 'O' {
            return Err(self.error(format!("expected an array of objects, found {}", self.kind_found())));
        }
        let mut take = |array: &Arriving, reader: &mut dyn Read| taker(array, reader);
        let pickle = Pickle::read_taking(&self.file, &mut self.reader, scratch, &mut take).map_err(|e| NpyError {
            file: e.file,
            offset: self.at + e.offset,
            problem: e.problem,
        })?;
        match pickle.get(pickle.root()) {
            Object::Array { dtype, shape, .. } if dtype.kind == 'O' && *shape == self.header.shape => Ok(pickle),
            Object::Array { shape, .. } => {
                let (expected, found) = (&self.header.shape, shape);
                Err(self.error(format!("expected objects of shape {expected:?}, found an array of shape {found:?}")))
            }
            _ => Err(self.error("expected an array of objects behind the header, found something else".into())),
        }
    }

    fn number(&self) -> Result<Dtype, NpyError> {
        let dtype = self.header.dtype();
        if dtype.is_number() {
            Ok(dtype)
        } else {
            Err(self.error(format!("expected numbers, found {}", self.kind_found())))
        }
    }

    fn kind_found(&self) -> String {
        let name = match self.header.kind {
            'b' => "truth values",
            'i' => "signed integers",
            'u' => "unsigned integers",
            'f' => "floats",
            'c' => "complex numbers",
            'O' => "objects",
            'S' => "byte strings",
            'U' => "texts",
            _ => "other elements",
        };
        format!("{name} of {} bytes", self.header.width)
    }

    fn error(&self, problem: String) -> NpyError {
        NpyError { file: self.file.clone(), offset: self.at, problem }
    }

    fn cut(&self, source: &io::Error) -> NpyError {
        let (shape, left) = (&self.header.shape, self.left);
        self.error(format!(
            "an array of shape {shape:?} is cut, {left} elements are missing ({source}); fetch the file again"
        ))
    }

    fn count(&self, elements: usize) -> Result<(), NpyError> {
        if elements > self.left {
            return Err(self
                .error(format!("expected {elements} more elements, found {} of {:?}", self.left, self.header.shape)));
        }
        Ok(())
    }

    /// Reads elements into the buffer. Callers ask for few at once.
    fn fill(&mut self, elements: usize) -> Result<(), NpyError> {
        self.count(elements)?;
        self.bytes.resize(elements * self.header.width, 0);
        let read = self.reader.read_exact(&mut self.bytes);
        read.map_err(|e| self.cut(&e))?;
        self.at += self.bytes.len() as u64;
        self.left -= elements;
        Ok(())
    }

    /// Reads elements whose bytes in the file are those in memory.
    fn fill_as_they_are<T: Pod>(&mut self, out: &mut [T]) -> Result<(), NpyError> {
        self.count(out.len())?;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(out);
        let len = bytes.len();
        let read = self.reader.read_exact(bytes);
        read.map_err(|e| self.cut(&e))?;
        self.at += len as u64;
        self.left -= out.len();
        Ok(())
    }

    /// Appends values piece by piece, so that `out` grows no faster than the file gives.
    fn append_f32(&mut self, mut count: usize, out: &mut Vec<f32>) -> Result<(), NpyError> {
        while count > 0 {
            let (piece, start) = (count.min(PIECE / self.header.width), out.len());
            if out.capacity() - start < piece {
                out.reserve(count.min(AHEAD));
            }
            out.resize(start + piece, 0.0);
            self.next_f32(&mut out[start..])?;
            count -= piece;
        }
        Ok(())
    }

    /// All values in file order, as f32 in the machine's byte order.
    fn spill_f32(&mut self, scratch: &Path) -> Result<File, NpyError> {
        let failed = |e: io::Error| NpyError { file: "scratch file".into(), offset: 0, problem: e.to_string() };
        let mut file = BufWriter::with_capacity(PIECE, tempfile::tempfile_in(scratch).map_err(failed)?);
        let (mut piece, mut bytes) = (Vec::new(), Vec::new());
        while self.left > 0 {
            piece.clear();
            bytes.clear();
            self.append_f32(self.left.min(PIECE), &mut piece)?;
            bytes.extend(piece.iter().flat_map(|value| value.to_ne_bytes()));
            file.write_all(&bytes).map_err(failed)?;
        }
        file.into_inner().map_err(|e| failed(e.into_error()))
    }
}

/// The array of numbers or texts (not of objects) with number `id` in a pickle, to be read like a file. Offsets in messages
/// count from its first byte.
pub fn array_of<'a>(file: &str, pickle: &'a Pickle, id: Id) -> Result<Npy<Box<dyn Read + 'a>>, NpyError> {
    let fail = |problem: String| NpyError { file: file.to_string(), offset: 0, problem };
    let Object::Array { dtype, shape, fortran, data } = pickle.get(id) else {
        return Err(fail(format!("expected a numpy array, found {}", pickle.get(id).name())));
    };
    let Object::Bytes(bytes) = pickle.get(*data) else {
        return Err(fail("expected an array of numbers, found an array of objects".into()));
    };
    let reader = bytes.open().map_err(|e| fail(format!("scratch file: {e}")))?;
    arriving(file, &Arriving { dtype: *dtype, shape: shape.clone(), fortran: *fortran }, reader)
}

/// An array inside a pickle whose elements arrive in `reader`, to be read like a file. Offsets in messages count from its
/// first byte.
pub fn arriving<R: Read>(file: &str, array: &Arriving, reader: R) -> Result<Npy<R>, NpyError> {
    let Dtype { kind, width, big_endian } = array.dtype;
    Npy::start(
        file,
        reader,
        0,
        NpyHeader { kind, width, big_endian, fortran: array.fortran, shape: array.shape.clone() },
    )
}

fn is_complex(dtype: Dtype) -> bool {
    dtype.kind == 'c' && matches!(dtype.width, 8 | 16)
}
