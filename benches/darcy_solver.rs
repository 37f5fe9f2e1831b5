//! Darcy fields per second on the official grid: drawing the coefficient and solving, as the generator does, beside
//! `benches/peer/darcy_scipy.py` in the same run. `make bench-setup` once, then `cargo bench --bench darcy_solver`;
//! `NASPERF_PEER_PYTHON` names another Python that has numpy and scipy.

use nasperf_pipe::data::synthetic::{Purpose, Stream};
use nasperf_pipe::tasks::darcy::field::FieldMaker;
use nasperf_pipe::tasks::darcy::solver::Solver;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use std::time::Instant;

const FIELDS: u64 = 24;

fn main() {
    println!("{:>5} {:>8} {:>7} {:>10} {:>9} {:>9}", "grid", "threads", "fields", "fields/s", "steps", "residual");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for grid in [85, 421] {
        for threads in if cores > 1 { vec![1, cores] } else { vec![1] } {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            let (maker, solver) = (FieldMaker::new(grid), Solver::new(grid));
            let one = |index| {
                let a = maker.draw(&mut Stream::new("darcy", "train", Purpose::Content, index, None));
                solver.solve(&a).expect("the solver converges on two-valued fields")
            };
            one(FIELDS); // warm
            let start = Instant::now();
            let solutions: Vec<_> = pool.install(|| (0..FIELDS).into_par_iter().map(one).collect());
            let seconds = start.elapsed().as_secs_f64();
            let steps = solutions.iter().map(|s| s.steps).max().unwrap_or(0);
            let residual = solutions.iter().map(|s| s.residual).fold(0.0, f64::max);
            println!(
                "{grid:>5} {threads:>8} {FIELDS:>7} {:>10.2} {steps:>9} {residual:>9.1e}",
                FIELDS as f64 / seconds
            );
        }
    }
    peer();
}

/// The same work by scipy, on one thread, if there is a Python with scipy.
fn peer() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let python =
        std::env::var_os("NASPERF_PEER_PYTHON").map_or_else(|| root.join("target/peer/bin/python"), Into::into);
    let script = root.join("benches/peer/darcy_scipy.py");
    match std::process::Command::new(&python).arg(script).arg("20").status() {
        Ok(status) if status.success() => {}
        _ => println!("no figures of scipy: {} does not run them; `make bench-setup` installs it", python.display()),
    }
}
