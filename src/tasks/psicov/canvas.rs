//! Proteins on square canvases: padding, random crops, tiles of a whole protein, and the 57 channels that a network sees
//! (task specification §8.2). Knows no loss and no score.

use crate::metrics::contacts::PAD;
use crate::seed::{Purpose, Stream};
use crate::tasks::psicov::protein::{CHANNELS, Proteins, ROWS};

/// Distance of padding in Å.
const FAR: f32 = 100.0;
/// Training and validation distances are clipped at this, in Å; padding too.
pub const CLIP: f32 = 16.0;

/// Part of a padded protein that is laid on a canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Row and column of the padded protein at the canvas's first corner.
    pub top: usize,
    pub left: usize,
    pub side: usize,
}

impl Window {
    /// The whole protein of `length` residues where it fits with its padding, else a part of it at a random place.
    pub fn crop(length: usize, side: usize, stream: &mut Stream) -> Window {
        match (length + 2 * PAD).checked_sub(side).filter(|spare| *spare > 0) {
            None => Window { top: 0, left: 0, side },
            Some(spare) => {
                let mut draw = || stream.below(spare as u32 + 1) as usize;
                let top = draw();
                Window { top, left: draw(), side }
            }
        }
    }

    /// Canvas position to residue; `None` on padding.
    fn residue(&self, start: usize, at: usize, length: usize) -> Option<usize> {
        (start + at).checked_sub(PAD).filter(|residue| *residue < length)
    }

    /// Canvas positions that hold residues, as a range, and the first residue there.
    fn span(&self, start: usize, length: usize) -> (usize, usize, usize) {
        let from = PAD.saturating_sub(start).min(self.side);
        let to = (length + PAD).saturating_sub(start).clamp(from, self.side);
        (from, to, (start + from).saturating_sub(PAD).min(length))
    }
}

/// Streams of the crops that validate: of a protein always the same, whatever seed and stage, so that the metric finds the
/// same crop. Upstream draws them anew at each access.
pub fn validation_crops() -> Purpose {
    Purpose::new(0, "psicov", "validation crops")
}

/// Appends the channels (57, side, side) of a protein: 0 on padding. Of a value per residue there are two channels, the first
/// depends on the column, the second on the row.
pub fn inputs(proteins: &Proteins<'_>, protein: usize, window: Window, out: &mut Vec<f32>) {
    let (side, length) = (window.side, proteins.lengths()[protein]);
    let (top, bottom, _) = window.span(window.top, length);
    let (left, right, first) = window.span(window.left, length);
    let start = out.len();
    out.resize(start + CHANNELS * side * side, 0.0);
    let planes = &mut out[start..];
    let mut values = Vec::with_capacity(length);
    for (row, pair) in planes[..2 * ROWS * side * side].chunks_exact_mut(2 * side * side).enumerate() {
        values.clear();
        values.extend(proteins.row(protein, row));
        let (by_column, by_row) = pair.split_at_mut(side * side);
        for y in top..bottom {
            let line = y * side + left..y * side + right;
            by_column[line.clone()].copy_from_slice(&values[first..first + right - left]);
            if let Some(residue) = window.residue(window.top, y, length) {
                by_row[line].fill(values[residue]);
            }
        }
    }
    for (map, plane) in planes[2 * ROWS * side * side..].chunks_exact_mut(side * side).enumerate() {
        for y in top..bottom {
            let Some(i) = window.residue(window.top, y, length) else { continue };
            for (at, value) in plane[y * side + left..y * side + right].iter_mut().enumerate() {
                *value = proteins.pair(protein, map, i, first + at);
            }
        }
    }
}

/// Appends the distances (side, side) of a protein in Å, clipped where that is asked for; padding is far away.
pub fn truth(proteins: &Proteins<'_>, protein: usize, window: Window, clip: Option<f32>, out: &mut Vec<f32>) {
    let length = proteins.lengths()[protein];
    let most = clip.unwrap_or(f32::INFINITY);
    for y in 0..window.side {
        let i = window.residue(window.top, y, length);
        for x in 0..window.side {
            let pair = i.zip(window.residue(window.left, x, length));
            let distance = pair.map_or(FAR, |(i, j)| proteins.distance(protein, i, j));
            out.push(distance.min(most));
        }
    }
}

/// The tiles of whole proteins, one protein after the other, row by row. Upstream runs all 16 tiles of a canvas of 512; those
/// that hold no residue cannot reach a score (task specification §8.5, steps 4 and 6) and are left out here.
pub struct Tiles {
    side: usize,
    /// Tiles per axis of each protein.
    axes: Vec<usize>,
    /// Number of each protein's first tile.
    firsts: Vec<usize>,
    count: usize,
}

/// One tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    pub protein: usize,
    pub row: usize,
    pub column: usize,
}

impl Tiles {
    pub fn of(lengths: &[usize], side: usize) -> Tiles {
        let axes: Vec<usize> = lengths.iter().map(|length| (length + PAD).div_ceil(side)).collect();
        let mut count = 0;
        let start = |axis: &usize| {
            count += axis * axis;
            count - axis * axis
        };
        let firsts = axes.iter().map(start).collect();
        Tiles { side, axes, firsts, count }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// Tile `number`, below `count`.
    pub fn locate(&self, number: usize) -> Tile {
        let protein = self.firsts.partition_point(|first| *first <= number) - 1;
        let (at, axis) = (number - self.firsts[protein], self.axes[protein]);
        Tile { protein, row: at / axis, column: at % axis }
    }

    /// Side of a protein's canvas in pixels.
    pub fn canvas(&self, protein: usize) -> usize {
        self.axes[protein] * self.side
    }

    pub fn window(&self, tile: Tile) -> Window {
        Window { top: tile.row * self.side, left: tile.column * self.side, side: self.side }
    }

    /// Whether a tile is its protein's last.
    pub fn is_last(&self, tile: Tile) -> bool {
        let axis = self.axes[tile.protein];
        tile.row + 1 == axis && tile.column + 1 == axis
    }
}

#[cfg(test)]
mod tests {
    use super::{CLIP, Tile, Tiles, Window, inputs, truth};
    use crate::artifacts::dataset::Array;
    use crate::artifacts::samples::Part;
    use crate::metrics::contacts::PAD;
    use crate::seed::Purpose;
    use crate::tasks::psicov::protein::{CHANNELS, MAPS, Proteins, ROWS};

    /// One protein whose row r holds 100·r + i, whose map m holds 1000·m + 10·i + j.
    fn part(length: usize) -> Part {
        let x: Vec<f32> = (0..ROWS * length).map(|at| (100 * (at / length) + at % length) as f32).collect();
        let pair = |at: usize| (1000 * (at / length / length) + 10 * (at / length % length) + at % length) as f32;
        let maps: Vec<f32> = (0..MAPS * length * length).map(pair).collect();
        let mut part = Part::new(Array::f32(&[x.len()], &x), Array::u32(&[1], &[length as u32]));
        part.more.insert("maps".into(), Array::f32(&[maps.len()], &maps));
        part.more.insert("folded".into(), Array::u8(&[1], vec![0]));
        part
    }

    #[test]
    fn channels_follow_the_official_order_in_every_window() {
        let length = 9;
        let part = part(length);
        let proteins = Proteins::open("train", &part).unwrap();
        for (top, left, side) in [(0, 0, 24), (3, 7, 8), (6, 0, 6), (14, 12, 8), (16, 3, 16)] {
            let window = Window { top, left, side };
            let mut x = vec![7.0];
            inputs(&proteins, 0, window, &mut x);
            assert_eq!(x.len(), 1 + CHANNELS * side * side);
            for (at, value) in x[1..].iter().enumerate() {
                let (channel, y, x) = (at / side / side, at / side % side, at % side);
                let residue = |at: usize| at.checked_sub(PAD).filter(|i| *i < length);
                let expected = match (residue(top + y), residue(left + x)) {
                    (Some(i), Some(j)) if channel >= 54 => (1000 * (channel - 54) + 10 * i + j) as f32,
                    (Some(i), Some(j)) => (100 * (channel / 2) + if channel % 2 == 0 { j } else { i }) as f32,
                    _ => 0.0,
                };
                assert_eq!(*value, expected, "{window:?} channel {channel} ({y}, {x})");
            }
            let mut y = Vec::new();
            truth(&proteins, 0, window, None, &mut y);
            for (at, value) in y.iter().enumerate() {
                let inside = |at: usize| (PAD..PAD + length).contains(&at);
                let (i, j) = (top + at / side, left + at % side);
                let expected = if !inside(i) || !inside(j) { 100.0 } else { proteins.distance(0, i - PAD, j - PAD) };
                assert_eq!(*value, expected);
            }
            let mut clipped = Vec::new();
            truth(&proteins, 0, window, Some(CLIP), &mut clipped);
            assert!(clipped.iter().zip(&y).all(|(a, b)| *a == b.min(16.0)));
        }
    }

    #[test]
    fn crops_of_long_proteins_reach_every_place() {
        let mut seen = std::collections::BTreeSet::new();
        let purpose = Purpose::new(0, "test", "crop");
        for index in 0..300 {
            let window = Window::crop(21, 28, &mut purpose.at(index));
            seen.insert((window.top, window.left));
        }
        let all: Vec<(usize, usize)> = (0..16).map(|at| (at / 4, at % 4)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
        let whole = Window { top: 0, left: 0, side: 31 };
        assert_eq!(Window::crop(21, 31, &mut purpose.at(0)), whole);
    }

    #[test]
    fn tiles_cover_every_residue() {
        // 3 residues end at 8, 4 at 9, 12 at 17
        let tiles = Tiles::of(&[3, 4, 12], 8);
        let all: Vec<Tile> = (0..tiles.count()).map(|number| tiles.locate(number)).collect();
        assert_eq!(all.len(), 1 + 4 + 9);
        let last: Vec<usize> = all.iter().filter(|tile| tiles.is_last(**tile)).map(|tile| tile.protein).collect();
        assert_eq!(last, [0, 1, 2]);
        assert_eq!(all[4], Tile { protein: 1, row: 1, column: 1 });
        assert_eq!(tiles.window(all[12]), Window { top: 16, left: 8, side: 8 });
        assert_eq!((tiles.canvas(0), tiles.canvas(2)), (8, 24));
    }
}
