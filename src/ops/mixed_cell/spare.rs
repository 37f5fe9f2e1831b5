//! Working memory that goes back to the pool when it is dropped. Knows no operator.

use crate::ops::operator::Real;
use std::ops::{Deref, DerefMut};

/// An array that returns to the pool when it is dropped.
#[derive(Debug)]
pub struct Spare(Vec<f32>);

/// So many values, whatever they are.
pub fn any(length: usize) -> Spare {
    Spare(take(length))
}

/// The same, for good.
pub fn take(length: usize) -> Vec<f32> {
    f32::pool().take(length)
}

/// Keeps an array for later.
pub fn keep(values: Vec<f32>) {
    f32::pool().give(values);
}

impl Drop for Spare {
    fn drop(&mut self) {
        keep(std::mem::take(&mut self.0));
    }
}

impl Deref for Spare {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Spare {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}
