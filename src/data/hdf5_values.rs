//! Reads the numbers of HDF5 datasets in order, in bounded memory: compact, contiguous, or in chunks, deflated and shuffled.
//! Format: *HDF5 File Format Specification* 3.0.

use crate::data::hdf5::{Hdf5Dataset, Hdf5Filter, Hdf5Layout, UNDEFINED, datasets, number};
use crate::data::hdf5_source::Hdf5Source;
use flate2::read::ZlibDecoder;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

/// Bytes of the rows that are read at once; those of one row of chunks where they are more, up to `LARGEST`.
const PIECE: usize = 1 << 20;
/// A row of chunks of more bytes is refused.
const LARGEST: usize = 1 << 28;

#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct Hdf5Error {
    pub file: String,
    pub problem: String,
}

/// An open file.
pub struct Hdf5 {
    file: String,
    source: Hdf5Source,
    base: u64,
    datasets: Vec<Hdf5Dataset>,
}

impl Hdf5 {
    /// Copies `raw` to its end into a nameless file in `scratch`, as HDF5 is read at any place, and finds its datasets.
    /// `file` is the name for messages.
    pub fn open(file: &str, raw: &mut dyn Read, scratch: &Path) -> Result<Hdf5, Hdf5Error> {
        let fail = |problem: String| Hdf5Error { file: file.to_string(), problem };
        let source = Hdf5Source::spill(raw, scratch).map_err(|e| fail(e.to_string()))?;
        let (base, datasets) = datasets(&source).map_err(fail)?;
        Ok(Hdf5 { file: file.to_string(), source, base, datasets })
    }

    /// Arrays of numbers in the root, by name.
    pub fn datasets(&self) -> &[Hdf5Dataset] {
        &self.datasets
    }

    /// The values of a dataset from its first on.
    pub fn values<'h>(&'h self, dataset: &'h Hdf5Dataset) -> Result<Hdf5Values<'h>, Hdf5Error> {
        let fail = |problem: String| self.error(dataset, problem);
        let rows = dataset.shape.first().copied().unwrap_or(1);
        let inner: usize = dataset.shape.iter().skip(1).product();
        let row = inner * dataset.dtype.width;
        let mut height = (PIECE / row.max(1)).max(1);
        let mut chunks = BTreeMap::new();
        if let Hdf5Layout::Chunked { tree, sizes } = &dataset.layout {
            height = sizes.first().copied().unwrap_or(1);
            let volume = sizes.iter().chain([&dataset.dtype.width]).try_fold(1usize, |n, size| n.checked_mul(*size));
            if volume.is_none_or(|bytes| bytes > LARGEST) {
                return Err(fail(format!("chunks of {sizes:?} values are too large")));
            }
            chunks = self.chunks(dataset, *tree).map_err(fail)?;
        }
        let expected = dataset.elements() * dataset.dtype.width;
        match &dataset.layout {
            Hdf5Layout::Compact(bytes) if bytes.len() < expected => return Err(fail("its data are cut".into())),
            // without an address, nothing was written, and values are zero
            Hdf5Layout::Contiguous { address, len } if *address != UNDEFINED && *len != expected as u64 => {
                return Err(fail(format!("expected {expected} bytes, found {len}")));
            }
            _ => {}
        }
        if height.min(rows).checked_mul(row).is_none_or(|bytes| bytes > LARGEST) {
            return Err(fail(format!("rows of {row} bytes in blocks of {height} are too large")));
        }
        Ok(Hdf5Values {
            hdf5: self,
            dataset,
            chunks,
            height,
            row: 0,
            piece: Vec::new(),
            at: 0,
            left: dataset.elements(),
        })
    }

    /// Places of chunks by the index of their first value (B-tree of node type 1, §III.A.1).
    fn chunks(&self, dataset: &Hdf5Dataset, tree: u64) -> Result<BTreeMap<Vec<u64>, Chunk>, String> {
        let rank = dataset.shape.len();
        let (mut chunks, mut seen, mut open) = (BTreeMap::new(), BTreeSet::new(), vec![tree]);
        while let Some(address) = open.pop() {
            if address == UNDEFINED {
                continue;
            }
            if !seen.insert(address) {
                return Err("a B-tree that holds a node twice".into());
            }
            let at = self.base.checked_add(address).ok_or("an address that is none")?;
            let head = self.source.read(at, 24)?;
            if !head.starts_with(b"TREE") || head[4] != 1 {
                return Err("expected a node of chunks".into());
            }
            let (level, used) = (head[5], number(&head, 6, 2)?);
            let key = 8 + 8 * (rank + 1);
            let entries = self.source.read(at + 24, used * (key as u64 + 8))?;
            for entry in entries.chunks_exact(key + 8) {
                let address = number(entry, key, 8)?;
                if level > 0 {
                    open.push(address);
                    continue;
                }
                let first = (0..rank).map(|axis| number(entry, 8 + 8 * axis, 8)).collect::<Result<Vec<_>, _>>()?;
                let chunk = Chunk { address, len: number(entry, 0, 4)?, skipped: number(entry, 4, 4)? };
                chunks.insert(first, chunk);
            }
        }
        Ok(chunks)
    }

    /// The bytes of one chunk of `len` bytes.
    fn chunk(&self, dataset: &Hdf5Dataset, chunk: &Chunk, len: usize) -> Result<Vec<u8>, String> {
        let at = self.base.checked_add(chunk.address).ok_or("an address that is none")?;
        let mut bytes = self.source.read(at, chunk.len)?;
        for (index, filter) in dataset.filters.iter().enumerate().rev() {
            if chunk.skipped >> index & 1 == 1 {
                continue;
            }
            match filter {
                Hdf5Filter::Deflate => {
                    let mut unpacked = Vec::new();
                    let read = ZlibDecoder::new(bytes.as_slice()).take(len as u64 + 1).read_to_end(&mut unpacked);
                    read.map_err(|e| format!("a chunk at {at}: {e}; the file may be damaged, fetch it again"))?;
                    bytes = unpacked;
                }
                // First all first bytes, then all second ones, and so on.
                Hdf5Filter::Shuffle => {
                    let (width, count) = (dataset.dtype.width, bytes.len() / dataset.dtype.width);
                    let mut mixed = bytes.clone();
                    for index in 0..count {
                        for byte in 0..width {
                            mixed[index * width + byte] = bytes[byte * count + index];
                        }
                    }
                    bytes = mixed;
                }
            }
        }
        if bytes.len() != len {
            return Err(format!("expected a chunk of {len} bytes at {at}, found {}", bytes.len()));
        }
        Ok(bytes)
    }

    fn error(&self, dataset: &Hdf5Dataset, problem: String) -> Hdf5Error {
        Hdf5Error { file: self.file.clone(), problem: format!("`{}`: {problem}", dataset.name) }
    }
}

struct Chunk {
    address: u64,
    len: u64,
    /// Filters that were left out, by bit.
    skipped: u64,
}

/// Values in order, the last axis fastest.
pub struct Hdf5Values<'h> {
    hdf5: &'h Hdf5,
    dataset: &'h Hdf5Dataset,
    chunks: BTreeMap<Vec<u64>, Chunk>,
    /// Rows of the first axis that are read at once.
    height: usize,
    /// The next row to read.
    row: usize,
    piece: Vec<u8>,
    /// Bytes of the piece that were given.
    at: usize,
    /// Values not read yet.
    left: usize,
}

impl Hdf5Values<'_> {
    /// The next values. Integers above 2⁵³ are rounded; chunks that were never written hold zeros.
    pub fn read(&mut self, out: &mut [f64]) -> Result<(), Hdf5Error> {
        if out.len() > self.left {
            let problem = format!("expected {} more values, found {}", out.len(), self.left);
            return Err(self.hdf5.error(self.dataset, problem));
        }
        let (mut done, width) = (0, self.dataset.dtype.width);
        while done < out.len() {
            if self.at == self.piece.len() {
                self.fill().map_err(|problem| self.hdf5.error(self.dataset, problem))?;
            }
            let count = (out.len() - done).min((self.piece.len() - self.at) / width);
            self.dataset.dtype.f64s(&self.piece[self.at..], &mut out[done..done + count]);
            self.at += count * width;
            done += count;
        }
        self.left -= out.len();
        Ok(())
    }

    fn fill(&mut self) -> Result<(), String> {
        let rows = self.dataset.shape.first().copied().unwrap_or(1);
        let inner: usize = self.dataset.shape.iter().skip(1).product();
        let (row, height) = (inner * self.dataset.dtype.width, self.height.min(rows - self.row));
        let (start, len) = (self.row * row, height * row);
        self.piece = match &self.dataset.layout {
            Hdf5Layout::Compact(bytes) => bytes[start..start + len].to_vec(),
            Hdf5Layout::Contiguous { address: UNDEFINED, .. } => vec![0; len],
            Hdf5Layout::Contiguous { address, .. } => {
                let at = self.hdf5.base.checked_add(*address).and_then(|at| at.checked_add(start as u64));
                self.hdf5.source.read(at.ok_or("an address that is none")?, len as u64)?
            }
            Hdf5Layout::Chunked { sizes, .. } => self.gather(sizes, height, len)?,
        };
        self.row += height;
        self.at = 0;
        Ok(())
    }

    /// The rows of all chunks that start at this row.
    fn gather(&self, sizes: &[usize], height: usize, len: usize) -> Result<Vec<u8>, String> {
        let (shape, width) = (&self.dataset.shape, self.dataset.dtype.width);
        let volume = sizes.iter().product::<usize>() * width;
        let mut piece = vec![0; len];
        let (from, to) = (vec![self.row as u64], vec![self.row as u64 + 1]);
        for (first, chunk) in self.chunks.range(from..to) {
            let bytes = self.hdf5.chunk(self.dataset, chunk, volume)?;
            let inside =
                |(start, (step, size)): (&u64, (&usize, &usize))| start % *step as u64 == 0 && *start < *size as u64;
            if !first.iter().zip(sizes.iter().zip(shape)).all(inside) {
                return Err(format!("a chunk at {first:?} in an array of {shape:?}"));
            }
            // Runs along the last axis; what reaches over the array's end is padding.
            let last = shape.len() - 1;
            let run = sizes[last].min(shape[last] - first[last] as usize) * width;
            let mut index = vec![0usize; last];
            for source in bytes.chunks_exact(sizes[last] * width) {
                let place = |axis: usize| first[axis] as usize + index[axis] - if axis == 0 { self.row } else { 0 };
                let bound = |axis: usize| if axis == 0 { height } else { shape[axis] };
                if (0..last).all(|axis| place(axis) < bound(axis)) {
                    let offset = (0..last).fold(0, |offset, axis| (offset + place(axis)) * shape[axis + 1]);
                    let start = if last == 0 { 0 } else { (offset + first[last] as usize) * width };
                    piece[start..start + run].copy_from_slice(&source[..run]);
                }
                for axis in (0..last).rev() {
                    index[axis] += 1;
                    if index[axis] < sizes[axis] {
                        break;
                    }
                    index[axis] = 0;
                }
            }
        }
        Ok(piece)
    }
}
