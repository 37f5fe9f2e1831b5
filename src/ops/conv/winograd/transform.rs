//! The four linear maps of F(4,3) along one axis, and along both axes of a tile. Knows no planes.
//!
//! The points are 0, ±3/4, ±3/2 and infinity. With the textbook's 0, ±1, ±2 sums over 256 channels are off by 3.3e-6 of their
//! root mean square, with these by 1.5e-6; direct summation in the same order is off by 0.9e-6. All their powers are exact.

use crate::ops::conv::memory::Places;
use crate::ops::simd::{LANES, Routine, Vector};

/// Outputs of a tile along one axis, and values that it reads.
pub const OUT: usize = 4;
pub const IN: usize = 6;
/// Parts of a transformed tile.
pub const PARTS: usize = IN * IN;

const A: f32 = 0.75;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;
/// Denominators of Lagrange's polynomials at 0, ±a, ±b: the product of the distances to the other points.
const AT_0: f32 = 1.0 / (A2 * B2);
const AT_A: f32 = 1.0 / (2.0 * A2 * (A2 - B2));
const AT_B: f32 = 1.0 / (2.0 * B2 * (B2 - A2));

/// # Safety
///
/// This and all below: the CPU must have the instructions of `V`.
#[inline(always)]
unsafe fn times<V: Vector>(x: V, factor: f32) -> V {
    unsafe { x.mul(V::splat(factor)) }
}

/// x·factor + y
#[inline(always)]
unsafe fn plus<V: Vector>(y: V, x: V, factor: f32) -> V {
    unsafe { x.fma(V::splat(factor), y) }
}

/// Six values to their six products' first factors.
#[inline(always)]
unsafe fn input<V: Vector>(x: [V; IN]) -> [V; IN] {
    unsafe {
        let (even_a, odd_a) = (plus(x[4], x[2], -B2), plus(x[3], x[1], -B2));
        let (even_b, odd_b) = (plus(x[4], x[2], -A2), plus(x[3], x[1], -A2));
        [
            plus(plus(x[4], x[2], -(A2 + B2)), x[0], A2 * B2),
            plus(even_a, odd_a, A),
            plus(even_a, odd_a, -A),
            plus(even_b, odd_b, B),
            plus(even_b, odd_b, -B),
            plus(plus(x[5], x[3], -(A2 + B2)), x[1], A2 * B2),
        ]
    }
}

/// Three weights to the second factors.
#[inline(always)]
unsafe fn kernel<V: Vector>(w: [V; 3]) -> [V; IN] {
    unsafe {
        let (even_a, odd_a) = (times(plus(w[0], w[2], A2), AT_A), times(w[1], A * AT_A));
        let (even_b, odd_b) = (times(plus(w[0], w[2], B2), AT_B), times(w[1], B * AT_B));
        [times(w[0], AT_0), even_a.add(odd_a), even_a.sub(odd_a), even_b.add(odd_b), even_b.sub(odd_b), w[2]]
    }
}

/// Six sums of products to four outputs.
#[inline(always)]
unsafe fn output<V: Vector>(m: [V; IN]) -> [V; OUT] {
    unsafe {
        let (even_a, odd_a) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (even_b, odd_b) = (m[3].add(m[4]), m[3].sub(m[4]));
        [
            m[0].add(even_a).add(even_b),
            plus(times(odd_a, A), odd_b, B),
            plus(times(even_a, A2), even_b, B2),
            plus(plus(m[5], odd_a, A * A2), odd_b, B * B2),
        ]
    }
}

/// Four gradients of outputs to gradients of the six sums: the adjoint of `output`.
#[inline(always)]
unsafe fn gradient<V: Vector>(g: [V; OUT]) -> [V; IN] {
    unsafe {
        let (even_a, odd_a) = (plus(g[0], g[2], A2), times(plus(g[1], g[3], A2), A));
        let (even_b, odd_b) = (plus(g[0], g[2], B2), times(plus(g[1], g[3], B2), B));
        [g[0], even_a.add(odd_a), even_a.sub(odd_a), even_b.add(odd_b), even_b.sub(odd_b), g[3]]
    }
}

/// Gradients of six second factors to gradients of three weights: the adjoint of `kernel`.
#[inline(always)]
unsafe fn kernel_gradient<V: Vector>(u: [V; IN]) -> [V; 3] {
    unsafe {
        let (even_a, odd_a) = (times(u[1].add(u[2]), AT_A), times(u[1].sub(u[2]), AT_A));
        let (even_b, odd_b) = (times(u[3].add(u[4]), AT_B), times(u[3].sub(u[4]), AT_B));
        [
            plus(even_a.add(even_b), u[0], AT_0),
            plus(times(odd_a, A), odd_b, B),
            plus(plus(u[5], even_a, A2), even_b, B2),
        ]
    }
}

/// `N` values of which the next lies `step` after the last.
#[inline(always)]
unsafe fn load<V: Vector, const N: usize>(from: *const f32, step: usize) -> [V; N] {
    // SAFETY: the caller vouches for these places.
    std::array::from_fn(|i| unsafe { V::load(from.add(i * step)) })
}

#[inline(always)]
unsafe fn store<V: Vector, const N: usize>(values: [V; N], to: *mut f32, step: usize) {
    for (i, value) in values.into_iter().enumerate() {
        // SAFETY: the caller vouches for these places.
        unsafe { value.store(to.add(i * step)) };
    }
}

/// Distance between the 36 parts of `len` values each, so that they begin in different sets of the first-level cache, to
/// which a tile writes them all.
pub fn distance(len: usize) -> usize {
    len.next_multiple_of(1024) + 2 * LANES
}

/// Where the parts of a panel's tiles go: part `i` of tile `k` to `at + i·part + 8·k`.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    pub to: Places<'a>,
    pub at: usize,
    pub part: usize,
    pub tiles: usize,
}

impl Parts<'_> {
    /// # Safety
    ///
    /// Nothing else uses these places meanwhile.
    #[inline(always)]
    unsafe fn start(&self) -> *mut f32 {
        assert!(self.at + (PARTS - 1) * self.part + self.tiles * LANES <= self.to.len());
        // SAFETY: inside, as asserted.
        unsafe { self.to.start().add(self.at) }
    }
}

/// Eight kernels of 3×3, side by side, to their parts.
pub struct Kernel<'a> {
    pub taps: &'a [f32; 9 * LANES],
    pub to: &'a mut [f32],
    pub part: usize,
}

impl Routine for Kernel<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        assert!(self.to.len() >= (PARTS - 1) * self.part + LANES);
        // SAFETY: nine taps are read; the last of the parts lies inside, as asserted.
        unsafe {
            let columns: [[V; IN]; 3] =
                std::array::from_fn(|j| kernel(load::<V, 3>(self.taps.as_ptr().add(j * LANES), 3 * LANES)));
            for i in 0..IN {
                let row = kernel([columns[0][i], columns[1][i], columns[2][i]]);
                store(row, self.to.as_mut_ptr().add(i * IN * self.part), self.part);
            }
        }
    }
}

/// The adjoint of `Kernel`: parts to the gradients of eight kernels.
pub struct KernelGradient<'a> {
    pub parts: &'a [f32],
    pub part: usize,
    pub taps: &'a mut [f32; 9 * LANES],
}

impl Routine for KernelGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        assert!(self.parts.len() >= (PARTS - 1) * self.part + LANES);
        // SAFETY: the last of the parts lies inside, as asserted; nine taps are written.
        unsafe {
            let rows: [[V; 3]; IN] = std::array::from_fn(|i| {
                kernel_gradient(load::<V, IN>(self.parts.as_ptr().add(i * IN * self.part), self.part))
            });
            for j in 0..3 {
                let column = kernel_gradient(std::array::from_fn(|i| rows[i][j]));
                store(column, self.taps.as_mut_ptr().add(j * LANES), 3 * LANES);
            }
        }
    }
}

/// A window of six rows to the parts of its tiles. `values` is overwritten.
pub struct Input<'a> {
    pub values: &'a mut [f32],
    /// Nothing else uses these places meanwhile.
    pub parts: Parts<'a>,
}

impl Routine for Input<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Parts { tiles, part, .. } = self.parts;
        let columns = tiles * OUT + IN - OUT;
        assert!(self.values.len() >= IN * columns * LANES);
        // SAFETY: six rows of columns lie inside, as asserted, and the parts as their start has checked.
        unsafe {
            let (values, to) = (self.values.as_mut_ptr(), self.parts.start());
            for column in 0..columns {
                let at = values.add(column * LANES);
                store(input(load::<V, IN>(at, columns * LANES)), at, columns * LANES);
            }
            for i in 0..IN {
                for tile in 0..tiles {
                    let parts = input(load::<V, IN>(values.add((i * columns + tile * OUT) * LANES), LANES));
                    store(parts, to.add(i * IN * part + tile * LANES), part);
                }
            }
        }
    }
}

/// Four rows of gradients to the parts of their tiles. `values` has space for six rows and is overwritten.
pub struct Gradient<'a> {
    pub values: &'a mut [f32],
    /// Nothing else uses these places meanwhile.
    pub parts: Parts<'a>,
}

impl Routine for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Parts { tiles, part, .. } = self.parts;
        let line = tiles * OUT * LANES;
        assert!(self.values.len() >= IN * line);
        // SAFETY: six rows lie inside, as asserted, and the parts as their start has checked.
        unsafe {
            let (values, to) = (self.values.as_mut_ptr(), self.parts.start());
            for column in 0..tiles * OUT {
                let at = values.add(column * LANES);
                store(gradient(load::<V, OUT>(at, line)), at, line);
            }
            for i in 0..IN {
                for tile in 0..tiles {
                    let parts = gradient(load::<V, OUT>(values.add(i * line + tile * OUT * LANES), LANES));
                    store(parts, to.add(i * IN * part + tile * LANES), part);
                }
            }
        }
    }
}

/// Parts of the tiles of a strip to four rows of outputs. `values` has space for six rows.
pub struct Output<'a> {
    pub m: &'a [f32],
    pub part: usize,
    pub tiles: usize,
    /// Eight values, one per channel, that are added to all outputs.
    pub start: &'a [f32],
    pub values: &'a mut [f32],
}

impl Routine for Output<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let line = self.tiles * OUT * LANES;
        assert!(self.m.len() >= (PARTS - 1) * self.part + self.tiles * LANES);
        assert!(self.values.len() >= IN * line && self.start.len() >= LANES);
        let (m, values) = (self.m.as_ptr(), self.values.as_mut_ptr());
        // SAFETY: all tiles of the last part and six lines of outputs lie inside, as asserted.
        unsafe {
            for i in 0..IN {
                for tile in 0..self.tiles {
                    let outputs = output(load::<V, IN>(m.add(i * IN * self.part + tile * LANES), self.part));
                    store(outputs, values.add(i * line + tile * OUT * LANES), LANES);
                }
            }
            let start = V::load(self.start.as_ptr());
            for column in 0..self.tiles * OUT {
                let at = values.add(column * LANES);
                let outputs = output(load::<V, IN>(at, line));
                store(outputs.map(|value| value.add(start)), at, line);
            }
        }
    }
}
