//! The kernels of mixed edges and cells against the f64 reference: partial channels and whole ones, both strides, planes and series.

use super::check::check;
use crate::support::operator_check::Case;
use nasperf_pipe::ops::mixed_cell::{MixedCell, Wanted};
use std::sync::Arc;

fn case(cell: MixedCell, state: [usize; 4]) -> Case {
    let theta = [cell.theta(state[1], state[2] == 1)];
    let mut dims: Vec<&[usize]> = vec![&state; cell.inputs];
    dims.push(&theta);
    let mut case = Case::new(Arc::new(cell), &dims);
    // cells are four batch norms deep, which amplify what f32 rounds
    case.tolerance = if cell.nodes > 1 { 4e-5 } else { 1e-5 };
    case
}

#[test]
fn edges() {
    for reduction in [false, true] {
        for (factor, state) in
            [(1, [3, 2, 5, 4]), (4, [2, 8, 5, 9]), (2, [3, 6, 1, 13]), (1, [1, 3, 1, 17]), (2, [5, 2, 3, 2])]
        {
            check(&case(MixedCell::edge(reduction, factor), state));
        }
    }
}

#[test]
fn ties_of_pools() {
    for (reduction, state) in [(false, [3, 4, 5, 6]), (true, [3, 4, 6, 5]), (true, [3, 4, 1, 12])] {
        let mut case = case(MixedCell::edge(reduction, 2), state);
        case.inputs[0].1.iter_mut().for_each(|v| *v = v.round());
        check(&case);
    }
}

#[test]
fn cells() {
    for reduction in [false, true] {
        for (factor, state) in [(4, [2, 8, 5, 6]), (1, [2, 2, 4, 3]), (4, [3, 4, 1, 11])] {
            check(&case(MixedCell::cell(reduction, factor), state));
        }
    }
}

#[test]
fn parts_of_the_gradient() {
    for wants in [Wanted::Weights, Wanted::Architecture] {
        check(&case(MixedCell { wants, ..MixedCell::cell(true, 4) }, [2, 4, 5, 4]));
    }
}

#[test]
fn sums_of_more_than_one_part() {
    check(&case(MixedCell::edge(false, 1), [6, 2, 20, 19]));
}
