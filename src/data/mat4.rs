//! Reads MAT-files of version 4 (full numeric matrices, either byte order) variable by variable, in one pass. Text and sparse
//! matrices are passed over. Knows no variable by name. Format: MathWorks, *MAT-File Format* (R2023a), chapter 2.

use crate::data::dtype::Dtype;
use std::io::{self, Read};

/// A longer variable name is damage.
const LONGEST_NAME: u32 = 1 << 12;
/// Values converted at once.
const PIECE: usize = 1 << 13;

#[derive(Debug, thiserror::Error)]
#[error("{file}, offset {offset}: {problem}")]
pub struct Mat4Error {
    pub file: String,
    pub offset: u64,
    pub problem: String,
}

/// A file open for one pass.
pub struct Mat4<R> {
    file: String,
    reader: R,
    at: u64,
    /// Where the next variable starts.
    next: u64,
}

impl<R: Read> Mat4<R> {
    /// `file` is the name for messages.
    pub fn open(file: &str, reader: R) -> Self {
        Mat4 { file: file.to_string(), reader, at: 0, next: 0 }
    }

    /// The next matrix of numbers; what was left unread of the one before is skipped. `None` at the end.
    pub fn next_matrix(&mut self) -> Result<Option<Matrix<'_, R>>, Mat4Error> {
        loop {
            let ahead = self.next - self.at;
            let skipped = io::copy(&mut Read::take(&mut self.reader, ahead), &mut io::sink());
            let skipped = skipped.map_err(|e| self.error(e.to_string()))?;
            self.at += skipped;
            if skipped < ahead {
                return Err(self.error(format!("the file ends {} bytes early; fetch it again", ahead - skipped)));
            }
            let Some(header) = self.header()? else { return Ok(None) };
            let Header { name, rows, columns, complex, dtype, numeric } = header;
            if numeric {
                let left = rows * columns;
                return Ok(Some(Matrix { name, rows, columns, complex, dtype, left, file: self, bytes: Vec::new() }));
            }
        }
    }

    fn header(&mut self) -> Result<Option<Header>, Mat4Error> {
        let mut bytes = [0u8; 20];
        let mut found = 0;
        while found < bytes.len() {
            match self.reader.read(&mut bytes[found..]) {
                Ok(0) => break,
                Ok(count) => found += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.error(e.to_string())),
            }
        }
        if found == 0 && self.at > 0 {
            return Ok(None);
        }
        if bytes.starts_with(b"MATLAB") {
            return Err(self.error("expected a MAT-file of version 4, found version 5 or later".into()));
        }
        if found < bytes.len() {
            return Err(self.error(format!("expected a header of 20 bytes, found {found}; fetch the file again")));
        }
        let fail = |problem: String| Mat4Error { file: self.file.clone(), offset: self.at, problem };
        // The type is MOPT in decimal digits: byte order, 0, element type, matrix type; at most 4052 in its own byte order.
        let little = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let big_endian = little > 4052;
        let word = |index: usize| {
            let bytes = [bytes[4 * index], bytes[4 * index + 1], bytes[4 * index + 2], bytes[4 * index + 3]];
            if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        let kind = word(0);
        let (order, zero, element, matrix) = (kind / 1000, kind / 100 % 10, kind / 10 % 10, kind % 10);
        let (kind_letter, width) = match element {
            0 => ('f', 8),
            1 => ('f', 4),
            2 => ('i', 4),
            3 => ('i', 2),
            4 => ('u', 2),
            5 => ('u', 1),
            _ => ('?', 0),
        };
        if order != u32::from(big_endian) || zero != 0 || width == 0 || matrix > 2 {
            return Err(fail(format!("expected a matrix of MAT version 4, found type {kind}")));
        }
        let (rows, columns, imaginary, name_len) = (u64::from(word(1)), u64::from(word(2)), word(3), word(4));
        if imaginary > 1 || name_len > LONGEST_NAME {
            return Err(fail(format!("an imaginary flag of {imaginary} and a name of {name_len} bytes are damage")));
        }
        let mut name = vec![0; name_len as usize];
        let read = self.reader.read_exact(&mut name);
        read.map_err(|e| self.error(format!("the name of a matrix is cut ({e}); fetch the file again")))?;
        self.at += 20 + u64::from(name_len);
        let parts = 1 + u64::from(imaginary);
        let bytes = rows.checked_mul(columns).and_then(|n| n.checked_mul(width * parts));
        let next = bytes.and_then(|bytes| self.at.checked_add(bytes));
        self.next =
            next.ok_or_else(|| self.error(format!("a matrix of {rows}×{columns} is more than a file can hold")))?;
        let name = String::from_utf8_lossy(&name).trim_end_matches('\0').to_string();
        let dtype = Dtype { kind: kind_letter, width: width as usize, big_endian };
        Ok(Some(Header { name, rows, columns, complex: imaginary == 1, dtype, numeric: matrix == 0 }))
    }

    fn error(&self, problem: String) -> Mat4Error {
        Mat4Error { file: self.file.clone(), offset: self.at, problem }
    }
}

struct Header {
    name: String,
    rows: u64,
    columns: u64,
    complex: bool,
    dtype: Dtype,
    numeric: bool,
}

/// One matrix; its values come column by column.
pub struct Matrix<'f, R> {
    pub name: String,
    pub rows: u64,
    pub columns: u64,
    /// The imaginary parts follow the real ones, and are passed over.
    pub complex: bool,
    dtype: Dtype,
    /// Values not read yet.
    left: u64,
    file: &'f mut Mat4<R>,
    bytes: Vec<u8>,
}

impl<R: Read> Matrix<'_, R> {
    /// The next values.
    pub fn read(&mut self, out: &mut [f64]) -> Result<(), Mat4Error> {
        for out in out.chunks_mut(PIECE) {
            if out.len() as u64 > self.left {
                return Err(self.file.error(format!("matrix `{}` holds only {} more values", self.name, self.left)));
            }
            self.bytes.resize(out.len() * self.dtype.width, 0);
            let read = self.file.reader.read_exact(&mut self.bytes);
            let (name, left) = (&self.name, self.left);
            read.map_err(|e| {
                self.file
                    .error(format!("matrix `{name}` is cut, {left} values are missing ({e}); fetch the file again"))
            })?;
            self.file.at += self.bytes.len() as u64;
            self.left -= out.len() as u64;
            self.dtype.f64s(&self.bytes, out);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Mat4, Mat4Error};

    fn matrix(kind: u32, sizes: [u32; 2], imaginary: u32, data: &[u8]) -> Vec<u8> {
        let words = [kind, sizes[0], sizes[1], imaginary, 4];
        let mut bytes: Vec<u8> =
            words.iter().flat_map(|w| if kind >= 1000 { w.to_be_bytes() } else { w.to_le_bytes() }).collect();
        bytes.extend(b"val\0");
        bytes.extend(data);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<Vec<f64>>, Mat4Error> {
        let (mut file, mut all) = (Mat4::open("x.mat", bytes), Vec::new());
        while let Some(mut matrix) = file.next_matrix()? {
            assert_eq!(matrix.name, "val");
            let mut values = Vec::new();
            for _ in 0..matrix.rows * matrix.columns {
                let mut value = [0.0];
                matrix.read(&mut value)?;
                values.extend(value);
            }
            assert!(matrix.read(&mut [0.0]).is_err());
            all.push(values);
        }
        Ok(all)
    }

    #[test]
    fn every_type_and_order() {
        let all = [
            matrix(0, [1, 1], 0, &0.5f64.to_le_bytes()),
            matrix(1010, [1, 1], 0, &0.5f32.to_be_bytes()),
            matrix(20, [1, 1], 0, &(-7i32).to_le_bytes()),
            matrix(1030, [2, 1], 0, &[0xff, 0xfe, 0, 3]),
            matrix(41, [1, 1], 0, &[1, 2]), // text, passed over
            matrix(40, [1, 1], 0, &[0xfe, 0xff]),
            matrix(50, [1, 2], 1, &[8, 9, 1, 1]),
            matrix(2, [5, 0], 0, &[]), // sparse
        ]
        .concat();
        let expected: &[&[f64]] = &[&[0.5], &[0.5], &[-7.0], &[-2.0, 3.0], &[65534.0], &[8.0, 9.0]];
        assert_eq!(read(&all).unwrap(), expected);
    }

    #[test]
    fn damage_and_huge_claims() {
        let whole = matrix(30, [1, 2], 0, &[1, 2, 3, 4]);
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "cut at {end}");
        }
        for (bytes, word) in [
            (matrix(60, [1, 1], 0, &[]), "type 60"),
            (matrix(130, [1, 1], 0, &[]), "type 130"),
            (matrix(33, [1, 1], 0, &[]), "type 33"),
            (matrix(2000, [1, 1], 0, &[]), "type 2000"),
            (matrix(0, [1, 1], 2, &[]), "flag of 2"),
            (matrix(0, [u32::MAX, u32::MAX], 0, &[]), "more than a file"),
            (matrix(0, [u32::MAX, 1], 0, &[1]), "cut"),
            (b"MATLAB 5.0 MAT-file, made".to_vec(), "version 5"),
        ] {
            let message = read(&bytes).unwrap_err().to_string();
            assert!(message.contains(word) && message.contains("x.mat, offset"), "{message}");
        }
        let mut long = whole.clone();
        long[16..20].fill(0xff);
        assert!(read(&long).is_err());
    }
}
