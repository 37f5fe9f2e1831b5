//! Writes one part of a data set (`train.safetensors`) in a stream, so that memory does not grow with the data.
//! The bytes are those of `artifacts/dataset.rs`'s `encode`, or the same tensors in another order. Knows no task.

use safetensors::Dtype;
use std::io::{self, IoSlice, Write};

/// A tensor to come.
#[derive(Clone, Debug)]
pub struct Promise<'a> {
    pub name: &'a str,
    pub dtype: Dtype,
    pub shape: &'a [usize],
}

/// Takes the tensors' bytes (row-major, little-endian), one tensor behind the other.
pub struct PartWriter<W> {
    output: W,
    left: u64,
}

/// The order of tensors in the file: wider types first, then by name, as the safetensors crate has it.
fn layout<'p, 'a>(promises: &'p [Promise<'a>]) -> Vec<&'p Promise<'a>> {
    let mut order: Vec<_> = promises.iter().collect();
    order.sort_by(|a, b| b.dtype.cmp(&a.dtype).then(a.name.cmp(b.name)));
    order
}

/// The bytes of values as a part holds them; one copy where the machine is little-endian.
pub fn little_endian(values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0u8; 4 * values.len()];
    for (out, value) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(values) {
        *out = value.to_le_bytes();
    }
    bytes
}

fn bytes_of(promise: &Promise<'_>) -> u64 {
    promise.shape.iter().map(|d| *d as u64).product::<u64>() * (promise.dtype.bitsize() / 8) as u64
}

impl<W: Write> PartWriter<W> {
    /// Writes the header. The tensors follow by `write_all`: `y` (labels, u32) before `x` (pixels, u8), but `x` before `y`
    /// where both are f32.
    pub fn start(output: W, promises: &[Promise<'_>]) -> io::Result<Self> {
        Self::begin(output, layout(promises))
    }

    /// As `start`, but the tensors follow in the order of `promises`, which the format leaves free: what a raw file has
    /// first need not wait for the rest. A tensor should begin at a multiple of its type's width.
    pub fn start_in_order(output: W, promises: &[Promise<'_>]) -> io::Result<Self> {
        Self::begin(output, promises.iter().collect())
    }

    fn begin(mut output: W, order: Vec<&Promise<'_>>) -> io::Result<Self> {
        let mut header = String::from("{");
        let mut end = 0;
        for (i, promise) in order.into_iter().enumerate() {
            let start = end;
            end += bytes_of(promise);
            let comma = if i == 0 { "" } else { "," };
            let name = serde_json::Value::from(promise.name);
            let (dtype, shape) = (promise.dtype, promise.shape);
            let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
            header.push_str(&format!(
                "{comma}{name}:{{\"dtype\":\"{dtype:?}\",\"shape\":[{}],\"data_offsets\":[{start},{end}]}}",
                shape.join(",")
            ));
        }
        header.push('}');
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        output.write_all(&(header.len() as u64).to_le_bytes())?;
        output.write_all(header.as_bytes())?;
        Ok(PartWriter { output, left: end })
    }

    /// Gives the output back, to be closed.
    ///
    /// # Errors
    /// If fewer bytes came than were promised.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        if self.left != 0 {
            return Err(io::Error::other(format!("{} bytes of the promised tensors are missing", self.left)));
        }
        Ok(self.output)
    }
}

impl<W: Write> Write for PartWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::other("more bytes than the promised tensors hold"));
        }
        let count = self.output.write(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if pieces.iter().map(|piece| piece.len() as u64).sum::<u64>() > self.left {
            return Err(io::Error::other("more bytes than the promised tensors hold"));
        }
        let count = self.output.write_vectored(pieces)?;
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::{PartWriter, Promise, little_endian};
    use crate::artifacts::dataset::{Array, decode, encode};
    use safetensors::Dtype;
    use std::io::{IoSlice, Write};

    #[test]
    fn values_are_little_endian() {
        assert_eq!(little_endian(&[1.0, -0.5]), [0, 0, 0x80, 0x3f, 0, 0, 0, 0xbf]);
    }

    #[test]
    fn the_bytes_are_those_of_encode() {
        let x = Array::u8(&[2, 3, 1], vec![1, 2, 3, 4, 5, 6]);
        let y = Array::u32(&[2], &[7, 8]);
        let promises = [
            Promise { name: "x", dtype: Dtype::U8, shape: &x.shape },
            Promise { name: "y", dtype: Dtype::U32, shape: &y.shape },
        ];
        let mut writer = PartWriter::start(Vec::new(), &promises).unwrap();
        writer.write_all(&y.bytes).unwrap();
        writer.write_all(&x.bytes).unwrap();
        assert_eq!(writer.finish().unwrap(), encode(&[("x", &x), ("y", &y)]).unwrap());

        let x = Array::f32(&[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let promise = |name| Promise { name, dtype: Dtype::F32, shape: &[1, 1, 2, 2] };
        let mut writer = PartWriter::start(Vec::new(), &[promise("x"), promise("y")]).unwrap();
        writer.write_all(&x.bytes).unwrap();
        writer.write_all(&x.bytes).unwrap();
        assert_eq!(writer.finish().unwrap(), encode(&[("x", &x), ("y", &x)]).unwrap());
    }

    #[test]
    fn tensors_in_another_order_read_the_same() {
        let (x, y) = (Array::u8(&[4], vec![1, 2, 3, 4]), Array::u32(&[1], &[7]));
        let promises = [
            Promise { name: "x", dtype: Dtype::U8, shape: &x.shape },
            Promise { name: "y", dtype: Dtype::U32, shape: &y.shape },
        ];
        let mut writer = PartWriter::start_in_order(Vec::new(), &promises).unwrap();
        writer.write_all(&x.bytes).unwrap();
        writer.write_all(&y.bytes).unwrap();
        let bytes = writer.finish().unwrap();
        assert_eq!((decode(&bytes, "x").unwrap(), decode(&bytes, "y").unwrap()), (x, y));
    }

    #[test]
    fn a_wrong_number_of_bytes_is_an_error() {
        let promise = [Promise { name: "x", dtype: Dtype::U8, shape: &[3] }];
        let mut writer = PartWriter::start(Vec::new(), &promise).unwrap();
        assert!(writer.write_all(&[0; 4]).is_err());
        assert!(writer.write_vectored(&[IoSlice::new(&[0; 2]), IoSlice::new(&[0; 2])]).is_err());
        assert_eq!(writer.write_vectored(&[IoSlice::new(&[0]), IoSlice::new(&[0])]).unwrap(), 2);
        assert!(writer.finish().is_err());
    }
}
