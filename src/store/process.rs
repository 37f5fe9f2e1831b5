//! Who wrote a file: a process on a machine, and whether it is certainly gone. Knows no store.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::fs;
use std::sync::OnceLock;

/// A process, told apart from any other that ever ran, also on another machine or in another container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    pub host: String,
    pub user: String,
    /// Digest of host name, boot and process-id namespace: process ids compare only where it is equal. Empty: unknown.
    pub machine: String,
    pub pid: u32,
    /// Clock ticks from boot to the start of the process, as in `/proc/<pid>/stat`. 0: unknown.
    pub start: u64,
}

impl Process {
    /// The running process.
    pub fn this() -> &'static Process {
        static THIS: OnceLock<Process> = OnceLock::new();
        THIS.get_or_init(|| {
            let pid = std::process::id();
            let host = host_name();
            let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
            let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
            let machine = if boot.is_empty() || space.as_os_str().is_empty() {
                String::new()
            } else {
                Digest::of(format!("{host}\n{boot}\n{}", space.display())).short()
            };
            Process { host, user: user_name(), machine, pid, start: stat(pid).map_or(0, |stat| stat.start) }
        })
    }

    /// Whether it runs where process ids mean something else, so that only silence can tell its end.
    pub fn is_far(&self) -> bool {
        self.machine.is_empty() || self.machine != Process::this().machine
    }

    /// True only where the process has certainly ended: never for one of another machine.
    pub fn gone(&self) -> bool {
        if self.is_far() {
            return false;
        }
        let Ok(pid) = i32::try_from(self.pid) else { return false };
        if pid <= 0 {
            return false;
        }
        // Signal 0 only asks. It also sees processes of other users that a `hidepid` mount of /proc hides.
        // SAFETY: kill with signal 0 has no effect on any process and touches no memory.
        let answer = unsafe { libc::kill(pid, 0) };
        if answer != 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH) {
            return true;
        }
        match stat(self.pid) {
            Some(stat) => stat.ended || (self.start != 0 && stat.start != self.start),
            None => false,
        }
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} of {} on {}", self.pid, self.user, self.host)
    }
}

struct Stat {
    ended: bool,
    start: u64,
}

/// proc(5): after the command in parentheses come state (field 3) and, at field 22, the start time.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = &text[text.rfind(')')? + 1..];
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    Some(Stat { ended: matches!(state, "Z" | "X" | "x"), start })
}

fn host_name() -> String {
    let mut buffer = [0u8; 256];
    // SAFETY: the buffer is writable for the length given, and stays alive during the call.
    let answer = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len() - 1) };
    let end = buffer.iter().position(|&byte| byte == 0).unwrap_or(buffer.len());
    match (answer, std::str::from_utf8(&buffer[..end])) {
        (0, Ok(name)) if !name.is_empty() => name.to_string(),
        _ => "unknown".to_string(),
    }
}

fn user_name() -> String {
    // SAFETY: geteuid always succeeds and touches no memory.
    let id = unsafe { libc::geteuid() };
    std::env::var("USER").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| format!("uid {id}"))
}

#[cfg(test)]
mod tests {
    use super::Process;

    #[test]
    fn this_process_lives_and_an_ended_child_is_gone() {
        let this = Process::this().clone();
        assert!(!this.gone());
        assert!(Process { start: this.start + 1, ..this.clone() }.gone(), "the id was given to a later process");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(Process { pid, start: 1, ..this.clone() }.gone());
        assert!(
            !Process { pid, machine: "elsewhere".into(), ..this.clone() }.gone(),
            "another machine's ids say nothing"
        );
        assert!(!Process { pid: 0, ..this.clone() }.gone());
        assert!(!Process { pid: u32::MAX, ..this }.gone());
    }

    #[test]
    fn a_zombie_counts_as_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = Process { pid: child.id(), start: 0, ..Process::this().clone() };
        for _ in 0..500 {
            if process.gone() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(process.gone());
        child.wait().unwrap();
    }
}
