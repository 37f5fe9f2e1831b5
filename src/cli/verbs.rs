//! From arguments to a verb. The bare `nasperf-pipe MANIFEST` is `run`.

use crate::cli::exit::{Outcome, USAGE};
use crate::cli::options::{Cli, Verb};
use crate::cli::{
    broken_pipe, bundle, check, completions, diff, doctor, exec_node, export, fetch, gc, graph, init, logs, plan,
    preview, report, results, run, schema, status, why,
};
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command line and gives the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    broken_pipe::end_quietly();
    let cli = match Cli::try_parse_from(with_default_verb(arguments.into_iter().collect())) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output with code 0, everything else is a usage error.
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match dispatch(&cli.verb) {
        Ok(code) => ExitCode::from(code),
        Err(exit) => {
            if !exit.message.is_empty() {
                eprintln!("{}", exit.message.trim_end());
            }
            ExitCode::from(exit.code)
        }
    }
}

fn dispatch(verb: &Verb) -> Outcome {
    match verb {
        Verb::Run(options) => run::run(options),
        Verb::Plan(options) => plan::plan(options),
        Verb::Why(options) => why::why(options),
        Verb::Status(options) => status::status(options),
        Verb::Logs(options) => logs::logs(options),
        Verb::Results(options) => results::results(options),
        Verb::Report(options) => report::report(options),
        Verb::Graph(options) => graph::graph(options),
        Verb::Export(options) => export::export(options),
        Verb::Check(options) => check::check(options),
        Verb::Schema => schema::schema(),
        Verb::Doctor(options) => doctor::doctor(options),
        Verb::Fetch(options) => fetch::fetch(options),
        Verb::Init(options) => init::init(options),
        Verb::Preview(options) => preview::preview(options),
        Verb::Bundle(options) => bundle::bundle(options),
        Verb::Unbundle(options) => bundle::unbundle(options),
        Verb::Gc(options) => gc::gc(options),
        Verb::Diff(options) => diff::diff(options),
        Verb::Completions { shell } => completions::completions(*shell),
        Verb::ExecNode(options) => exec_node::exec_node(options),
    }
}

/// Inserts `run` where the first word is no verb. A manifest that is called like a verb needs `run` or `./`.
fn with_default_verb(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let verbs: Vec<String> = Cli::command().get_subcommands().map(|c| c.get_name().to_string()).collect();
    let is_verb = |word: &OsString| word.to_str().is_some_and(|w| w == "help" || verbs.iter().any(|verb| verb == w));
    let plain = arguments.get(1).is_some_and(|word| {
        let asks = word.to_str().is_some_and(|w| matches!(w, "-h" | "--help" | "-V" | "--version"));
        !asks && !is_verb(word)
    });
    if plain {
        arguments.insert(1, "run".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::with_default_verb;
    use std::ffi::OsString;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_bare_manifest_runs() {
        assert_eq!(with_default_verb(words("n manifests/first.toml -j 2")), words("n run manifests/first.toml -j 2"));
        assert_eq!(with_default_verb(words("n --cache c m.toml")), words("n run --cache c m.toml"));
        for same in ["n plan m.toml", "n --help", "n help run", "n"] {
            assert_eq!(with_default_verb(words(same)), words(same));
        }
    }
}
