//! Convolution: every path against the reference and differences, sizes where candle is wrong, values that are not numbers.

use crate::support::formula::{agrees, draw};
use crate::support::operator_check::{Case, check, run};
use candle_core::{DType, Device, Tensor};
use nasperf_pipe::ops::conv::{Conv, conv};
use nasperf_pipe::ops::operator::Definition;
use serde_json::Value;
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

#[test]
fn channels_by_themselves_agree_with_the_reference_and_with_differences() {
    let each = |k: usize, stride: usize, dilation: usize, groups: usize| {
        let padding = dilation * (k - 1) / 2;
        Conv { dilation: [dilation; 2], groups, ..Conv::new([stride; 2], [padding; 2]) }
    };
    let series = Conv { padding: [[0, 0], [2, 2]], bias: true, ..each(5, 1, 1, 9) };
    for (op, x, weight) in [
        (each(3, 1, 1, 2), [2, 2, 5, 4], [2, 1, 3, 3]),
        (each(5, 1, 2, 12), [1, 12, 11, 10], [12, 1, 5, 5]),
        (each(3, 2, 1, 8), [3, 8, 8, 7], [8, 1, 3, 3]),
        (each(5, 2, 2, 3), [9, 3, 7, 8], [3, 1, 5, 5]),
        (Conv { residual: true, ..each(3, 1, 1, 17) }, [2, 17, 3, 40], [17, 1, 3, 3]),
        (series, [2, 9, 1, 700], [9, 1, 1, 5]),
    ] {
        check(case(op, x, weight));
    }
}

#[test]
fn pytorch_gives_the_same() {
    let golden: Value = serde_json::from_str(include_str!("../../golden/conv/torch.json")).unwrap();
    for row in golden["cases"].as_array().unwrap() {
        let numbers =
            |v: &Value| v.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect::<Vec<_>>();
        let pair = |v: &Value| <[usize; 2]>::try_from(numbers(v)).unwrap();
        let four = |v: &Value| <[usize; 4]>::try_from(numbers(v)).unwrap();
        let op = Conv {
            stride: pair(&row["stride"]),
            padding: [pair(&row["padding"][0]), pair(&row["padding"][1])],
            dilation: pair(&row["dilation"]),
            groups: row["groups"].as_u64().unwrap() as usize,
            bias: row["bias"].as_bool().unwrap(),
            residual: row["residual"].as_bool().unwrap(),
        };
        let case = case(op, four(&row["x"]), four(&row["weight"]));
        let (fast, reference) = (run::<f32>(&case), run::<f64>(&case));
        let double = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let digests = row["digests"].as_array().unwrap();
        assert_eq!(digests.len(), 1 + case.inputs.len(), "{row}");
        let fast = std::iter::once(&fast.output).chain(&fast.gradients);
        let reference = std::iter::once(&reference.output).chain(&reference.gradients);
        for (i, (digest, (f, r))) in digests.iter().zip(fast.zip(reference)).enumerate() {
            let digest: Vec<f64> = digest.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            agrees(&format!("{op:?}, f64, array {i}"), r, &digest, 1e-12);
            agrees(&format!("{op:?}, f32, array {i}"), &double(f), &digest, 2e-6);
        }
    }
}

/// Output of ones but for one value of the input.
fn with_one(op: Conv, x: [usize; 4], weight: [usize; 4], at: usize, value: f32) -> Tensor {
    let mut values = vec![1f32; x.iter().product()];
    values[at] = value;
    let x = Tensor::from_vec(values, &x, &Device::Cpu).unwrap();
    conv(&x, &Tensor::ones(&weight, DType::F32, &Device::Cpu).unwrap(), None, op).unwrap()
}

#[test]
fn what_is_not_a_number_reaches_the_outputs_that_read_it() {
    let same = Conv::new([1, 1], [1, 1]);
    let each = Conv { groups: 9, ..same };
    for (op, x, weight, direct) in [
        (same, [2, 3, 7, 9], [17, 3, 3, 3], true),
        (Conv::new([2, 2], [1, 1]), [2, 17, 7, 8], [9, 17, 3, 3], true),
        (Conv::new([2, 2], [0, 0]), [1, 9, 6, 7], [8, 9, 1, 1], true),
        (Conv { dilation: [1, 2], ..Conv::new([1, 1], [0, 3]) }, [2, 2, 1, 40], [3, 2, 1, 4], true),
        (each, [1, 9, 6, 11], [9, 1, 3, 3], true),
        (same, [2, 16, 9, 13], [16, 16, 3, 3], false),
    ] {
        let size: usize = x.iter().product();
        // a finite value shows which outputs read it: sums of small integers are exact
        let values =
            |at: usize, v: f32| with_one(op, x, weight, at, v).flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let others = values(0, 1.0);
        for at in [0, size / 2, size - 1, size / 3] {
            let (touched, nan, infinite) = (values(at, 2.0), values(at, f32::NAN), values(at, f32::INFINITY));
            for (i, other) in others.iter().enumerate() {
                let reads = (touched[i] - other).abs() > 0.5;
                let what = format!("{op:?} of {x:?} by {weight:?}, input {at}, output {i}: {} {}", nan[i], infinite[i]);
                if direct {
                    assert_eq!(nan[i].is_nan(), reads, "{what}");
                    assert_eq!(infinite[i] == f32::INFINITY, reads, "{what}");
                    assert!(reads || nan[i] == *other && infinite[i] == *other, "{what}");
                } else if reads {
                    // tiles mix what is not finite; it must not get lost
                    assert!(nan[i].is_nan() && !infinite[i].is_finite(), "{what}");
                }
            }
        }
        // tiles keep it to the image
        if x[0] == 2 {
            let half = others.len() / 2;
            assert!(values(0, f32::NAN)[half..].iter().zip(&others[half..]).all(|(a, b)| (a - b).abs() < 1e-3));
        }
    }
}

#[test]
fn strided_inputs_are_read_by_their_strides() {
    let tensor = |stream: u64, dims: [usize; 4]| {
        let values: Vec<f32> = draw(stream, dims.iter().product()).into_iter().map(|v| v as f32).collect();
        Tensor::from_vec(values, &dims, &Device::Cpu).unwrap()
    };
    let (x, weight) = (tensor(1, [2, 5, 4, 3]), tensor(2, [3, 3, 4, 2]));
    let (turned, kernel) = (x.transpose(1, 3).unwrap(), weight.transpose(0, 2).unwrap());
    let op = Conv::new([1, 2], [1, 0]);
    let found = conv(&turned, &kernel, None, op).unwrap();
    let expected = conv(&turned.force_contiguous().unwrap(), &kernel.force_contiguous().unwrap(), None, op).unwrap();
    assert_eq!(found.dims(), [2, 4, 4, 2]);
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(values(&found), values(&expected));
}

#[test]
fn impossible_dimensions_are_errors() {
    let op = Conv::new([1, 1], [0, 0]);
    let error = |op: Conv, dims: &[&[usize]]| op.output(dims).unwrap_err();
    for (op, x, weight) in [
        (op, [1, 2, 4, 4], [1, 3, 3, 3]),
        (op, [1, 2, 2, 4], [1, 2, 3, 3]),
        (op, [1, 2, 4, 4], [1, 2, 0, 3]),
        (Conv { dilation: [1, 2], ..op }, [1, 2, 4, 4], [1, 2, 3, 3]),
        (Conv { groups: 2, ..op }, [1, 3, 4, 4], [2, 1, 3, 3]),
        (Conv { groups: 2, ..op }, [1, 4, 4, 4], [3, 2, 3, 3]),
        (Conv { stride: [0, 1], ..op }, [1, 2, 4, 4], [1, 2, 3, 3]),
        (Conv { dilation: [1, 0], ..op }, [1, 2, 4, 4], [1, 2, 3, 3]),
    ] {
        assert!(error(op, &[&x, &weight]).contains("expected") || error(op, &[&x, &weight]).contains("fit"));
    }
    let (x, weight) = (&[1, 2, 4, 4][..], &[3, 2, 3, 3][..]);
    assert!(error(op, &[x]).contains("2 inputs were expected, found 1"));
    assert!(error(op, &[&x[1..], weight]).contains("(N,C,H,W)"));
    let bias = Conv { bias: true, ..op };
    assert!(error(bias, &[x, weight, &[4]]).contains("a bias [3] was expected, found [4]"));
    let residual = Conv { residual: true, ..op };
    assert!(error(residual, &[x, weight, &[1, 3, 4, 4]]).contains("a summand [1, 3, 2, 2] was expected"));
    assert_eq!(residual.output(&[x, weight, &[1, 3, 2, 2]]), Ok(vec![1, 3, 2, 2]));
}
