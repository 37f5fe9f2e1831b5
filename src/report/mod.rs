//! Reports from a summary, one file per output format. Computes no statistics: what is shown stands in the summary.
//!
//! Searches are no part of the summary: their rows get what a report shows of each (`searched.rs`). A page in HTML (`html.rs`) will need
//! both.

use crate::report::entry::ReportEntry;

pub mod axis;
pub mod caption;
pub mod cell_plot;
pub mod csv;
pub mod entry;
pub mod json;
pub mod latex;
pub mod markdown;
pub mod number;
pub mod plot;
pub mod profile_plot;
pub mod samples_plot;
pub mod searched;
pub mod searches;
pub mod svg;
pub mod tensorboard;
pub mod terminal;
pub mod text_table;
pub mod write;

/// Every format, in the order in which its files are listed.
pub const TABLE: &[ReportEntry] = &[
    ReportEntry { name: "text", files: "report.txt", render: terminal::files },
    ReportEntry { name: "markdown", files: "report.md", render: markdown::files },
    ReportEntry { name: "latex", files: "table2.tex, table3.tex", render: latex::files },
    ReportEntry { name: "csv", files: "scores.csv, runs.csv, standings.csv, deviations.csv", render: csv::files },
    ReportEntry { name: "json", files: "summary.json", render: json::files },
    ReportEntry { name: "profile", files: "profile-<panel>.{svg,csv,json}", render: profile_plot::files },
];
