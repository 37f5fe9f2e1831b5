//! Reads Python pickles that hold plain data and numpy arrays. Nothing in a pickle is executed: the few callables that such
//! files name are recognised, every other name is an error (task specification §2.2).
//!
//! The result is a graph of objects referring to each other by id, as a pickle may share or repeat objects at will:
//! whoever walks it decides how deep. Memory is bounded by the file: long byte strings go to a scratch file.

use crate::data::spill::{Spill, SpillWriter};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;

/// A longer text is damage. Bytes written at protocol 2 come as text, so a text may be as long as an array (CIFAR: 307 MB).
const LONGEST_TEXT: u64 = 1 << 30;
/// Arrays have at most this many axes in numpy 1.x.
const MOST_AXES: usize = 32;

#[derive(Debug, thiserror::Error)]
#[error("{file}, offset {offset}: {problem}")]
pub struct PickleError {
    pub file: String,
    pub offset: u64,
    pub problem: String,
}

/// Number of an object in its pickle.
pub type Id = usize;

/// Type of array elements, by numpy's kind letter and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dtype {
    /// `b` bool, `i` signed, `u` unsigned, `f` float, `O` object, `S`/`U`/`V` others.
    pub kind: char,
    /// Bytes per element.
    pub width: usize,
    pub big_endian: bool,
}

/// One object of the pickle.
#[derive(Debug)]
pub enum Object {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Bytes(Spill),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Keys and values, in file order.
    Dict(Vec<(Id, Id)>),
    Dtype(Dtype),
    /// `data` is a `Bytes` object, or a `List` where the elements are objects.
    Array {
        dtype: Dtype,
        shape: Vec<usize>,
        fortran: bool,
        data: Id,
    },
    /// One number with its type.
    Scalar {
        dtype: Dtype,
        data: Id,
    },
    /// A callable that was recognised; never called.
    Callable(Callable),
    /// An array whose state has not come.
    EmptyArray,
}

/// The only names a pickle may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callable {
    Reconstruct,
    Scalar,
    NdArray,
    Dtype,
    Encode,
}

/// A read pickle.
#[derive(Debug)]
pub struct Pickle {
    objects: Vec<Object>,
    root: Id,
}

impl Pickle {
    /// Reads one pickle from its first byte to its STOP. `scratch` takes long byte strings.
    pub fn read(file: &str, reader: &mut dyn Read, scratch: &Path) -> Result<Pickle, PickleError> {
        let mut machine = Machine {
            reader,
            at: 0,
            scratch,
            objects: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
        };
        match machine.run() {
            Ok(root) => Ok(Pickle { objects: machine.objects, root }),
            Err(problem) => Err(PickleError { file: file.to_string(), offset: machine.at, problem }),
        }
    }

    pub fn root(&self) -> Id {
        self.root
    }

    pub fn get(&self, id: Id) -> &Object {
        &self.objects[id]
    }

    /// The bytes of a `Bytes` object, taken out of the pickle.
    pub fn take_bytes(mut self, id: Id) -> Option<Spill> {
        match self.objects.swap_remove(id) {
            Object::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value of a text (or, from Python 2, byte string) key of the dict `id`; the last one wins, as in Python.
    pub fn item(&self, id: Id, key: &str) -> Option<Id> {
        let Object::Dict(items) = self.get(id) else { return None };
        items.iter().rev().find(|(k, _)| self.text(*k) == Some(key)).map(|(_, value)| *value)
    }

    /// A text, or a byte string that is UTF-8.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Text(text) => Some(text),
            Object::Bytes(bytes) => std::str::from_utf8(bytes.in_memory()?).ok(),
            _ => None,
        }
    }

    /// An integer, or a numpy integer scalar.
    pub fn integer(&self, id: Id) -> Option<i64> {
        match self.get(id) {
            Object::Int(value) => Some(*value),
            Object::Bool(value) => Some(i64::from(*value)),
            Object::Scalar { dtype, data } => {
                let Object::Bytes(bytes) = self.get(*data) else { return None };
                integers(*dtype, bytes.in_memory()?)?.first().copied()
            }
            _ => None,
        }
    }

    /// The integers of a list, tuple or one-dimensional integer array.
    pub fn integers(&self, id: Id) -> Option<Vec<i64>> {
        match self.get(id) {
            Object::List(items) | Object::Tuple(items) => items.iter().map(|item| self.integer(*item)).collect(),
            Object::Array { dtype, shape, data, .. } if shape.len() == 1 => {
                let Object::Bytes(bytes) = self.get(*data) else { return None };
                let mut all = Vec::new();
                bytes.open().ok()?.read_to_end(&mut all).ok()?;
                integers(*dtype, &all)
            }
            _ => None,
        }
    }
}

fn integers(dtype: Dtype, bytes: &[u8]) -> Option<Vec<i64>> {
    if !matches!(dtype.kind, 'i' | 'u' | 'b') || !(1..=8).contains(&dtype.width) {
        return None;
    }
    let one = |bytes: &[u8]| {
        let mut word = [0u8; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        if dtype.big_endian {
            word[..bytes.len()].reverse();
        }
        let shift = 64 - 8 * bytes.len() as u32;
        let value = u64::from_le_bytes(word);
        if dtype.kind == 'i' { Some(((value << shift) as i64) >> shift) } else { i64::try_from(value).ok() }
    };
    bytes.chunks_exact(dtype.width).map(one).collect()
}

type Step<T> = Result<T, String>;

struct Machine<'a> {
    reader: &'a mut dyn Read,
    at: u64,
    scratch: &'a Path,
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// Stack heights of open marks.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Id>,
}

impl Machine<'_> {
    fn run(&mut self) -> Step<Id> {
        loop {
            let op = self.byte()?;
            match op {
                // PROTO, FRAME: nothing depends on them
                0x80 => {
                    let version = self.byte()?;
                    if version > 5 {
                        return Err(format!("pickle protocol {version} is unknown (0 to 5 are)"));
                    }
                }
                0x95 => {
                    self.unsigned(8)?;
                }
                b'(' => self.marks.push(self.stack.len()),
                b'.' => return self.pop(),
                b'N' => self.push(Object::None),
                0x88 => self.push(Object::Bool(true)),
                0x89 => self.push(Object::Bool(false)),
                b'K' => self.number(1)?,
                b'M' => self.number(2)?,
                b'J' => {
                    let value = self.unsigned(4)? as u32 as i32;
                    self.push(Object::Int(i64::from(value)));
                }
                0x8a => self.long()?,
                b'I' => self.int_line()?,
                b'G' => {
                    let bits = self.unsigned(8)?.swap_bytes(); // BINFLOAT is big-endian
                    self.push(Object::Float(f64::from_bits(bits)));
                }
                b'U' | b'C' => self.bytes(1)?, // SHORT_BINSTRING, SHORT_BINBYTES
                b'T' | b'B' => self.bytes(4)?, // BINSTRING, BINBYTES
                0x8e => self.bytes(8)?,        // BINBYTES8
                0x8c => self.unicode(1)?,      // SHORT_BINUNICODE
                b'X' => self.unicode(4)?,      // BINUNICODE
                0x8d => self.unicode(8)?,      // BINUNICODE8
                b')' => self.push(Object::Tuple(vec![])),
                0x85..=0x87 => {
                    let items = self.pop_many(usize::from(op - 0x84))?;
                    self.push(Object::Tuple(items));
                }
                b't' => {
                    let items = self.pop_mark()?;
                    self.push(Object::Tuple(items));
                }
                b']' => self.push(Object::List(vec![])),
                b'l' => {
                    let items = self.pop_mark()?;
                    self.push(Object::List(items));
                }
                b'a' => {
                    let items = self.pop_many(1)?;
                    self.append(items)?;
                }
                b'e' => {
                    let items = self.pop_mark()?;
                    self.append(items)?;
                }
                b'}' => self.push(Object::Dict(vec![])),
                b'd' => {
                    let items = self.pop_mark()?;
                    self.push(Object::Dict(vec![]));
                    self.set_items(items)?;
                }
                b's' => {
                    let items = self.pop_many(2)?;
                    self.set_items(items)?;
                }
                b'u' => {
                    let items = self.pop_mark()?;
                    self.set_items(items)?;
                }
                b'q' => self.memoize(1)?,
                b'r' => self.memoize(4)?,
                0x94 => {
                    let slot = self.memo.len() as u32;
                    self.remember(slot)?;
                }
                b'h' => self.recall(1)?,
                b'j' => self.recall(4)?,
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    let callable = callable(&module, &name)?;
                    self.push(Object::Callable(callable));
                }
                0x93 => {
                    let names = self.pop_many(2)?;
                    let text = |id: Id| match &self.objects[id] {
                        Object::Text(text) => Ok(text.as_str()),
                        _ => Err("a global whose name is no text".to_string()),
                    };
                    let callable = callable(text(names[0])?, text(names[1])?)?;
                    self.push(Object::Callable(callable));
                }
                b'R' => self.reduce()?,
                b'b' => self.build()?,
                other => {
                    return Err(format!("opcode {other:#04x} is not among those that plain data and arrays need"));
                }
            }
        }
    }

    fn push(&mut self, object: Object) {
        self.objects.push(object);
        self.stack.push(self.objects.len() - 1);
    }

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Step<Id> {
        if self.stack.len() <= self.floor() {
            return Err("the stack is empty".into());
        }
        self.stack.pop().ok_or_else(|| "the stack is empty".into())
    }

    fn top(&self) -> Step<Id> {
        match self.stack.last() {
            Some(id) if self.stack.len() > self.floor() => Ok(*id),
            _ => Err("the stack is empty".into()),
        }
    }

    fn pop_many(&mut self, count: usize) -> Step<Vec<Id>> {
        if self.stack.len() < self.floor() + count {
            return Err("the stack is empty".into());
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    fn pop_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or("a mark is missing")?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, items: Vec<Id>) -> Step<()> {
        let list = self.top()?;
        match &mut self.objects[list] {
            Object::List(list) => list.extend(items),
            _ => return Err("append to what is no list".into()),
        }
        Ok(())
    }

    fn set_items(&mut self, items: Vec<Id>) -> Step<()> {
        let dict = self.top()?;
        if !items.len().is_multiple_of(2) {
            return Err("a key without a value".into());
        }
        match &mut self.objects[dict] {
            Object::Dict(dict) => dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            _ => return Err("an item set on what is no dict".into()),
        }
        Ok(())
    }

    fn memoize(&mut self, width: usize) -> Step<()> {
        let slot = self.unsigned(width)? as u32;
        self.remember(slot)
    }

    fn remember(&mut self, slot: u32) -> Step<()> {
        let id = self.top()?;
        self.memo.insert(slot, id);
        Ok(())
    }

    fn recall(&mut self, width: usize) -> Step<()> {
        let slot = self.unsigned(width)? as u32;
        let id = self.memo.get(&slot).ok_or_else(|| format!("memo {slot} was never set"))?;
        self.stack.push(*id);
        Ok(())
    }

    fn reduce(&mut self) -> Step<()> {
        let parts = self.pop_many(2)?;
        let Object::Callable(callable) = self.objects[parts[0]] else {
            return Err("a call of what is no known callable".into());
        };
        let Object::Tuple(arguments) = &self.objects[parts[1]] else {
            return Err("a call without an argument tuple".into());
        };
        let object = match (callable, arguments.as_slice()) {
            (Callable::Reconstruct, [class, _, _])
                if matches!(self.objects[*class], Object::Callable(Callable::NdArray)) =>
            {
                Object::EmptyArray
            }
            (Callable::Dtype, [code, ..]) => Object::Dtype(dtype(&self.short_text(*code)?)?),
            (Callable::Scalar, [dtype, data]) => match (&self.objects[*dtype], &self.objects[*data]) {
                (Object::Dtype(dtype), Object::Bytes(_)) => Object::Scalar { dtype: *dtype, data: *data },
                _ => return Err("a numpy scalar without type or bytes".into()),
            },
            // How Python 3 writes bytes at protocol 2 and below: text whose characters are the bytes.
            (Callable::Encode, [text, encoding])
                if matches!(self.short_text(*encoding)?.as_str(), "latin1" | "latin-1") =>
            {
                let Object::Text(text) = &self.objects[*text] else {
                    return Err("bytes written as an encode call without text".into());
                };
                let mut bytes = SpillWriter::new(self.scratch);
                for char in text.chars() {
                    let byte = u8::try_from(u32::from(char)).map_err(|_| "a latin-1 text with other characters")?;
                    bytes.write_all(&[byte]).map_err(|e| e.to_string())?;
                }
                Object::Bytes(bytes.finish().map_err(|e| e.to_string())?)
            }
            (Callable::Encode, []) => Object::Bytes(Spill::Memory(vec![])),
            _ => return Err(format!("a call of {callable:?} with other arguments than numpy writes")),
        };
        self.push(object);
        Ok(())
    }

    fn build(&mut self) -> Step<()> {
        let state = self.pop()?;
        let target = self.top()?;
        let Object::Tuple(state) = &self.objects[state] else {
            return Err("a state that is no tuple".into());
        };
        let built = match (&self.objects[target], state.as_slice()) {
            (Object::EmptyArray, [_, shape, dtype, fortran, data]) => self.array(*shape, *dtype, *fortran, *data)?,
            (Object::Dtype(dtype), [_, order, ..]) => {
                let big_endian = match self.short_text(*order)?.as_str() {
                    ">" => true,
                    "<" | "|" | "=" => false,
                    other => return Err(format!("byte order `{other}`")),
                };
                Object::Dtype(Dtype { big_endian, ..*dtype })
            }
            _ => return Err("a state for what has none".into()),
        };
        self.objects[target] = built;
        Ok(())
    }

    fn array(&self, shape: Id, dtype: Id, fortran: Id, data: Id) -> Step<Object> {
        let Object::Dtype(dtype) = self.objects[dtype] else { return Err("an array without a type".into()) };
        let Object::Tuple(axes) = &self.objects[shape] else { return Err("an array without a shape".into()) };
        if axes.len() > MOST_AXES {
            return Err(format!("an array of {} axes", axes.len()));
        }
        let mut sizes = Vec::new();
        for axis in axes {
            match self.objects[*axis] {
                Object::Int(size) if size >= 0 => sizes.push(size as usize),
                _ => return Err("an array shape that holds no sizes".into()),
            }
        }
        let fortran = matches!(self.objects[fortran], Object::Bool(true) | Object::Int(1));
        let elements = sizes.iter().try_fold(1u64, |n, size| n.checked_mul(*size as u64));
        let (found, expected) = match &self.objects[data] {
            Object::Bytes(bytes) if dtype.kind != 'O' => {
                (bytes.len(), elements.and_then(|n| n.checked_mul(dtype.width as u64)))
            }
            Object::List(items) if dtype.kind == 'O' => (items.len() as u64, elements),
            _ => return Err("an array without data".into()),
        };
        if expected != Some(found) {
            return Err(format!("an array of shape {sizes:?} and {}-byte elements with {found} bytes", dtype.width));
        }
        Ok(Object::Array { dtype, shape: sizes, fortran, data })
    }

    /// A short text or byte string.
    fn short_text(&self, id: Id) -> Step<String> {
        match &self.objects[id] {
            Object::Text(text) => Ok(text.clone()),
            Object::Bytes(bytes) => {
                let bytes = bytes.in_memory().ok_or("a name is too long")?;
                String::from_utf8(bytes.to_vec()).map_err(|_| "a name that is not text".into())
            }
            _ => Err("a name was expected".into()),
        }
    }

    fn byte(&mut self) -> Step<u8> {
        Ok(self.unsigned(1)? as u8)
    }

    /// `width` bytes as a little-endian number.
    fn unsigned(&mut self, width: usize) -> Step<u64> {
        let mut word = [0u8; 8];
        self.reader.read_exact(&mut word[..width]).map_err(|e| cut(&e))?;
        self.at += width as u64;
        Ok(u64::from_le_bytes(word))
    }

    fn number(&mut self, width: usize) -> Step<()> {
        let value = self.unsigned(width)?;
        self.push(Object::Int(value as i64));
        Ok(())
    }

    fn long(&mut self) -> Step<()> {
        let len = self.byte()?;
        if len > 8 {
            return Err(format!("an integer of {len} bytes (8 at most)"));
        }
        let value = self.unsigned(usize::from(len))?;
        let shift = 64 - 8 * u32::from(len);
        let value = if len == 0 { 0 } else { ((value << shift) as i64) >> shift };
        self.push(Object::Int(value));
        Ok(())
    }

    fn int_line(&mut self) -> Step<()> {
        let line = self.line()?;
        let object = match line.as_str() {
            "00" => Object::Bool(false),
            "01" => Object::Bool(true),
            other => Object::Int(other.parse().map_err(|_| format!("`{other}` is no integer of 64 bits"))?),
        };
        self.push(object);
        Ok(())
    }

    /// Text up to the end of the line.
    fn line(&mut self) -> Step<String> {
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                byte if bytes.len() < 256 => bytes.push(byte),
                _ => return Err("a name longer than 256 bytes".into()),
            }
        }
        String::from_utf8(bytes).map_err(|_| "a name that is not UTF-8".into())
    }

    fn bytes(&mut self, width: usize) -> Step<()> {
        let len = self.unsigned(width)?;
        let mut spill = SpillWriter::new(self.scratch);
        let copied = io::copy(&mut self.reader.take(len), &mut spill).map_err(|e| cut(&e))?;
        self.at += copied;
        if copied < len {
            return Err(format!("a byte string of {len} bytes ends after {copied}"));
        }
        let bytes = spill.finish().map_err(|e| e.to_string())?;
        self.push(Object::Bytes(bytes));
        Ok(())
    }

    fn unicode(&mut self, width: usize) -> Step<()> {
        let len = self.unsigned(width)?;
        // Bytes written at protocol 2 come as text, so a text may be as long as an array.
        if len > LONGEST_TEXT {
            return Err(format!("a text of {len} bytes"));
        }
        let mut bytes = Vec::new();
        let copied = self.reader.take(len).read_to_end(&mut bytes).map_err(|e| cut(&e))?;
        self.at += copied as u64;
        if (copied as u64) < len {
            return Err(format!("a text of {len} bytes ends after {copied}"));
        }
        let text = String::from_utf8(bytes).map_err(|_| "a text that is not UTF-8")?;
        self.push(Object::Text(text));
        Ok(())
    }
}

fn cut(error: &io::Error) -> String {
    format!("the pickle is cut or unreadable: {error}")
}

fn callable(module: &str, name: &str) -> Step<Callable> {
    Ok(match (module, name) {
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Callable::Reconstruct,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Callable::Scalar,
        ("numpy", "ndarray") => Callable::NdArray,
        ("numpy", "dtype") => Callable::Dtype,
        ("_codecs", "encode") => Callable::Encode,
        _ => {
            return Err(format!(
                "`{module}.{name}` is not allowed: only numpy arrays and plain values are read, nothing is executed"
            ));
        }
    })
}

fn dtype(code: &str) -> Step<Dtype> {
    let bad = || format!("`{code}` is no array type");
    let mut chars = code.chars();
    let kind = chars.next().ok_or_else(bad)?;
    if !"biufOSUVc".contains(kind) {
        return Err(bad());
    }
    let number: usize = chars.as_str().parse().map_err(|_| bad())?;
    if number > 1 << 20 {
        return Err(bad());
    }
    // numpy counts characters in `U`, of 4 bytes each.
    let width = if kind == 'U' { 4 * number } else { number };
    Ok(Dtype { kind, width, big_endian: false })
}

#[cfg(test)]
mod tests {
    use super::{Object, Pickle, PickleError};
    use crate::data::synthetic::{Purpose, Stream};

    fn read(bytes: &[u8]) -> Result<Pickle, PickleError> {
        // nothing here is long enough to be spilled
        Pickle::read("x.pkl", &mut &bytes[..], std::path::Path::new("."))
    }

    fn refused(bytes: &[u8], word: &str) {
        let message = read(bytes).unwrap_err().to_string();
        assert!(message.contains(word) && message.contains("x.pkl, offset"), "{message}");
    }

    /// Python 2, protocol 2: {'a': [1, -2, 300], 'm': np.array([[1,2],[3,4]], 'u1'), 's': 'xy'}, as CIFAR's batches are.
    fn sample() -> Vec<u8> {
        let mut bytes = b"\x80\x02}q\x00(U\x01aq\x01]q\x02(K\x01J\xfe\xff\xff\xffM\x2c\x01eU\x01mq\x03".to_vec();
        bytes.extend(b"cnumpy.core.multiarray\n_reconstruct\nq\x04cnumpy\nndarray\nq\x05K\x00\x85q\x06U\x01bq\x07\x87q\x08Rq\x09");
        bytes.extend(b"(K\x01K\x02K\x02\x86q\x0acnumpy\ndtype\nq\x0bU\x02u1q\x0cK\x00K\x01\x87q\x0dRq\x0e");
        bytes.extend(
            b"(K\x03U\x01|q\x0fNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x10b\x89U\x04\x01\x02\x03\x04q\x11tq\x12b",
        );
        bytes.extend(b"U\x01sq\x13U\x02xyq\x14u.");
        bytes
    }

    #[test]
    fn reads_lists_texts_and_arrays() {
        let pickle = read(&sample()).unwrap();
        let item = |key| pickle.item(pickle.root(), key).unwrap();
        assert_eq!(pickle.integers(item("a")).unwrap(), vec![1, -2, 300]);
        assert_eq!(pickle.text(item("s")), Some("xy"));
        let Object::Array { dtype, shape, fortran, data } = pickle.get(item("m")) else { panic!() };
        assert_eq!((dtype.kind, dtype.width, shape.as_slice(), *fortran), ('u', 1, &[2, 2][..], false));
        let Object::Bytes(bytes) = pickle.get(*data) else { panic!() };
        assert_eq!(bytes.in_memory(), Some(&[1u8, 2, 3, 4][..]));
        assert!(pickle.item(pickle.root(), "z").is_none());
    }

    #[test]
    fn other_opcodes_of_the_specification() {
        let pickle = read(b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00(\x8a\x02\x18\xfcI42\nI01\nG?\xf8\x00\x00\x00\x00\x00\x00N\x88\x8c\x02hi\x94)}]\x94K\x07at.")
            .unwrap();
        let Object::Tuple(items) = pickle.get(pickle.root()) else { panic!() };
        let integers: Vec<_> = items[..3].iter().map(|id| pickle.integer(*id).unwrap()).collect();
        assert_eq!(integers, vec![-1000, 42, 1]);
        assert!(matches!(pickle.get(items[3]), Object::Float(1.5)));
        assert_eq!(pickle.text(items[6]), Some("hi"));
        assert_eq!(pickle.integers(items[9]).unwrap(), vec![7]);
        // bytes of Python 3 at protocol 2
        let pickle = read("\u{80}".as_bytes()); // not even a protocol
        assert!(pickle.is_err());
        let pickle =
            read(b"\x80\x02c_codecs\nencode\nX\x03\x00\x00\x00a\xc3\xbfX\x06\x00\x00\x00latin1\x86R.").unwrap();
        let Object::Bytes(bytes) = pickle.get(pickle.root()) else { panic!() };
        assert_eq!(bytes.in_memory(), Some(&[b'a', 0xff][..]));
    }

    #[test]
    fn a_numpy_scalar_is_an_integer() {
        let mut bytes = b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02i8K\x00K\x01\x87R".to_vec();
        bytes.extend(
            b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbU\x08\xfe\xff\xff\xff\xff\xff\xff\xff\x86R.",
        );
        let pickle = read(&bytes).unwrap();
        assert_eq!(pickle.integer(pickle.root()), Some(-2));
    }

    #[test]
    fn nothing_is_executed() {
        refused(b"cos\nsystem\n(U\x02lstR.", "os.system");
        refused(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "builtins.eval");
        refused(b"\x80\x02cnumpy\nndarray\nU\x01x\x85R.", "other arguments");
        refused(b"(ios\nsystem\n.", "opcode");
        refused(b"\x80\x02}U\x01aU\x01bU\x01c\x93.", "no text");
        refused(b"\x80\x02K\x01K\x02b.", "no tuple");
    }

    #[test]
    fn hostile_sizes_allocate_nothing() {
        refused(b"\x80\x02B\xff\xff\xff\xffabc.", "ends after");
        refused(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.", "ends after");
        refused(b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.", "a text of");
        refused(b"\x80\x02", "cut");
        refused(b".", "stack");
        refused(b"(0.", "opcode");
        refused(b"t.", "mark");
        refused(b"h\x05.", "memo 5");
    }

    /// A list that holds itself, and a tuple of tuples that would be 2¹⁰⁰ long if copied.
    #[test]
    fn sharing_and_cycles_stay_small() {
        let pickle = read(b"\x80\x02]q\x00h\x00a.").unwrap();
        assert!(pickle.integers(pickle.root()).is_none());
        let mut bytes = b"\x80\x02)q\x00".to_vec();
        for i in 1..100u8 {
            bytes.extend([b'h', i - 1, b'h', i - 1, 0x86, b'q', i]);
        }
        bytes.push(b'.');
        assert!(
            matches!(read(&bytes).unwrap(), pickle if matches!(pickle.get(pickle.root()), Object::Tuple(items) if items.len() == 2))
        );
    }

    #[test]
    fn mutations_never_panic() {
        let sample = sample();
        let mut stream = Stream::new("pickle", "test", Purpose::Noise, 0, None);
        let mut errors = 0;
        for _ in 0..5000 {
            let mut bytes = sample.clone();
            for _ in 0..=stream.below(3) {
                let at = stream.below(bytes.len() as u64) as usize;
                bytes[at] = if stream.below(3) == 0 {
                    b"().]}htuaesR\x93b\xff"[stream.below(14) as usize]
                } else {
                    stream.bits() as u8
                };
            }
            if stream.below(4) == 0 {
                bytes.truncate(stream.below(bytes.len() as u64) as usize);
            }
            match read(&bytes) {
                Ok(pickle) => {
                    pickle.item(pickle.root(), "a").and_then(|id| pickle.integers(id));
                }
                Err(_) => errors += 1,
            }
        }
        assert!(errors > 1000, "{errors}");
    }
}
