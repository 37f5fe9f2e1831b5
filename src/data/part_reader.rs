//! Reads one part of a data set in one pass: short arrays into memory, long ones into a nameless mapped file, so that memory
//! does not grow with the data. Knows no task.

use crate::artifacts::array_bytes::ArrayBytes;
use crate::artifacts::dataset::Array;
use crate::artifacts::samples::Part;
use crate::data::safetensors_stream::{Stream, StreamError};
use safetensors::Dtype;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};

/// Longer arrays are mapped: those of FSD50K (22 GB), DeepSEA (0.6 GB a part) and PSICOV at full size. A quarter of a gigabyte
/// leaves room for the training within the gigabyte that a node may take.
const IN_MEMORY: u64 = 256 << 20;

/// Makes a nameless file for a long array.
pub type Spare<'s> = dyn FnMut() -> io::Result<File> + 's;

/// Reads `<name>.safetensors`, which must hold `x` and `y`; each long array goes to a file of `spare`.
///
/// # Errors
/// What is damaged, with the file's name; and disks.
pub fn read_part(name: &str, reader: &mut dyn Read, spare: &mut Spare) -> Result<Part, StreamError> {
    read(name, reader, spare, IN_MEMORY)
}

fn read(name: &str, reader: &mut dyn Read, spare: &mut Spare, limit: u64) -> Result<Part, StreamError> {
    let file = format!("{name}.safetensors");
    let format = |problem: String| StreamError::Format { file: file.clone(), problem };
    let disk = |source: io::Error| StreamError::Read { file: file.clone(), source };
    let mut stream = Stream::open(&file, reader)?;
    let mut arrays = BTreeMap::new();
    while let Some(mut tensor) = stream.next_tensor()? {
        let dtype: Dtype = serde_json::from_value(tensor.dtype.clone().into())
            .map_err(|e| format(format!("tensor `{}`: {e}", tensor.name)))?;
        let (tensor_name, shape) = (tensor.name.clone(), tensor.shape.clone());
        let bytes = if tensor.len() > limit {
            let mut spilled = spare().map_err(disk)?;
            tensor.bytes(&mut |piece| spilled.write_all(piece))?;
            ArrayBytes::map(&spilled).map_err(disk)?
        } else {
            let mut bytes = Vec::new();
            tensor.bytes(&mut |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })?;
            ArrayBytes::from(bytes)
        };
        arrays.insert(tensor_name, Array { dtype, shape, bytes });
    }
    Part::of(arrays).map_err(format)
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::artifacts::array_bytes::ArrayBytes;
    use crate::artifacts::dataset::{Array, encode};

    #[test]
    fn long_arrays_are_mapped_and_read_the_same() {
        let mut spare = tempfile::tempfile;
        let values: Vec<f32> = (0..60_000).map(|v| v as f32).collect();
        let (x, y) = (Array::f32(&[200, 300], &values), Array::u32(&[200], &[7; 200]));
        let bytes = encode(&[("x", &x), ("y", &y), ("z", &y)]).unwrap();
        for (limit, mapped) in [(u64::MAX, false), (1000, true)] {
            let mut part = read("train", &mut bytes.as_slice(), &mut spare, limit).unwrap();
            assert_eq!(matches!(part.x.bytes, ArrayBytes::Mapped(_)), mapped);
            assert!(matches!(part.y.bytes, ArrayBytes::Memory(_)));
            assert_eq!((&part.x, &part.y, part.array("z").unwrap()), (&x, &y, &y));
            part.x.bytes[0] = 1;
            assert_ne!(part.x, x);
        }
        let mut error = |bytes: &[u8]| read("train", &mut &bytes[..], &mut spare, 1000).unwrap_err().to_string();
        assert!(error(&bytes[..bytes.len() - 9]).starts_with("train.safetensors: "));
        let only = encode(&[("x", &x)]).unwrap();
        assert!(error(&only).contains("an array `y` with rows was expected"), "{}", error(&only));
    }
}
