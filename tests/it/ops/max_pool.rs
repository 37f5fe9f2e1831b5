//! Largest value of each window. Candle's own max_pool2d scales the gradient by 1/(kh·kw) where the maximum is unique, gives it
//! to all of a tie, misplaces it where the size does not divide, and has none where kernel and stride differ.

use crate::support::formula::draw;
use crate::support::operator_check::{Case, check};
use candle_core::{Device, Tensor, Var};
use nasperf_pipe::ops::apply::{Pass, apply};
use nasperf_pipe::ops::max_pool::MaxPool;
use nasperf_pipe::ops::operator::{Definition, Operator};
use nasperf_pipe::ops::window::Window;
use std::sync::Arc;

fn windows() -> Vec<Window> {
    let mut windows = vec![Window::square(3, 1, 1), Window::square(3, 2, 1), Window::square(2, 2, 0)];
    windows.extend([
        Window::square(2, 1, 1),
        Window::square(3, 3, 0),
        Window::square(2, 3, 1),
        Window::square(5, 2, 2),
    ]);
    windows.push(Window { kernel: [1, 3], stride: [1, 2], padding: [0, 1], ceil_mode: false });
    windows.push(Window { kernel: [3, 2], stride: [2, 3], padding: [1, 0], ceil_mode: false });
    let hanging: Vec<Window> = windows.iter().map(|w| Window { ceil_mode: true, ..*w }).collect();
    windows.into_iter().chain(hanging).collect()
}

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for window in windows() {
        for dims in [&[2usize, 3, 7, 10][..], &[1, 1, 9, 5], &[1, 2, 5, 19], &[1, 1, 16, 16], &[70, 9, 5, 12]] {
            let case = Case::new(Arc::new(MaxPool { window }), &[dims]);
            check(Case { step: if dims[0] > 9 { 0.0 } else { case.step }, ..case });
        }
    }
    let series = Window { kernel: [1, 3], stride: [1, 1], padding: [0, 1], ceil_mode: false };
    check(Case::new(Arc::new(MaxPool { window: series }), &[&[2, 3, 1, 33]]));
}

fn pooled(window: Window, x: &Tensor) -> Tensor {
    let op: Arc<dyn Operator> = Arc::new(MaxPool { window });
    apply(&op, &[x], Pass::Train { step: 0 }).unwrap().0
}

fn gradient(window: Window, dims: (usize, usize, usize, usize), x: Vec<f32>) -> (Vec<f32>, Vec<f32>) {
    let x = Var::from_vec(x, dims, &Device::Cpu).unwrap();
    let y = pooled(window, &x);
    let gradients = y.sum_all().unwrap().backward().unwrap();
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    (flat(&y), flat(gradients.get(&x).unwrap()))
}

#[test]
fn a_unique_maximum_gets_the_whole_gradient() {
    let (y, dx) = gradient(Window::square(2, 2, 0), (1, 1, 2, 4), vec![1., 2., 5., 4., 4., 3., 6., 8.]);
    assert_eq!((y, dx), (vec![4., 8.], vec![0., 0., 0., 0., 1., 0., 0., 1.]));
}

#[test]
fn a_tie_goes_to_the_first_in_row_order() {
    // the second column is reached first by columns, the first row by rows
    let (y, dx) = gradient(Window::square(2, 2, 0), (1, 1, 2, 2), vec![1., 7., 7., 7.]);
    assert_eq!((y, dx), (vec![7.], vec![0., 1., 0., 0.]));
    let mut x = vec![3f32; 9 * 12];
    x[0] = f32::NEG_INFINITY; // the slow way for odd planes must take the same
    let (_, odd) = gradient(Window::square(3, 2, 1), (1, 1, 9, 12), x);
    let (_, even) = gradient(Window::square(3, 2, 1), (1, 1, 9, 12), vec![3.0; 9 * 12]);
    assert_eq!(odd[2..], even[2..]);
    assert_eq!((odd[0], odd[1], even[0], even[1]), (0., 2., 1., 1.));
}

#[test]
fn sizes_that_do_not_divide_keep_gradients_in_place() {
    let x: Vec<f32> = (0..81).map(|v| v as f32).collect();
    let (_, dx) = gradient(Window::square(2, 2, 0), (1, 1, 9, 9), x);
    for (at, d) in dx.into_iter().enumerate() {
        let (row, column) = (at / 9, at % 9);
        assert_eq!(d, f32::from(u8::from(row % 2 == 1 && column % 2 == 1)), "row {row}, column {column}");
    }
}

#[test]
fn padding_never_wins_and_what_is_not_a_number_always_does() {
    let infinite = vec![f32::NEG_INFINITY; 16];
    let (y, dx) = gradient(Window::square(3, 2, 1), (1, 1, 4, 4), infinite);
    assert!(y.iter().all(|v| *v == f32::NEG_INFINITY));
    // the first value of each window, as in PyTorch
    let expected: Vec<f32> = (0..16).map(|at| if [0, 1, 4, 5].contains(&at) { 1.0 } else { 0.0 }).collect();
    assert_eq!(dx, expected);
    let mut x: Vec<f32> = draw(1, 2 * 8 * 8).into_iter().map(|v| v as f32).collect();
    x[3 * 8 + 3] = f32::NAN;
    x[64 + 10] = f32::INFINITY;
    let (y, _) = gradient(Window::square(3, 1, 1), (1, 2, 8, 8), x);
    for (at, v) in y[..64].iter().enumerate() {
        assert_eq!(v.is_nan(), (2..5).contains(&(at / 8)) && (2..5).contains(&(at % 8)));
    }
    assert_eq!(y[64..].iter().filter(|v| **v == f32::INFINITY).count(), 9);
}

#[test]
fn strided_inputs_are_read_by_their_strides() {
    let x = Tensor::from_vec((0..20).map(|v| v as f32).collect(), (1, 1, 4, 5), &Device::Cpu).unwrap();
    let y = pooled(Window::square(2, 2, 0), &x.t().unwrap());
    assert_eq!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [6., 16., 8., 18.]);
}

#[test]
fn wrong_dimensions_and_windows_are_named() {
    let error = |window, dims: &[usize]| MaxPool { window }.output(&[dims]).unwrap_err();
    assert!(error(Window::square(3, 1, 0), &[1, 1, 2, 5]).contains("a plane of 2×5 holds no window"));
    assert!(error(Window::square(3, 1, 2), &[1, 1, 8, 8]).contains("padding to half the kernel"));
    assert!(error(Window::square(3, 0, 1), &[1, 1, 8, 8]).contains("stride from 1"));
    assert!(error(Window::square(3, 1, 1), &[1, 8, 8]).contains("(N,C,H,W)"));
}
