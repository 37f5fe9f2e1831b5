//! Which values a convolution reads: along each axis, and for a block of positions in a window of the source. The same for the
//! output and for the gradient of the input, which reads the gradient of the output. Knows no values.

use crate::ops::conv::panels::Window;
use crate::ops::simd::LANES;
use std::ops::Range;

/// How one axis is read: target `t` reads source `(t / period)·step + shift` for each (tap, shift) of class `t % period`.
#[derive(Clone, Debug)]
pub struct Axis {
    period: usize,
    step: usize,
    classes: Vec<Vec<(usize, isize)>>,
}

impl Axis {
    /// For the output.
    pub fn forward(taps: usize, stride: usize, dilation: usize, before: usize) -> Axis {
        let shift = |tap: usize| (tap * dilation) as isize - before as isize;
        Axis { period: 1, step: stride, classes: vec![(0..taps).map(|tap| (tap, shift(tap))).collect()] }
    }

    /// For the gradient of the input, read from the gradient of the output.
    pub fn backward(taps: usize, stride: usize, dilation: usize, before: usize) -> Axis {
        let period = stride as isize;
        let class = |r: isize| {
            let distance = |tap: usize| r + before as isize - (tap * dilation) as isize;
            let taps = (0..taps).filter(|tap| distance(*tap) % period == 0);
            taps.map(|tap| (tap, distance(tap) / period)).collect()
        };
        Axis { period: stride, step: 1, classes: (0..period).map(class).collect() }
    }

    fn base(&self, target: usize) -> usize {
        target / self.period * self.step
    }

    /// Smallest and largest shift.
    fn reach(&self) -> (isize, isize) {
        let shifts = || self.classes.iter().flatten().map(|(_, shift)| *shift);
        (shifts().min().unwrap_or(0), shifts().max().unwrap_or(0))
    }

    /// The first source and the number of sources that these targets, at least one, read.
    fn window(&self, targets: &Range<usize>) -> (isize, usize) {
        let (least, most) = self.reach();
        let first = self.base(targets.start) as isize + least;
        (first, (self.base(targets.end - 1) as isize + most + 1 - first) as usize)
    }
}

/// Both axes of a convolution.
#[derive(Clone, Debug)]
pub struct Axes {
    pub axes: [Axis; 2],
    /// Taps along the second axis.
    pub kernel_width: usize,
}

/// A class of targets that read the same taps.
#[derive(Clone, Debug)]
pub struct Class {
    of: [usize; 2],
    /// Index into the kernel, row by row.
    pub taps: Vec<usize>,
    shifts: Vec<[isize; 2]>,
}

/// Offsets for one class in one block, for panels: of the window for each position, of the window for each tap (to be
/// added), and of the block for each position.
#[derive(Clone, Debug)]
pub struct Offsets {
    pub x_at: Vec<usize>,
    pub taps: Vec<usize>,
    pub y_at: Vec<usize>,
}

/// A block with what it reads and, per class, where.
#[derive(Clone, Debug)]
pub struct Piece {
    pub block: Block,
    pub window: Window,
    pub offsets: Vec<Offsets>,
}

/// Rows and columns of targets.
pub type Block = [Range<usize>; 2];

impl Axes {
    pub fn classes(&self) -> Vec<Class> {
        let [rows, columns] = &self.axes;
        let all = (0..rows.period).flat_map(|a| (0..columns.period).map(move |b| [a, b]));
        let class = |of: [usize; 2]| {
            let (mut taps, mut shifts) = (Vec::new(), Vec::new());
            for (i, down) in &rows.classes[of[0]] {
                for (j, right) in &columns.classes[of[1]] {
                    taps.push(i * self.kernel_width + j);
                    shifts.push([*down, *right]);
                }
            }
            Class { of, taps, shifts }
        };
        all.map(class).collect()
    }

    /// What the targets of a block read, at least one of them.
    pub fn window(&self, block: &Block) -> Window {
        let [(row, rows), (column, columns)] = [0, 1].map(|a| self.axes[a].window(&block[a]));
        Window { row, column, rows, columns }
    }

    pub fn offsets(&self, class: &Class, block: &Block) -> Offsets {
        let pitch = self.window(block).columns;
        let targets = |a: usize| {
            let (axis, of, first) = (&self.axes[a], class.of[a], block[a].start);
            let base = axis.base(first);
            block[a].clone().filter(move |t| t % axis.period == of).map(move |t| (t - first, axis.base(t) - base))
        };
        let (mut x_at, mut y_at) = (Vec::new(), Vec::new());
        for (t, down) in targets(0) {
            for (u, right) in targets(1) {
                x_at.push((down * pitch + right) * LANES);
                y_at.push((t * block[1].len() + u) * LANES);
            }
        }
        let least = [0, 1].map(|a| self.axes[a].reach().0);
        let tap =
            |[down, right]: &[isize; 2]| ((down - least[0]) as usize * pitch + (right - least[1]) as usize) * LANES;
        Offsets { x_at, taps: class.shifts.iter().map(tap).collect(), y_at }
    }

    /// What is the same for a block of every image.
    pub fn pieces(&self, classes: &[Class], blocks: &[Block]) -> Vec<Piece> {
        let piece = |block: &Block| Piece {
            block: block.clone(),
            window: self.window(block),
            offsets: classes.iter().map(|class| self.offsets(class, block)).collect(),
        };
        blocks.iter().map(piece).collect()
    }

    /// A block as a window of its own plane.
    pub fn itself(block: &Block) -> Window {
        let [row, column] = [0, 1].map(|a| block[a].start as isize);
        Window { row, column, rows: block[0].len(), columns: block[1].len() }
    }

    /// Sources between neighbouring targets of a class, vertically and horizontally.
    pub fn steps(&self) -> [usize; 2] {
        [self.axes[0].step, self.axes[1].step]
    }
}

/// Blocks of about `positions` that cover a plane; none where the plane is empty.
pub fn blocks(plane: [usize; 2], positions: usize) -> Vec<Block> {
    let [height, width] = plane;
    if height * width == 0 {
        return Vec::new();
    }
    let split = |n: usize, parts: usize| {
        let parts = parts.clamp(1, n);
        (0..parts).map(move |i| i * n / parts..(i + 1) * n / parts)
    };
    let columns = width.div_ceil(positions);
    let rows = if columns > 1 { height } else { (height * width).div_ceil(positions) };
    split(height, rows).flat_map(|r| split(width, columns).map(move |c| [r.clone(), c])).collect()
}

/// Channels of a batch of planes: `count` of the `channels` of each image, from `first` on.
#[derive(Clone, Copy, Debug)]
pub struct Channels {
    pub channels: usize,
    pub first: usize,
    pub count: usize,
    pub plane: [usize; 2],
}

impl Channels {
    pub fn area(&self) -> usize {
        self.plane[0] * self.plane[1]
    }

    /// Where panel `panel` starts in the values of image `image`.
    pub fn at(&self, image: usize, panel: usize) -> usize {
        (image * self.channels + self.first + panel * LANES) * self.area()
    }

    pub fn panels(&self) -> usize {
        self.count.div_ceil(LANES)
    }

    /// Channels of a panel: eight, or what is left.
    pub fn of_panel(&self, panel: usize) -> usize {
        (self.count - panel * LANES).min(LANES)
    }
}

/// Where the weight of a pair of channels lies: `first + target·target_step + source·source_step + tap`.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub first: usize,
    pub target_step: usize,
    pub source_step: usize,
}

impl Order {
    /// Targets and sources exchanged.
    pub fn reversed(self) -> Order {
        Order { target_step: self.source_step, source_step: self.target_step, ..self }
    }

    pub fn at(&self, target: usize, source: usize) -> usize {
        self.first + target * self.target_step + source * self.source_step
    }
}
