//! The tensors of a safetensors file in one pass, in the order of their bytes. Memory is one piece. Knows no task.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{self, Read};

/// A header longer than this is damage; the format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;
/// Values converted at once.
const PIECE: usize = 1 << 14;

#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("{file}: {problem}")]
    Format { file: String, problem: String },
    #[error("{file}: {source}")]
    Read { file: String, source: io::Error },
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

/// An open file.
pub struct Stream<R> {
    file: String,
    reader: R,
    /// Position behind the header.
    at: u64,
    entries: std::vec::IntoIter<(String, Entry)>,
}

/// The next tensor, not read yet.
pub struct Tensor<'a, R> {
    pub name: String,
    pub shape: Vec<usize>,
    pub dtype: String,
    bytes: u64,
    stream: &'a mut Stream<R>,
}

impl<R: Read> Stream<R> {
    /// Reads the header.
    pub fn open(file: &str, mut reader: R) -> Result<Stream<R>, StreamError> {
        let format = |problem: String| StreamError::Format { file: file.to_string(), problem };
        let read = |source| StreamError::Read { file: file.to_string(), source };
        let mut length = [0u8; 8];
        reader.read_exact(&mut length).map_err(read)?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER {
            return Err(format(format!("expected a header of at most {LONGEST_HEADER} bytes, found {length}")));
        }
        let mut header = Vec::new();
        reader.by_ref().take(length).read_to_end(&mut header).map_err(read)?;
        if header.len() as u64 != length {
            return Err(format(format!("cut inside the header: expected {length} bytes, found {}", header.len())));
        }
        let header: BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(&header).map_err(|e| format(format!("the header: {e}")))?;
        let mut entries = Vec::new();
        for (name, value) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
            let entry: Entry = serde_json::from_value(value).map_err(|e| format(format!("tensor `{name}`: {e}")))?;
            let elements = entry.shape.iter().try_fold(1u64, |n, d| n.checked_mul(*d as u64));
            let width = width(&entry.dtype);
            let [start, end] = entry.data_offsets;
            let whole = elements.zip(width).and_then(|(n, w)| n.checked_mul(w)) == end.checked_sub(start);
            if !whole {
                return Err(format(format!(
                    "tensor `{name}`: {} of shape {:?} do not fill the bytes {start} to {end}",
                    entry.dtype, entry.shape
                )));
            }
            entries.push((name, entry));
        }
        entries.sort_by_key(|(_, entry)| entry.data_offsets);
        Ok(Stream { file: file.to_string(), reader, at: 0, entries: entries.into_iter() })
    }

    /// The next tensor; what of the one before was not read is skipped.
    pub fn next_tensor(&mut self) -> Result<Option<Tensor<'_, R>>, StreamError> {
        let Some((name, entry)) = self.entries.next() else { return Ok(None) };
        let [start, end] = entry.data_offsets;
        let Some(gap) = start.checked_sub(self.at) else {
            return Err(self.format(format!("tensor `{name}` begins inside another one")));
        };
        self.skip(gap)?;
        Ok(Some(Tensor { name, shape: entry.shape, dtype: entry.dtype, bytes: end - start, stream: self }))
    }

    fn skip(&mut self, count: u64) -> Result<(), StreamError> {
        let skipped = io::copy(&mut self.reader.by_ref().take(count), &mut io::sink());
        let skipped = skipped.map_err(|source| StreamError::Read { file: self.file.clone(), source })?;
        self.at += skipped;
        if skipped == count { Ok(()) } else { Err(self.format(format!("cut at byte {} of the tensors", self.at))) }
    }

    fn format(&self, problem: String) -> StreamError {
        StreamError::Format { file: self.file.clone(), problem }
    }
}

impl<R: Read> Tensor<'_, R> {
    /// Bytes that were not read yet.
    pub fn len(&self) -> u64 {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// All bytes as they are, in pieces.
    ///
    /// # Errors
    /// For a cut file, and what `visit` gives.
    pub fn bytes(&mut self, visit: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), StreamError> {
        let mut piece = vec![0u8; 1 << 16];
        while self.bytes > 0 {
            let count = piece.len().min(usize::try_from(self.bytes).unwrap_or(usize::MAX));
            let failed = |source| StreamError::Read { file: self.stream.file.clone(), source };
            self.stream.reader.read_exact(&mut piece[..count]).map_err(failed)?;
            visit(&piece[..count]).map_err(failed)?;
            self.stream.at += count as u64;
            self.bytes -= count as u64;
        }
        Ok(())
    }

    /// All values as `f32`, in pieces.
    ///
    /// # Errors
    /// For types that are no numbers of 1 to 8 bytes, a cut file, and what `visit` gives.
    pub fn values(&mut self, visit: &mut dyn FnMut(&[f32]) -> io::Result<()>) -> Result<(), StreamError> {
        let width = width(&self.dtype).unwrap_or(0) as usize;
        let Some(convert) = converter(&self.dtype) else {
            let problem = format!("tensor `{}`: expected numbers, found {}", self.name, self.dtype);
            return Err(self.stream.format(problem));
        };
        let (mut bytes, mut values) = (vec![0u8; PIECE * width], Vec::with_capacity(PIECE));
        while self.bytes > 0 {
            let count = bytes.len().min(usize::try_from(self.bytes).unwrap_or(usize::MAX));
            let file = &self.stream.file;
            let failed = |source| StreamError::Read { file: file.clone(), source };
            self.stream.reader.read_exact(&mut bytes[..count]).map_err(failed)?;
            self.stream.at += count as u64;
            self.bytes -= count as u64;
            values.clear();
            values.extend(bytes[..count].chunks_exact(width).map(convert));
            visit(&values).map_err(|source| StreamError::Read { file: self.stream.file.clone(), source })?;
        }
        Ok(())
    }
}

fn width(dtype: &str) -> Option<u64> {
    match dtype {
        "BOOL" | "U8" | "I8" | "F8_E4M3" | "F8_E5M2" => Some(1),
        "U16" | "I16" | "F16" | "BF16" => Some(2),
        "U32" | "I32" | "F32" => Some(4),
        "U64" | "I64" | "F64" => Some(8),
        _ => None,
    }
}

/// Little-endian bytes of one value to `f32`.
fn converter(dtype: &str) -> Option<fn(&[u8]) -> f32> {
    fn word<const N: usize>(bytes: &[u8]) -> [u8; N] {
        std::array::from_fn(|i| bytes[i])
    }
    Some(match dtype {
        "BOOL" | "U8" => |b| f32::from(b[0]),
        "I8" => |b| f32::from(b[0] as i8),
        "U16" => |b| f32::from(u16::from_le_bytes(word(b))),
        "I16" => |b| f32::from(i16::from_le_bytes(word(b))),
        "U32" => |b| u32::from_le_bytes(word(b)) as f32,
        "I32" => |b| i32::from_le_bytes(word(b)) as f32,
        "U64" => |b| u64::from_le_bytes(word(b)) as f32,
        "I64" => |b| i64::from_le_bytes(word(b)) as f32,
        "F32" => |b| f32::from_le_bytes(word(b)),
        "F64" => |b| f64::from_le_bytes(word(b)) as f32,
        "BF16" => |b| f32::from_bits(u32::from(u16::from_le_bytes(word(b))) << 16),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::Stream;
    use crate::artifacts::dataset::{Array, encode};

    fn sample() -> Vec<u8> {
        let x = Array::f32(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let (y, z) = (Array::u32(&[2], &[7, 8]), Array::u8(&[2, 1], vec![9, 10]));
        encode(&[("x", &x), ("y", &y), ("z", &z)]).unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<usize>, Vec<f32>)>, String> {
        let mut stream = Stream::open("a.safetensors", bytes).map_err(|e| e.to_string())?;
        let mut all = Vec::new();
        while let Some(mut tensor) = stream.next_tensor().map_err(|e| e.to_string())? {
            let mut values = Vec::new();
            let mut take = |piece: &[f32]| {
                values.extend_from_slice(piece);
                Ok(())
            };
            // the second one is skipped
            if tensor.name != "y" {
                tensor.values(&mut take).map_err(|e| e.to_string())?;
            }
            all.push((tensor.name.clone(), tensor.shape.clone(), values));
        }
        Ok(all)
    }

    #[test]
    fn tensors_come_in_the_order_of_their_bytes() {
        let found = read(&sample()).unwrap();
        assert_eq!(found[0], ("x".into(), vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        assert_eq!(found[1], ("y".into(), vec![2], vec![]));
        assert_eq!(found[2], ("z".into(), vec![2, 1], vec![9.0, 10.0]));
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let whole = sample();
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
        }
        let mut long = whole.clone();
        long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(read(&long).unwrap_err().contains("at most"));
        let text = String::from_utf8_lossy(&whole).replace("[2,3]", "[2,9]");
        assert!(read(text.as_bytes()).is_err());
    }
}
