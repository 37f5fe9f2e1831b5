//! Ours and the peer's work in turns, so that a busy moment of the machine falls on both; medians and their ratio.

use crate::harness::peer::Peer;
use crate::harness::usage::{Usage, measure, middle, resident_mib};
use rayon::ThreadPool;

/// What one call of the work amounts to, counted by hand; 0 where it is not counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// A multiply-add is two.
    pub flop: f64,
    /// Least traffic: every array read or written once.
    pub bytes: f64,
}

pub fn header() {
    println!(
        "\n{:<44} {:>3} {:>9} {:>9} {:>8} {:>7} {:>6} {:>9} {:>9} {:>8} {:>7} {:>7}",
        "", "thr", "cpu ms", "wall ms", "MiB", "GFLOP/s", "GB/s", "torch cpu", "wall", "MiB", "x cpu", "x wall"
    );
}

/// Times `ours` in `pool`, in turns with the peer's command, and prints a row. MiB: growth of the peak above the resident
/// size before the first round, for both sides. Rates are by wall time.
pub fn compare(
    row: &str,
    pool: &ThreadPool,
    rounds: usize,
    count: Count,
    ours: &mut (dyn FnMut() + Send),
    mut peer: Option<(&mut Peer, &str)>,
) {
    let idle = resident_mib();
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    // the first round warms caches and allocators, and is dropped
    for round in 0..=rounds {
        let usage = measure(|| pool.install(&mut *ours));
        let other = peer.as_mut().map(|(peer, command)| peer.command(command));
        if round > 0 {
            mine.push(usage);
            theirs.extend(other);
        }
    }
    let (m, threads) = (middle(&mine), pool.current_num_threads());
    let growth = |usage: &Usage, idle: f64| (usage.peak_mib - idle).max(0.0);
    print!("{row:<44} {threads:>3} {:>9.2} {:>9.2} {:>8.0}", m.cpu * 1e3, m.wall * 1e3, growth(&m, idle));
    for (amount, width) in [(count.flop, 7), (count.bytes, 6)] {
        if amount > 0.0 {
            print!(" {:>width$.1}", amount / m.wall * 1e-9);
        } else {
            print!(" {:>width$}", "");
        }
    }
    if let Some((peer, _)) = peer {
        let t = middle(&theirs);
        print!(" {:>9.2} {:>9.2} {:>8.0}", t.cpu * 1e3, t.wall * 1e3, growth(&t, peer.idle_mib));
        print!(" {:>7.2} {:>7.2}", t.cpu / m.cpu, t.wall / m.wall);
    }
    println!();
}

/// Prints how far ours is from the peer before it is timed.
///
/// Panics where that is further than rounding goes: times of a different computation say nothing.
pub fn agree(row: &str, deviations: &[(&str, f64)], tolerance: f64) {
    let worst = deviations.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    let (array, worst) = worst.expect("something was compared");
    assert!(worst <= tolerance, "{row}: {array} is {worst:.1e} away from PyTorch's, allowed {tolerance:e}");
    println!("{row}: within {worst:.1e} of PyTorch ({array})");
}
