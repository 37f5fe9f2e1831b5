//! Depthwise and 1×1 convolution in one go, forward and backward, for one task: depthwise results never leave the cache, and
//! the backward pass computes them again. Knows padded rows and tiles, not the cell.

use crate::ops::mixed_cell::blend::Linear;
use crate::ops::mixed_cell::mix::{Mix, MixGradient, Place};
use crate::ops::mixed_cell::spare::{self, Spare};
use crate::ops::mixed_cell::split::{Field, Plane, Task, Tile, tiles};
use crate::ops::mixed_cell::sums::{AddMoments, Moment};
use crate::ops::mixed_cell::taps::{Correlate, Rows, TapGradient, Taps, Target};
use crate::ops::mixed_cell::wiring::{self, Edge, Shape};
use crate::ops::simd::{LANES, dispatch};
use std::ops::Range;

/// Zero columns on both sides of a padded row: the reach of the widest kernel, five taps two apart.
pub const PAD: usize = 4;

/// One depthwise kernel per channel, then a matrix of channels. FactorizedReduce is two of these with a kernel of one tap, the
/// second one shifted, each making a part of the channels.
#[derive(Clone, Debug)]
pub struct Convolution<'a> {
    /// [channel][high][wide].
    kernel: &'a [f32],
    /// [out][channel].
    matrix: &'a [f32],
    channels: usize,
    outs: Range<usize>,
    wide: usize,
    dilation: usize,
    stride: usize,
    shift: usize,
    one_d: bool,
    /// Where gradients go, relative to the edge's weights; none for the kernel of one tap.
    kernel_at: Option<usize>,
    matrix_at: usize,
}

/// Working space of one task.
#[derive(Debug)]
pub struct Workspace {
    depthwise: Spare,
    before: Spare,
    /// Padded rows of the gradient of the depthwise result.
    padded: Spare,
    tap_sums: Spare,
    mix_sums: Spare,
    flipped: Vec<f32>,
}

/// The gradient before a batch norm, `a·g + b·z + c` per channel: `g` the gradient behind it, `z` its input.
#[derive(Debug)]
pub struct Upstream<'a> {
    pub g: (Field<'a>, usize),
    pub z: (Field<'a>, usize),
    pub factors: &'a [[f32; 3]],
}

/// Where the gradient of a convolution's input goes: own rows, [channel][row][column][8], of the input's plane.
#[derive(Debug)]
pub struct Into<'a> {
    pub out: &'a mut [f32],
    pub channel_step: usize,
    pub plane: Plane,
    pub add: bool,
}

/// Positions per tile: depthwise results of all channels should fit the first-level cache, beside what they are made of.
fn positions(channels: usize) -> usize {
    (512 / channels).clamp(32, 128)
}

/// Length of a padded row.
pub fn padded_row(width: usize) -> usize {
    (width + 2 * PAD) * LANES
}

impl<'a> Convolution<'a> {
    /// The parts of one convolution of an edge, in θ's order: one, or two for FactorizedReduce. `weights` are the edge's,
    /// `ones` a one per channel.
    pub fn of(edge: &Edge, index: usize, shape: &Shape, weights: &'a [f32], ones: &'a [f32]) -> Vec<Convolution<'a>> {
        let (c, one_d) = (shape.part, shape.one_d);
        let (kernel, matrix) = wiring::convolution(index, c, one_d);
        if index == wiring::REDUCE {
            let part = |outs: Range<usize>, shift: usize| {
                let at = matrix.start + outs.start * c;
                let matrix = &weights[at..at + outs.len() * c];
                let (wide, dilation, stride) = (1, 1, 2);
                let (kernel, kernel_at, matrix_at) = (ones, None, at);
                Convolution {
                    kernel,
                    matrix,
                    channels: c,
                    outs,
                    wide,
                    dilation,
                    stride,
                    shift,
                    one_d,
                    kernel_at,
                    matrix_at,
                }
            };
            return vec![part(0..c / 2, 0), part(c / 2..c, usize::from(!one_d))];
        }
        let (wide, dilation) = wiring::depthwise(index);
        let second = index == wiring::SEP_3_SECOND || index == wiring::SEP_5_SECOND;
        vec![Convolution {
            kernel: &weights[kernel.clone()],
            matrix: &weights[matrix.clone()],
            channels: c,
            outs: 0..c,
            wide,
            dilation,
            stride: if second { 1 } else { edge.stride },
            shift: 0,
            one_d,
            kernel_at: Some(kernel.start),
            matrix_at: matrix.start,
        }]
    }

    fn down(&self) -> Taps {
        if self.one_d {
            return Taps { count: 1, step: 1, first: 0, gap: 1 };
        }
        let first = self.shift as isize - (self.wide / 2 * self.dilation) as isize;
        Taps { count: self.wide, step: self.stride, first, gap: self.dilation }
    }

    /// In columns of a padded row.
    fn across(&self) -> Taps {
        let first = (PAD + self.shift) as isize - (self.wide / 2 * self.dilation) as isize;
        Taps { count: self.wide, step: self.stride, first, gap: self.dilation }
    }

    fn correlate(&self, source: Rows<'_>, tile: &Tile, out: &mut [f32]) {
        let plane = tile.positions() * LANES;
        dispatch(Correlate {
            source,
            channels: self.channels,
            kernel: self.kernel,
            down: self.down(),
            across: self.across(),
            rows: tile.rows.clone(),
            columns: tile.columns.clone(),
            out,
            target: Target { start: 0, channel_step: plane, row_step: tile.columns.len() * LANES, column_step: LANES },
            add: false,
        });
    }

    /// Writes this convolution's channels of `out`, [channel][position of the strip][8], and adds them to its moments.
    pub fn forward(
        &self,
        source: Rows<'_>,
        task: &Task,
        plane: Plane,
        out: &mut [f32],
        moments: &mut [Moment],
        space: &mut Workspace,
    ) {
        let (own, chunk) = (plane.own(task.strip), plane.chunk());
        for tile in tiles(own.clone(), plane, positions(self.channels)) {
            self.correlate(source, &tile, &mut space.depthwise);
            let size = tile.positions() * LANES;
            let start = ((tile.rows.start - own.start) * plane.width + tile.columns.start) * LANES;
            dispatch(Mix {
                weights: self.matrix,
                out_step: self.channels,
                in_step: 1,
                ins: self.channels,
                outs: self.outs.len(),
                rows: 1,
                width: tile.positions(),
                input: &space.depthwise,
                from: Place { start: 0, channel_step: size, row_step: size },
                out,
                to: Place { start: self.outs.start * chunk + start, channel_step: chunk, row_step: size },
                add: false,
            });
            if self.outs.is_empty() {
                continue;
            }
            dispatch(AddMoments {
                values: &out[self.outs.start * chunk + start..],
                step: chunk,
                length: size,
                live: task.live,
                mask: &task.mask,
                moments: &mut moments[self.outs.clone()],
            });
        }
    }

    /// Output rows that the gradient of input rows `own` needs.
    fn reach(&self, own: &Range<usize>, plane: Plane) -> Range<usize> {
        let taps = self.down();
        let last = taps.first + ((taps.count - 1) * taps.gap) as isize;
        let step = taps.step as isize;
        // the largest tap reaches the first row, the smallest one the last row
        let low = (own.start as isize - last).max(0) as usize;
        let high = own.end as isize - 1 - taps.first;
        low.div_ceil(taps.step).min(plane.height)..((high.div_euclid(step) + 1).max(0) as usize).min(plane.height)
    }

    /// The gradient of the input into `into`, and of the weights added to `weights`, the edge's, where `source` is given: the
    /// padded rows that the forward pass saw.
    #[allow(clippy::too_many_arguments)] // what a convolution's gradient depends on
    pub fn backward(
        &self,
        upstream: &Upstream<'a>,
        source: Option<Rows<'_>>,
        task: &Task,
        plane: Plane,
        into: Option<Into<'_>>,
        weights: &mut [f64],
        space: &mut Workspace,
    ) {
        if self.outs.is_empty() {
            return;
        }
        let own = plane.own(task.strip);
        let mut rows = own.clone();
        if let Some(into) = &into {
            let reach = self.reach(&into.plane.own(task.strip), plane);
            rows = rows.start.min(reach.start)..rows.end.max(reach.end);
        }
        let (c, outs, row_step) = (self.channels, self.outs.len(), padded_row(plane.width));
        let channel_step = space.padded.len() / c / row_step * row_step;
        if source.is_some() {
            space.mix_sums[..outs * c * LANES].fill(0.0);
        }
        let mut channels = Vec::with_capacity(outs);
        for tile in tiles(rows.clone(), plane, positions(c)) {
            let size = tile.positions() * LANES;
            let tile_of = |field: &(Field<'a>, usize), o: usize| field.0.tile(task.block, field.1 + o, &tile);
            channels.clear();
            channels.extend(
                self.outs.clone().map(|o| (tile_of(&upstream.g, o), tile_of(&upstream.z, o), upstream.factors[o])),
            );
            dispatch(Linear { channels: &channels, out: &mut space.before[..outs * size], mask: &task.mask });
            dispatch(Mix {
                weights: self.matrix,
                out_step: 1,
                in_step: c,
                ins: outs,
                outs: c,
                rows: tile.rows.len(),
                width: tile.columns.len(),
                input: &space.before,
                from: Place { start: 0, channel_step: size, row_step: tile.columns.len() * LANES },
                out: &mut space.padded,
                to: Place {
                    start: (tile.rows.start - rows.start) * row_step + (PAD + tile.columns.start) * LANES,
                    channel_step,
                    row_step,
                },
                add: false,
            });
            if let Some(source) = source.filter(|_| own.contains(&tile.rows.start)) {
                self.correlate(source, &tile, &mut space.depthwise);
                dispatch(MixGradient {
                    gradient: &space.before,
                    outs,
                    input: &space.depthwise,
                    ins: c,
                    positions: tile.positions(),
                    sums: &mut space.mix_sums,
                });
            }
        }
        let gradient = Rows { values: &space.padded, first: rows.start, end: rows.end, row_step, channel_step };
        if let Some(source) = source {
            fold(&space.mix_sums[..outs * c * LANES], &mut weights[self.matrix_at..]);
            if let Some(at) = self.kernel_at {
                let (down, across) = (self.down(), self.across());
                let size = c * down.count * across.count * LANES;
                space.tap_sums[..size].fill(0.0);
                let sums = &mut space.tap_sums[..size];
                let (left, width) = (PAD, plane.width);
                dispatch(TapGradient { source, gradient, left, channels: c, down, across, rows: own, width, sums });
                fold(&space.tap_sums[..size], &mut weights[at..]);
            }
        }
        if let Some(into) = into {
            self.spread(gradient, into, task, &mut space.flipped);
        }
    }

    /// The transposed depthwise convolution. Input positions of each parity (there is one where the stride is 1) are the
    /// correlation of the output's gradient with the taps that reach them, in reverse order.
    fn spread(&self, gradient: Rows<'_>, into: Into<'_>, task: &Task, flipped: &mut Vec<f32>) {
        let own = into.plane.own(task.strip);
        let (down, across) = (self.down(), self.across());
        for phase_y in 0..down.step {
            for phase_x in 0..across.step {
                let Some((taps_y, rows)) = reversed(&down, phase_y, 0, 0) else { continue };
                let Some((taps_x, columns)) = reversed(&across, phase_x, PAD, PAD) else { continue };
                flipped.clear();
                for kernel in self.kernel.chunks_exact(down.count * across.count) {
                    for y in &rows {
                        flipped.extend(columns.iter().map(|x| kernel[y * across.count + x]));
                    }
                }
                // input y = q·step + phase
                let first = |start: usize, phase: usize, step: usize| start.saturating_sub(phase).div_ceil(step);
                let q_rows = first(own.start, phase_y, down.step)..first(own.end, phase_y, down.step);
                let q_columns = 0..first(into.plane.width, phase_x, across.step);
                let row = into.plane.width * LANES;
                dispatch(Correlate {
                    source: gradient,
                    channels: self.channels,
                    kernel: flipped,
                    down: taps_y,
                    across: taps_x,
                    target: Target {
                        start: (q_rows.start * down.step + phase_y - own.start) * row + phase_x * LANES,
                        channel_step: into.channel_step,
                        row_step: down.step * row,
                        column_step: across.step * LANES,
                    },
                    rows: q_rows,
                    columns: q_columns,
                    out: &mut *into.out,
                    add: into.add,
                });
            }
        }
    }
}

/// Taps that reach inputs `q·step + phase`, as taps over output positions, and which they were. `pad` is what `taps.first`
/// counts beyond the input's first column, `to` the same for the outputs.
fn reversed(taps: &Taps, phase: usize, pad: usize, to: usize) -> Option<(Taps, Vec<usize>)> {
    let step = taps.step as isize;
    let offset = |i: usize| phase as isize + pad as isize - taps.first - (i * taps.gap) as isize;
    let reaching: Vec<usize> = (0..taps.count).rev().filter(|i| offset(*i) % step == 0).collect();
    let first = offset(*reaching.first()?) / step + to as isize;
    let gap = if taps.step == 1 { taps.gap } else { 1 };
    Some((Taps { count: reaching.len(), step: 1, first, gap }, reaching))
}

/// Adds the sum of each vector's lanes.
fn fold(sums: &[f32], out: &mut [f64]) {
    for (out, lanes) in out.iter_mut().zip(sums.chunks_exact(LANES)) {
        *out += lanes.iter().map(|v| f64::from(*v)).sum::<f64>();
    }
}

impl Workspace {
    /// For outputs in strips of `plane`; `backward` says whether gradients will be computed.
    pub fn new(channels: usize, plane: Plane, backward: bool) -> Workspace {
        // a tile is never larger than one and a half times what was asked for, or a short row
        let tile = channels * (positions(channels) * 2).max(plane.width.min(256)) * LANES;
        let padded = channels * (plane.rows + 2 * PAD).min(plane.height) * padded_row(plane.width);
        let of = |length: usize| spare::any(if backward { length } else { 0 });
        let mut padded = of(padded);
        // rows keep their places, so that these columns are never written
        for row in padded.chunks_mut(padded_row(plane.width)) {
            row[..PAD * LANES].fill(0.0);
            row[(PAD + plane.width) * LANES..].fill(0.0);
        }
        Workspace {
            depthwise: spare::any(tile),
            before: of(tile),
            padded,
            tap_sums: of(channels * 25 * LANES),
            mix_sums: of(channels * channels * LANES),
            flipped: Vec::new(),
        }
    }
}
