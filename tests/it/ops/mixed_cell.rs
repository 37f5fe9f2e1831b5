//! The mixed edge and the cell.

use crate::support::operator_check::{Case, check};
use nasperf_pipe::ops::mixed_cell::{Keep, MixedCell, Wanted};
use std::sync::Arc;

fn case(cell: MixedCell, state: [usize; 4]) -> Case {
    let theta = [cell.theta(state[1], state[2] == 1)];
    let mut dims: Vec<&[usize]> = vec![&state; cell.inputs];
    dims.push(&theta);
    let mut case = Case::new(Arc::new(cell), &dims);
    case.step = 1e-6;
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
        ] {
            check(case(MixedCell::edge(reduction, factor), state));
        }
    }
}
