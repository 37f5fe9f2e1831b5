//! One vector of eight `f32`, or two that go the same way: one register where AVX-512 is, two elsewhere, with the same bits. Knows
//! no operator.

use crate::ops::simd::Vector;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512, _mm256_loadu_ps, _mm256_storeu_ps, _mm512_castps256_ps512, _mm512_castps512_ps256, _mm512_extractf32x8_ps,
    _mm512_fmadd_ps, _mm512_insertf32x8, _mm512_set1_ps,
};

/// # Safety
///
/// All methods: as those of `Vector`, for each vector.
#[allow(clippy::missing_safety_doc)] // one section for all methods, above
pub trait Lanes: Copy {
    const VECTORS: usize;

    /// The second vector, if there is one, lies `pitch` values further.
    unsafe fn load(from: *const f32, pitch: usize) -> Self;
    unsafe fn store(self, to: *mut f32, pitch: usize);
    unsafe fn splat(value: f32) -> Self;
    /// self·b + c, rounded once.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
}

#[derive(Clone, Copy)]
pub struct One<V>(V);

impl<V: Vector> Lanes for One<V> {
    const VECTORS: usize = 1;

    #[inline(always)]
    unsafe fn load(from: *const f32, _pitch: usize) -> Self {
        unsafe { One(V::load(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, _pitch: usize) {
        unsafe { self.0.store(to) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { One(V::splat(value)) }
    }

    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        unsafe { One(self.0.fma(b.0, c.0)) }
    }
}

#[derive(Clone, Copy)]
pub struct Halves<V>(V, V);

impl<V: Vector> Lanes for Halves<V> {
    const VECTORS: usize = 2;

    #[inline(always)]
    unsafe fn load(from: *const f32, pitch: usize) -> Self {
        unsafe { Halves(V::load(from), V::load(from.add(pitch))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, pitch: usize) {
        unsafe {
            self.0.store(to);
            self.1.store(to.add(pitch));
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { Halves(V::splat(value), V::splat(value)) }
    }

    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        unsafe { Halves(self.0.fma(b.0, c.0), self.1.fma(b.1, c.1)) }
    }
}

/// Needs AVX-512 F and DQ.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub struct Sixteen(__m512);

#[cfg(target_arch = "x86_64")]
impl Lanes for Sixteen {
    const VECTORS: usize = 2;

    #[inline(always)]
    unsafe fn load(from: *const f32, pitch: usize) -> Self {
        unsafe {
            let low = _mm512_castps256_ps512(_mm256_loadu_ps(from));
            Sixteen(_mm512_insertf32x8::<1>(low, _mm256_loadu_ps(from.add(pitch))))
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, pitch: usize) {
        unsafe {
            _mm256_storeu_ps(to, _mm512_castps512_ps256(self.0));
            _mm256_storeu_ps(to.add(pitch), _mm512_extractf32x8_ps::<1>(self.0));
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { Sixteen(_mm512_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        unsafe { Sixteen(_mm512_fmadd_ps(self.0, b.0, c.0)) }
    }
}
