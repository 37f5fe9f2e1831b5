//! Arrays side by side on a device: `kernels/concat.cu`.

use crate::ops::concat::Concat;
use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin, parameters};

pub struct OnDevice<'a>(pub &'a Concat);

/// Inputs of a launch.
const PARTS: usize = 4;

/// What one launch moves: the first input, values that lie together by input, where they begin in a row of the output.
struct Part {
    first: usize,
    runs: [usize; PARTS],
    at: usize,
}

impl OnDevice<'_> {
    /// The launches, the number of rows and the length of a row of the output.
    fn parts(&self, inputs: &[Given<'_>]) -> (Vec<Part>, usize, usize) {
        let dims: Vec<&[usize]> = inputs.iter().map(|g| g.dims).collect();
        let (runs, sum) = self.0.runs(&dims);
        let mut at = 0;
        let part = |(i, runs): (usize, &[usize])| {
            let mut own = [0; PARTS];
            own[..runs.len()].copy_from_slice(runs);
            at += runs.iter().sum::<usize>();
            Part { first: i * PARTS, runs: own, at: at - runs.iter().sum::<usize>() }
        };
        let parts = runs.chunks(PARTS).enumerate().map(part).collect();
        (parts, dims[0][..self.0.axis].iter().product(), sum)
    }
}

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        let (parts, rows, sum) = self.parts(inputs);
        for Part { first, runs, at } in parts {
            let count = rows * runs.iter().sum::<usize>();
            let call = planner.each("concat_fwd_f32", count);
            let call = (first..first + PARTS).fold(call, |call, i| call.read_if(inputs.get(i).map(Given::at)));
            let call = call.ints(runs);
            // all but a launch that writes everything leave values of others alone
            let call = if count == output.length { call.write(output) } else { call.update(output) };
            call.ints([sum, at, count]).run();
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
        let (parts, rows, sum) = self.parts(inputs);
        for Part { first, runs, at } in parts {
            let count = rows * runs.iter().sum::<usize>();
            let call = planner.each("concat_bwd_f32", count).read(gradient).ints([sum, at]);
            let call = (first..first + PARTS).fold(call, |call, i| call.sink_if(sinks.get(i).and_then(parameters)));
            call.ints(runs).int(count).run();
        }
    }
}
