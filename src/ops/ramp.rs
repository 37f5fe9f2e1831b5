//! A rate of dropout that changes while training. Knows no operator.

/// A rate that rises with the epochs, to `most` at the end: most·⌊step/steps⌋/epochs (drop-path of the DARTS networks, methods
/// spec §4.8). Past the end it goes on rising, as upstream's does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    pub most: f64,
    /// Optimiser steps of an epoch.
    pub steps: u64,
    pub epochs: u64,
}

/// Beyond it next to nothing would be left.
const HIGHEST: f64 = 0.999;

impl Ramp {
    pub fn at(&self, step: u64) -> f64 {
        let epoch = step / self.steps.max(1);
        (self.most * epoch as f64 / self.epochs.max(1) as f64).min(HIGHEST)
    }
}
