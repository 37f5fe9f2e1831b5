//! The settings that say how much data from where: fetch and preprocess share them. Knows no other setting.

use crate::data::counts::{COUNT_KEYS, EMBEDDED_TABLE, OFFICIAL_TABLE};
use crate::stages::entry::{Kind, Setting};

/// `data.source`, `data.size`, the counts and the task definition's tables of counts.
pub fn amount_settings() -> Vec<Setting> {
    let setting = |key, kind, doc| Setting { key, kind, doc, keyed: true };
    let mut all = vec![
        setting(
            "data.source",
            Kind::Choice(&["official", "embedded", "files"]),
            "Where raw data come from: the publishers, the embedded generator, or a folder of yours (`data.dir`).",
        ),
        setting("data.size", Kind::Choice(&["tiny", "small", "full"]), "How much the embedded generator makes."),
        setting(OFFICIAL_TABLE, Kind::Any, "The task definition's counts of the official files."),
        setting(EMBEDDED_TABLE, Kind::Any, "The task definition's counts of the embedded generator, by size."),
    ];
    all.extend(COUNT_KEYS.iter().map(|(_, key, doc)| setting(key, Kind::Count { min: 0 }, doc)));
    all
}
