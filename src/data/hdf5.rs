//! Finds the arrays of numbers in the root of an HDF5 file, as far as MATLAB's `-v7.3` and older h5py write them: superblock 0
//! or 1, groups of symbol tables, object headers 1. Reads no values. Format: *HDF5 File Format Specification* 3.0 (by section).

use crate::data::dtype::Dtype;
use crate::data::hdf5_source::Hdf5Source;
use std::collections::BTreeSet;

const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";
/// An address that leads nowhere.
pub const UNDEFINED: u64 = u64::MAX;
/// Nodes, blocks and lists that are longer are damage.
const LONGEST_BLOCK: u64 = 1 << 20;
/// Names, messages and nodes of a file with more are damage.
const MOST: usize = 1 << 16;

/// Where an array's bytes are.
#[derive(Clone, Debug, PartialEq)]
pub enum Hdf5Layout {
    Compact(Vec<u8>),
    Contiguous {
        address: u64,
        len: u64,
    },
    /// Blocks of `sizes` elements, found through a B-tree.
    Chunked {
        tree: u64,
        sizes: Vec<usize>,
    },
}

/// What is done to the bytes of a chunk, in the order of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hdf5Filter {
    Deflate,
    Shuffle,
}

/// An array of numbers.
#[derive(Clone, Debug)]
pub struct Hdf5Dataset {
    pub name: String,
    /// Sizes, the last axis varying fastest; MATLAB shows them in reverse order.
    pub shape: Vec<usize>,
    pub dtype: Dtype,
    /// The attribute `MATLAB_class`, such as `double` or `char`.
    pub class: Option<String>,
    pub layout: Hdf5Layout,
    pub filters: Vec<Hdf5Filter>,
}

impl Hdf5Dataset {
    /// Product of the sizes.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Address of the first byte that addresses count from, and the datasets of the root, by name; what holds no numbers is left out.
pub fn datasets(source: &Hdf5Source) -> Result<(u64, Vec<Hdf5Dataset>), String> {
    let (start, superblock) = superblock(source)?;
    let version = superblock[8];
    if version > 1 {
        return Err(format!(
            "superblock version {version} is not read (0 and 1 are); save the file with `-v7` instead"
        ));
    }
    if superblock[13..15] != [8, 8] {
        return Err(format!(
            "addresses of {} and lengths of {} bytes are not read (8 are)",
            superblock[13], superblock[14]
        ));
    }
    let at = if version == 0 { 24 } else { 28 };
    let base = number(&superblock, at, 8)?;
    if base != start && base != 0 {
        return Err(format!("a base address of {base} in a file that starts at {start}"));
    }
    let scan = Scan { source, base };
    let root = scan.messages(number(&superblock, at + 40, 8)?)?;
    let table = root.iter().find(|message| message.kind == 0x11);
    let table =
        table.ok_or("expected a root group with a symbol table, found none; save the file with `-v7` instead")?;
    let (tree, heap) = (number(&table.body, 0, 8)?, number(&table.body, 8, 8)?);
    let mut found = Vec::new();
    for (name, header) in scan.links(tree, heap)? {
        if let Some(dataset) = scan.dataset(&name, header).map_err(|e| format!("`{name}`: {e}"))? {
            found.push(dataset);
        }
    }
    Ok((base, found))
}

/// The superblock stands at 0, 512, 1024, 2048, … (§II.A).
fn superblock(source: &Hdf5Source) -> Result<(u64, Vec<u8>), String> {
    let mut at = 0;
    while at + 96 <= source.len() {
        let block = source.read(at, 96.min(source.len() - at))?;
        if block.starts_with(MAGIC) {
            return Ok((at, block));
        }
        at = if at == 0 { 512 } else { 2 * at };
    }
    Err("expected an HDF5 file, found no superblock".into())
}

struct Message {
    kind: u16,
    body: Vec<u8>,
}

struct Scan<'s> {
    source: &'s Hdf5Source,
    base: u64,
}

impl Scan<'_> {
    fn read(&self, address: u64, len: u64) -> Result<Vec<u8>, String> {
        let at = self.base.checked_add(address).ok_or_else(|| format!("address {address} is none"))?;
        self.source.read(at, len.min(LONGEST_BLOCK + 1))
    }

    /// The messages of an object header, version 1 (§IV.A.1.a).
    fn messages(&self, address: u64) -> Result<Vec<Message>, String> {
        let head = self.read(address, 16)?;
        if head[0] != 1 {
            return Err(format!(
                "an object header of version {} is not read (1 is); save the file with `-v7`",
                head[0]
            ));
        }
        let mut blocks = vec![(address.saturating_add(16), number(&head, 8, 4)?)];
        let mut messages = Vec::new();
        let mut next = 0;
        while next < blocks.len() {
            let (address, len) = blocks[next];
            next += 1;
            if len > LONGEST_BLOCK || blocks.len() > MOST {
                return Err(format!("an object header of {len} bytes in {} blocks", blocks.len()));
            }
            let block = self.read(address, len)?;
            let mut rest = block.as_slice();
            while rest.len() >= 8 {
                let (kind, len) = (number(rest, 0, 2)? as u16, number(rest, 2, 2)? as usize);
                let body = rest.get(8..8 + len).ok_or("a message is longer than its block")?.to_vec();
                // A shared message is a pointer.
                if rest[4] & 2 != 0 && matches!(kind, 1 | 3 | 8 | 11) {
                    return Err("a shared message is not read; save the file with `-v7`".into());
                }
                rest = &rest[8 + len..];
                if kind == 0x10 {
                    blocks.push((number(&body, 0, 8)?, number(&body, 8, 8)?));
                }
                messages.push(Message { kind, body });
                if messages.len() > MOST {
                    return Err("an object header without an end".into());
                }
            }
        }
        Ok(messages)
    }

    /// Names and object headers of a group: a B-tree of symbol nodes (§III.A.1, §III.B), names in a heap (§III.D).
    fn links(&self, tree: u64, heap: u64) -> Result<Vec<(String, u64)>, String> {
        let head = self.read(heap, 32)?;
        if !head.starts_with(b"HEAP") {
            return Err("expected a heap of names".into());
        }
        let len = number(&head, 8, 8)?;
        if len > LONGEST_BLOCK {
            return Err(format!("a heap of {len} bytes"));
        }
        let heap = self.read(number(&head, 24, 8)?, len)?;
        let (mut links, mut seen, mut open) = (Vec::new(), BTreeSet::new(), vec![tree]);
        while let Some(address) = open.pop() {
            if !seen.insert(address) || seen.len() > MOST {
                return Err("a B-tree that holds a node twice or too many".into());
            }
            let head = self.read(address, 8)?;
            if head.starts_with(b"TREE") {
                let used = number(&head, 6, 2)?;
                let node = self.read(address, 24 + 16 * used + 8)?;
                // Children stand between keys; the stack gives them back in order.
                for child in (0..used as usize).rev() {
                    open.push(number(&node, 32 + 16 * child, 8)?);
                }
            } else if head.starts_with(b"SNOD") {
                let used = number(&head, 6, 2)?;
                let node = self.read(address, 8 + 40 * used)?;
                for entry in node[8..].chunks_exact(40) {
                    let name = heap.get(number(entry, 0, 8)? as usize..).ok_or("a name behind the heap's end")?;
                    let end = name.iter().position(|byte| *byte == 0).ok_or("a name without an end")?;
                    links.push((String::from_utf8_lossy(&name[..end]).into_owned(), number(entry, 8, 8)?));
                }
            } else {
                return Err(format!("expected a node of a group, found `{}`", head[..4].escape_ascii()));
            }
        }
        Ok(links)
    }

    /// `None` for groups, empty variables and what holds no numbers.
    fn dataset(&self, name: &str, header: u64) -> Result<Option<Hdf5Dataset>, String> {
        let messages = self.messages(header)?;
        let body = |kind: u16| messages.iter().find(|message| message.kind == kind).map(|m| m.body.as_slice());
        let (Some(space), Some(kind), Some(layout)) = (body(1), body(3), body(8)) else { return Ok(None) };
        let Some(dtype) = number_type(kind)? else { return Ok(None) };
        let (mut class, mut empty) = (None, false);
        for message in messages.iter().filter(|message| message.kind == 12) {
            match attribute(&message.body) {
                Some((b"MATLAB_class", value)) => {
                    class = Some(String::from_utf8_lossy(value).trim_end_matches('\0').to_string());
                }
                Some((b"MATLAB_empty", value)) => empty = value.first() == Some(&1),
                _ => {}
            }
        }
        if empty {
            return Ok(None);
        }
        let shape = sizes(space)?;
        let bytes = shape.iter().map(|size| (*size).max(1)).chain([dtype.width]).try_fold(1usize, usize::checked_mul);
        if bytes.is_none_or(|bytes| bytes > isize::MAX as usize) {
            return Err(format!("an array of shape {shape:?} fits no memory"));
        }
        let layout = place(layout, shape.len(), dtype.width)?;
        let filters = body(11).map_or(Ok(Vec::new()), filters)?;
        Ok(Some(Hdf5Dataset { name: name.to_string(), shape, dtype, class, layout, filters }))
    }
}

/// Dataspace message (§IV.A.2.b).
fn sizes(body: &[u8]) -> Result<Vec<usize>, String> {
    let rank = number(body, 1, 1)? as usize;
    let start = match number(body, 0, 1)? {
        1 => 8,
        2 => 4,
        other => return Err(format!("a dataspace of version {other}")),
    };
    if rank > 32 {
        return Err(format!("{rank} axes"));
    }
    (0..rank).map(|axis| Ok(number(body, start + 8 * axis, 8)? as usize)).collect()
}

/// Datatype message (§IV.A.2.d); `None` for what is no plain number.
fn number_type(body: &[u8]) -> Result<Option<Dtype>, String> {
    let (class, flags, width) = (number(body, 0, 1)? & 15, number(body, 1, 3)?, number(body, 4, 4)? as usize);
    let kind = match class {
        0 if flags & 8 != 0 => 'i',
        0 => 'u',
        1 => 'f',
        _ => return Ok(None),
    };
    let dtype = Dtype { kind, width, big_endian: flags & 1 != 0 };
    let whole = number(body, 8, 2)? == 0 && number(body, 10, 2)? as usize == width.saturating_mul(8);
    // Bit 6 is the second one of VAX order.
    if !dtype.is_number() || !whole || flags & 0x40 != 0 {
        return Err(format!("numbers of {width} bytes in a layout of their own"));
    }
    Ok(Some(dtype))
}

/// Data layout message, version 3 (§IV.A.2.i).
fn place(body: &[u8], rank: usize, width: usize) -> Result<Hdf5Layout, String> {
    let version = number(body, 0, 1)?;
    if version != 3 {
        return Err(format!("a data layout of version {version} is not read (3 is); save the file with `-v7`"));
    }
    match number(body, 1, 1)? {
        0 => {
            let len = number(body, 2, 2)? as usize;
            Ok(Hdf5Layout::Compact(body.get(4..4 + len).ok_or("compact data are cut")?.to_vec()))
        }
        1 => Ok(Hdf5Layout::Contiguous { address: number(body, 2, 8)?, len: number(body, 10, 8)? }),
        2 => {
            let axes = number(body, 2, 1)? as usize;
            let size = |axis: usize| number(body, 11 + 4 * axis, 4).map(|size| size as usize);
            if rank == 0 || axes != rank + 1 || size(rank)? != width {
                return Err(format!("chunks of {axes} axes for an array of {rank}"));
            }
            let sizes = (0..rank).map(size).collect::<Result<Vec<_>, _>>()?;
            if sizes.contains(&0) {
                return Err(format!("chunks of {sizes:?}"));
            }
            Ok(Hdf5Layout::Chunked { tree: number(body, 3, 8)?, sizes })
        }
        other => Err(format!("a data layout of class {other} is not read")),
    }
}

/// Filter pipeline message (§IV.A.2.l).
fn filters(body: &[u8]) -> Result<Vec<Hdf5Filter>, String> {
    let (version, count) = (number(body, 0, 1)?, number(body, 1, 1)?);
    let mut at = match version {
        1 => 8,
        2 => 2,
        other => return Err(format!("a filter pipeline of version {other}")),
    };
    let mut filters = Vec::new();
    for _ in 0..count {
        let id = number(body, at, 2)?;
        at += 2;
        // Version 2 leaves the names of the library's own filters out.
        let named = version == 1 || id >= 256;
        let name = if named { number(body, at, 2)? as usize } else { 0 };
        at += if named { 2 } else { 0 };
        let values = number(body, at + 2, 2)? as usize;
        at += 4;
        at += if version == 1 { name.next_multiple_of(8) + 4 * values.next_multiple_of(2) } else { name + 4 * values };
        filters.push(match id {
            1 => Hdf5Filter::Deflate,
            2 => Hdf5Filter::Shuffle,
            other => {
                return Err(format!("filter {other} is not read (deflate and shuffle are); save the file with `-v7`"));
            }
        });
    }
    Ok(filters)
}

/// Name and bytes of an attribute message (§IV.A.2.m), versions 1 to 3.
fn attribute(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let version = *body.first()?;
    let size = |at: usize| number(body, at, 2).ok().map(|size| size as usize);
    let (name, kind, space) = (size(2)?, size(4)?, size(6)?);
    let start = if version == 3 { 9 } else { 8 };
    let pad = |len: usize| if version == 1 { len.next_multiple_of(8) } else { len };
    let data = start + pad(name) + pad(kind) + pad(space);
    let text = body.get(start..start + name)?;
    Some((text.split(|byte| *byte == 0).next()?, body.get(data..)?))
}

/// `width` bytes at `at` as a little-endian number.
pub fn number(bytes: &[u8], at: usize, width: usize) -> Result<u64, String> {
    let found = at.checked_add(width).and_then(|end| bytes.get(at..end));
    let found = found.ok_or("a record is cut")?;
    Ok(found.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}
