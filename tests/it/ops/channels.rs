//! Channels moved about: shuffled between groups, and joined.

use crate::support::operator_check::{Case, check};
use candle_core::{Device, Tensor};
use nasperf_pipe::ops::apply::{Pass, apply};
use nasperf_pipe::ops::channel_shuffle::ChannelShuffle;
use nasperf_pipe::ops::concat::Concat;
use nasperf_pipe::ops::operator::{Definition, Operator};
use std::sync::Arc;

#[test]
fn both_agree_with_differences() {
    for (groups, dims) in [(1, &[1usize, 1, 1, 1][..]), (4, &[2, 12, 3, 5]), (3, &[2, 6]), (2, &[1, 4, 9])] {
        check(Case::new(Arc::new(ChannelShuffle { groups }), &[dims]));
    }
    check(Case::new(Arc::new(Concat { parts: 1 }), &[&[2, 3, 5]]));
    check(Case::new(Arc::new(Concat { parts: 3 }), &[&[2, 3, 5, 7], &[2, 1, 5, 7], &[2, 4, 5, 7]]));
    check(Case::new(Arc::new(Concat { parts: 2 }), &[&[3, 2], &[3, 1]]));
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
    assert_eq!(applied(Concat { parts: 2 }, &[&x.t().unwrap(), &x]), [1., 3., 1., 2., 2., 4., 3., 4.]);
    assert_eq!(applied(ChannelShuffle { groups: 1 }, &[&x.t().unwrap()]), [1., 3., 2., 4.]);
}

#[test]
fn wrong_dimensions_are_named() {
    assert!(ChannelShuffle { groups: 4 }.output(&[&[1, 6]]).unwrap_err().contains("of 4 groups"));
    let error = Concat { parts: 2 }.output(&[&[2, 3, 5], &[2, 3, 6]]).unwrap_err();
    assert!(error.contains("like [2, 3, 5] were expected, found [2, 3, 6]"));
    assert!(Concat { parts: 2 }.output(&[&[2, 3]]).unwrap_err().contains("here 2, were expected, found 1"));
}
