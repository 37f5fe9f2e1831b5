//! Eight images side by side in the lanes of a vector, and apart again: pure movement of data. Knows no shape.

use crate::ops::simd::LANES;

/// `out[p·8 + lane] = sources[lane][p]`; lanes without a source become 0.
pub fn pack(sources: &[&[f32]], out: &mut [f32]) {
    let length = out.len() / LANES;
    assert!(sources.len() <= LANES && sources.iter().all(|s| s.len() == length), "up to eight sources of {length}");
    let mut start = 0;
    #[cfg(target_arch = "x86_64")]
    if sources.len() == LANES {
        start = length / 4 * 4;
        for p in (0..start).step_by(4) {
            for half in [0, 4] {
                let four = std::array::from_fn(|i| sources[half + i][p..p + 4].try_into().expect("four"));
                for (i, v) in transposed(four).into_iter().enumerate() {
                    out[(p + i) * LANES + half..][..4].copy_from_slice(&v);
                }
            }
        }
    }
    for (p, out) in out.chunks_exact_mut(LANES).enumerate().skip(start) {
        out.fill(0.0);
        for (out, source) in out.iter_mut().zip(sources) {
            *out = source[p];
        }
    }
}

/// `outs[lane][p] = packed[p·8 + lane]`, or added to what is there.
pub fn unpack(packed: &[f32], outs: &mut [&mut [f32]], add: bool) {
    let length = packed.len() / LANES;
    assert!(outs.len() <= LANES && outs.iter().all(|o| o.len() == length), "up to eight outputs of {length}");
    let mut start = 0;
    #[cfg(target_arch = "x86_64")]
    if outs.len() == LANES {
        start = length / 4 * 4;
        for p in (0..start).step_by(4) {
            for half in [0, 4] {
                let four = std::array::from_fn(|i| packed[(p + i) * LANES + half..][..4].try_into().expect("four"));
                for (i, v) in transposed(four).into_iter().enumerate() {
                    let out: &mut [f32; 4] = (&mut outs[half + i][p..p + 4]).try_into().expect("four");
                    *out = if add { std::array::from_fn(|j| out[j] + v[j]) } else { v };
                }
            }
        }
    }
    for (p, packed) in packed.chunks_exact(LANES).enumerate().skip(start) {
        for (out, value) in outs.iter_mut().zip(packed) {
            out[p] = if add { out[p] + value } else { *value };
        }
    }
}

/// A 4×4 matrix with rows and columns exchanged, by instructions that every x86-64 has.
#[cfg(target_arch = "x86_64")]
#[inline]
fn transposed(rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
    use std::arch::x86_64::{
        _mm_loadu_ps, _mm_movehl_ps, _mm_movelh_ps, _mm_storeu_ps, _mm_unpackhi_ps, _mm_unpacklo_ps,
    };
    let mut out = [[0f32; 4]; 4];
    // SAFETY: each load and store covers one array of four values; SSE is part of x86-64.
    unsafe {
        let r = rows.each_ref().map(|r| _mm_loadu_ps(r.as_ptr()));
        let (a, b) = (_mm_unpacklo_ps(r[0], r[1]), _mm_unpacklo_ps(r[2], r[3]));
        let (c, d) = (_mm_unpackhi_ps(r[0], r[1]), _mm_unpackhi_ps(r[2], r[3]));
        let columns = [_mm_movelh_ps(a, b), _mm_movehl_ps(b, a), _mm_movelh_ps(c, d), _mm_movehl_ps(d, c)];
        for (out, column) in out.iter_mut().zip(columns) {
            _mm_storeu_ps(out.as_mut_ptr(), column);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{pack, unpack};

    #[test]
    fn there_and_back_for_any_number_of_images() {
        for (lanes, length) in [(8, 13), (8, 8), (3, 6), (1, 1)] {
            let images: Vec<Vec<f32>> =
                (0..lanes).map(|i| (0..length).map(|p| (i * 100 + p) as f32).collect()).collect();
            let mut packed = vec![f32::NAN; length * 8];
            pack(&images.iter().map(Vec::as_slice).collect::<Vec<_>>(), &mut packed);
            for (at, v) in packed.iter().enumerate() {
                let expected = if at % 8 < lanes { (at % 8 * 100 + at / 8) as f32 } else { 0.0 };
                assert_eq!(*v, expected);
            }
            let mut back = vec![vec![1f32; length]; lanes];
            unpack(&packed, &mut back.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>(), true);
            for (b, i) in back.iter().flatten().zip(images.iter().flatten()) {
                assert_eq!(*b, i + 1.0);
            }
        }
    }
}
