//! Windows of one split on their way to a part: one-hot bases to a spill, labels in memory. Knows no file format but the
//! part's.

use crate::data::part::{PartWriter, Promise};
use crate::data::spill::{SpillWriter, pour};
use crate::stages::context::{Context, StageError};
use safetensors::Dtype;
use std::io::{self, Write};
use std::path::Path;

/// Bases of a one-hot row: A, G, C, T as in the original DeepSEA files (task specification §12.2).
pub const BASES: usize = 4;

/// A split as the settings, the official file and the data set name it.
pub struct SplitName {
    pub setting: &'static str,
    pub array: &'static str,
    pub part: &'static str,
}

pub const SPLITS: [SplitName; 3] = [
    SplitName { setting: "data.train", array: "train", part: "train" },
    SplitName { setting: "data.validation", array: "val", part: "validation" },
    SplitName { setting: "data.test", array: "test", part: "test" },
];

/// How much is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Amounts {
    pub length: usize,
    pub labels: usize,
    /// Windows of each split.
    pub windows: [usize; 3],
}

/// Windows of one split. Bases and labels may come apart from each other.
pub struct Windows {
    length: usize,
    labels: usize,
    /// (4, length) bytes per window.
    x: SpillWriter,
    planes: usize,
    /// Zeros and ones.
    y: Vec<u8>,
}

impl Windows {
    pub fn new(length: usize, labels: usize, scratch: &Path) -> Windows {
        Windows { length, labels, x: SpillWriter::new(scratch), planes: 0, y: Vec::new() }
    }

    /// How many windows have come, and how many rows of labels.
    pub fn counts(&self) -> (usize, usize) {
        (self.planes, self.y.len() / self.labels.max(1))
    }

    /// The next window's bases, (4, length).
    pub fn push_planes(&mut self, planes: &[u8]) -> io::Result<()> {
        debug_assert_eq!(planes.len(), BASES * self.length);
        self.planes += 1;
        self.x.write_all(planes)
    }

    /// The next window's labels, 0 and 1.
    pub fn push_labels(&mut self, labels: &[u8]) {
        debug_assert_eq!(labels.len(), self.labels);
        self.y.extend_from_slice(labels);
    }

    /// Writes `<part>.safetensors`: `x` u8 (N,4,length), `y` f32 (N,labels).
    pub fn write(self, part: &str, context: &mut dyn Context) -> Result<(), StageError> {
        let promises = [
            Promise { name: "x", dtype: Dtype::U8, shape: &[self.planes, BASES, self.length] },
            Promise { name: "y", dtype: Dtype::F32, shape: &[self.planes, self.labels] },
        ];
        let mut writer = PartWriter::start(context.create(&format!("{part}.safetensors"))?, &promises)?;
        for piece in self.y.chunks(1 << 14) {
            let bytes: Vec<u8> = piece.iter().flat_map(|label| f32::from(*label).to_le_bytes()).collect();
            writer.write_all(&bytes)?;
        }
        pour(&mut self.x.finish()?.open()?, &mut writer, u64::MAX)?;
        writer.finish()?.close()
    }
}

/// Three empty splits.
pub fn splits(amounts: Amounts, context: &dyn Context) -> Result<[Windows; 3], StageError> {
    let scratch = context.scratch()?;
    Ok([(); 3].map(|()| Windows::new(amounts.length, amounts.labels, &scratch)))
}

/// One window of (length, 4) ones and zeros as (4, length). `None` where a value is neither, or a position has two bases; a
/// position without any is an unknown base.
pub fn turned(rows: &[u8], planes: &mut [u8]) -> Option<()> {
    let length = rows.len() / BASES;
    let (a, rest) = planes.split_at_mut(length);
    let (g, rest) = rest.split_at_mut(length);
    let (c, t) = rest.split_at_mut(length);
    // a position is one word; with ones and zeros only, its bytes add up to at most 1
    let mut bad = 0;
    for ((((row, a), g), c), t) in rows.chunks_exact(BASES).zip(a).zip(g).zip(c).zip(t) {
        let word = u32::from_le_bytes([row[0], row[1], row[2], row[3]]);
        bad |= (word & !0x0101_0101) | (word & word.wrapping_sub(1));
        [*a, *g, *c, *t] = [row[0], row[1], row[2], row[3]];
    }
    (bad == 0).then_some(())
}

#[cfg(test)]
mod tests {
    use super::turned;

    #[test]
    fn positions_become_planes_and_what_is_not_one_hot_is_refused() {
        let rows = [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let mut planes = [9; 12];
        turned(&rows, &mut planes).unwrap();
        assert_eq!(planes, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        for bad in [[2, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 255], [0, 1, 0, 1]] {
            assert_eq!(turned(&bad, &mut [0; 4]), None, "{bad:?}");
        }
    }
}
