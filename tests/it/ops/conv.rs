//! Convolution: every path against the reference and differences, sizes where candle is wrong, values that are not numbers.

use crate::support::operator_check::{Case, check};
use nasperf_pipe::ops::conv::Conv;
use nasperf_pipe::ops::operator::Definition;
use std::sync::Arc;

/// The check of one operator on an input and weights; bias and summand get the dimensions that they must have.
fn case(op: Conv, x: [usize; 4], weight: [usize; 4]) -> Case {
    let plain = Conv { bias: false, residual: false, ..op };
    let out = plain.output(&[&x, &weight]).unwrap();
    let bias = [weight[0]];
    let mut dims: Vec<&[usize]> = vec![&x, &weight];
    if op.bias {
        dims.push(&bias);
    }
    if op.residual {
        dims.push(&out);
    }
    Case::new(Arc::new(op), &dims)
}

#[test]
fn direct_sums_agree_with_the_reference_and_with_differences() {
    let same = Conv::new([1, 1], [1, 1]);
    let series = |k: usize| Conv { padding: [[0, 0], [(k - 1) / 2, k / 2]], ..Conv::new([1, 1], [0, 0]) };
    for (op, x, weight) in [
        (same, [2, 3, 8, 8], [4, 3, 3, 3]),
        // height and width of different parity with stride 2: an error in candle
        (Conv::new([2, 2], [1, 1]), [2, 2, 8, 7], [3, 2, 3, 3]),
        (Conv::new([2, 2], [1, 1]), [3, 17, 7, 8], [9, 17, 3, 3]),
        (Conv::new([1, 1], [0, 0]), [2, 4, 9, 5], [3, 4, 1, 1]),
        (Conv::new([2, 2], [0, 0]), [2, 4, 9, 6], [3, 4, 1, 1]),
        // several input channels of a series: candle's gradient of the weights is wrong
        (series(8), [2, 3, 1, 17], [4, 3, 1, 8]),
        (series(5), [1, 9, 1, 300], [17, 9, 1, 5]),
        (series(3), [1, 2, 1, 2], [1, 2, 1, 3]),
        (Conv::new([3, 1], [0, 2]), [1, 2, 5, 6], [2, 2, 2, 3]),
        (Conv::new([1, 1], [3, 3]), [1, 1, 2, 2], [1, 1, 3, 3]),
        (Conv::new([2, 1], [1, 1]), [19, 1, 4, 3], [2, 1, 3, 3]),
        (Conv { dilation: [2, 3], ..Conv::new([2, 1], [2, 4]) }, [2, 3, 9, 8], [5, 3, 3, 3]),
        (Conv { dilation: [1, 2], ..Conv::new([1, 3], [0, 1]) }, [1, 3, 4, 11], [2, 3, 2, 2]),
        (Conv { groups: 2, bias: true, ..same }, [2, 6, 5, 4], [4, 3, 3, 3]),
        (Conv { groups: 3, ..same }, [2, 3, 5, 4], [6, 1, 3, 3]),
        (Conv { padding: [[0, 2], [3, 1]], bias: true, residual: true, ..same }, [3, 5, 6, 7], [8, 5, 3, 3]),
        (Conv { residual: true, ..same }, [1, 1, 15, 17], [11, 1, 3, 3]),
    ] {
        check(case(op, x, weight));
    }
}

#[test]
fn tiles_agree_with_the_reference_and_with_differences() {
    let same = Conv::new([1, 1], [1, 1]);
    for (op, x, weight) in [
        (same, [2, 16, 8, 8], [16, 16, 3, 3]),
        (same, [1, 17, 5, 6], [33, 17, 3, 3]),
        (same, [3, 24, 13, 7], [16, 24, 3, 3]),
        (Conv { bias: true, residual: true, ..same }, [9, 16, 4, 3], [25, 16, 3, 3]),
        // several strips to a row, several rounds
        (same, [1, 16, 5, 210], [16, 16, 3, 3]),
        (Conv { padding: [[0, 2], [3, 0]], bias: true, ..same }, [2, 16, 6, 9], [16, 16, 3, 3]),
        (Conv { padding: [[0, 0], [0, 0]], residual: true, ..same }, [1, 20, 9, 5], [18, 20, 3, 3]),
    ] {
        check(Case { tolerance: 4e-6, ..case(op, x, weight) });
    }
}
