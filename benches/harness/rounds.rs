//! Ours and the peer's work in turns, so that a busy moment of the machine falls on both; medians and their ratio.

use crate::harness::peer::Peer;
use crate::harness::request::Request;
use crate::harness::usage::{Usage, measure, middle};

/// What one call of the work amounts to, counted by hand; 0 where it is not counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// A multiply-add is two. Convolutions and linear layers only.
    pub flop: f64,
    /// Least traffic: every array read or written once.
    pub bytes: f64,
}

pub fn header() {
    println!(
        "\n{:<44} {:>3} {:>9} {:>9} {:>6} {:>7} {:>6} {:>9} {:>9} {:>6} {:>6} {:>6}",
        "medians", "thr", "cpu ms", "wall ms", "MiB", "GFLOP/s", "GB/s", "peer cpu", "wall", "MiB", "x cpu", "x wall"
    );
}

/// A row under way: the peer, once its results agree with ours, and the resident size before there was anything.
pub struct Row<'a> {
    pub name: String,
    pub request: &'a Request,
    pub peer: Option<Peer>,
    /// Of this process, taken before data and weights were made.
    pub idle_mib: f64,
}

impl Row<'_> {
    /// Times `ours` in turns with the peer's `command`, and prints a line. MiB: peak of the process while the work ran, less
    /// what program and libraries took before there were data and weights. Rates go by CPU time on one thread, by wall time
    /// on several. x: how many times longer the peer takes.
    pub fn compare(&mut self, what: &str, count: Count, command: &str, ours: &mut (dyn FnMut() + Send)) {
        let pool = &self.request.pool;
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        // the first round warms caches and allocators, and is dropped
        for round in 0..=self.request.rounds {
            let usage = measure(|| pool.install(&mut *ours));
            let other = self.peer.as_mut().map(|peer| peer.command(command));
            if round > 0 {
                mine.push(usage);
                theirs.extend(other);
            }
        }
        let (m, threads) = (middle(&mine), pool.current_num_threads());
        let growth = |usage: &Usage, idle: f64| (usage.peak_mib - idle).max(0.0);
        let name = format!("{} {what}", self.name);
        print!("{name:<44} {threads:>3} {:>9.2} {:>9.2} {:>6.0}", m.cpu * 1e3, m.wall * 1e3, growth(&m, self.idle_mib));
        let seconds = if threads == 1 { m.cpu } else { m.wall };
        for (amount, width) in [(count.flop, 7), (count.bytes, 6)] {
            if amount > 0.0 {
                print!(" {:>width$.1}", amount / seconds * 1e-9);
            } else {
                print!(" {:>width$}", "");
            }
        }
        if let Some(peer) = &self.peer {
            let t = middle(&theirs);
            print!(" {:>9.2} {:>9.2} {:>6.0}", t.cpu * 1e3, t.wall * 1e3, growth(&t, peer.idle_mib));
            print!(" {:>6.2} {:>6.2}", t.cpu / m.cpu, t.wall / m.wall);
        }
        println!();
    }

    /// Panics where something is further from the peer's result than rounding goes: times of a different computation say
    /// nothing.
    pub fn agree(&self, deviations: &[(String, f64)], tolerance: f64) {
        for (array, deviation) in deviations {
            let name = &self.name;
            // a deviation that is no number is too far as well
            let near = *deviation <= tolerance;
            assert!(near, "{name}: {array} is {deviation:.1e} away from PyTorch's, allowed {tolerance:e}");
        }
    }
}
