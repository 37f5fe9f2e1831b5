//! The mixed edge and the whole cell: against their reference, differences and PyTorch, and what must not change a bit.

use crate::support::formula::{agrees, draw};
use crate::support::operator_check::{Case, Results, check, run};
use nasperf_pipe::ops::mixed_cell::{Keep, MixedCell, Wanted};
use nasperf_pipe::ops::operator::{Definition, Kernel, Mode, Real, Saved, Sink, View};
use serde_json::Value;
use std::sync::Arc;

fn case(cell: MixedCell, state: [usize; 4]) -> Case {
    let theta = [cell.theta(state[1], state[2] == 1)];
    let mut dims: Vec<&[usize]> = vec![&state; cell.inputs];
    dims.push(&theta);
    let mut case = Case::new(Arc::new(cell), &dims);
    // no input of the formula is so close to a kink of a ReLU or a tie of a pool
    case.step = 1e-6;
    // cells are four batch norms deep, which amplify what f32 rounds
    case.tolerance = if cell.nodes > 1 { 2e-5 } else { 5e-6 };
    case
}

#[test]
fn an_edge_agrees_with_its_reference_and_with_differences() {
    for reduction in [false, true] {
        for (factor, state) in [
            (1, [3, 2, 5, 4]),
            (1, [9, 1, 4, 7]),
            (2, [1, 4, 6, 5]),
            (4, [8, 8, 5, 9]),
            (4, [3, 20, 9, 8]),
            (4, [3, 4, 1, 13]),
            (2, [9, 6, 1, 20]),
            (1, [1, 3, 1, 17]),
            (1, [5, 2, 2, 3]),
            (2, [7, 2, 3, 2]),
        ] {
            check(case(MixedCell::edge(reduction, factor), state));
        }
    }
}

#[test]
fn tall_planes_of_few_images_are_cut_into_strips() {
    for reduction in [false, true] {
        // 37 rows make strips of 10, 10, 10 and 7; 35 and more columns a tile of part of a row
        for state in [[2, 2, 37, 3], [9, 2, 33, 5], [1, 1, 18, 210]] {
            let mut case = case(MixedCell::edge(reduction, 1), state);
            case.step *= f64::from(u8::from(state[3] < 100));
            check(case);
        }
    }
}

#[test]
fn a_cell_agrees_with_its_reference_and_with_differences() {
    for reduction in [false, true] {
        for (factor, state) in
            [(4, [9, 8, 5, 6]), (1, [3, 2, 4, 5]), (2, [8, 4, 7, 4]), (4, [10, 8, 1, 11]), (1, [9, 1, 1, 8])]
        {
            check(case(MixedCell::cell(reduction, factor), state));
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn same(what: &str, a: &Results<f32>, b: &Results<f32>) {
    assert_eq!(bits(&a.output), bits(&b.output), "{what}: output");
    assert_eq!(bits(&a.statistics), bits(&b.statistics), "{what}: statistics");
    for (i, (a, b)) in a.gradients.iter().zip(&b.gradients).enumerate() {
        assert_eq!(bits(a), bits(b), "{what}: gradient {i}");
    }
}

#[test]
fn what_is_computed_again_has_the_same_bits() {
    for reduction in [false, true] {
        for (factor, state) in [(4, [9, 8, 17, 6]), (1, [3, 3, 1, 40])] {
            let cell = MixedCell::cell(reduction, factor);
            let again = MixedCell { keep: Keep::Recompute, ..cell };
            let (kept, again) = (run::<f32>(&case(cell, state)), run::<f32>(&case(again, state)));
            same("recomputed", &kept, &again);
        }
    }
}

#[test]
fn a_part_of_the_gradient_has_the_bits_of_the_whole() {
    for (reduction, factor, state) in [(false, 4, [9, 8, 5, 6]), (true, 4, [3, 8, 1, 9]), (true, 1, [2, 2, 6, 4])] {
        let cell = MixedCell::cell(reduction, factor);
        let whole = run::<f32>(&case(cell, state));
        let weights = cell.theta(state[1], state[2] == 1) - 9 * 14;
        for (wants, own) in [(Wanted::Weights, 0..weights), (Wanted::Architecture, weights..weights + 9 * 14)] {
            let mut part = run::<f32>(&case(MixedCell { wants, ..cell }, state));
            for (at, value) in part.gradients[2].iter().enumerate().filter(|(at, _)| !own.contains(at)) {
                assert_eq!(*value, 0.0, "{wants:?}: gradient of θ[{at}]");
            }
            let mut expected = vec![0.0; whole.gradients[2].len()];
            expected[own.clone()].copy_from_slice(&whole.gradients[2][own]);
            assert_eq!(bits(&part.gradients[2]), bits(&expected), "{wants:?}");
            part.gradients[2] = whole.gradients[2].clone();
            same("the rest", &part, &whole);
        }
    }
}

/// Forward in either mode; output and statistics.
fn forward<T: Real>(cell: &MixedCell, inputs: &[(Vec<usize>, Vec<T>)], running: Option<&[T]>) -> (Vec<T>, Vec<T>)
where
    MixedCell: Kernel<T>,
{
    let views: Vec<View<'_, T>> = inputs.iter().map(|(dims, values)| View { values, dims }).collect();
    let dims: Vec<&[usize]> = inputs.iter().map(|(d, _)| d.as_slice()).collect();
    let mut out = vec![T::nan(); cell.output(&dims).unwrap().iter().product()];
    let mut saved = Saved::default();
    let mode = running.map_or(Mode::Train { step: 0 }, |running| Mode::Evaluate { running });
    cell.forward(&views, mode, &mut out, &mut saved);
    (out, saved.statistics)
}

fn typed<T: Real>(inputs: &[(Vec<usize>, Vec<f64>)]) -> Vec<(Vec<usize>, Vec<T>)> {
    inputs.iter().map(|(d, v)| (d.clone(), v.iter().map(|v| T::of(*v)).collect())).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn evaluated<T: Real>(cell: &MixedCell, inputs: &[(Vec<usize>, Vec<f64>)], running: &[T]) -> Vec<f64>
where
    MixedCell: Kernel<T>,
{
    let mut other = typed::<T>(inputs);
    for (stream, (_, values)) in other.iter_mut().take(cell.inputs).enumerate() {
        *values = draw(10 + stream as u64, values.len()).iter().map(|v| T::of(4.0 * v)).collect();
    }
    forward(cell, &other, Some(running)).0.iter().map(|v| v.double()).collect()
}

#[test]
fn cells_agree_with_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("../../golden/mixed_cell/torch.json")).unwrap();
    for golden in golden["cases"].as_array().unwrap() {
        let count = |key: &str| golden[key].as_u64().unwrap() as usize;
        let reduction = golden["reduction"].as_bool().unwrap();
        let edge = MixedCell::edge(reduction, count("factor"));
        let cell = MixedCell { inputs: count("inputs"), nodes: count("nodes"), ..edge };
        let state: Vec<usize> = numbers(&golden["shape"]).iter().map(|v| *v as usize).collect();
        let state: [usize; 4] = state.try_into().unwrap();
        let parameters = cell.parameters(state[1], state[2] == 1);
        match golden["parameters"].as_array() {
            Some(named) => {
                let found: Vec<Value> = parameters.iter().map(|p| serde_json::json!([p.name, p.shape])).collect();
                assert_eq!(found, *named);
            }
            None => assert_eq!(parameters.len(), count("parameters")),
        }
        let mut end = 0;
        for p in &parameters {
            assert_eq!(p.offset, end, "{}: weights follow each other", p.name);
            end += p.shape.iter().product::<usize>();
        }
        assert_eq!(end, count("weights"));
        let case = case(cell, state);
        let what = format!("{cell:?} of {state:?}");
        let (single, double) = (run::<f32>(&case), run::<f64>(&case));
        let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let compare = |part: &str, single: &[f32], double: &[f64], golden: &Value| {
            agrees(&format!("{what}, f64: {part}"), double, &numbers(golden), 1e-11);
            agrees(&format!("{what}, f32: {part}"), &wide(single), &numbers(golden), 2e-5);
        };
        compare("output", &single.output, &double.output, &golden["output"]);
        compare("statistics", &single.statistics, &double.statistics, &golden["statistics"]);
        for (i, golden) in golden["gradients"].as_array().unwrap().iter().enumerate() {
            compare(&format!("gradient {i}"), &single.gradients[i], &double.gradients[i], golden);
        }
        let (one, two) =
            (evaluated(&cell, &case.inputs, &single.statistics), evaluated(&cell, &case.inputs, &double.statistics));
        agrees(&format!("{what}, f64: evaluated"), &two, &numbers(&golden["evaluated"]), 1e-11);
        agrees(&format!("{what}, f32: evaluated"), &one, &numbers(&golden["evaluated"]), 2e-5);
    }
}

#[test]
fn weights_are_as_many_as_the_formulas_say() {
    for (c, k) in [(16, 4), (32, 4), (6, 2), (5, 1)] {
        let part = c / k;
        for (one_d, deep) in [(false, 102), (true, 24)] {
            let stride_1 = deep * part + 6 * part * part;
            let weights = |cell: MixedCell| cell.theta(c, one_d) - 9 * if cell.nodes == 1 { 1 } else { 14 };
            assert_eq!(weights(MixedCell::edge(false, k)), stride_1);
            assert_eq!(weights(MixedCell::edge(true, k)), stride_1 + part * part);
            assert_eq!(weights(MixedCell::cell(true, k)), 14 * stride_1 + 8 * part * part);
        }
    }
}

#[test]
fn the_first_of_equal_maxima_gets_the_gradient() {
    // few distinct values: most windows have ties, and PyTorch's order decides where the gradient goes
    for (reduction, state) in [(false, [9, 4, 5, 6]), (true, [9, 4, 6, 5]), (true, [9, 4, 1, 12])] {
        let mut case = case(MixedCell::edge(reduction, 2), state);
        case.inputs[0].1.iter_mut().for_each(|v| *v = v.round());
        case.step = 0.0;
        check(case);
    }
}

#[test]
fn what_is_not_a_number_spreads_as_in_the_reference() {
    for (reduction, value) in [(false, f64::NAN), (true, f64::NAN), (false, f64::INFINITY), (true, f64::INFINITY)] {
        // one in the channels of the primitives, or one in those that pass by
        for place in [7, 2 * 30 + 7] {
            let cell = MixedCell::edge(reduction, 2);
            let mut case = case(cell, [2, 4, 5, 6]);
            case.inputs[0].1[place] = value;
            let (fast, _) = forward(&cell, &typed::<f32>(&case.inputs), None);
            let (truth, _) = forward(&cell, &typed::<f64>(&case.inputs), None);
            assert!(truth.iter().any(|v| !v.is_finite()));
            for (at, (f, t)) in fast.iter().zip(&truth).enumerate() {
                let alike = f.is_nan() == t.is_nan() && f.is_infinite() == t.is_infinite();
                assert!(alike, "reduction {reduction}, {value} at {place}: output[{at}] is {f} instead of {t}");
            }
        }
    }
}

#[test]
fn arrays_of_an_earlier_call_serve_again() {
    let cell = MixedCell::cell(true, 4);
    let small = case(cell, [3, 8, 5, 6]);
    let fresh = run::<f32>(&small);
    let mut saved = Saved::default();
    for state in [[9, 8, 8, 6], [3, 8, 5, 6], [3, 8, 5, 6]] {
        let case = case(cell, state);
        let inputs = typed::<f32>(&case.inputs);
        let views: Vec<View<'_, f32>> = inputs.iter().map(|(dims, values)| View { values, dims }).collect();
        let dims: Vec<&[usize]> = inputs.iter().map(|(d, _)| d.as_slice()).collect();
        let size = cell.output(&dims).unwrap().iter().product();
        let mut out = vec![f32::NAN; size];
        Kernel::<f32>::forward(&cell, &views, Mode::Train { step: 0 }, &mut out, &mut saved);
        let upstream: Vec<f32> = draw(77, size).into_iter().map(|v| v as f32).collect();
        let mut dtheta = vec![f32::NAN; inputs[2].1.len()];
        let mut sinks = [None, None, Some(Sink { values: &mut dtheta, add: false })];
        Kernel::<f32>::backward(&cell, &views, &out, &saved, &upstream, &mut sinks);
        if state[0] == 3 {
            assert_eq!(bits(&out), bits(&fresh.output));
            assert_eq!(bits(&dtheta), bits(&fresh.gradients[2]));
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let cell = MixedCell::cell(false, 4);
    let theta = [cell.theta(8, false)];
    let good: [&[usize]; 3] = [&[2, 8, 5, 5], &[2, 8, 5, 5], &theta];
    assert_eq!(cell.output(&good).unwrap(), [2, 32, 5, 5]);
    assert_eq!(
        MixedCell::cell(true, 4).output(&[&[2, 8, 5, 4], &[2, 8, 5, 4], &[MixedCell::cell(true, 4).theta(8, false)]]),
        Ok(vec![2, 32, 3, 2])
    );
    for (inputs, words) in [
        (vec![good[0], good[2]], "2 states"),
        (vec![good[0], &[2, 8, 5, 6], good[2]], "one shape"),
        (vec![&[2, 6, 5, 5], &[2, 6, 5, 5], good[2]], "divisible by 4"),
        (vec![good[0], good[1], &[7]], "length"),
        (vec![&[2, 8, 5], &[2, 8, 5], good[2]], "(N,C,H,W)"),
        (vec![&[0, 8, 5, 5], &[0, 8, 5, 5], good[2]], "with values"),
    ] {
        let found = cell.output(&inputs).unwrap_err();
        assert!(found.contains(words), "{found}");
    }
}
