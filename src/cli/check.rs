//! `check`: the manifest alone. Opens no store.

use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Outcome};
use crate::cli::options::ManifestOptions;
use crate::cli::session::Session;

pub fn check(options: &ManifestOptions) -> Outcome {
    let session = Session::open(Catalog::collect(), &options.manifest, &options.layers)?;
    for note in session.manifest.notes.iter().chain(&session.manifest.overrides) {
        println!("note: {note}");
    }
    println!(
        "{}: {} cells, {} nodes",
        options.manifest.display(),
        session.manifest.cells.len(),
        session.plan.nodes.len()
    );
    Ok(DONE)
}
