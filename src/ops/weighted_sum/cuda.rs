//! Sums whose weights are inputs on a device: `kernels/weighted_sum.cu`.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::{Planner, THREADS};
use crate::ops::launch::tile::SUM_WORDS;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin, parameters};
use crate::ops::weighted_sum::WeightedSum;

pub struct OnDevice<'a>(pub &'a WeightedSum);

/// Terms of a launch.
const TERMS: usize = 4;
/// Least values of a block's part of a sum, and blocks at most.
const LEAST: usize = 4096;
const MOST_BLOCKS: usize = 256;

impl OnDevice<'_> {
    /// Places of a launch's weights, from term `first` on; 0 for terms that are not there.
    fn places(&self, first: usize) -> [usize; TERMS] {
        std::array::from_fn(|i| self.0.weights.get(first + i).copied().unwrap_or(0))
    }
}

/// The term at `i`, where there is one: the array follows the last.
fn term<T>(all: &[T], i: usize) -> Option<&T> {
    all[..all.len() - 1].get(i)
}

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        let count = self.0.weights.len();
        for first in (0..count).step_by(TERMS) {
            let call = planner.each("weighted_sum_fwd_f32", output.length);
            let of = |i| term(inputs, i).map(Given::at);
            let call = (first..first + TERMS).fold(call, |call, i| call.read_if(of(i)));
            let call = call.read(inputs[count].at()).ints(self.places(first));
            call.sink(output, first > 0).int(output.length).run();
        }
        Kept::default()
    }

    fn backward(
        &self,
        planner: &mut Planner,
        inputs: &[Given<'_>],
        _left: Left<'_>,
        gradient: Span,
        sinks: &[Option<Target>],
    ) {
        let (count, n) = (self.0.weights.len(), gradient.length);
        let chunk = n.div_ceil(MOST_BLOCKS).max(LEAST).min(n);
        let (array, blocks) = (sinks[count], n.div_ceil(chunk));
        if let Some(Target { span, add: false }) = array {
            planner.each("fill_f32", span.length).write(span).float(0.0).int(span.length).run();
        }
        for first in (0..count).step_by(TERMS) {
            let of = |i| term(sinks, i).and_then(parameters);
            if array.is_none() && (first..first + TERMS).all(|i| of(i).is_none()) {
                continue;
            }
            let partials = array.map(|_| planner.take("partial sums", TERMS * blocks));
            let call = planner.call("weighted_sum_bwd_f32", [blocks, 1, 1], THREADS).read(gradient);
            let at = |i| term(inputs, i).map(Given::at);
            let call = (first..first + TERMS).fold(call, |call, i| call.read_if(at(i)));
            let call = call.read(inputs[count].at()).ints(self.places(first));
            let call = (first..first + TERMS).fold(call, |call, i| call.sink_if(of(i)));
            call.write_if(partials).ints([chunk, n]).shared(SUM_WORDS).run();
            if let (Some(partials), Some(Target { span, .. })) = (partials, array) {
                let places = &self.0.weights[first..count.min(first + TERMS)];
                let table = planner.table(places.iter().map(|at| *at as u32).collect());
                let call = planner.call("weighted_sum_totals_f32", [1, 1, 1], 32).read(partials).update(span);
                call.read(table).ints([places.len(), blocks]).run();
                planner.give(partials);
            }
        }
    }
}
