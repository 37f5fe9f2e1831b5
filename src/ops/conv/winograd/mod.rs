//! Winograd's way to convolve with 3×3 at stride 1: tiles of 4×4 outputs from 36 products instead of 144 (Lavin and Gray,
//! "Fast Algorithms for Convolutional Neural Networks", 2016, F(4×4, 3×3)). Only lists its parts and says when it fits.
//!
//! Sums are as exact as direct ones for numbers of moderate size (see `transform`), but what is not finite spreads: an infinity
//! or NaN makes NaN of its whole tile, so of at least the outputs that read it.

pub mod planes;
mod transform;
pub mod weights;

use crate::ops::conv::sizes::Sizes;

/// Fewer channels than this on either side cost more in transforms than they save in products.
const CHANNELS: usize = 16;

/// Whether output and gradients of these sizes go this way.
pub fn fits(s: &Sizes) -> bool {
    let ones = s.stride == [1; 2] && s.dilation == [1; 2] && s.groups == 1;
    ones && s.kernel == [3; 2] && s.inputs.min(s.outputs) >= CHANNELS && s.out.iter().all(|n| *n >= 3)
}
