//! `schema`: the JSON schema of manifests.

use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Outcome};

pub fn schema() -> Outcome {
    println!("{:#}", crate::manifest::schema::schema(&Catalog::collect().vocabulary));
    Ok(DONE)
}
