//! The 2×2 max-pool of stride 2 through which channels bypass the primitives of a reducing edge. Planes as they are, one
//! image at a time; a ragged last row and column count. A series is a plane of one row. Knows no layer.

/// Calls `f` with (output position, input position) of every maximum: the first in row order, the last NaN if there is one,
/// as PyTorch's `max_pool2d` has it. `rows` of `width` values each.
#[inline(always)]
fn maxima(plane: &[f32], width: usize, mut f: impl FnMut(usize, usize)) {
    let rows = plane.len() / width;
    let out_width = width.div_ceil(2);
    for y in 0..rows.div_ceil(2) {
        let upper = &plane[2 * y * width..][..width];
        // where there is no lower row or right column, the same place comes again and is passed over
        let lower = if 2 * y + 1 < rows { &plane[(2 * y + 1) * width..][..width] } else { upper };
        let down = if 2 * y + 1 < rows { width } else { 0 };
        for x in 0..out_width {
            let (left, right) = (2 * x, (2 * x + 1).min(width - 1));
            let (mut best, mut at) = (upper[left], left);
            for (v, place) in [(upper[right], right), (lower[left], down + left), (lower[right], down + right)] {
                if (v > best || v.is_nan()) && place > at {
                    (best, at) = (v, place);
                }
            }
            f(y * out_width + x, 2 * y * width + at);
        }
    }
}

pub fn halve(plane: &[f32], width: usize, out: &mut [f32]) {
    maxima(plane, width, |to, from| out[to] = plane[from]);
}

/// Adds the gradient of `halve` to `out`.
pub fn halve_backward(plane: &[f32], width: usize, gradient: &[f32], out: &mut [f32]) {
    maxima(plane, width, |from, to| out[to] += gradient[from]);
}
