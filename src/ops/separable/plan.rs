//! The sizes of one use of the operator, and moves between planes and panels that both passes share. Knows no arithmetic but ReLU.

use crate::ops::conv::Conv;
use crate::ops::conv::axes::{Axes, Axis, Block, Channels, Offsets, Order};
use crate::ops::conv::correlation::Correlation;
use crate::ops::conv::cpu;
use crate::ops::conv::memory::Places;
use crate::ops::conv::panels::{Onto, Window, gather, scatter};
use crate::ops::conv::sizes::Sizes;
use crate::ops::simd::{LANES, Routine, Vector, dispatch};

/// Channels of the input, of the depthwise result and of the output, and how the first is read.
#[derive(Debug)]
pub struct Plan {
    pub sizes: Sizes,
    pub input: Channels,
    pub middle: Channels,
    pub output: Channels,
}

impl Plan {
    pub fn new(conv: Conv, x: &[usize], kernel: [usize; 2], outputs: usize) -> Plan {
        let sizes = conv.sizes(x, &[x[1], 1, kernel[0], kernel[1]]);
        let of = |count: usize, plane: [usize; 2]| Channels { channels: count, first: 0, count, plane };
        let (input, middle, output) = (of(x[1], sizes.plane), of(x[1], sizes.out), of(outputs, sizes.out));
        Plan { sizes, input, middle, output }
    }

    /// Dimensions of the output.
    pub fn output(&self) -> [usize; 4] {
        let [height, width] = self.sizes.out;
        [self.sizes.images, self.output.count, height, width]
    }

    pub fn axes(&self, axis: fn(usize, usize, usize, usize) -> Axis) -> Axes {
        cpu::axes(&self.sizes, axis)
    }

    /// The 1×1 convolution of panels, weights (O,C,1,1): from middle to output, or back.
    pub fn mix<'a>(&self, weights: &'a [f32], back: bool) -> Correlation<'a> {
        let order = Order { first: 0, target_step: self.middle.count, source_step: 1 };
        let (source, target, order) =
            if back { (self.output, self.middle, order.reversed()) } else { (self.middle, self.output, order) };
        let axis = || Axis::forward(1, 1, 1, 0);
        let axes = Axes { axes: [axis(), axis()], kernel_width: 1 };
        Correlation { images: self.sizes.images, source, target, axes, weights, order, bias: None }
    }
}

/// Offsets of a convolution of one tap over so many positions that lie side by side.
pub fn side_by_side(positions: usize) -> Offsets {
    let at: Vec<usize> = (0..positions).map(|i| i * LANES).collect();
    Offsets { x_at: at.clone(), taps: vec![0], y_at: at }
}

/// A panel of the rectified input.
pub fn rectified(channels: &Channels, x: &[f32], image: usize, panel: usize, window: Window, to: &mut [f32]) {
    gather(&x[channels.at(image, panel)..], channels.plane, channels.of_panel(panel), window, to);
    dispatch(Rectify(&mut to[..window.rows * window.columns * LANES]));
}

/// Writes a panel's block to its planes.
///
/// # Safety
///
/// No other task uses this block of these planes meanwhile.
pub unsafe fn put(
    channels: &Channels,
    image: usize,
    panel: usize,
    block: &Block,
    values: &[f32],
    out: Places<'_>,
    onto: Onto<'_>,
) {
    // whole rows follow each other in the plane
    let lines = if block[1].len() == channels.plane[1] { 1 } else { block[0].len() };
    let len = block[0].len() * block[1].len() / lines;
    for (line, values) in values.chunks_exact(len * LANES).take(lines).enumerate() {
        let at = channels.at(image, panel) + (block[0].start + line) * channels.plane[1] + block[1].start;
        // SAFETY: as the caller promises.
        unsafe { scatter(values, len, channels.of_panel(panel), out, at, channels.area(), onto) };
    }
}

struct Rectify<'a>(&'a mut [f32]);

impl Routine for Rectify<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for values in self.0.as_chunks_mut::<LANES>().0 {
            // SAFETY: eight values; zero comes first, so that NaN comes through.
            unsafe { V::splat(0.0).max(V::load(values.as_ptr())).store(values.as_mut_ptr()) };
        }
    }
}
