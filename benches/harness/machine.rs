//! The limits that figures are read against, measured in the same run: multiply-adds per second in registers, and how fast
//! memory is read and copied, through the same vectors that operators use.

use nasperf_pipe::ops::simd::{LANES, Routine, Vector, dispatch};
use rayon::ThreadPool;
use std::hint::black_box;
use std::time::Instant;

/// Accumulators of the arithmetic loop: two multiply-adds a cycle with a latency of four or five need ten.
const ACCUMULATORS: usize = 12;
const TURNS: usize = 4_000_000;
/// Values of each array of the memory loops, all threads together: 256 MiB, beyond any cache.
const VALUES: usize = 64 << 20;
const REPEATS: usize = 5;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub gflops: f64,
    pub read: f64,
    pub copy: f64,
}

/// Prints a line of limits for each number of threads.
pub fn print(pools: &[ThreadPool]) {
    println!("{:>7} {:>14} {:>10} {:>24}", "threads", "peak GFLOP/s", "read GB/s", "copy GB/s (both ways)");
    for pool in pools {
        let Limits { gflops, read, copy } = limits(pool);
        println!("{:>7} {gflops:>14.1} {read:>10.1} {copy:>24.1}", pool.current_num_threads());
    }
}

/// The best of some repeats: other work on the machine only ever slows them down.
fn limits(pool: &ThreadPool) -> Limits {
    let threads = pool.current_num_threads();
    let best = |work: &mut dyn FnMut()| {
        let seconds = |work: &mut dyn FnMut()| {
            let clock = Instant::now();
            work();
            clock.elapsed().as_secs_f64()
        };
        (0..REPEATS).map(|_| seconds(work)).fold(f64::INFINITY, f64::min)
    };
    let arithmetic = best(&mut || {
        pool.broadcast(|_| black_box(dispatch(Multiply { factor: black_box(0.999), summand: black_box(0.001) })));
    });
    let flop = (threads * TURNS * ACCUMULATORS * LANES * 2) as f64;
    let from = vec![1f32; VALUES];
    let mut to = vec![0f32; VALUES];
    let part = VALUES / threads;
    let reading = best(&mut || {
        pool.broadcast(|context| {
            let values = &from[context.index() * part..][..part];
            black_box(dispatch(Read { values }))
        });
    });
    let copying = best(&mut || {
        pool.scope(|scope| {
            for (from, to) in from.chunks(part).zip(to.chunks_mut(part)) {
                scope.spawn(move |_| to.copy_from_slice(from));
            }
        });
        black_box(&mut to);
    });
    let bytes = (part * threads * size_of::<f32>()) as f64;
    Limits { gflops: flop / arithmetic * 1e-9, read: bytes / reading * 1e-9, copy: 2.0 * bytes / copying * 1e-9 }
}

struct Multiply {
    factor: f32,
    summand: f32,
}

impl Routine for Multiply {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> f32 {
        // SAFETY: registers only; `dispatch` found the instructions.
        unsafe {
            let (factor, summand) = (V::splat(self.factor), V::splat(self.summand));
            let mut sums = [summand; ACCUMULATORS];
            for _ in 0..TURNS {
                for sum in &mut sums {
                    *sum = sum.fma(factor, summand);
                }
            }
            sums.into_iter().fold(summand, |a, b| a.add(b)).sum()
        }
    }
}

struct Read<'a> {
    values: &'a [f32],
}

impl Routine for Read<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> f32 {
        // SAFETY: each chunk holds `ACCUMULATORS` whole vectors; `dispatch` found the instructions.
        unsafe {
            let mut sums = [V::splat(0.0); ACCUMULATORS];
            for chunk in self.values.chunks_exact(ACCUMULATORS * LANES) {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.add(V::load(chunk.as_ptr().add(i * LANES)));
                }
            }
            sums.into_iter().fold(V::splat(0.0), |a, b| a.add(b)).sum()
        }
    }
}
