//! Which rows of a benchmark run, on how many threads. Each row has a process of its own, so that its peak of memory is its own.

use crate::harness::machine;
use crate::harness::rounds::header;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::process::Command;

/// First argument of a process that runs one row; its number and the number of threads follow.
const ONE_ROW: &str = "one-row";

/// Where a row runs and how often.
pub struct Request {
    pub pool: ThreadPool,
    pub rounds: usize,
}

/// Prints the machine's limits, then runs `work` for each row. Words on the command line choose the rows whose names contain
/// one of them: `cargo bench --bench ops -- edge conv`. `NASPERF_BENCH_THREADS` is a list such as `1,2` (default: 1 and all
/// cores), `NASPERF_BENCH_ROUNDS` a number (default 5).
///
/// Panics on variables that hold no numbers: something else than was asked would be measured.
pub fn run<R>(rows: &[R], name: fn(&R) -> String, work: fn(&R, &Request)) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mark, row, threads] = &arguments[..]
        && mark == ONE_ROW
    {
        let number = |text: &String| text.parse().expect("written by `run`");
        let rounds = numbers("NASPERF_BENCH_ROUNDS").map_or(5, |n| n[0]).max(1);
        return work(&rows[number(row)], &Request { pool: pool(number(threads)), rounds });
    }
    // cargo adds `--bench`
    let words: Vec<String> = arguments.into_iter().filter(|word| !word.starts_with("--")).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let all = if cores > 1 { vec![1, cores] } else { vec![1] };
    let threads = numbers("NASPERF_BENCH_THREADS").unwrap_or(all);
    machine::print(&threads.iter().map(|n| pool(*n)).collect::<Vec<_>>());
    header();
    let this = std::env::current_exe().expect("this program has a path");
    for threads in threads {
        for (number, row) in rows.iter().enumerate() {
            let name = name(row);
            if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
                let status = Command::new(&this).args([ONE_ROW, &number.to_string(), &threads.to_string()]).status();
                assert!(status.is_ok_and(|status| status.success()), "{name} did not run");
            }
        }
    }
}

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start")
}

fn numbers(variable: &str) -> Option<Vec<usize>> {
    let text = std::env::var(variable).ok()?;
    let number = |n: &str| n.trim().parse().unwrap_or_else(|_| panic!("{variable}={text} holds no numbers"));
    Some(text.split(',').map(number).collect())
}
