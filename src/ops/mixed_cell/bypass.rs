//! The 2×2 max-pool of stride 2 through which channels bypass the primitives of a reducing edge. Planes as they are, one
//! image at a time; a ragged last row and column count. A series is a plane of one row. The maximum is the first in row
//! order, or the last NaN if there is one, as PyTorch's `max_pool2d` has it. Knows no layer.
//!
//! Windows go four at a time by instructions that every x86-64 has (the compiler did not find them by itself: its plain loop
//! took a third of a reducing edge), elsewhere and at the end of a row one at a time; the bits are the same.

/// `plane`: rows of `width` values.
pub fn halve(plane: &[f32], width: usize, out: &mut [f32]) {
    for (out, rows) in out.chunks_exact_mut(width.div_ceil(2)).zip(plane.chunks(2 * width)) {
        let (upper, lower) = rows.split_at(width);
        let lower = (!lower.is_empty()).then_some(lower);
        let whole = four::halve(upper, lower, out);
        for (x, out) in out.iter_mut().enumerate().skip(whole) {
            let right = (2 * x + 1).min(width - 1);
            let mut most = upper[2 * x];
            let rest = [Some(upper[right]), lower.map(|l| l[2 * x]), lower.map(|l| l[right])];
            for v in rest.into_iter().flatten() {
                most = if wins(v, most) { v } else { most };
            }
            *out = most;
        }
    }
}

/// Adds the gradient of `halve` to `out`.
pub fn halve_backward(plane: &[f32], width: usize, gradient: &[f32], out: &mut [f32]) {
    let rows = plane.chunks(2 * width).zip(out.chunks_mut(2 * width));
    for (g, (rows, out)) in gradient.chunks_exact(width.div_ceil(2)).zip(rows) {
        let whole = four::backward(rows, width, g, out);
        for (x, g) in g.iter().enumerate().skip(whole) {
            let right = (2 * x + 1).min(width - 1);
            let (mut most, mut at) = (rows[2 * x], 2 * x);
            // where there is no right column or lower row, places repeat or lie outside
            for place in [right, width + 2 * x, width + right] {
                if place > at && place < rows.len() && wins(rows[place], most) {
                    (most, at) = (rows[place], place);
                }
            }
            out[at] += g;
        }
    }
}

/// Whether `b`, which comes later, takes the place of `a`.
fn wins(b: f32, a: f32) -> bool {
    b > a || b.is_nan()
}

#[cfg(target_arch = "x86_64")]
mod four {
    use std::arch::x86_64::{
        __m128, _mm_add_ps, _mm_and_ps, _mm_andnot_ps, _mm_cmpgt_ps, _mm_cmpunord_ps, _mm_loadu_ps, _mm_or_ps,
        _mm_shuffle_ps, _mm_storeu_ps, _mm_unpackhi_ps, _mm_unpacklo_ps,
    };

    /// Values at even and odd places of eight.
    #[inline]
    fn pairs(row: &[f32]) -> (__m128, __m128) {
        let row: &[f32; 8] = row[..8].try_into().expect("eight");
        // SAFETY: both loads lie inside the eight values; SSE is part of x86-64.
        unsafe {
            let (a, b) = (_mm_loadu_ps(row.as_ptr()), _mm_loadu_ps(row.as_ptr().add(4)));
            (_mm_shuffle_ps::<0b10_00_10_00>(a, b), _mm_shuffle_ps::<0b11_01_11_01>(a, b))
        }
    }

    #[inline]
    fn wins(b: __m128, a: __m128) -> __m128 {
        // SAFETY: SSE is part of x86-64.
        unsafe { _mm_or_ps(_mm_cmpgt_ps(b, a), _mm_cmpunord_ps(b, b)) }
    }

    #[inline]
    fn choose(b: __m128, a: __m128, mask: __m128) -> __m128 {
        // SAFETY: SSE is part of x86-64.
        unsafe { _mm_or_ps(_mm_and_ps(mask, b), _mm_andnot_ps(mask, a)) }
    }

    /// As many windows as fill vectors; returns how many.
    pub fn halve(upper: &[f32], lower: Option<&[f32]>, out: &mut [f32]) -> usize {
        let whole = upper.len() / 8 * 4;
        for x in (0..whole).step_by(4) {
            let (a, b) = pairs(&upper[2 * x..]);
            let mut most = choose(b, a, wins(b, a));
            if let Some(lower) = lower {
                let (c, d) = pairs(&lower[2 * x..]);
                most = choose(c, most, wins(c, most));
                most = choose(d, most, wins(d, most));
            }
            let out = &mut out[x..x + 4];
            // SAFETY: `out` holds four values; SSE is part of x86-64.
            unsafe { _mm_storeu_ps(out.as_mut_ptr(), most) };
        }
        whole
    }

    /// Adds to eight values, `even` and `odd` in turn.
    #[inline]
    fn add(out: &mut [f32], even: __m128, odd: __m128) {
        let out: &mut [f32; 8] = (&mut out[..8]).try_into().expect("eight");
        // SAFETY: both halves lie inside the eight values; SSE is part of x86-64.
        unsafe {
            let (low, high) = (out.as_mut_ptr(), out.as_mut_ptr().add(4));
            _mm_storeu_ps(low, _mm_add_ps(_mm_loadu_ps(low), _mm_unpacklo_ps(even, odd)));
            _mm_storeu_ps(high, _mm_add_ps(_mm_loadu_ps(high), _mm_unpackhi_ps(even, odd)));
        }
    }

    /// One or two rows of `width` values; as many windows as fill vectors, returns how many.
    pub fn backward(rows: &[f32], width: usize, gradient: &[f32], out: &mut [f32]) -> usize {
        let whole = width / 8 * 4;
        let (upper, lower) = rows.split_at(width);
        let (first, second) = out.split_at_mut(width);
        for x in (0..whole).step_by(4) {
            let four: &[f32; 4] = gradient[x..x + 4].try_into().expect("four");
            let (a, b) = pairs(&upper[2 * x..]);
            let right = wins(b, a);
            // SAFETY: the load covers `four`; SSE is part of x86-64.
            unsafe {
                let mut g = _mm_loadu_ps(four.as_ptr());
                if !lower.is_empty() {
                    let (c, d) = pairs(&lower[2 * x..]);
                    let most = choose(b, a, right);
                    let below = wins(c, most);
                    let corner = wins(d, choose(c, most, below));
                    let left = _mm_andnot_ps(corner, g);
                    add(&mut second[2 * x..], _mm_and_ps(below, left), _mm_and_ps(corner, g));
                    g = _mm_andnot_ps(below, left);
                }
                add(&mut first[2 * x..], _mm_andnot_ps(right, g), _mm_and_ps(right, g));
            }
        }
        whole
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod four {
    pub fn halve(_upper: &[f32], _lower: Option<&[f32]>, _out: &mut [f32]) -> usize {
        0
    }

    pub fn backward(_rows: &[f32], _width: usize, _gradient: &[f32], _out: &mut [f32]) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::{halve, halve_backward};

    /// PyTorch's loop.
    fn place(plane: &[f32], width: usize, y: usize, x: usize) -> usize {
        let (mut most, mut at) = (f32::NEG_INFINITY, 2 * y * width + 2 * x);
        for row in [2 * y, 2 * y + 1].into_iter().filter(|r| r * width < plane.len()) {
            for column in [2 * x, 2 * x + 1].into_iter().filter(|c| *c < width) {
                let v = plane[row * width + column];
                if v > most || v.is_nan() {
                    (most, at) = (v, row * width + column);
                }
            }
        }
        at
    }

    #[test]
    fn ties_go_to_the_first_and_numbers_lose_to_what_is_none() {
        let choice = [1.0, 2.0, 2.0, f32::NAN, -1.0, f32::NEG_INFINITY, f32::INFINITY];
        for (height, width) in [(1, 1), (1, 23), (2, 16), (3, 9), (5, 24), (4, 2)] {
            let plane: Vec<f32> = (0..height * width).map(|i| choice[(i * i + 3 * i / 7) % choice.len()]).collect();
            let (rows, columns) = (usize::div_ceil(height, 2), usize::div_ceil(width, 2));
            let gradient: Vec<f32> = (1..=rows * columns).map(|i| i as f32).collect();
            let (mut out, mut dx) = (vec![0.0; rows * columns], vec![0.5; height * width]);
            halve(&plane, width, &mut out);
            halve_backward(&plane, width, &gradient, &mut dx);
            let mut expected = vec![0.5; height * width];
            for at in 0..rows * columns {
                let from = place(&plane, width, at / columns, at % columns);
                assert!(out[at] == plane[from] || out[at].is_nan() && plane[from].is_nan());
                expected[from] += gradient[at];
            }
            assert_eq!(dx, expected, "{height}×{width}");
        }
    }
}
