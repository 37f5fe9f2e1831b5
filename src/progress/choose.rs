//! Which display a run gets: the only place in `progress/` that looks at the terminal and the environment.

use crate::execute::event::Display;
use crate::progress::clock::monotonic;
use crate::progress::fancy::Fancy;
use crate::progress::jsonl::Jsonl;
use crate::progress::plain::Plain;
use std::io::{IsTerminal, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Fancy { colour: bool },
    Plain,
    Jsonl,
}

/// What of the process decides; `Surroundings::of_this_process` reads it.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub stderr_is_terminal: bool,
    /// Environment variable TERM.
    pub term: Option<String>,
    /// Environment variable NO_COLOR: any text but the empty one asks for no colour (no-color.org).
    pub no_color: Option<String>,
}

impl Surroundings {
    pub fn of_this_process() -> Surroundings {
        let variable = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Surroundings {
            stderr_is_terminal: std::io::stderr().is_terminal(),
            term: variable("TERM"),
            no_color: variable("NO_COLOR"),
        }
    }
}

/// `json` is `--format json`. Bars need a terminal that can move its cursor.
pub fn choose(json: bool, surroundings: &Surroundings) -> Choice {
    if json {
        return Choice::Jsonl;
    }
    // Windows consoles set no TERM and can move their cursor.
    let capable = match surroundings.term.as_deref() {
        None => cfg!(windows),
        Some("" | "dumb") => false,
        Some(_) => true,
    };
    if surroundings.stderr_is_terminal && capable {
        Choice::Fancy { colour: surroundings.no_color.as_deref().unwrap_or("").is_empty() }
    } else {
        Choice::Plain
    }
}

/// Makes the display: bars go to stderr, lines of either kind to `lines` (stderr too, unless JSON is the command's data).
pub fn display(choice: Choice, lines: Box<dyn Write + Send>) -> Box<dyn Display> {
    match choice {
        Choice::Fancy { colour } => Box::new(Fancy::stderr(monotonic(), colour)),
        Choice::Plain => Box::new(Plain::new(lines, monotonic())),
        Choice::Jsonl => Box::new(Jsonl::new(lines)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, Surroundings, choose};

    fn around(stderr_is_terminal: bool, term: Option<&str>, no_color: Option<&str>) -> Surroundings {
        Surroundings { stderr_is_terminal, term: term.map(str::to_owned), no_color: no_color.map(str::to_owned) }
    }

    #[test]
    fn bars_only_where_they_can_be_drawn() {
        let colour = Choice::Fancy { colour: true };
        assert_eq!(choose(false, &around(true, Some("xterm-256color"), None)), colour);
        assert_eq!(choose(false, &around(true, Some("xterm"), Some(""))), colour);
        assert_eq!(choose(false, &around(true, Some("xterm"), Some("1"))), Choice::Fancy { colour: false });
        assert_eq!(choose(false, &around(true, Some("dumb"), None)), Choice::Plain);
        assert_eq!(choose(false, &around(false, Some("xterm"), None)), Choice::Plain);
        assert_eq!(choose(true, &around(true, Some("xterm"), None)), Choice::Jsonl);
    }

    #[test]
    #[cfg(not(windows))]
    fn an_unknown_terminal_gets_lines() {
        assert_eq!(choose(false, &around(true, None, None)), Choice::Plain);
    }
}
