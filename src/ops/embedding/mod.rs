//! Rows of a table by number. Knows no network.

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use std::sync::Arc;

/// Table (V,D) to (number of ids, D). A row that is asked for more than once gets the sum of the gradients.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// Each below V.
    pub ids: Arc<Vec<u32>>,
}

impl Definition for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let &[&[rows, size]] = inputs else {
            return Err(format!("embedding: one table (V,D) was expected, found {inputs:?}"));
        };
        match self.ids.iter().find(|id| **id as usize >= rows) {
            Some(id) => Err(format!("embedding: numbers below {rows} were expected, found {id}")),
            None => Ok(vec![self.ids.len(), size]),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: false }
    }
}

impl<T: Real> Kernel<T> for Embedding {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let size = inputs[0].dims[1];
        for (at, id) in self.ids.iter().enumerate() {
            out[at * size..][..size].copy_from_slice(&inputs[0].values[*id as usize * size..][..size]);
        }
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        _output: &[T],
        _saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let Some(sink) = &mut sinks[0] else { return };
        let size = inputs[0].dims[1];
        sink.clear();
        for (at, id) in self.ids.iter().enumerate() {
            let to = &mut sink.values[*id as usize * size..][..size];
            to.iter_mut().zip(&gradient[at * size..][..size]).for_each(|(to, g)| *to += *g);
        }
    }
}
