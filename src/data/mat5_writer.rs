//! Writes MAT-files of version 5 with single-precision arrays, plain, in a stream. Knows no more than the generators need.

use std::io::{self, Write};

/// The file's header. No date and no host: equal arrays give equal bytes.
pub fn write_header(output: &mut dyn Write) -> io::Result<()> {
    let mut header = [b' '; 128];
    let text = b"MATLAB 5.0 MAT-file, made by nasperf-pipe";
    header[..text.len()].copy_from_slice(text);
    header[116..124].fill(0); // no subsystem data
    header[124..126].copy_from_slice(&0x0100u16.to_le_bytes());
    header[126..].copy_from_slice(b"IM");
    output.write_all(&header)
}

/// Announces a single-precision variable; its values must follow by `write_values` in column-major order (first index fastest),
/// `dims` product many, then `end_variable`.
///
/// # Errors
/// If the variable is larger than the format allows (4 GiB), beside those of `output`.
pub fn start_single(output: &mut dyn Write, name: &str, dims: &[u32]) -> io::Result<()> {
    let values: u64 = dims.iter().map(|d| u64::from(*d)).product();
    let name_bytes = (name.len() as u64).next_multiple_of(8);
    let dims_bytes = (4 * dims.len() as u64).next_multiple_of(8);
    let total = 16 + 8 + dims_bytes + 8 + name_bytes + 8 + (4 * values).next_multiple_of(8);
    let total = u32::try_from(total).map_err(|_| io::Error::other(format!("variable `{name}` is above 4 GiB")))?;
    let mut head = Vec::new();
    let mut words = |words: &[u32]| words.iter().for_each(|w| head.extend(w.to_le_bytes()));
    words(&[14, total]); // miMATRIX
    words(&[6, 8, 7, 0]); // array flags (miUINT32): class single
    words(&[5, 4 * dims.len() as u32]); // dimensions (miINT32)
    words(dims);
    if !dims.len().is_multiple_of(2) {
        words(&[0]);
    }
    words(&[1, name.len() as u32]); // name (miINT8)
    head.extend(name.as_bytes());
    head.resize(head.len() + (name_bytes as usize - name.len()), 0);
    for word in [7, 4 * values as u32] {
        head.extend(u32::to_le_bytes(word)); // values (miSINGLE)
    }
    output.write_all(&head)
}

/// Some of the announced values.
pub fn write_values(output: &mut dyn Write, values: &[f32]) -> io::Result<()> {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    output.write_all(&bytes)
}

/// The padding after the values.
pub fn end_variable(output: &mut dyn Write, dims: &[u32]) -> io::Result<()> {
    let odd = dims.iter().all(|d| d % 2 == 1);
    output.write_all(if odd { &[0; 4] } else { &[] })
}

#[cfg(test)]
mod tests {
    use super::{end_variable, start_single, write_header, write_values};
    use crate::data::mat5::{Mat5, MatError};
    use crate::data::synthetic::{Purpose, Stream};
    use flate2::write::ZlibEncoder;
    use std::io::Write;

    /// Name and dimensions, then values.
    type Read = Vec<(String, Vec<u64>, Vec<f64>)>;

    fn sample() -> Vec<u8> {
        let mut file = Vec::new();
        write_header(&mut file).unwrap();
        for (name, dims) in [("coeff", [2u32, 3, 2]), ("s", [1, 3, 1])] {
            let count: u32 = dims.iter().product();
            start_single(&mut file, name, &dims).unwrap();
            write_values(&mut file, &(0..count).map(|v| v as f32 + 0.5).collect::<Vec<_>>()).unwrap();
            end_variable(&mut file, &dims).unwrap();
        }
        file
    }

    fn read(file: &[u8]) -> Result<Read, MatError> {
        let mut mat = Mat5::open("x.mat", file)?;
        let mut out = Vec::new();
        while let Some(mut variable) = mat.next_variable()? {
            let count = variable.header.elements().min(1 << 16);
            let mut values = vec![0.0; count as usize];
            if variable.header.class.is_some() {
                variable.read(&mut values)?;
            }
            out.push((variable.header.name.clone(), variable.header.dims.clone(), values));
        }
        Ok(out)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let all = read(&sample()).unwrap();
        let values = |n: u32| (0..n).map(|v| f64::from(v) + 0.5).collect::<Vec<_>>();
        assert_eq!(all, vec![("coeff".into(), vec![2, 3, 2], values(12)), ("s".into(), vec![1, 3, 1], values(3))]);
    }

    #[test]
    fn compressed_elements_hold_the_same() {
        let plain = sample();
        let mut packed = plain[..128].to_vec();
        let mut at = 128;
        while at < plain.len() {
            let len = u32::from_le_bytes(plain[at + 4..at + 8].try_into().unwrap()) as usize;
            let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&plain[at..at + 8 + len]).unwrap();
            let body = encoder.finish().unwrap();
            packed.extend(15u32.to_le_bytes());
            packed.extend((body.len() as u32).to_le_bytes());
            packed.extend(body);
            at += 8 + len;
        }
        assert_eq!(read(&packed).unwrap(), read(&plain).unwrap());
        mutate(&packed);
    }

    /// A double array stored as big-endian small integers, dimensions and name in the small-element format.
    #[test]
    fn big_endian_and_small_elements() {
        let mut file = sample()[..128].to_vec();
        file[124..128].copy_from_slice(b"\x01\x00MI");
        let mut body: Vec<u8> = Vec::new();
        let word = |body: &mut Vec<u8>, w: u32| body.extend(w.to_be_bytes());
        for w in [6, 8, 6, 0, 5, 8, 1, 3] {
            word(&mut body, w);
        }
        word(&mut body, (1 << 16) | 1); // name, 1 byte
        body.extend(b"x\0\0\0");
        word(&mut body, (3 << 16) | 1); // values: 3 × int8 inside the tag
        body.extend([1u8, 0xff, 12, 0]);
        word(&mut file, 14);
        word(&mut file, body.len() as u32);
        file.extend(body);
        assert_eq!(read(&file).unwrap(), vec![("x".into(), vec![1, 3], vec![1.0, -1.0, 12.0])]);
        mutate(&file);
    }

    #[test]
    fn version_73_is_told_apart() {
        let mut file = sample();
        file[124..126].copy_from_slice(&0x0200u16.to_le_bytes());
        assert!(matches!(read(&file), Err(MatError::Version73 { .. })));
        assert!(matches!(read(b"\x89HDF\r\n\x1a\nrest"), Err(MatError::Version73 { .. })));
        assert!(read(b"hello").unwrap_err().to_string().contains("header of 128 bytes"));
    }

    #[test]
    fn mutations_never_panic() {
        mutate(&sample());
    }

    fn mutate(file: &[u8]) {
        let mut stream = Stream::new("mat5", "test", Purpose::Noise, file.len() as u64, None);
        let mut errors = 0;
        for _ in 0..3000 {
            let mut bytes = file.to_vec();
            for _ in 0..=stream.below(4) {
                let at = stream.below(bytes.len() as u64) as usize;
                bytes[at] = if stream.below(3) == 0 { 0xff } else { stream.bits() as u8 };
            }
            if stream.below(4) == 0 {
                bytes.truncate(stream.below(bytes.len() as u64) as usize);
            }
            errors += usize::from(read(&bytes).is_err());
        }
        assert!(errors > 300, "{errors}");
    }
}
