//! `completions`: scripts for shells.

use crate::cli::exit::{DONE, Outcome};
use crate::cli::options::Cli;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

pub fn completions(shell: Shell) -> Outcome {
    generate(shell, &mut Cli::command(), "nasperf-pipe", &mut std::io::stdout());
    Ok(DONE)
}
