//! `fetch`: the data of a manifest and nothing else; `run` narrowed to the fetch stage.

use crate::cli::catalog::Catalog;
use crate::cli::exit::Outcome;
use crate::cli::options::{RunOptions, SelectOptions};
use crate::cli::run::execute;

pub fn fetch(options: &RunOptions) -> Outcome {
    let mut only = options.select.only.clone();
    if only.is_empty() {
        only.push("fetch".to_string());
    }
    let select = SelectOptions { only, ..options.select.clone() };
    execute(options, Catalog::collect(), &select)
}
