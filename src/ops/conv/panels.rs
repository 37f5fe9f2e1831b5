//! Planes to panels and back. A panel holds eight channels side by side: value `i` of channel `l` lies at `8·i + l`, so that a
//! vector is one pixel of eight channels. Only moves values (and adds where asked); knows no kernel.

use crate::ops::conv::memory::Places;
use crate::ops::simd::LANES;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, _mm256_add_ps, _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_setzero_ps, _mm256_shuffle_ps,
    _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
};

/// Part of a plane, or more than it: what lies outside of the plane is 0.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub row: isize,
    pub column: isize,
    pub rows: usize,
    pub columns: usize,
}

/// Fills a panel (window rows × window columns × 8) from up to eight `planes` of `size`, one after the other in `from`;
/// channels without a plane are 0.
pub fn gather(from: &[f32], size: [usize; 2], planes: usize, window: Window, panel: &mut [f32]) {
    let [height, width] = size;
    assert!(planes <= LANES && from.len() >= planes * height * width);
    let line = window.columns * LANES;
    // columns of the window before and up to the end of the plane
    let before = (-window.column).clamp(0, window.columns as isize) as usize;
    let end = (width as isize - window.column).clamp(before as isize, window.columns as isize) as usize;
    let first = (window.column + before as isize) as usize;
    if line == 0 {
        return;
    }
    let whole = (0..height as isize).contains(&window.row) && window.row as usize + window.rows <= height;
    if whole && before == 0 && window.column == 0 && window.columns == width {
        // whole rows follow each other in the plane
        return interleave(
            &from[window.row as usize * width..],
            height * width,
            planes,
            &mut panel[..window.rows * line],
        );
    }
    for (row, panel) in panel.chunks_exact_mut(line).take(window.rows).enumerate() {
        let y = window.row + row as isize;
        if y < 0 || y >= height as isize || before == end {
            panel.fill(0.0);
            continue;
        }
        panel[..before * LANES].fill(0.0);
        panel[end * LANES..].fill(0.0);
        let from = &from[y as usize * width + first..];
        interleave(from, height * width, planes, &mut panel[before * LANES..end * LANES]);
    }
}

/// `to[8·i + l] = from[l·pitch + i]`, or 0 where `l` is not among the planes.
fn interleave(from: &[f32], pitch: usize, planes: usize, to: &mut [f32]) {
    let len = to.len() / LANES;
    if len == 0 {
        return;
    }
    assert!(planes == 0 || from.len() >= (planes - 1) * pitch + len);
    #[cfg(target_arch = "x86_64")]
    if len >= LANES && is_x86_feature_detected!("avx") {
        // SAFETY: the feature was just found; lengths were asserted above.
        return unsafe { interleave_avx(from.as_ptr(), pitch, planes, len, to.as_mut_ptr()) };
    }
    for (i, to) in to.chunks_exact_mut(LANES).enumerate() {
        for (l, to) in to.iter_mut().enumerate() {
            *to = if l < planes { from[l * pitch + i] } else { 0.0 };
        }
    }
}

/// What becomes of the values that are there.
#[derive(Clone, Copy, Debug)]
pub enum Onto<'a> {
    Replace,
    Add,
    /// Replaced by the sum with these, which lie as the output does.
    Plus(&'a [f32]),
}

/// Writes a panel of `len` pixels to `planes` of the output: value `i` of channel `l` to `at + l·pitch + i`.
///
/// # Safety
///
/// Nothing else uses these values of the output meanwhile.
pub unsafe fn scatter(
    panel: &[f32],
    len: usize,
    planes: usize,
    to: Places<'_>,
    at: usize,
    pitch: usize,
    onto: Onto<'_>,
) {
    assert!(planes <= LANES && panel.len() >= len * LANES);
    if planes == 0 || len == 0 {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if len >= LANES && is_x86_feature_detected!("avx") {
        // SAFETY: alone there, as the caller promises.
        let last = unsafe { to.slice(at..at + (planes - 1) * pitch + len) };
        let extra = match onto {
            Onto::Replace => std::ptr::null(),
            Onto::Add => last.as_ptr(),
            Onto::Plus(values) => values[at..at + (planes - 1) * pitch + len].as_ptr(),
        };
        // SAFETY: the feature was just found; all lengths were checked by the slices above.
        return unsafe { separate_avx(panel.as_ptr(), len, planes, last.as_mut_ptr(), pitch, extra) };
    }
    for l in 0..planes {
        let start = at + l * pitch;
        // SAFETY: as the caller promises.
        let row = unsafe { to.slice(start..start + len) };
        for (i, to) in row.iter_mut().enumerate() {
            let value = panel[i * LANES + l];
            *to = match onto {
                Onto::Replace => value,
                Onto::Add => *to + value,
                Onto::Plus(values) => values[start + i] + value,
            };
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn interleave_avx(from: *const f32, pitch: usize, planes: usize, len: usize, to: *mut f32) {
    let block = |i: usize| {
        let mut rows = [_mm256_setzero_ps(); LANES];
        for (l, row) in rows.iter_mut().enumerate().take(planes) {
            // SAFETY: the caller asserted planes of `len` values; i + 8 <= len.
            *row = unsafe { _mm256_loadu_ps(from.add(l * pitch + i)) };
        }
        for (k, column) in transposed(rows).into_iter().enumerate() {
            // SAFETY: `to` holds 8·len values.
            unsafe { _mm256_storeu_ps(to.add((i + k) * LANES), column) };
        }
    };
    for i in (0..len - LANES + 1).step_by(LANES) {
        block(i);
    }
    if !len.is_multiple_of(LANES) {
        block(len - LANES); // some of it for the second time
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn separate_avx(from: *const f32, len: usize, planes: usize, to: *mut f32, pitch: usize, extra: *const f32) {
    let whole = len / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        // SAFETY: `from` holds 8·len values.
        let columns = std::array::from_fn(|k| unsafe { _mm256_loadu_ps(from.add((i + k) * LANES)) });
        for (l, row) in transposed(columns).into_iter().enumerate().take(planes) {
            let at = l * pitch + i;
            // SAFETY: the caller checked planes of `len` values in `to`, and in `extra` if there is one.
            unsafe {
                let row = if extra.is_null() { row } else { _mm256_add_ps(_mm256_loadu_ps(extra.add(at)), row) };
                _mm256_storeu_ps(to.add(at), row);
            }
        }
    }
    for l in 0..planes {
        for i in whole..len {
            let at = l * pitch + i;
            // SAFETY: as above.
            unsafe {
                let value = *from.add(i * LANES + l);
                *to.add(at) = if extra.is_null() { value } else { *extra.add(at) + value };
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
fn transposed(r: [__m256; LANES]) -> [__m256; LANES] {
    let pair = |a, b| (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    let ((a0, a1), (a2, a3)) = (pair(r[0], r[1]), pair(r[2], r[3]));
    let ((a4, a5), (a6, a7)) = (pair(r[4], r[5]), pair(r[6], r[7]));
    let quad = |a, b| (_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xEE>(a, b));
    let ((b0, b1), (b2, b3)) = (quad(a0, a2), quad(a1, a3));
    let ((b4, b5), (b6, b7)) = (quad(a4, a6), quad(a5, a7));
    let low = |a, b| _mm256_permute2f128_ps::<0x20>(a, b);
    let high = |a, b| _mm256_permute2f128_ps::<0x31>(a, b);
    [low(b0, b4), low(b1, b5), low(b2, b6), low(b3, b7), high(b0, b4), high(b1, b5), high(b2, b6), high(b3, b7)]
}

#[cfg(test)]
mod tests {
    use super::{Onto, Window, gather, scatter};
    use crate::ops::conv::memory::Places;

    #[test]
    fn panels_hold_windows_and_go_back() {
        for (planes, height, width) in [(8, 3, 21), (5, 2, 8), (3, 4, 5), (1, 1, 9)] {
            let area = height * width;
            let values: Vec<f32> = (0..planes * area).map(|i| i as f32 + 1.0).collect();
            for (row, column, rows, columns) in [(0, 0, height, width), (-1, -2, height + 3, width + 5), (1, 3, 1, 2)] {
                let mut panel = vec![f32::NAN; rows * columns * 8];
                gather(&values, [height, width], planes, Window { row, column, rows, columns }, &mut panel);
                for (i, value) in panel.iter().enumerate() {
                    let (y, x, l) = (row + (i / 8 / columns) as isize, column + (i / 8 % columns) as isize, i % 8);
                    let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x) && l < planes;
                    let expected = if inside { values[l * area + y as usize * width + x as usize] } else { 0.0 };
                    assert_eq!(*value, expected, "{planes} planes {height}x{width}, window {row},{column}, value {i}");
                }
            }
            let mut panel = vec![0.0; area * 8];
            let window = Window { row: 0, column: 0, rows: height, columns: width };
            gather(&values, [height, width], planes, window, &mut panel);
            let mut back = vec![0.5; values.len()];
            let doubled: Vec<f32> = values.iter().map(|v| 2.0 * v).collect();
            for (onto, factor, more) in
                [(Onto::Add, 1.0, 0.5), (Onto::Replace, 1.0, 0.0), (Onto::Plus(&values), 2.0, 0.0)]
            {
                // SAFETY: nothing else uses `back`.
                unsafe { scatter(&panel, area, planes, Places::new(&mut back), 0, area, onto) };
                let expected: Vec<f32> = values.iter().map(|v| factor * v + more).collect();
                assert_eq!(back, expected);
            }
            assert_eq!(back, doubled);
        }
    }
}
