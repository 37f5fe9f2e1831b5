//! The exit code of the command line; everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    nasperf_pipe::cli::verbs::main(std::env::args_os())
}
