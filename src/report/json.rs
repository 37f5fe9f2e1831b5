//! The whole summary as JSON, for programs. Knows no folder.

use crate::artifacts::summary::{SUMMARY_FILE, Summary};
use crate::report::entry::File;

/// `summary.json`: the bytes of the artifact.
pub fn files(summary: &Summary) -> Vec<File> {
    vec![(SUMMARY_FILE.to_string(), summary.to_bytes())]
}
