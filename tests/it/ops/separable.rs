//! The fused block of ReLU, depthwise, 1×1 and norm: against the chain of single operators in f64, and against differences.

use crate::support::operator_check::{Case, check};
use nasperf_pipe::ops::operator::{Definition, Kernel, Mode, Saved, View};
use nasperf_pipe::ops::separable::{Depthwise, Separable};
use std::sync::Arc;

const PLAIN: Separable = Separable { depthwise: None, affine: true, residual: false, eps: 1e-3 };

fn each(stride: usize, dilation: usize) -> Separable {
    Separable { depthwise: Some(Depthwise { stride: [stride; 2], dilation: [dilation; 2] }), ..PLAIN }
}

/// For an input of these dimensions, a kernel, and so many outputs.
fn case(op: Separable, x: [usize; 4], kernel: [usize; 2], outputs: usize) -> Case {
    let (depthwise, pointwise) = ([x[1], 1, kernel[0], kernel[1]], [outputs, x[1], 1, 1]);
    let mut dims: Vec<&[usize]> = vec![&x];
    if op.depthwise.is_some() {
        dims.push(&depthwise);
    }
    dims.push(&pointwise);
    let scale = [outputs];
    if op.affine {
        dims.extend([&scale[..]; 2]);
    }
    let plain = Separable { residual: false, ..op };
    let out = plain.output(&dims).unwrap();
    if op.residual {
        dims.push(&out);
    }
    // the norm divides by a deviation of about the kernel's size
    Case { tolerance: 2e-5, ..Case::new(Arc::new(op), &dims) }
}

#[test]
fn blocks_agree_with_single_operators_and_with_differences() {
    for (op, x, kernel, outputs) in [
        (each(1, 1), [2, 3, 6, 5], [3, 3], 4),
        (each(1, 2), [3, 9, 7, 9], [5, 5], 17),
        (each(2, 1), [2, 8, 8, 7], [3, 3], 8),
        (each(2, 2), [2, 10, 7, 9], [5, 5], 3),
        (each(2, 2), [2, 2, 5, 5], [3, 3], 25),
        (PLAIN, [2, 12, 5, 7], [1, 1], 9),
        (PLAIN, [2, 300, 2, 3], [1, 1], 3),
        (Separable { affine: false, ..PLAIN }, [3, 4, 2, 1], [1, 1], 2),
        (Separable { residual: true, ..PLAIN }, [2, 7, 3, 3], [1, 1], 16),
        (Separable { residual: true, ..each(1, 1) }, [2, 16, 4, 4], [5, 5], 16),
        (Separable { residual: true, affine: false, ..each(2, 1) }, [1, 3, 9, 4], [3, 3], 5),
    ] {
        check(case(op, x, kernel, outputs));
    }
}

#[test]
fn series_are_images_of_height_one() {
    for (stride, dilation, length, kernel) in [(1, 1, 29, 3), (1, 2, 31, 5), (2, 1, 30, 5), (2, 2, 17, 3)] {
        let depthwise = Some(Depthwise { stride: [1, stride], dilation: [1, dilation] });
        check(case(Separable { depthwise, ..PLAIN }, [3, 5, 1, length], [1, kernel], 6));
    }
}

#[test]
fn planes_of_many_blocks_agree() {
    // long rows are cut in columns, high planes in rows
    let smooth = |case: Case| Case { step: 0.0, ..case };
    check(smooth(case(each(1, 2), [2, 3, 3, 4500], [5, 5], 4)));
    check(smooth(case(each(2, 1), [1, 2, 2, 9001], [3, 3], 3)));
    check(smooth(case(each(1, 1), [2, 40, 90, 17], [3, 3], 24)));
    check(smooth(case(PLAIN, [1, 40, 61, 67], [1, 1], 36)));
}

#[test]
fn what_does_not_fit_is_an_error() {
    let op = each(1, 1);
    let of = |x: &[usize], depthwise: &[usize], pointwise: &[usize]| {
        op.output(&[x, depthwise, pointwise, &[4], &[4]]).map_err(|e| e.to_string())
    };
    assert_eq!(of(&[2, 3, 5, 5], &[3, 1, 3, 3], &[4, 3, 1, 1]), Ok(vec![2, 4, 5, 5]));
    for (x, depthwise, pointwise) in [
        (vec![2, 3, 5, 5], vec![3, 1, 2, 3], vec![4, 3, 1, 1]),
        (vec![2, 3, 5, 5], vec![2, 1, 3, 3], vec![4, 3, 1, 1]),
        (vec![2, 3, 5, 5], vec![3, 1, 3, 3], vec![4, 2, 1, 1]),
        (vec![3], vec![3, 1, 3, 3], vec![4, 3, 1, 1]),
    ] {
        assert!(of(&x, &depthwise, &pointwise).is_err(), "{x:?} {depthwise:?} {pointwise:?}");
    }
    assert!(op.output(&[&[2, 3, 5, 5], &[3, 1, 3, 3], &[4, 3, 1, 1]]).unwrap_err().contains("5 inputs"));
}

#[test]
fn values_that_are_not_numbers_come_through() {
    let case = case(each(1, 1), [2, 3, 4, 4], [3, 3], 4);
    let dims: Vec<&[usize]> = case.inputs.iter().map(|(d, _)| d.as_slice()).collect();
    let mut inputs: Vec<Vec<f32>> = case.inputs.iter().map(|(_, v)| v.iter().map(|v| *v as f32).collect()).collect();
    inputs[0][5] = f32::NAN;
    let views: Vec<View<'_, f32>> = inputs.iter().zip(&dims).map(|(values, dims)| View { values, dims }).collect();
    let mut out = vec![0.0; 2 * 4 * 16];
    Kernel::<f32>::forward(&*case.op, &views, Mode::Train { step: 0 }, &mut out, &mut Saved::default());
    // through the statistics it reaches every output of the batch
    assert!(out.iter().all(|v| v.is_nan()));
    let running = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
    Kernel::<f32>::forward(&*case.op, &views, Mode::Evaluate { running: &running }, &mut out, &mut Saved::default());
    // here only those of its image that its kernel reaches
    assert!(out[0].is_nan() && !out[15].is_nan() && out[64..].iter().all(|v| v.is_finite()));
}
