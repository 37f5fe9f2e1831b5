//! What a recurrent controller is made of: a table of tokens and one cell.

use crate::support::operator_check::{Case, check};
use candle_core::{Device, Tensor};
use nasperf_pipe::ops::apply::{Pass, apply};
use nasperf_pipe::ops::embedding::Embedding;
use nasperf_pipe::ops::lstm_cell::LstmCell;
use nasperf_pipe::ops::operator::{Definition, Operator};
use std::sync::Arc;

fn weights(inputs: usize, hidden: usize) -> usize {
    4 * hidden * (inputs + hidden + 2)
}

#[test]
fn both_agree_with_differences() {
    for (n, inputs, hidden) in [(1, 1, 1), (1, 5, 3), (4, 3, 6)] {
        let dims: [&[usize]; 3] = [&[n, inputs], &[n, 2 * hidden], &[weights(inputs, hidden)]];
        check(Case::new(Arc::new(LstmCell { inputs, hidden }), &dims));
    }
    // rows taken twice get both gradients
    check(Case::new(Arc::new(Embedding { ids: Arc::new(vec![2, 0, 2, 4, 2]) }), &[&[5, 3]]));
    check(Case::new(Arc::new(Embedding { ids: Arc::new(vec![0]) }), &[&[1, 1]]));
}

fn applied(op: impl Operator + 'static, inputs: &[&Tensor]) -> Vec<Vec<f32>> {
    let op: Arc<dyn Operator> = Arc::new(op);
    apply(&op, inputs, Pass::Train { step: 0 }).unwrap().0.to_vec2().unwrap()
}

#[test]
fn gates_saturate_in_their_order() {
    // biases alone: input gate open, forget gate shut, cell at 1, output gate open; then forget open, input shut
    let tensor = |values: &[f32], dims: &[usize]| Tensor::from_vec(values.to_vec(), dims, &Device::Cpu).unwrap();
    let cell = |biases: [f32; 4], state: [f32; 2]| {
        let weights: Vec<f32> = [0.0; 8].into_iter().chain(biases).chain([0.0; 4]).collect();
        let op = LstmCell { inputs: 1, hidden: 1 };
        applied(op, &[&tensor(&[1.0], &[1, 1]), &tensor(&state, &[1, 2]), &tensor(&weights, &[16])])[0].clone()
    };
    let written = cell([1e3, -1e3, 1e3, 1e3], [0.5, 7.0]);
    assert_eq!(written, [1f32.tanh(), 1.0]);
    let kept = cell([-1e3, 1e3, 1e3, 1e3], [0.5, 0.25]);
    assert_eq!(kept, [0.25f32.tanh(), 0.25]);
    assert_eq!(cell([-1e3, 1e3, 1e3, -1e3], [0.5, 0.25]), [0.0, 0.25]);
    assert!(cell([0.0; 4], [f32::NAN, 0.0]).iter().all(|v| v.is_nan()), "0·NaN reaches every gate");
}

#[test]
fn rows_are_copied_and_strides_followed() {
    let table = Tensor::new(&[[1f32, 2.0, f32::NAN], [4.0, 5.0, 6.0]], &Device::Cpu).unwrap();
    let rows = applied(Embedding { ids: Arc::new(vec![1, 0]) }, &[&table.t().unwrap()]);
    assert_eq!(rows, [[2.0, 5.0], [1.0, 4.0]]);
    let rows = applied(Embedding { ids: Arc::new(vec![0, 1]) }, &[&table]);
    assert!(rows[0][2].is_nan() && rows[1] == [4.0, 5.0, 6.0]);
}

#[test]
fn wrong_dimensions_are_named() {
    let op = Embedding { ids: Arc::new(vec![0, 9]) };
    assert!(op.output(&[&[9, 2]]).unwrap_err().contains("numbers below 9 were expected, found 9"));
    let op = LstmCell { inputs: 2, hidden: 3 };
    assert!(op.output(&[&[1, 2], &[1, 6], &[83]]).unwrap_err().contains("(N,2), (N,6), (84) were expected"));
    assert!(op.output(&[&[1, 2], &[2, 6], &[84]]).is_err());
    assert_eq!(op.output(&[&[1, 2], &[1, 6], &[84]]).unwrap(), [1, 6]);
}
