//! Mean of each window. Candle's own avg_pool2d misplaces the gradient where the size does not divide, has none where kernel
//! and stride differ, and knows no padding.

use crate::support::operator_check::{Case, check};
use candle_core::{Device, Tensor, Var};
use nasperf_pipe::ops::apply::{Pass, apply};
use nasperf_pipe::ops::average_pool::AveragePool;
use nasperf_pipe::ops::operator::{Definition, Operator};
use nasperf_pipe::ops::window::Window;
use std::sync::Arc;

fn forms() -> Vec<AveragePool> {
    let mut windows = vec![Window::square(3, 1, 1), Window::square(3, 2, 1), Window::square(2, 2, 0)];
    windows.extend([
        Window::square(2, 1, 1),
        Window::square(2, 3, 1),
        Window::square(5, 2, 2),
        Window::square(5, 5, 0),
    ]);
    windows.push(Window { kernel: [1, 3], stride: [1, 2], padding: [0, 1], ceil_mode: false });
    windows.push(Window { kernel: [3, 2], stride: [2, 3], padding: [1, 0], ceil_mode: false });
    windows.push(Window { kernel: [4, 5], stride: [3, 2], padding: [2, 1], ceil_mode: false });
    let both = |count_padding| {
        let form = move |window| AveragePool { window, count_padding };
        windows.iter().flat_map(move |w| [form(*w), form(Window { ceil_mode: true, ..*w })])
    };
    both(false).chain(both(true)).collect()
}

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for op in forms() {
        for dims in [&[2usize, 3, 7, 10][..], &[1, 1, 9, 5], &[1, 2, 5, 19], &[1, 1, 16, 16], &[70, 9, 5, 12]] {
            let case = Case::new(Arc::new(op), &[dims]);
            check(Case { step: if dims[0] > 9 { 0.0 } else { case.step }, ..case });
        }
    }
    let series = Window { kernel: [1, 3], stride: [1, 1], padding: [0, 1], ceil_mode: false };
    check(Case::new(Arc::new(AveragePool { window: series, count_padding: false }), &[&[2, 3, 1, 33]]));
}

#[test]
fn a_ragged_plane_keeps_its_whole_windows_only() {
    // 3×5 plane, windows of 2: one row of two windows; the last row and column get no gradient.
    let x = Var::from_vec((0..15).map(|v| v as f32).collect(), (1, 1, 3, 5), &Device::Cpu).unwrap();
    let windows = |k| {
        let op: Arc<dyn Operator> = Arc::new(AveragePool { window: Window::square(k, k, 0), count_padding: true });
        apply(&op, &[x.as_tensor()], Pass::Train { step: 0 })
    };
    let y = windows(2).unwrap().0;
    assert_eq!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [3.0, 5.0]);
    let upstream = Tensor::from_vec(vec![4f32, 8.0], (1, 1, 1, 2), &Device::Cpu).unwrap();
    let gradients = (y * upstream).unwrap().sum_all().unwrap().backward().unwrap();
    let found = gradients.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(found, [1., 1., 2., 2., 0., 1., 1., 2., 2., 0., 0., 0., 0., 0., 0.]);
    assert!(windows(4).is_err());
}

#[test]
fn padding_counts_only_where_asked() {
    let x = Tensor::ones((1, 1, 3, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
    let mean = |count_padding| {
        let op: Arc<dyn Operator> = Arc::new(AveragePool { window: Window::square(3, 2, 1), count_padding });
        let y = apply(&op, &[&x], Pass::Train { step: 0 }).unwrap().0;
        y.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    assert_eq!(mean(false), [1.0; 4]);
    assert_eq!(mean(true), [4.0 / 9.0, 6.0 / 9.0, 4.0 / 9.0, 6.0 / 9.0]);
}

#[test]
fn what_is_not_a_number_reaches_its_windows_only() {
    let mut x = vec![1f32; 64];
    (x[3 * 8 + 3], x[63]) = (f32::NAN, f32::INFINITY);
    let x = Tensor::from_vec(x, (1, 1, 8, 8), &Device::Cpu).unwrap();
    let op: Arc<dyn Operator> = Arc::new(AveragePool { window: Window::square(3, 1, 1), count_padding: false });
    let y = apply(&op, &[&x.t().unwrap()], Pass::Train { step: 0 }).unwrap().0.flatten_all().unwrap();
    for (at, v) in y.to_vec1::<f32>().unwrap().into_iter().enumerate() {
        let (row, column) = (at / 8, at % 8);
        match ((2..5).contains(&row) && (2..5).contains(&column), row > 5 && column > 5) {
            (true, _) => assert!(v.is_nan()),
            (_, true) => assert_eq!(v, f32::INFINITY),
            _ => assert_eq!(v, 1.0),
        }
    }
}

#[test]
fn wrong_dimensions_are_named() {
    let op = AveragePool { window: Window::square(8, 8, 0), count_padding: true };
    assert!(op.output(&[&[1, 1, 7, 9]]).unwrap_err().contains("average_pool: a plane of 7×9 holds no window"));
    assert_eq!(op.output(&[&[1, 1, 15, 15]]).unwrap(), [1, 1, 1, 1]);
}
