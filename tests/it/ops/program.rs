//! Programs of operators: gradients that meet, values that are freed, inputs that nobody asks about.

use crate::support::operator_check::{Case, check};
use nasperf_pipe::nn::program::{Program, Source, Step};
use nasperf_pipe::ops::batch_norm::BatchNorm;
use nasperf_pipe::ops::conv::Conv;
use nasperf_pipe::ops::global_pool::GlobalPool;
use nasperf_pipe::ops::linear::Linear;
use nasperf_pipe::ops::operator::{Definition, Operator};
use std::ops::Range;
use std::sync::Arc;

fn step(op: impl Operator + 'static, inputs: Vec<Source>) -> Step {
    Step { op: Arc::new(op), inputs }
}

fn slice(input: usize, range: Range<usize>, dims: &[usize]) -> Source {
    Source::Slice { input, range, dims: dims.to_vec() }
}

/// A residual block and a head; the second convolution adds the block's input, whose gradients meet.
fn program() -> Program {
    let conv = Conv::new([1, 1], [1, 1]);
    let norm = BatchNorm { affine: true, relu: true, residual: false, eps: 1e-5 };
    Program::new(
        vec![
            step(conv, vec![Source::Value(0), slice(1, 0..54, &[3, 2, 3, 3])]),
            step(norm, vec![Source::Value(1), slice(1, 54..57, &[3]), slice(1, 57..60, &[3])]),
            step(
                Conv { residual: true, ..conv },
                vec![Source::Value(2), slice(1, 60..141, &[3, 3, 3, 3]), Source::Value(1)],
            ),
            step(GlobalPool { window: None }, vec![Source::Value(3)]),
            step(
                Linear { bias: true, positions: false },
                vec![Source::Value(4), slice(1, 141..147, &[2, 3]), slice(2, 1..3, &[2])],
            ),
        ],
        3,
    )
}

#[test]
fn agrees_with_its_reference_and_with_differences() {
    let op = Arc::new(program());
    assert_eq!(op.output(&[&[4, 2, 5, 6], &[147], &[4]]), Ok(vec![4, 2]));
    let case = Case::new(op, &[&[4, 2, 5, 6], &[147], &[4]]);
    check(Case { tolerance: 1e-5, step: 1e-6, ..case });
}

#[test]
#[should_panic(expected = "before it is written")]
fn a_step_cannot_read_ahead() {
    Program::new(vec![step(GlobalPool { window: None }, vec![Source::Value(1)])], 1);
}
