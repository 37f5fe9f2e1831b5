//! A network as a straight list of operators that runs as one operator: forward keeps what backward will read and frees the
//! rest, gradients that meet are added in place. Knows no layer, no task and no tensor library.

use crate::ops::operator::{Definition, Kernel, Mode, Operator, Reads, Real, Saved, Sink, View};
use std::ops::Range;
use std::sync::Arc;

/// Where an input of a step comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// 0 is the program's first input; i+1 is what step i writes.
    Value(usize),
    /// Part of one of the program's flat inputs, such as one layer's weights, with its dimensions.
    Slice { input: usize, range: Range<usize>, dims: Vec<usize> },
}

#[derive(Clone, Debug)]
pub struct Step {
    pub op: Arc<dyn Operator>,
    pub inputs: Vec<Source>,
}

/// Inputs: activations (N,C,H,W), then flat arrays (parameters; architecture parameters where there are any). Output: what
/// the last step writes. Statistics: those of the steps, in their order.
#[derive(Debug)]
pub struct Program {
    pub(super) steps: Vec<Step>,
    inputs: usize,
    /// For each value: the last step that reads it.
    pub(super) last_read: Vec<usize>,
    /// For each value: some backward pass reads it.
    pub(super) kept: Vec<bool>,
}

impl Program {
    /// `inputs` counts the activations and the flat arrays, at most three in all.
    ///
    /// Panics where a step reads a value that no earlier step writes, or one value or overlapping slices twice.
    pub fn new(steps: Vec<Step>, inputs: usize) -> Program {
        assert!(!steps.is_empty() && (1..=3).contains(&inputs), "a program has steps and one to three inputs");
        let (mut last_read, mut kept) = (vec![0; steps.len() + 1], vec![false; steps.len() + 1]);
        for (at, step) in steps.iter().enumerate() {
            let reads = step.op.reads();
            kept[at + 1] |= reads.output;
            for (position, source) in step.inputs.iter().enumerate() {
                match source {
                    Source::Value(value) => {
                        assert!(*value <= at, "step {at} reads value {value} before it is written");
                        last_read[*value] = at;
                        kept[*value] |= reads.inputs[position];
                    }
                    Source::Slice { input, .. } => assert!((1..inputs).contains(input), "no flat input {input}"),
                }
                assert!(!step.inputs[..position].contains(source), "step {at} reads {source:?} twice");
            }
            // gradients of slices are handed out front to back
            let of_flat = |flat: usize| step.inputs.iter().filter_map(move |s| s.slice(flat));
            let ordered = |flat: usize| of_flat(flat).zip(of_flat(flat).skip(1)).all(|(a, b)| a.end <= b.start);
            let all_ordered = (1..inputs).all(ordered);
            assert!(all_ordered, "step {at} reads slices out of order");
        }
        Program { steps, inputs, last_read, kept }
    }

    /// Dimensions of every value.
    pub(super) fn dims(&self, inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>, String> {
        let mut dims: Vec<Vec<usize>> = vec![inputs[0].to_vec()];
        for step in &self.steps {
            let of: Vec<&[usize]> = step.inputs.iter().map(|s| s.dims(&dims)).collect();
            let output = step.op.output(&of)?;
            dims.push(output);
        }
        Ok(dims)
    }

    /// For each step and each kind of number of the inputs: whether any gradient that is asked for passes through it.
    pub(super) fn asked(&self, wanted: &[bool]) -> Vec<bool> {
        let mut asked = vec![wanted[0]];
        for step in &self.steps {
            let any = step.inputs.iter().any(|source| match source {
                Source::Value(value) => asked[*value],
                Source::Slice { input, .. } => wanted[*input],
            });
            asked.push(any);
        }
        asked
    }
}

impl Source {
    /// Slices of one flat input that follow each other, as one flat slice.
    ///
    /// Panics where they do not.
    pub fn joined(parts: &[Source]) -> Source {
        let mut all: Option<(usize, Range<usize>)> = None;
        for part in parts {
            let Source::Slice { input, range, .. } = part else { panic!("slices were expected, found {part:?}") };
            let start = match &all {
                Some((of, so_far)) if of == input && so_far.end == range.start => so_far.start,
                None => range.start,
                _ => panic!("{part:?} does not follow {all:?}"),
            };
            all = Some((*input, start..range.end));
        }
        let (input, range) = all.expect("one slice or more");
        Source::Slice { input, dims: vec![range.len()], range }
    }

    pub(super) fn dims<'a>(&'a self, values: &'a [Vec<usize>]) -> &'a [usize] {
        match self {
            Source::Value(value) => &values[*value],
            Source::Slice { dims, .. } => dims,
        }
    }

    fn slice(&self, of: usize) -> Option<&Range<usize>> {
        match self {
            Source::Slice { input, range, .. } if *input == of => Some(range),
            _ => None,
        }
    }
}

impl Definition for Program {
    fn name(&self) -> &'static str {
        "program"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        if inputs.len() != self.inputs {
            return Err(format!("program: {} inputs were expected, found {}", self.inputs, inputs.len()));
        }
        for source in self.steps.iter().flat_map(|s| &s.inputs) {
            if let Source::Slice { input, range, .. } = source
                && inputs[*input].iter().product::<usize>() < range.end
            {
                return Err(format!("program: {} values or more were expected, found {:?}", range.end, inputs[*input]));
            }
        }
        Ok(self.dims(inputs)?.pop().expect("the first value is there"))
    }

    fn statistics(&self, inputs: &[&[usize]]) -> usize {
        let Ok(dims) = self.dims(inputs) else {
            return 0; // dimensions that do not fit have no statistics
        };
        let of = |step: &Step| step.op.statistics(&step.inputs.iter().map(|s| s.dims(&dims)).collect::<Vec<_>>());
        self.steps.iter().map(of).sum()
    }

    fn trains(&self, inputs: &[&[usize]]) -> Result<(), String> {
        let dims = self.dims(inputs)?;
        for step in &self.steps {
            step.op.trains(&step.inputs.iter().map(|s| s.dims(&dims)).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn reads(&self) -> Reads {
        const ALL: [bool; 3] = [true; 3];
        let output = self.steps.last().is_some_and(|step| step.op.reads().output);
        Reads { inputs: &ALL[..self.inputs], output }
    }
}

/// What a step sees of an array: values that were freed are empty.
fn view<'a, T: Copy>(
    source: &'a Source,
    inputs: &[View<'a, T>],
    values: &'a [Vec<T>],
    dims: &'a [Vec<usize>],
) -> View<'a, T> {
    match source {
        Source::Value(0) => inputs[0],
        Source::Value(value) => View { values: &values[*value], dims: &dims[*value] },
        Source::Slice { input, range, dims } => View { values: &inputs[*input].values[range.clone()], dims },
    }
}

/// Parts of one array, front to back.
fn parts<'a, T>(array: &'a mut [T], ranges: &[&Range<usize>]) -> Vec<&'a mut [T]> {
    let (mut rest, mut at) = (array, 0);
    let mut parts = Vec::with_capacity(ranges.len());
    for range in ranges {
        let (part, tail) = rest.split_at_mut(range.start - at).1.split_at_mut(range.len());
        parts.push(part);
        (rest, at) = (tail, range.end);
    }
    parts
}

impl<T: Real> Kernel<T> for Program
where
    dyn Operator: Kernel<T>,
{
    fn forward(&self, inputs: &[View<'_, T>], mode: Mode<'_, T>, out: &mut [T], saved: &mut Saved<T>) {
        let input_dims: Vec<&[usize]> = inputs.iter().map(|v| v.dims).collect();
        let dims = self.dims(&input_dims).expect("callers have checked the dimensions");
        let mut values: Vec<Vec<T>> = vec![Vec::new(); self.steps.len() + 1];
        let mut seen = 0; // running statistics handed out so far
        for (at, step) in self.steps.iter().enumerate() {
            let mut left = Saved::default();
            let size = dims[at + 1].iter().product();
            let mut array = if at + 1 < self.steps.len() { T::pool().take(size) } else { Vec::new() };
            if cfg!(debug_assertions) {
                array.fill(T::nan()); // what an operator forgets to write shows
            }
            let views: Vec<View<'_, T>> = step.inputs.iter().map(|s| view(s, inputs, &values, &dims)).collect();
            let of: Vec<&[usize]> = views.iter().map(|v| v.dims).collect();
            let mode = match mode {
                Mode::Train { step } => Mode::Train { step },
                Mode::Evaluate { running } => {
                    let count = step.op.statistics(&of);
                    seen += count;
                    Mode::Evaluate { running: &running[seen - count..seen] }
                }
            };
            let target = if at + 1 < self.steps.len() { &mut array[..] } else { &mut *out };
            Kernel::<T>::forward(&*step.op, &views, mode, target, &mut left);
            drop(views);
            values[at + 1] = array;
            saved.statistics.append(&mut left.statistics);
            let training = matches!(mode, Mode::Train { .. });
            if training {
                saved.nested.push(left);
            } else {
                left.recycle();
            }
            for source in &step.inputs {
                if let Source::Value(value) = source
                    && self.last_read[*value] == at
                    && !(training && self.kept[*value])
                {
                    T::pool().give(std::mem::take(&mut values[*value]));
                }
            }
        }
        saved.arrays = values;
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        output: &[T],
        saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let input_dims: Vec<&[usize]> = inputs.iter().map(|v| v.dims).collect();
        let dims = self.dims(&input_dims).expect("callers have checked the dimensions");
        let wanted: Vec<bool> = sinks.iter().map(Option::is_some).collect();
        let asked = self.asked(&wanted);
        let (first, flat) = sinks.split_at_mut(1);
        flat.iter_mut().flatten().for_each(Sink::clear);
        let mut gradients: Vec<Option<Vec<T>>> = vec![None; self.steps.len() + 1];
        let mut first_written = first[0].as_ref().is_some_and(|sink| sink.add);
        for (at, step) in self.steps.iter().enumerate().rev() {
            let last = at + 1 == self.steps.len();
            let own = gradients[at + 1].take();
            let upstream: &[T] = match &own {
                Some(array) => array,
                None if last => gradient,
                None => continue, // nothing that counts reads it
            };
            if !asked[at + 1] {
                continue;
            }
            let views: Vec<View<'_, T>> = step.inputs.iter().map(|s| view(s, inputs, &saved.arrays, &dims)).collect();
            // arrays for the gradients of values, and parts of those of the flat inputs
            let mut of_values: Vec<Option<(Vec<T>, bool)>> = Vec::with_capacity(step.inputs.len());
            for source in &step.inputs {
                of_values.push(match source {
                    Source::Value(value) if *value > 0 && asked[*value] => Some(match gradients[*value].take() {
                        Some(array) => (array, true),
                        None => (T::pool().take(dims[*value].iter().product()), false),
                    }),
                    _ => None,
                });
            }
            let mut of_slices: Vec<_> = flat
                .iter_mut()
                .enumerate()
                .map(|(i, sink)| {
                    let ranges: Vec<&Range<usize>> = step.inputs.iter().filter_map(|s| s.slice(i + 1)).collect();
                    sink.as_mut().map(|sink| parts(sink.values, &ranges).into_iter())
                })
                .collect();
            let mut of_first = first[0].as_mut();
            let mut own_sinks: Vec<Option<Sink<'_, T>>> = Vec::with_capacity(step.inputs.len());
            for (source, of_value) in step.inputs.iter().zip(&mut of_values) {
                own_sinks.push(match source {
                    Source::Value(0) => of_first.take().map(|sink| Sink {
                        values: &mut *sink.values,
                        add: std::mem::replace(&mut first_written, true),
                    }),
                    Source::Value(_) => of_value.as_mut().map(|(values, add)| Sink { values, add: *add }),
                    Source::Slice { input, .. } => of_slices[input - 1]
                        .as_mut()
                        .map(|parts| Sink { values: parts.next().expect("one part per slice"), add: true }),
                });
            }
            let seen: &[T] = if last { output } else { &saved.arrays[at + 1] };
            Kernel::<T>::backward(&*step.op, &views, seen, &saved.nested[at], upstream, &mut own_sinks);
            drop(own_sinks);
            for (source, of_value) in step.inputs.iter().zip(of_values) {
                if let (Source::Value(value), Some((array, _))) = (source, of_value) {
                    gradients[*value] = Some(array);
                }
            }
            if let Some(array) = own {
                T::pool().give(array);
            }
        }
        if !first_written {
            first.iter_mut().flatten().for_each(Sink::clear);
        }
    }
}
