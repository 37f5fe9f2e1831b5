//! Maxima of windows in f32: eight windows of a row side by side, over a copy of the plane that is padded and split by
//! column modulo the stride, so that neighbours of a vector are neighbours in memory at any stride.

use crate::ops::max_pool::{MaxPool, Sizes};
use crate::ops::operator::Sink;
use crate::ops::simd::{LANES, Routine, Vector, dispatch};
use crate::ops::window::{Window, planes_per_task};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};

pub fn forward(op: &MaxPool, sizes: Sizes, x: &[f32], out: &mut [f32], places: &mut [u32]) {
    let Sizes { input: [height, width], output: [rows, columns] } = sizes;
    let (plane, pooled) = (height * width, rows * columns);
    let per_task = planes_per_task(plane);
    let layout = Layout::new(&op.window, sizes);
    let tasks = x
        .par_chunks(per_task * plane)
        .zip(out.par_chunks_mut(per_task * pooled).zip(places.par_chunks_mut(per_task * pooled)));
    tasks.for_each(|(x, (out, places))| dispatch(Forward { layout: &layout, x, out, places }));
}

pub fn backward(op: &MaxPool, sizes: Sizes, places: &[u32], gradient: &[f32], dx: &mut Sink<'_, f32>) {
    let Sizes { input: [height, width], output: [rows, columns] } = sizes;
    let Window { kernel, stride, padding, .. } = op.window;
    let (plane, pooled, add) = (height * width, rows * columns, dx.add);
    let per_task = planes_per_task(plane);
    let taps: Vec<usize> = (0..kernel[0] * kernel[1]).map(|tap| tap / kernel[1] * width + tap % kernel[1]).collect();
    // the place of a window's first value in a plane; in the padding it wraps, and a tap leads back
    let corner = padding[0] * width + padding[1];
    let tasks = dx
        .values
        .par_chunks_mut(per_task * plane)
        .zip(gradient.par_chunks(per_task * pooled).zip(places.par_chunks(per_task * pooled)));
    tasks.for_each(|(dx, (g, places))| {
        if !add {
            dx.fill(0.0);
        }
        let planes = dx.chunks_exact_mut(plane).zip(g.chunks_exact(pooled).zip(places.chunks_exact(pooled)));
        for (dx, (g, places)) in planes {
            for (row, (g, places)) in g.chunks_exact(columns).zip(places.chunks_exact(columns)).enumerate() {
                let mut first = (row * stride[0] * width).wrapping_sub(corner);
                for (g, place) in g.iter().zip(places) {
                    dx[first.wrapping_add(taps[*place as usize])] += *g;
                    first = first.wrapping_add(stride[1]);
                }
            }
        }
    });
}

/// How a padded plane lies in scratch: rows, in each of them the columns by remainder and then by quotient of the stride.
struct Layout {
    window: Window,
    sizes: Sizes,
    /// Length of one remainder's columns, with room for a last vector that is not full.
    phase: usize,
    /// Length of a row.
    row: usize,
    /// From the rows of one window to those of the window below.
    down: usize,
    /// Rows in all.
    rows: usize,
    /// From a window's place in a row of the output to each of its values.
    taps: Vec<usize>,
}

impl Layout {
    fn new(window: &Window, sizes: Sizes) -> Layout {
        let (Window { kernel, stride, .. }, [rows, columns]) = (*window, sizes.output);
        let phase = (kernel[1] - 1) / stride[1] + columns.next_multiple_of(LANES);
        let row = phase * stride[1];
        let column = |dx: usize| dx % stride[1] * phase + dx / stride[1];
        let taps = (0..kernel[0]).flat_map(|dy| (0..kernel[1]).map(move |dx| dy * row + column(dx))).collect();
        let down = stride[0] * row;
        Layout { window: *window, sizes, phase, row, down, rows: (rows - 1) * stride[0] + kernel[0], taps }
    }

    fn len(&self) -> usize {
        self.rows * self.row
    }

    /// Rows of the plane that some window reaches, each with the start of its row in scratch.
    #[inline(always)]
    fn rows_inside(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (padding, row) = (self.window.padding[0], self.row);
        (0..self.sizes.input[0].min(self.rows - padding)).map(move |y| (y, (y + padding) * row))
    }

    /// Columns of the plane that some window reaches.
    #[inline(always)]
    fn columns(&self) -> usize {
        let last = (self.sizes.output[1] - 1) * self.window.stride[1] + self.window.kernel[1];
        self.sizes.input[1].min(last - self.window.padding[1])
    }

    /// Copies a plane; what lies in the padding is left as it is.
    #[inline(always)]
    fn pack(&self, plane: &[f32], scratch: &mut [f32]) {
        let (stride, padding, width) = (self.window.stride[1], self.window.padding[1], self.sizes.input[1]);
        for (y, start) in self.rows_inside() {
            let from = &plane[y * width..y * width + self.columns()];
            if stride == 1 {
                scratch[start + padding..start + padding + from.len()].copy_from_slice(from);
                continue;
            }
            for remainder in 0..stride {
                // the first column of the plane with this remainder when padded
                let first = (remainder + stride - padding % stride) % stride;
                let to = &mut scratch[start + remainder * self.phase + (first + padding) / stride..];
                for (to, from) in to.iter_mut().zip(from.iter().skip(first).step_by(stride)) {
                    *to = *from;
                }
            }
        }
    }
}

struct Forward<'a> {
    layout: &'a Layout,
    x: &'a [f32],
    out: &'a mut [f32],
    places: &'a mut [u32],
}

impl Routine for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Forward { layout, x, out, places } = self;
        let Sizes { input: [height, width], output: [rows, columns] } = layout.sizes;
        let mut scratch = vec![f32::NEG_INFINITY; layout.len()];
        let planes = x.chunks_exact(height * width);
        let pooled = out.chunks_exact_mut(rows * columns).zip(places.chunks_exact_mut(rows * columns));
        for (x, (out, places)) in planes.zip(pooled) {
            if unsafe { !finite::<V>(x) } {
                plain(layout, x, out, places);
                continue;
            }
            layout.pack(x, &mut scratch);
            let lines = out.chunks_exact_mut(columns).zip(places.chunks_exact_mut(columns));
            for (row, (out, places)) in lines.enumerate() {
                let line = &scratch[row * layout.down..];
                // SAFETY: the caller has V's instructions.
                unsafe {
                    match <&[usize; 9]>::try_from(layout.taps.as_slice()) {
                        Ok(taps) => maxima::<V>(line, taps, out, places),
                        Err(_) => maxima::<V>(line, &layout.taps, out, places),
                    }
                }
            }
        }
    }
}

/// One row of the output. Numbers of taps travel as bit patterns of floats, on which no arithmetic is done.
#[inline(always)]
unsafe fn maxima<V: Vector>(line: &[f32], taps: &[usize], out: &mut [f32], places: &mut [u32]) {
    let (columns, reach) = (out.len(), taps.iter().max().expect("a window has values"));
    assert!(columns.next_multiple_of(LANES) + reach <= line.len() && places.len() == columns, "room for whole vectors");
    for start in (0..columns).step_by(LANES) {
        // SAFETY: loads end at the last whole vector plus the farthest tap, inside `line` as asserted; stores go to whole
        // vectors of the outputs, or to arrays of one vector; the caller has V's instructions.
        unsafe {
            let from = line.as_ptr().add(start);
            let (mut largest, mut place) = (V::load(from.add(taps[0])), V::splat(0.0));
            for (number, tap) in taps.iter().enumerate().skip(1) {
                let value = V::load(from.add(*tap));
                let more = value.gt(largest);
                largest = value.select(largest, more);
                place = V::splat(f32::from_bits(number as u32)).select(place, more);
            }
            if start + LANES <= columns {
                largest.store(out.as_mut_ptr().add(start));
                place.store(places.as_mut_ptr().add(start).cast());
            } else {
                let (mut values, mut numbers) = ([0f32; LANES], [0f32; LANES]);
                largest.store(values.as_mut_ptr());
                place.store(numbers.as_mut_ptr());
                for (lane, at) in (start..columns).enumerate() {
                    (out[at], places[at]) = (values[lane], numbers[lane].to_bits());
                }
            }
        }
    }
}

/// No value is infinite or not a number.
#[inline(always)]
unsafe fn finite<V: Vector>(x: &[f32]) -> bool {
    let (vectors, tail) = x.as_chunks::<LANES>();
    // SAFETY: whole vectors of a slice are read; the caller has V's instructions.
    let sum = unsafe {
        let (zero, mut sum) = (V::splat(0.0), V::splat(0.0));
        for values in vectors {
            sum = V::load(values.as_ptr()).fma(zero, sum);
        }
        sum.sum()
    };
    tail.iter().fold(sum, |sum, v| sum + v * 0.0) == 0.0
}

/// One plane with infinite values or NaN: padding must not win over −∞, and NaN wins over all.
fn plain(layout: &Layout, x: &[f32], out: &mut [f32], places: &mut [u32]) {
    let (window, Sizes { input: [height, width], output: [_, columns] }) = (&layout.window, layout.sizes);
    for (at, (out, place)) in out.iter_mut().zip(places).enumerate() {
        let (row, column) = (at / columns, at % columns);
        let ((top, bottom), (left, right)) = (window.range(0, row, height), window.range(1, column, width));
        let number = |y: usize, x: usize| {
            let [dy, dx] =
                [0, 1].map(|axis| [y, x][axis] + window.padding[axis] - [row, column][axis] * window.stride[axis]);
            (dy * window.kernel[1] + dx) as u32
        };
        (*out, *place) = (f32::NEG_INFINITY, number(top, left));
        for y in top..bottom {
            for column in left..right {
                let value = x[y * width + column];
                if value > *out || value.is_nan() {
                    (*out, *place) = (value, number(y, column));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Forward, Layout};
    use crate::ops::max_pool::MaxPool;
    use crate::ops::simd::{Plain, Routine, dispatch};
    use crate::ops::window::Window;

    #[test]
    fn plain_rust_gives_the_bits_of_vectors() {
        // few different values, so that ties abound
        let x: Vec<f32> = (0..2 * 9 * 21_u32).map(|i| (i.wrapping_mul(2_654_435_769) >> 29) as f32).collect();
        for window in [Window::square(3, 1, 1), Window::square(3, 2, 1), Window::square(2, 2, 0)] {
            let sizes = MaxPool { window }.sizes(&[2, 1, 9, 21]);
            let layout = Layout::new(&window, sizes);
            let both = |plain: bool| {
                let size = 2 * sizes.output[0] * sizes.output[1];
                let (mut out, mut places) = (vec![f32::NAN; size], vec![u32::MAX; size]);
                let work = Forward { layout: &layout, x: &x, out: &mut out, places: &mut places };
                // SAFETY: plain Rust needs no instructions.
                if plain {
                    unsafe { work.run::<Plain>() }
                } else {
                    dispatch(work)
                }
                (out.iter().map(|v| v.to_bits()).collect::<Vec<u32>>(), places)
            };
            assert_eq!(both(true), both(false));
        }
    }
}
