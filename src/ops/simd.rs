//! Eight `f32` side by side, and the choice of instructions at run time. Knows no operator.
//!
//! A routine is written once over `Vector` and runs as AVX2+FMA where the CPU has it, else as plain Rust with fused
//! multiply-add in software: slower by far, the same bits. Where AVX-512 is present the compiler gets its 32 registers, and two
//! vectors that go the same way share one register (`lanes`). Every sum stays in the lane that it has in eight, so that it keeps
//! its order and results keep their bits on every machine.

#[cfg(target_arch = "x86_64")]
use crate::ops::lanes::Sixteen;
use crate::ops::lanes::{Halves, Lanes};

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, _CMP_EQ_OQ, _CMP_GT_OQ, _CMP_UNORD_Q, _mm256_add_ps, _mm256_and_ps, _mm256_andnot_ps, _mm256_blendv_ps,
    _mm256_cmp_ps, _mm256_div_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_mul_ps, _mm256_set1_ps,
    _mm256_storeu_ps, _mm256_sub_ps,
};

/// Lanes of a `Vector`.
pub const LANES: usize = 8;

/// Eight `f32`. Masks are vectors too: all bits of a lane set, or none.
///
/// # Safety
///
/// All methods: the CPU must have the instructions of the implementation (`dispatch` sees to it), and pointers must be valid
/// for eight values; no alignment is needed.
#[allow(clippy::missing_safety_doc)] // one section for all methods, above
pub trait Vector: Copy {
    /// Two of these side by side.
    type Twin: Lanes;
    /// A twin is one register, and there are 32: inner loops over twins pay.
    const WIDE: bool;

    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(value: f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    /// self·b + c, rounded once.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    /// `if self > other { self } else { other }` in each lane, as the instruction has it: `other` where either is NaN.
    unsafe fn max(self, other: Self) -> Self;
    /// Mask of self > other; unset where either is NaN.
    unsafe fn gt(self, other: Self) -> Self;
    /// Mask of self = other; unset where either is NaN.
    unsafe fn eq(self, other: Self) -> Self;
    /// Mask of the lanes that are NaN.
    unsafe fn nan(self) -> Self;
    unsafe fn and(self, mask: Self) -> Self;
    /// The value where the mask is unset, else 0.
    unsafe fn and_not(self, mask: Self) -> Self;
    /// `if mask { self } else { other }` in each lane.
    unsafe fn select(self, other: Self, mask: Self) -> Self;
    /// Sum of the lanes, always in this order: ((0+4)+(2+6)) + ((1+5)+(3+7)).
    unsafe fn sum(self) -> f32;
}

/// One kind of eight lanes in a register of 256 bits.
#[cfg(target_arch = "x86_64")]
macro_rules! vector {
    ($name:ident, $twin:ty, $wide:literal) => {
        #[derive(Clone, Copy)]
        pub struct $name(__m256);

        impl Vector for $name {
            type Twin = $twin;
            const WIDE: bool = $wide;

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                unsafe { $name(_mm256_loadu_ps(from)) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                unsafe { _mm256_storeu_ps(to, self.0) }
            }

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                unsafe { $name(_mm256_set1_ps(value)) }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                unsafe { $name(_mm256_add_ps(self.0, other.0)) }
            }

            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                unsafe { $name(_mm256_sub_ps(self.0, other.0)) }
            }

            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                unsafe { $name(_mm256_mul_ps(self.0, other.0)) }
            }

            #[inline(always)]
            unsafe fn div(self, other: Self) -> Self {
                unsafe { $name(_mm256_div_ps(self.0, other.0)) }
            }

            #[inline(always)]
            unsafe fn fma(self, b: Self, c: Self) -> Self {
                unsafe { $name(_mm256_fmadd_ps(self.0, b.0, c.0)) }
            }

            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                unsafe { $name(_mm256_max_ps(self.0, other.0)) }
            }

            #[inline(always)]
            unsafe fn gt(self, other: Self) -> Self {
                unsafe { $name(_mm256_cmp_ps::<_CMP_GT_OQ>(self.0, other.0)) }
            }

            #[inline(always)]
            unsafe fn eq(self, other: Self) -> Self {
                unsafe { $name(_mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, other.0)) }
            }

            #[inline(always)]
            unsafe fn nan(self) -> Self {
                unsafe { $name(_mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0)) }
            }

            #[inline(always)]
            unsafe fn and(self, mask: Self) -> Self {
                unsafe { $name(_mm256_and_ps(self.0, mask.0)) }
            }

            #[inline(always)]
            unsafe fn and_not(self, mask: Self) -> Self {
                unsafe { $name(_mm256_andnot_ps(mask.0, self.0)) }
            }

            #[inline(always)]
            unsafe fn select(self, other: Self, mask: Self) -> Self {
                unsafe { $name(_mm256_blendv_ps(other.0, self.0, mask.0)) }
            }

            #[inline(always)]
            unsafe fn sum(self) -> f32 {
                let mut lanes = [0f32; LANES];
                unsafe { self.store(lanes.as_mut_ptr()) };
                fold(lanes)
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
vector!(Avx2, Halves<Avx2>, false);
#[cfg(target_arch = "x86_64")]
vector!(Avx512, Sixteen, true);

#[derive(Clone, Copy)]
pub struct Plain([f32; LANES]);

fn fold(v: [f32; LANES]) -> f32 {
    ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
}

impl Plain {
    fn zip(self, other: Plain, f: impl Fn(f32, f32) -> f32) -> Plain {
        Plain(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

fn mask(set: bool) -> f32 {
    f32::from_bits(if set { u32::MAX } else { 0 })
}

impl Vector for Plain {
    type Twin = Halves<Plain>;
    const WIDE: bool = false;

    unsafe fn load(from: *const f32) -> Self {
        Plain(std::array::from_fn(|i| unsafe { from.add(i).read_unaligned() }))
    }

    unsafe fn store(self, to: *mut f32) {
        for (i, value) in self.0.into_iter().enumerate() {
            unsafe { to.add(i).write_unaligned(value) };
        }
    }

    unsafe fn splat(value: f32) -> Self {
        Plain([value; LANES])
    }

    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    unsafe fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    unsafe fn fma(self, b: Self, c: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i].mul_add(b.0[i], c.0[i])))
    }

    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    unsafe fn gt(self, other: Self) -> Self {
        self.zip(other, |a, b| mask(a > b))
    }

    unsafe fn eq(self, other: Self) -> Self {
        self.zip(other, |a, b| mask(a == b))
    }

    unsafe fn nan(self) -> Self {
        self.zip(self, |a, _| mask(a.is_nan()))
    }

    unsafe fn and(self, mask: Self) -> Self {
        self.zip(mask, |a, m| f32::from_bits(a.to_bits() & m.to_bits()))
    }

    unsafe fn and_not(self, mask: Self) -> Self {
        self.zip(mask, |a, m| f32::from_bits(a.to_bits() & !m.to_bits()))
    }

    unsafe fn select(self, other: Self, mask: Self) -> Self {
        Plain(std::array::from_fn(|i| if mask.0[i].to_bits() >> 31 == 1 { self.0[i] } else { other.0[i] }))
    }

    unsafe fn sum(self) -> f32 {
        fold(self.0)
    }
}

/// A routine over vectors. `run` must be `#[inline(always)]`, and so must all that it calls with a `Vector`: only then does
/// the compiler use the instructions that `dispatch` found. A closure given to rayon is not inlined: dispatch inside of it.
pub trait Routine {
    type Output;

    /// # Safety
    ///
    /// The CPU must have the instructions of `V`; `dispatch` sees to it.
    unsafe fn run<V: Vector>(self) -> Self::Output;
}

/// Runs a routine with the best instructions of this CPU.
pub fn dispatch<R: Routine>(routine: R) -> R::Output {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the features were just found.
        return unsafe { if wide() { run_avx512(routine) } else { run_avx2(routine) } };
    }
    // SAFETY: plain Rust needs nothing.
    unsafe { routine.run::<Plain>() }
}

#[cfg(target_arch = "x86_64")]
fn wide() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("avx512dq")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<R: Routine>(routine: R) -> R::Output {
    unsafe { routine.run::<Avx2>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512dq")]
unsafe fn run_avx512<R: Routine>(routine: R) -> R::Output {
    unsafe { routine.run::<Avx512>() }
}

#[cfg(test)]
mod tests {
    use super::{LANES, Plain, Routine, Vector, dispatch};

    struct All<'a> {
        values: &'a [f32],
    }

    impl Routine for All<'_> {
        type Output = Vec<u32>;

        #[inline(always)]
        unsafe fn run<V: Vector>(self) -> Vec<u32> {
            let mut out = Vec::new();
            let mut put = |v: V| {
                let mut lanes = [0f32; LANES];
                unsafe { v.store(lanes.as_mut_ptr()) };
                out.extend(lanes.map(f32::to_bits));
            };
            unsafe {
                for a in self.values.windows(LANES) {
                    for b in self.values.windows(LANES) {
                        let (a, b) = (V::load(a.as_ptr()), V::load(b.as_ptr()));
                        for v in [a.add(b), a.sub(b), a.mul(b), a.fma(b, a), a.max(b)] {
                            // which NaN comes out is not promised
                            put(V::splat(-7.0).select(v, v.nan()));
                        }
                        for m in [a.gt(b), a.eq(b), a.nan()] {
                            for v in [m, a.and(m), a.and_not(m), a.select(b, m)] {
                                put(v);
                            }
                        }
                        let sum = a.sum();
                        put(V::splat(if sum.is_nan() { -7.0 } else { sum }));
                    }
                }
            }
            out
        }
    }

    #[test]
    fn both_instruction_sets_give_the_same_bits() {
        let special = [0.0, -0.0, 1.5, -2.25, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-40, 3.3, 1e30];
        let values: Vec<f32> = special.iter().chain(&special[..5]).copied().collect();
        let plain = unsafe { All { values: &values }.run::<Plain>() };
        assert_eq!(dispatch(All { values: &values }), plain);
    }
}
