//! Wall time, CPU time and peak memory of a piece of this process's work.

use std::time::Instant;

/// Seconds and MiB; `peak_mib` is the largest resident size of the whole process while the work ran (on Linux; else 0).
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub wall: f64,
    pub cpu: f64,
    pub peak_mib: f64,
}

pub fn measure(work: impl FnOnce()) -> Usage {
    // Without the right to reset it, the peak is that of the process so far.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (clock, cpu) = (Instant::now(), cpu_seconds());
    work();
    Usage { wall: clock.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu, peak_mib: status_mib("VmHWM:") }
}

/// Resident size of this process now.
pub fn resident_mib() -> f64 {
    status_mib("VmRSS:")
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median of each figure by itself.
pub fn middle(rounds: &[Usage]) -> Usage {
    let of = |f: fn(&Usage) -> f64| median(rounds.iter().map(f).collect());
    Usage { wall: of(|u| u.wall), cpu: of(|u| u.cpu), peak_mib: of(|u| u.peak_mib) }
}

fn status_mib(field: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("0 kB");
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or(0.0) / 1024.0
}

/// CPU seconds of all threads of this process.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(code, 0, "the clock of the process is there on every supported system");
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
