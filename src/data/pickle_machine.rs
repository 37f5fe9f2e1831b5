//! Carries out the opcodes of a pickle that build plain data; nothing is executed, every other name or opcode is an error
//! (task specification §2.2). Memory is bounded by the file: each opcode makes at most one object.

use crate::data::dtype::Dtype;
use crate::data::pickle_object::{Callable, Id, Object};
use crate::data::spill::{Spill, SpillWriter};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;

/// A longer text is damage. Bytes written at protocol 2 come as text, so a text may be as long as an array (CIFAR: 307 MB).
const LONGEST_TEXT: u64 = 1 << 30;
/// Arrays have at most this many axes in numpy 1.x.
const MOST_AXES: usize = 32;

type Step<T> = Result<T, String>;

/// The machine that pickles are programs for, reduced to what builds data.
pub struct Machine<'a> {
    reader: &'a mut dyn Read,
    at: u64,
    scratch: &'a Path,
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// Stack heights of open marks.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// Long byte strings go to nameless files in `scratch`.
    pub fn new(reader: &'a mut dyn Read, scratch: &'a Path) -> Self {
        let (objects, stack, marks) = (Vec::new(), Vec::new(), Vec::new());
        Machine { reader, at: 0, scratch, objects, stack, marks, memo: BTreeMap::new() }
    }

    /// Reads up to STOP; the objects and which of them is the result. The error says at which offset it arose.
    pub fn run(mut self) -> Result<(Vec<Object>, Id), (u64, String)> {
        match self.steps() {
            Ok(root) => Ok((self.objects, root)),
            Err(problem) => Err((self.at, problem)),
        }
    }

    fn steps(&mut self) -> Step<Id> {
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
    // Codes of this kind carry no byte order, which numpy writes into the state; a `>f4` all the same is honoured.
    let (big_endian, bare) = match code.as_bytes().first() {
        Some(b'>') => (true, &code[1..]),
        Some(b'<' | b'=' | b'|') => (false, &code[1..]),
        _ => (false, code),
    };
    let dtype = Dtype::parse(bare).ok_or_else(|| format!("`{code}` is no array type"))?;
    Ok(Dtype { big_endian, ..dtype })
}
