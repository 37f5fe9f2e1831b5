//! Writes the start of an npy file, version 1, byte for byte as numpy writes it. Knows no values.
//! Format: NumPy Enhancement Proposal 1 and `numpy/lib/format.py`.

use std::io::{self, Write};

/// The data start at a multiple of this (`ARRAY_ALIGN` in `numpy/lib/format.py`).
const ALIGN: usize = 64;
/// Numpy leaves room for the first axis to grow to this many digits (`GROWTH_AXIS_MAX_DIGITS`).
const GROWTH: usize = 21;

/// Writes header and padding; the caller writes the elements behind it, in C order. `descr` is numpy's, such as `<f4`.
///
/// # Errors
/// If `output` fails, or the header exceeds the 65,535 bytes of version 1.
pub fn start_npy(output: &mut dyn Write, descr: &str, shape: &[usize]) -> io::Result<()> {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}{comma}), }}", sizes.join(", "));
    if let Some(first) = sizes.first() {
        header.push_str(&" ".repeat(GROWTH.saturating_sub(first.len())));
    }
    // 6 bytes of magic, 2 of version, 2 of length, and the line feed at the end; numpy pads by 64 where it would by 0.
    let used = 10 + header.len() + 1;
    header.push_str(&" ".repeat(ALIGN - used % ALIGN));
    header.push('\n');
    let len = u16::try_from(header.len()).map_err(|_| io::Error::other("an npy header of more than 65,535 bytes"))?;
    output.write_all(b"\x93NUMPY\x01\x00")?;
    output.write_all(&len.to_le_bytes())?;
    output.write_all(header.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::start_npy;

    #[test]
    fn headers_are_aligned_and_readable() {
        for (shape, shown) in [(&[][..], "()"), (&[3], "(3,)"), (&[2, 3], "(2, 3)"), (&[1000; 20], "(1000, 1000,")] {
            let mut bytes = Vec::new();
            start_npy(&mut bytes, "<f4", shape).unwrap();
            let text = String::from_utf8_lossy(&bytes[10..]).into_owned();
            assert!(bytes.len().is_multiple_of(64) && text.ends_with(" \n"), "{text}");
            assert!(text.starts_with(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shown}")), "{text}");
        }
        assert!(start_npy(&mut Vec::new(), "<f4", &[1000; 20_000]).is_err());
    }
}
