//! Where each position of a resampled axis reads the old one. Knows no plane.

use crate::ops::operator::Real;
use crate::ops::upsample::Interpolation;

/// One new position: two old ones and their weights, which sum to 1.
#[derive(Clone, Copy, Debug)]
pub struct Place<T> {
    pub first: usize,
    pub second: usize,
    pub near: T,
    pub far: T,
}

impl<T: Real> Place<T> {
    /// The new value; the second is left out where it has no weight, as it may not be a number.
    #[inline(always)]
    pub fn mix(&self, first: T, second: T) -> T {
        if self.far == T::zero() { first } else { first * self.near + second * self.far }
    }
}

pub struct Axis<T> {
    pub places: Vec<Place<T>>,
}

impl<T: Real> Axis<T> {
    pub fn new(interpolation: Interpolation, old: usize, new: usize) -> Axis<T> {
        Axis { places: (0..new).map(|at| place(interpolation, old, new, at)).collect() }
    }

    pub fn at(&self, position: usize) -> Place<T> {
        self.places[position]
    }
}

/// `aten/src/ATen/native/UpSample.h` of PyTorch: `nearest_neighbor_compute_source_index` (in single precision, as it is there for
/// f32; rounding decides at few sizes) and `area_pixel_compute_source_index`.
fn place<T: Real>(interpolation: Interpolation, old: usize, new: usize, at: usize) -> Place<T> {
    let align_corners = match interpolation {
        Interpolation::Nearest => {
            let scale = old as f32 / new as f32;
            let first = ((at as f32 * scale) as usize).min(old - 1);
            return Place { first, second: first, near: T::one(), far: T::zero() };
        }
        Interpolation::Bilinear { align_corners } => align_corners,
    };
    let source = if align_corners {
        if new > 1 { at as f64 * ((old - 1) as f64 / (new - 1) as f64) } else { 0.0 }
    } else {
        ((at as f64 + 0.5) * (old as f64 / new as f64) - 0.5).max(0.0)
    };
    let first = (source as usize).min(old - 1);
    let far = (source - first as f64).clamp(0.0, 1.0);
    let second = (first + 1).min(old - 1);
    Place { first, second, near: T::of(1.0 - far), far: T::of(far) }
}
