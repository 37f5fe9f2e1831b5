//! Classes of failure and how often each may be tried again (pipeline §6). Knows no node.

use crate::stages::context::StageError;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Infrastructure,
    Resource,
    Numeric,
    Data,
    Code,
    Timeout,
}

impl Class {
    const ALL: [(Class, &'static str, u32); 6] = [
        (Class::Infrastructure, "infrastructure", 3),
        (Class::Resource, "resource", 1),
        (Class::Numeric, "numeric", 0),
        (Class::Data, "data", 0),
        (Class::Code, "code", 0),
        (Class::Timeout, "timeout", 0),
    ];

    pub fn of(error: &StageError) -> Class {
        match error {
            StageError::Data(_) => Class::Data,
            StageError::Numeric(_) => Class::Numeric,
            StageError::Infrastructure(_) | StageError::Interrupted => Class::Infrastructure,
            StageError::Resource(_) => Class::Resource,
            StageError::Code(_) => Class::Code,
        }
    }

    /// Further attempts after the first one.
    pub fn retries(self) -> u32 {
        self.row().2
    }

    /// The class of a name as a child reports it; an unknown one is a fault of the program.
    pub fn parse(name: &str) -> Class {
        Self::ALL.iter().find(|row| row.1 == name).map_or(Class::Code, |row| row.0)
    }

    fn row(self) -> (Class, &'static str, u32) {
        Self::ALL.into_iter().find(|row| row.0 == self).expect("ALL lists every class")
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().1)
    }
}

/// What a child's exit without a final report means. `signal` is the signal that ended it.
pub fn silent_exit(code: Option<i32>, signal: Option<i32>) -> (Class, String) {
    match (code, signal) {
        (_, Some(libc::SIGKILL)) => (
            Class::Resource,
            "killed (signal 9): most likely the system ran out of memory; lower the batch or set resources.memory_mib"
                .into(),
        ),
        (_, Some(signal)) => (Class::Code, format!("crashed with signal {signal}")),
        (Some(code), None) => (Class::Code, format!("ended with exit code {code} and no result")),
        (None, None) => (Class::Infrastructure, "ended without a result".into()),
    }
}
