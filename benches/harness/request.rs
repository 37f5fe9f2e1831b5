//! What this run of a benchmark was asked for.

/// `cargo bench --bench ops -- edge conv` runs the rows whose names contain one of the words; no word, all of them.
/// `NASPERF_BENCH_THREADS` (such as `1,2`; default 1 and all cores) and `NASPERF_BENCH_ROUNDS` (default 5).
pub struct Request {
    words: Vec<String>,
    pub threads: Vec<usize>,
    pub rounds: usize,
}

impl Request {
    /// Panics on a variable that holds no numbers: the benchmark would measure something else than was asked.
    pub fn read() -> Request {
        let numbers = |name: &str| {
            let text = std::env::var(name).ok()?;
            let number = |n: &str| n.trim().parse().unwrap_or_else(|_| panic!("{name}={text} holds no numbers"));
            Some(text.split(',').map(number).collect::<Vec<usize>>())
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let all = if cores > 1 { vec![1, cores] } else { vec![1] };
        Request {
            // cargo adds `--bench`
            words: std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect(),
            threads: numbers("NASPERF_BENCH_THREADS").unwrap_or(all),
            rounds: numbers("NASPERF_BENCH_ROUNDS").map_or(5, |n| n[0]).max(1),
        }
    }

    pub fn wants(&self, row: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| row.contains(word.as_str()))
    }
}
