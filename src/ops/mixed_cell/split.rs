//! How a batch of planes is cut into tasks and laid out in memory. Knows no arithmetic.
//!
//! Eight images, a *block*, lie side by side in the lanes of a vector; a block of a tall plane is cut again into *strips* of
//! rows where there are few blocks. A task is one strip of one block. Arrays are [task][channel][row of the strip][column][8]:
//! whatever a task writes is one chunk, and neighbours' rows are found by `Field`. The cut depends on shapes only.

use crate::ops::mixed_cell::wiring::Shape;
use crate::ops::simd::LANES;
use std::ops::Range;

/// Tasks that a phase should have at least, where the planes are tall enough.
const TASKS: usize = 8;
/// Rows of a strip at least (at the output): the halo of the widest kernel, four rows on both sides, is computed twice.
const ROWS: usize = 8;

#[derive(Clone, Copy, Debug)]
pub struct Split {
    pub images: usize,
    pub blocks: usize,
    pub strips: usize,
    /// Of the cell's inputs.
    pub input: Plane,
    /// Of its nodes.
    pub node: Plane,
}

/// A plane cut into strips.
#[derive(Clone, Copy, Debug)]
pub struct Plane {
    pub height: usize,
    pub width: usize,
    /// Of a strip; the last one may have fewer.
    pub rows: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct Task {
    pub block: usize,
    pub strip: usize,
    /// Images in the block.
    pub live: usize,
    /// All bits set in the lanes of these images.
    pub mask: [f32; LANES],
}

impl Split {
    pub fn new(shape: &Shape) -> Split {
        let blocks = shape.images.div_ceil(LANES);
        let wished = TASKS.div_ceil(blocks).min(shape.out_height / ROWS).max(1);
        let rows = shape.out_height.div_ceil(wished);
        let stride = if shape.height > shape.out_height { 2 } else { 1 };
        Split {
            images: shape.images,
            blocks,
            strips: shape.out_height.div_ceil(rows),
            input: Plane { height: shape.height, width: shape.width, rows: rows * stride },
            node: Plane { height: shape.out_height, width: shape.out_width, rows },
        }
    }

    pub fn tasks(&self) -> usize {
        self.blocks * self.strips
    }

    pub fn task(&self, index: usize) -> Task {
        let (block, strip) = (index / self.strips, index % self.strips);
        let live = LANES.min(self.images - block * LANES);
        let lane = |i: usize| f32::from_bits(if i < live { u32::MAX } else { 0 });
        Task { block, strip, live, mask: std::array::from_fn(lane) }
    }

    /// Length of an array of so many channels.
    pub fn length(&self, channels: usize, plane: Plane) -> usize {
        self.tasks() * channels * plane.chunk()
    }
}

impl Plane {
    /// Values of one channel in a task's chunk.
    pub fn chunk(&self) -> usize {
        self.rows * self.width * LANES
    }

    /// Rows of a strip.
    pub fn own(&self, strip: usize) -> Range<usize> {
        (strip * self.rows).min(self.height)..((strip + 1) * self.rows).min(self.height)
    }

    /// Rows of a strip and so many on both sides, inside the plane.
    pub fn around(&self, strip: usize, halo: usize) -> Range<usize> {
        let own = self.own(strip);
        own.start.saturating_sub(halo)..(own.end + halo).min(self.height)
    }

    /// Values of one channel in all rows of a strip.
    pub fn owned(&self, strip: usize) -> usize {
        self.own(strip).len() * self.width * LANES
    }
}

/// Consecutive positions of a plane: whole rows, or a part of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    pub rows: Range<usize>,
    pub columns: Range<usize>,
}

impl Tile {
    pub fn positions(&self) -> usize {
        self.rows.len() * self.columns.len()
    }
}

/// Cuts rows into tiles of at most about `positions` each, none of which crosses the border of a strip.
pub fn tiles(rows: Range<usize>, plane: Plane, positions: usize) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let band = (positions / plane.width).max(1);
    let parts = plane.width.div_ceil(positions.max(plane.width.min(positions * 3 / 2)));
    let mut y = rows.start;
    while y < rows.end {
        let next = (y + band).min((y / plane.rows + 1) * plane.rows).min(rows.end);
        for part in 0..parts {
            // parts begin at multiples of eight
            let cut = |i: usize| (plane.width * i / parts / 8 * 8).min(plane.width);
            let end = if part + 1 == parts { plane.width } else { cut(part + 1) };
            tiles.push(Tile { rows: y..next, columns: cut(part)..end });
        }
        y = next;
    }
    tiles
}

/// An array as `Split` lays it out, for reading anywhere.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    values: &'a [f32],
    channels: usize,
    plane: Plane,
    strips: usize,
}

impl<'a> Field<'a> {
    pub fn new(values: &'a [f32], channels: usize, plane: Plane, split: &Split) -> Field<'a> {
        assert_eq!(values.len(), split.length(channels, plane), "an array of {channels} channels");
        Field { values, channels, plane, strips: split.strips }
    }

    pub fn plane(&self) -> Plane {
        self.plane
    }

    /// The positions of a tile, which lies in one strip.
    pub fn tile(&self, block: usize, channel: usize, tile: &Tile) -> &'a [f32] {
        let plane = self.plane;
        let (strip, row) = (tile.rows.start / plane.rows, tile.rows.start % plane.rows);
        debug_assert!(tile.rows.len() == 1 || tile.columns.len() == plane.width);
        let chunk = (block * self.strips + strip) * self.channels + channel;
        let start = chunk * plane.chunk() + (row * plane.width + tile.columns.start) * LANES;
        &self.values[start..start + tile.positions() * LANES]
    }

    pub fn row(&self, block: usize, channel: usize, y: usize) -> &'a [f32] {
        self.tile(block, channel, &Tile { rows: y..y + 1, columns: 0..self.plane.width })
    }

    /// All rows of the task's own strip.
    pub fn own(&self, task: &Task, channel: usize) -> &'a [f32] {
        let rows = self.plane.own(task.strip);
        self.tile(task.block, channel, &Tile { rows, columns: 0..self.plane.width })
    }
}

/// Cuts every plane of an NCHW array into the strips of `plane`: for each task the pieces of its images, channel by channel,
/// image by image.
pub fn pieces<'a>(values: &'a mut [f32], channels: usize, plane: Plane, split: &Split) -> Vec<Vec<&'a mut [f32]>> {
    let mut tasks: Vec<Vec<Option<&mut [f32]>>> = (0..split.tasks())
        .map(|i| std::iter::repeat_with(|| None).take(split.task(i).live * channels).collect())
        .collect();
    for (i, mut rest) in values.chunks_mut(plane.height * plane.width).enumerate() {
        let (image, channel) = (i / channels, i % channels);
        let (block, lane) = (image / LANES, image % LANES);
        let live = split.task(block * split.strips).live;
        for strip in 0..split.strips {
            let (piece, after) = rest.split_at_mut(plane.own(strip).len() * plane.width);
            tasks[block * split.strips + strip][channel * live + lane] = Some(piece);
            rest = after;
        }
    }
    tasks.into_iter().map(|t| t.into_iter().map(|p| p.expect("every piece is cut")).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Plane, Tile, tiles};

    #[test]
    fn tiles_cover_rows_once_and_stay_in_strips() {
        for (height, width, rows, positions) in [(32, 32, 16, 128), (9, 13, 5, 64), (1, 1000, 1, 128), (3, 130, 2, 128)]
        {
            let plane = Plane { height, width, rows };
            let mut seen = vec![0; height * width];
            for Tile { rows: r, columns } in tiles(0..height, plane, positions) {
                assert_eq!(r.start / rows, (r.end - 1) / rows);
                assert!(r.len() == 1 || columns.len() == width);
                r.for_each(|y| columns.clone().for_each(|x| seen[y * width + x] += 1));
            }
            assert!(seen.iter().all(|n| *n == 1), "{plane:?}");
        }
    }
}
