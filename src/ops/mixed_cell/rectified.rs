//! Padded rows behind a batch norm and ReLU: what depthwise kernels read. Knows no layer.

use crate::ops::mixed_cell::blend::Rectify;
use crate::ops::mixed_cell::convolution::{PAD, padded_row};
use crate::ops::mixed_cell::spare::{self, Spare};
use crate::ops::mixed_cell::split::{Field, Plane, Task, Tile};
use crate::ops::mixed_cell::taps::Rows;
use crate::ops::simd::dispatch;

/// Padded rows of `max((x − mean)·scale, 0)`, c channels.
pub struct Rectified {
    values: Spare,
    row_step: usize,
    channel_step: usize,
}

impl Rectified {
    pub fn new(channels: usize, plane: Plane) -> Rectified {
        let row_step = padded_row(plane.width);
        let channel_step = (plane.rows + 2 * PAD).min(plane.height) * row_step;
        Rectified { values: spare::any(channels * channel_step), row_step, channel_step }
    }

    /// Fills rows around a task's own from channels `first..` of a field.
    pub fn fill(
        &mut self,
        field: &Field<'_>,
        first: usize,
        channels: usize,
        halo: usize,
        task: &Task,
        norm: impl Fn(usize) -> (f32, f32),
    ) -> Rows<'_> {
        let plane = field.plane();
        let rows = plane.around(task.strip, halo);
        for channel in 0..channels {
            let (mean, scale) = norm(channel);
            let start = channel * self.channel_step;
            let mut y = rows.start;
            while y < rows.end {
                let next = ((y / plane.rows + 1) * plane.rows).min(rows.end);
                let tile = Tile { rows: y..next, columns: 0..plane.width };
                dispatch(Rectify {
                    input: field.tile(task.block, first + channel, &tile),
                    width: plane.width,
                    mean,
                    scale,
                    out: &mut self.values[start + (y - rows.start) * self.row_step..],
                    row_step: self.row_step,
                    pad: PAD,
                    mask: &task.mask,
                });
                y = next;
            }
        }
        let (row_step, channel_step) = (self.row_step, self.channel_step);
        Rows { values: &self.values, first: rows.start, end: rows.end, row_step, channel_step }
    }
}
