//! Working memory that is used again: a fresh page costs more to get than to fill. Knows no operator.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

static SPARE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// Arrays kept at most; more are dropped.
const KEPT: usize = 256;

/// An array that returns to the store when it is dropped.
#[derive(Debug)]
pub struct Spare(Vec<f32>);

/// So many values, whatever they are.
pub fn any(length: usize) -> Spare {
    Spare(take(length))
}

/// The same, for good.
pub fn take(length: usize) -> Vec<f32> {
    let mut spare = SPARE.lock().expect("no panic while locked");
    let fits = |v: &&(usize, usize)| v.1 >= length;
    let best = spare.iter().map(Vec::capacity).enumerate().collect::<Vec<_>>();
    let best = best.iter().filter(fits).min_by_key(|v| v.1).map(|v| v.0);
    // one that is far too large is left for those that need it
    let found = best.filter(|i| spare[*i].capacity() <= 2 * length + 4096).map(|i| spare.swap_remove(i));
    drop(spare);
    let mut values = found.unwrap_or_else(|| Vec::with_capacity(length));
    values.resize(length, 0.0);
    values
}

/// Keeps an array for later.
pub fn keep(values: Vec<f32>) {
    let mut spare = SPARE.lock().expect("no panic while locked");
    if spare.len() < KEPT && values.capacity() > 0 {
        spare.push(values);
    }
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
