//! Carries out the opcodes of a pickle that build plain data; nothing is executed, every other name or opcode is an error
//! (task specification §2.2). Memory is bounded by the file: each opcode makes at most one object.

use crate::data::pickle_calls::{arriving, build, call, callable};
use crate::data::pickle_object::{Id, Object, Taker};
use crate::data::pickle_text::{read_escaped, read_quoted};
use crate::data::spill::{SpillWriter, pour};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// A longer text is damage. Bytes written at protocol 2 come as text, so a text may be as long as an array (CIFAR: 307 MB).
const LONGEST_TEXT: u64 = 1 << 30;

type Step<T> = Result<T, String>;

/// The machine that pickles are programs for, reduced to what builds data.
pub struct Machine<'a> {
    reader: BufReader<&'a mut dyn Read>,
    at: u64,
    scratch: &'a Path,
    taker: Option<&'a mut Taker<'a>>,
    /// Arrays whose elements were taken.
    taken: usize,
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// Stack heights of open marks.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// Long byte strings go to nameless files in `scratch`. More may be read than the pickle holds.
    pub fn new(reader: &'a mut dyn Read, scratch: &'a Path, taker: Option<&'a mut Taker<'a>>) -> Self {
        let (objects, stack, marks) = (Vec::new(), Vec::new(), Vec::new());
        // Most reads are of one byte; those of arrays pass the buffer by, but for what it holds of them, which is copied twice:
        // of many short arrays a large buffer would hold the half.
        let reader = BufReader::with_capacity(1 << 10, reader);
        Machine { reader, at: 0, scratch, taker, taken: 0, objects, stack, marks, memo: BTreeMap::new() }
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
                0x8a => self.long(1)?,
                0x8b => self.long(4)?,
                b'I' => self.int_line()?,
                b'L' => self.long_line()?,
                b'F' => self.float_line()?,
                b'S' => self.string_line()?,
                b'V' => self.unicode_line()?,
                b'G' => {
                    let bits = self.unsigned(8)?.swap_bytes(); // BINFLOAT is big-endian
                    self.push(Object::Float(f64::from_bits(bits)));
                }
                b'U' | b'C' => self.bytes(1)?, // SHORT_BINSTRING, SHORT_BINBYTES
                b'T' | b'B' => self.bytes(4)?, // BINSTRING, BINBYTES
                0x8e | 0x96 => self.bytes(8)?, // BINBYTES8, BYTEARRAY8
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
                b'p' => {
                    let slot = self.memo_line()?;
                    self.remember(slot)?;
                }
                b'h' => self.recall(1)?,
                b'j' => self.recall(4)?,
                b'g' => {
                    let slot = self.memo_line()?;
                    self.recall_slot(slot)?;
                }
                b'0' => self.drop_top()?,
                b'1' => {
                    self.pop_mark()?;
                }
                b'2' => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
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
                0x97 | 0x98 => {
                    return Err(
                        "array data in a buffer outside the pickle; write it again without buffer_callback".into()
                    );
                }
                0x8f..=0x91 => return Err("a set: only lists, tuples, dicts, plain values and arrays are read".into()),
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

    /// Removes the last object, or the last mark where nothing lies above it.
    fn drop_top(&mut self) -> Step<()> {
        if self.stack.len() == self.floor() && self.marks.pop().is_some() {
            return Ok(());
        }
        self.pop().map(drop)
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
        self.recall_slot(slot)
    }

    fn recall_slot(&mut self, slot: u32) -> Step<()> {
        let id = self.memo.get(&slot).ok_or_else(|| format!("memo {slot} was never set"))?;
        self.stack.push(*id);
        Ok(())
    }

    fn reduce(&mut self) -> Step<()> {
        let parts = self.pop_many(2)?;
        let Object::Callable(callable) = self.objects[parts[0]] else {
            return Err("a call of what is no known callable".into());
        };
        let object = call(&self.objects, callable, parts[1], self.scratch)?;
        self.push(object);
        Ok(())
    }

    fn build(&mut self) -> Step<()> {
        let state = self.pop()?;
        let target = self.top()?;
        self.objects[target] = build(&self.objects, target, state)?;
        Ok(())
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

    fn long(&mut self, width: usize) -> Step<()> {
        let len = self.unsigned(width)?;
        if len > 8 {
            return Err(format!("an integer of {len} bytes (8 at most)"));
        }
        let value = self.unsigned(len as usize)?;
        let shift = 64 - 8 * len as u32;
        let value = if len == 0 { 0 } else { ((value << shift) as i64) >> shift };
        self.push(Object::Int(value));
        Ok(())
    }

    fn int_line(&mut self) -> Step<()> {
        let line = self.line()?;
        let object = match line.as_str() {
            "00" => Object::Bool(false),
            "01" => Object::Bool(true),
            other => Object::Int(decimal(other)?),
        };
        self.push(object);
        Ok(())
    }

    fn long_line(&mut self) -> Step<()> {
        let line = self.line()?;
        self.push(Object::Int(decimal(line.strip_suffix('L').unwrap_or(&line))?));
        Ok(())
    }

    fn float_line(&mut self) -> Step<()> {
        let line = self.line()?;
        self.push(Object::Float(line.parse().map_err(|_| format!("`{line}` is no number"))?));
        Ok(())
    }

    fn memo_line(&mut self) -> Step<u32> {
        let line = self.line()?;
        line.parse().map_err(|_| format!("`{line}` is no place of the memo"))
    }

    /// A byte string as Python 2 prints it; its length is known at its end only.
    fn string_line(&mut self) -> Step<()> {
        let mut spill = SpillWriter::new(self.scratch);
        let quote = self.byte()?;
        read_quoted(quote, &mut || self.byte(), &mut spill)?;
        self.push(Object::Bytes(spill.finish().map_err(|e| e.to_string())?));
        Ok(())
    }

    fn unicode_line(&mut self) -> Step<()> {
        let text = read_escaped(&mut || self.byte(), LONGEST_TEXT)?;
        self.push(Object::Text(text));
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
        if self.take(len)? {
            return Ok(());
        }
        let mut spill = SpillWriter::new(self.scratch);
        let copied = pour(&mut self.reader, &mut spill, len).map_err(|e| cut(&e))?;
        self.at += copied;
        if copied < len {
            return Err(format!("a byte string of {len} bytes ends after {copied}"));
        }
        let bytes = spill.finish().map_err(|e| e.to_string())?;
        self.push(Object::Bytes(bytes));
        Ok(())
    }

    /// Offers the next `len` bytes to the taker, where they are elements of an array.
    fn take(&mut self, len: u64) -> Step<bool> {
        let floor = self.floor();
        let Some(taker) = &mut self.taker else { return Ok(false) };
        let Some(array) = arriving(&self.objects, &self.stack[floor..], len) else { return Ok(false) };
        let mut bytes = Read::take(&mut self.reader, len);
        let taken = taker(&array, &mut bytes)?;
        let left = bytes.limit();
        self.at += len - left;
        match (taken, left) {
            (true, 0) => {}
            (false, left) if left == len => return Ok(false),
            _ => return Err(format!("an array of {len} bytes was read but for {left}")),
        }
        self.push(Object::Taken { number: self.taken, len });
        self.taken += 1;
        Ok(true)
    }

    fn unicode(&mut self, width: usize) -> Step<()> {
        let len = self.unsigned(width)?;
        // Bytes written at protocol 2 come as text, so a text may be as long as an array.
        if len > LONGEST_TEXT {
            return Err(format!("a text of {len} bytes"));
        }
        let mut bytes = Vec::new();
        let copied = Read::take(&mut self.reader, len).read_to_end(&mut bytes).map_err(|e| cut(&e))?;
        self.at += copied as u64;
        if (copied as u64) < len {
            return Err(format!("a text of {len} bytes ends after {copied}"));
        }
        let text = String::from_utf8(bytes).map_err(|_| "a text that is not UTF-8")?;
        self.push(Object::Text(text));
        Ok(())
    }
}

fn decimal(text: &str) -> Step<i64> {
    text.parse().map_err(|_| format!("`{text}` is no integer of 64 bits"))
}

fn cut(error: &io::Error) -> String {
    format!("the pickle is cut or unreadable: {error}")
}
