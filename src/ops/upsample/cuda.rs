//! Planes resampled on a device: `kernels/upsample.cu`.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};
use crate::ops::upsample::Upsample;
use crate::ops::upsample::axis::Axis;

pub struct OnDevice<'a>(pub &'a Upsample);

/// What each new position reads, then the new positions that read each old one.
fn table(planner: &mut Planner, axis: &Axis<f32>, old: usize) -> Span {
    let mut readers = vec![(u32::MAX, 0); old];
    let mut words = Vec::new();
    for (at, place) in axis.places.iter().enumerate() {
        let at = at as u32;
        for from in [Some(place.first), (place.far != 0.0).then_some(place.second)].into_iter().flatten() {
            readers[from] = (readers[from].0.min(at), at + 1);
        }
        words.extend([place.first as u32, place.second as u32, place.near.to_bits(), place.far.to_bits()]);
    }
    words.extend(readers.into_iter().flat_map(|(first, end)| [first.min(end), end]));
    planner.table(words)
}

impl OnDevice<'_> {
    /// Tables of rows and columns; planes of input and output.
    fn tables(&self, planner: &mut Planner, dims: &[usize]) -> ([Span; 2], [usize; 4]) {
        let (h, w, [rows, columns]) = (dims[2], dims[3], self.0.size);
        let (down, across) = self.0.axes((h, w));
        ([table(planner, &down, h), table(planner, &across, w)], [h, w, rows, columns])
    }
}

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        let ([down, across], sizes) = self.tables(planner, inputs[0].dims);
        let call = planner.each("upsample_fwd_f32", output.length).read(inputs[0].at()).write(output);
        call.read(down).read(across).ints(sizes).int(output.length).run();
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
        let Some(Target { span, add }) = sinks[0] else { return };
        let ([down, across], sizes) = self.tables(planner, inputs[0].dims);
        let call = planner.each("upsample_bwd_f32", span.length).read(gradient).sink(span, add);
        call.read(down).read(across).ints(sizes).int(span.length).run();
    }
}
