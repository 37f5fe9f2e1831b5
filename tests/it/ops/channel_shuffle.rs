//! Channels dealt out between groups.

use crate::support::operator_check::{Case, check};
use candle_core::{Device, Tensor};
use nasperf_pipe::ops::apply::{Pass, apply};
use nasperf_pipe::ops::channel_shuffle::ChannelShuffle;
use nasperf_pipe::ops::operator::{Definition, Operator};
use std::sync::Arc;

#[test]
fn agrees_with_differences() {
    for (groups, dims) in [(1, &[1usize, 1, 1, 1][..]), (4, &[2, 12, 3, 5]), (3, &[2, 6]), (2, &[1, 4, 9])] {
        check(Case::new(Arc::new(ChannelShuffle { groups }), &[dims]));
    }
}

fn applied(op: impl Operator + 'static, inputs: &[&Tensor]) -> Vec<f32> {
    let op: Arc<dyn Operator> = Arc::new(op);
    apply(&op, inputs, Pass::Train { step: 0 }).unwrap().0.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn order_by_hand() {
    let x = Tensor::new(&[[0f32, 1.0, 2.0, 3.0, 4.0, f32::NAN]], &Device::Cpu).unwrap();
    let y = applied(ChannelShuffle { groups: 2 }, &[&x]);
    assert_eq!(y[..5], [0.0, 3.0, 1.0, 4.0, 2.0]);
    assert!(y[5].is_nan());
    // strided inputs
    let x = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap();
    assert_eq!(applied(ChannelShuffle { groups: 1 }, &[&x.t().unwrap()]), [1., 3., 2., 4.]);
}

#[test]
fn wrong_dimensions_are_named() {
    assert!(ChannelShuffle { groups: 4 }.output(&[&[1, 6]]).unwrap_err().contains("of 4 groups"));
}
