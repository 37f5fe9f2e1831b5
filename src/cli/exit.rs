//! Exit codes and the errors that lead to them (pipeline §2). Knows no verb.

use std::fmt;

pub const DONE: u8 = 0;
pub const FAILED: u8 = 1;
pub const USAGE: u8 = 2;
pub const NOTHING_MATCHED: u8 = 3;
pub const MISS: u8 = 4;
/// 128 + SIGINT.
pub const INTERRUPTED: u8 = 130;
/// 128 + SIGPIPE.
pub const READER_GONE: u8 = 141;
/// 128 + SIGTERM.
pub const TERMINATED: u8 = 143;

/// Why a verb ends without doing what was asked.
#[derive(Debug)]
pub struct Exit {
    pub code: u8,
    /// For standard error; "" where all has been said.
    pub message: String,
}

impl Exit {
    pub fn usage(message: impl fmt::Display) -> Self {
        Exit { code: USAGE, message: message.to_string() }
    }

    pub fn nothing(message: impl fmt::Display) -> Self {
        Exit { code: NOTHING_MATCHED, message: message.to_string() }
    }

    pub fn miss(message: impl fmt::Display) -> Self {
        Exit { code: MISS, message: message.to_string() }
    }

    pub fn failed(message: impl fmt::Display) -> Self {
        Exit { code: FAILED, message: message.to_string() }
    }
}

/// What a verb gives: its exit code, or why not.
pub type Outcome = Result<u8, Exit>;
