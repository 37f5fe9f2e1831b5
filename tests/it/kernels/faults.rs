//! Kernels that are wrong on purpose (tests/shim/faulty.cu): each fault is found, in every order of threads, and named.

use super::shim::{Memory, Order, shim};
use nasperf_pipe::ops::launch::plan::Plan;
use nasperf_pipe::ops::launch::plan::Span;
use nasperf_pipe::ops::launch::planner::Planner;

const N: usize = 64;
const ORDERS: [Order; 4] = [Order::Forward, Order::Backward, Order::Random(1), Order::Random(2)];

/// A plan of one launch of `blocks` blocks: x (64), y (64 or fewer), 64; y comes from outside, as part of a longer array.
fn plan(kernel: &'static str, blocks: usize, written: usize) -> (Plan, Span, Span) {
    let mut planner = Planner::default();
    let (x, y) = (planner.outside("x", N + 1).part(1..N + 1), planner.outside("y", N + 8));
    planner.call(kernel, [blocks, 1, 1], 64).read(x).write(y.part(0..written)).int(N).shared(N).run();
    (planner.finish().unwrap(), x, y)
}

fn run(kernel: &'static str, blocks: usize, written: usize, order: Order) -> Option<Result<Vec<f32>, String>> {
    let (plan, x, y) = plan(kernel, blocks, written);
    let mut memory = Memory::new(shim()?, &plan);
    memory.write(x, &(0..N).map(|i| i as f32).collect::<Vec<f32>>());
    memory.write(y, &[0.0; N + 8]);
    Some(memory.run(order).map(|()| memory.read(y.part(0..written))))
}

#[test]
fn a_right_kernel_passes() {
    for order in ORDERS {
        let Some(found) = run("right", 1, N, order) else { return };
        let expected: Vec<f32> = (0..N).map(|i| ((i + 1) % N) as f32).collect();
        assert_eq!(found, Ok(expected), "{order:?}");
    }
}

#[test]
fn every_fault_is_found_in_every_order() {
    // shortest description that no other fault has
    let cases = [
        ("missing_barrier", 1, N, "of dynamic shared memory"),
        ("divergent_barrier", 1, N, "divergent barrier"),
        ("race", 1, 1, "of static shared memory: a write by thread"),
        (
            "race_of_blocks",
            3,
            1,
            "race on word 0 of y (buffer 1): a write by thread 0, a write by thread 0 of another block",
        ),
        ("write_beyond", 1, N - 1, "a write of word 63 of y (buffer 1), which was not handed over"),
        ("read_before", 1, N, "a read of word 0 of x (buffer 0), which was not handed over"),
        ("wrong_mask", 1, N, "mask ffffffff where lanes 0000ffff"),
        ("uninitialised_shared", 1, N, "nobody wrote it"),
        ("misaligned_vector", 1, 1, "is not aligned to 16 bytes"),
        ("write_to_input", 1, N, "handed over for the opposite"),
        ("right", 1, N + 1, "word 64 of 65 of y was not written"),
        ("no_such_kernel", 1, N, "no such kernel"),
    ];
    for (kernel, blocks, written, expected) in cases {
        for order in ORDERS {
            let Some(found) = run(kernel, blocks, written, order) else { return };
            let error = found.expect_err(kernel);
            assert!(error.contains(expected), "{kernel}, {order:?}: {error}");
        }
    }
}

#[test]
fn a_write_behind_the_buffer_is_found() {
    let mut planner = Planner::default();
    let (x, y) = (planner.outside("x", N), planner.outside("y", N));
    planner.call("write_beyond", [1, 1, 1], 96).read(x).write(y).int(N).run();
    let refused = planner.finish().unwrap();
    let Some(shim) = shim() else { return };
    // more threads than the kernel declares
    let error = Memory::new(shim, &refused).run(Order::Forward).unwrap_err();
    assert!(error.contains("blocks of 96 threads"), "{error}");
    let mut planner = Planner::default();
    let (x, y) = (planner.outside("x", N), planner.outside("y", N - 1));
    planner.call("write_beyond", [1, 1, 1], 64).read(x).write(y).int(N - 1).run();
    let plan = planner.finish().unwrap();
    let mut memory = Memory::new(shim, &plan);
    memory.write(x, &[0.0; N]);
    let error = memory.run(Order::Backward).unwrap_err();
    assert!(error.contains("a write outside every buffer: 0 bytes after the end of y"), "{error}");
}

#[test]
fn parameters_of_the_wrong_kind_are_refused() {
    let mut planner = Planner::default();
    let (x, y) = (planner.outside("x", N), planner.outside("y", N));
    planner.call("right", [1, 1, 1], 64).read(x).write(y).float(64.0).shared(N).run();
    let plan = planner.finish().unwrap();
    let Some(shim) = shim() else { return };
    let error = Memory::new(shim, &plan).run(Order::Forward).unwrap_err();
    assert!(error.contains("takes (ppi), was given (ppf)"), "{error}");
}
