//! Rows out of an array whose first axis varies fastest in the file. Knows no file format.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// The order of a column-by-column array: values of equal inner index lie together, the first inner axis varying fastest.
pub struct Columns {
    /// Size of the first axis.
    pub rows: usize,
    /// Sizes of the others.
    pub inner: Vec<usize>,
}

impl Columns {
    /// Visits rows `first..first + height`, each in C order; `block` holds their columns, of `height` values each.
    pub fn visit<E>(
        &self,
        block: &[f32],
        first: usize,
        height: usize,
        row: &mut Vec<f32>,
        visit: &mut dyn FnMut(usize, &[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        row.resize(self.inner.iter().product(), 0.0);
        // Steps in C order of one step along each inner axis.
        let mut steps = vec![1usize; self.inner.len()];
        for axis in (1..self.inner.len()).rev() {
            steps[axis - 1] = steps[axis] * self.inner[axis];
        }
        let mut index = vec![0usize; self.inner.len()];
        for local in 0..height {
            let mut to = 0;
            for from in 0..row.len() {
                row[to] = block[from * height + local];
                for axis in 0..index.len() {
                    index[axis] += 1;
                    to += steps[axis];
                    if index[axis] < self.inner[axis] {
                        break;
                    }
                    to -= index[axis] * steps[axis];
                    index[axis] = 0;
                }
            }
            visit(first + local, row)?;
        }
        Ok(())
    }

    /// Rows `first..first + height` of every column of a file that holds nothing but f32 in the machine's byte order.
    pub fn block(&self, mut file: &File, first: usize, height: usize, block: &mut Vec<f32>) -> io::Result<()> {
        let mut bytes = vec![0u8; 4 * height];
        block.clear();
        for column in 0..self.inner.iter().product() {
            file.seek(SeekFrom::Start(4 * (column * self.rows + first) as u64))?;
            file.read_exact(&mut bytes)?;
            block.extend(bytes.chunks_exact(4).map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]])));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Columns;
    use std::convert::Infallible;
    use std::io::Write;

    #[test]
    fn rows_come_in_c_order_whole_or_by_blocks() {
        let columns = Columns { rows: 5, inner: vec![2, 3, 2] };
        // the value says where it belongs: row · 100 + place in C order
        let mut all = Vec::new();
        for c in 0..2 {
            for b in 0..3 {
                for a in 0..2 {
                    all.extend((0..5).map(|row| (100 * row + (a * 3 + b) * 2 + c) as f32));
                }
            }
        }
        let expected: Vec<Vec<f32>> = (0..5).map(|row| (0..12).map(|i| (100 * row + i) as f32).collect()).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&all.iter().flat_map(|v: &f32| v.to_ne_bytes()).collect::<Vec<u8>>()).unwrap();
        for height in [5, 2, 1] {
            let (mut rows, mut block, mut row) = (Vec::new(), Vec::new(), Vec::new());
            for first in (0..5).step_by(height) {
                let height = height.min(5 - first);
                columns.block(&file, first, height, &mut block).unwrap();
                let mut keep = |index: usize, row: &[f32]| {
                    assert_eq!(index, rows.len());
                    rows.push(row.to_vec());
                    Ok::<(), Infallible>(())
                };
                columns.visit(&block, first, height, &mut row, &mut keep).unwrap();
            }
            assert_eq!(rows, expected);
        }
    }
}
