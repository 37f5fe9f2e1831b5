//! Where the pieces of a clip lie in a part of the data set. Knows no file and no network.
//!
//! A part holds `x` f32 (pieces,1,96,frames), all pieces of the first clip, then of the second, …; `y` f32 (clips,labels);
//! `first` u32 (clips + 1), the number of the first piece of each clip, and of all pieces. The training part also holds `noise`
//! f32 (values), whole-file maps of background noise (96 × frames each, row-major by band, one after the other), and
//! `noise_first` u32 (maps + 1), the first frame of each.

use crate::artifacts::dataset::Rows;
use crate::artifacts::samples::Part;
use std::ops::Range;

/// Pieces of the clips of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct Pieces {
    /// Of the clips in the split, and the end of the last one.
    first: Vec<usize>,
}

impl Pieces {
    /// Of clips `rows`. Every clip must have a piece, and every piece must be there.
    pub fn open(part: &Part, rows: &Rows) -> Result<Pieces, String> {
        let first = part.array("first")?.to_u32()?;
        let (pieces, clips) = (part.x.shape[0], part.rows());
        let rising = first.windows(2).all(|pair| pair[0] < pair[1]);
        if first.len() != clips + 1 || !rising || first[0] != 0 || first[clips] as usize != pieces {
            return Err(format!(
                "fsd50k: part `{}` has {clips} clips and {pieces} pieces; `first` should rise from 0 to {pieces} in {} values, \
                 found {} values that end with {:?}",
                rows.part,
                clips + 1,
                first.len(),
                first.last()
            ));
        }
        Ok(Pieces { first: first[rows.start..=rows.end].iter().map(|piece| *piece as usize).collect() })
    }

    /// How many clips there are.
    pub fn clips(&self) -> usize {
        self.first.len() - 1
    }

    /// Pieces of one clip, as rows of `x`.
    pub fn of(&self, clip: usize) -> Range<usize> {
        self.first[clip]..self.first[clip + 1]
    }

    /// Pieces of all clips of the split, as rows of `x`.
    pub fn all(&self) -> Range<usize> {
        self.first[0]..self.first[self.clips()]
    }
}

#[cfg(test)]
pub mod tests {
    use super::Pieces;
    use crate::artifacts::dataset::{Array, DatasetMeta, Rows, Split, Target, TaskShape};
    use crate::artifacts::samples::{Part, Samples};
    use std::collections::BTreeMap;

    /// Clips with so many pieces of 2×3 values 10p, 10p + 1, … for piece p; clip c has label c of 4.
    pub fn dataset(pieces: &[usize], noise: bool) -> Samples {
        let clips = pieces.len();
        let rows = || Rows { part: "train".into(), start: 0, end: clips };
        let split = Split { train: rows(), score: rows() };
        let mut first = vec![0u32];
        pieces.iter().for_each(|count| first.push(first[first.len() - 1] + *count as u32));
        let all = first[clips] as usize;
        let x: Vec<f32> = (0..all * 6).map(|at| (10 * (at / 6) + at % 6) as f32).collect();
        let y: Vec<f32> = (0..clips * 4).map(|at| f32::from(u8::from(at / 4 == at % 4))).collect();
        let mut part = Part::new(Array::f32(&[all, 1, 2, 3], &x), Array::f32(&[clips, 4], &y));
        part.more.insert("first".into(), Array::u32(&[clips + 1], &first));
        if noise {
            let values: Vec<f32> = (0..16).map(|v| 1000.0 + v as f32).collect();
            part.more.insert("noise".into(), Array::f32(&[16], &values));
            part.more.insert("noise_first".into(), Array::u32(&[3], &[0, 3, 8]));
        }
        Samples {
            meta: DatasetMeta {
                format: 1,
                task: "fsd50k".into(),
                shape: TaskShape { channels: 1, spatial: vec![2, 3], target: Target::MultiLabel { labels: 4 } },
                search: split.clone(),
                last: split,
                source: "embedded:tiny".into(),
                class_names: Vec::new(),
                loss: None,
                metric: None,
            },
            parts: BTreeMap::from([("train".to_string(), part)]),
        }
    }

    #[test]
    fn pieces_belong_to_clips() {
        let samples = dataset(&[1, 3, 2], false);
        let part = &samples.parts["train"];
        let rows = Rows { part: "train".into(), start: 1, end: 3 };
        let pieces = Pieces::open(part, &rows).unwrap();
        assert_eq!((pieces.clips(), pieces.of(0), pieces.of(1), pieces.all()), (2, 1..4, 4..6, 1..6));
        for broken in [vec![0u32, 1, 4], vec![0, 1, 1, 6], vec![0, 1, 4, 7], vec![1, 2, 4, 6]] {
            let mut part = part.clone();
            part.more.insert("first".into(), Array::u32(&[broken.len()], &broken));
            assert!(Pieces::open(&part, &rows).unwrap_err().contains("should rise from 0 to 6"));
        }
    }
}
