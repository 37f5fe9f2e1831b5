//! The row type of the table of report formats. Knows no format.

use crate::artifacts::summary::Summary;

/// A file name without folder, and its content.
pub type File = (String, Vec<u8>);

pub struct ReportEntry {
    /// What a user calls the format.
    pub name: &'static str,
    /// The files it makes, for messages.
    pub files: &'static str,
    pub render: fn(&Summary) -> Vec<File>,
}
