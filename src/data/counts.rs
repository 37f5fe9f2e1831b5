//! How much data: sample counts and grid sizes (`data.train`, `data.grid`, …), from the manifest or from the task
//! definition's official or embedded table. Knows no task.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// Where raw data come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Downloaded files of the publishers.
    Official,
    /// Made by the task's generator.
    Embedded,
    /// The user's own folder.
    Files,
}

/// Profile of the embedded generators (task specification §13.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    Tiny,
    #[default]
    Small,
    Full,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Size::Tiny => "tiny",
            Size::Small => "small",
            Size::Full => "full",
        })
    }
}

/// Every key that a task may ask for, as written after `data.`, with its documentation.
pub const COUNT_KEYS: &[(&str, &str, &str)] = &[
    ("train", "data.train", "Training samples of the search split; validation samples follow them in the file."),
    ("validation", "data.validation", "Validation samples of the search split; the final split trains on them too."),
    ("test", "data.test", "Test samples."),
    ("recordings", "data.recordings", "Recordings of all splits together."),
    ("classes", "data.classes", "Classes of the labels."),
    ("labels", "data.labels", "Labels of a multi-label task."),
    ("channels", "data.channels", "Channels of a raw sample, such as electrodes."),
    ("shortest", "data.shortest", "Least length of an embedded series; `data.length` is then the greatest."),
    ("length", "data.length", "Length of a raw series."),
    ("grid", "data.grid", "Points per axis: of a raw field, of a stamp, of a crop."),
    ("stride", "data.stride", "Every how many grid points are kept."),
];

/// Settings that hold tables of counts; they leave the canonical form once resolved.
pub const OFFICIAL_TABLE: &str = "data.official";
pub const EMBEDDED_TABLE: &str = "data.embedded";

/// Counts by key (`train`, `grid`, …).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Counts given directly; tests and tools use it.
    pub fn of(pairs: &[(&str, u64)]) -> Self {
        Counts(pairs.iter().map(|(key, value)| (key.to_string(), *value)).collect())
    }

    /// The count of `key`.
    ///
    /// # Panics
    /// If `key` was not among the keys asked for in `resolve`.
    pub fn get(&self, key: &str) -> usize {
        self.0[key] as usize
    }

    /// Writes `data.<key>` for each count.
    pub fn write(&self, settings: &mut Map<String, Value>) {
        for (key, value) in &self.0 {
            settings.insert(format!("data.{key}"), Value::from(*value));
        }
    }
}

/// Origin and size of a map of settings; the size matters to embedded data only.
pub fn origin_of(settings: &Map<String, Value>) -> Result<(Origin, Size), String> {
    let origin = settings.get("data.source").cloned().unwrap_or_else(|| "official".into());
    let origin = serde_json::from_value(origin).map_err(|e| format!("`data.source`: {e}"))?;
    let size = settings.get("data.size").map(|size| serde_json::from_value(size.clone()));
    let size = size.transpose().map_err(|e| format!("`data.size`: {e}"))?.unwrap_or_default();
    Ok((origin, size))
}

/// The counts of `keys`: `data.<key>` where set, else the definition's table for the origin (and size).
/// The message of the error says which setting is missing or wrong.
pub fn resolve(keys: &[&str], settings: &Map<String, Value>, origin: Origin, size: Size) -> Result<Counts, String> {
    let table = match origin {
        Origin::Embedded => settings.get(EMBEDDED_TABLE).and_then(|sizes| sizes.get(size.to_string())),
        Origin::Official | Origin::Files => settings.get(OFFICIAL_TABLE),
    };
    let mut counts = BTreeMap::new();
    for key in keys {
        let setting = format!("data.{key}");
        let value = settings.get(&setting).or_else(|| table.and_then(|table| table.get(*key)));
        let value = value.ok_or_else(|| format!("`{setting}` is not set, and the task definition gives no default"))?;
        let count = value.as_u64().filter(|count| *count <= u64::from(u32::MAX));
        let count = count.ok_or_else(|| format!("`{setting}` must be a whole number below 2³², found {value}"))?;
        counts.insert(key.to_string(), count);
    }
    Ok(Counts(counts))
}

#[cfg(test)]
mod tests {
    use super::{Counts, Origin, Size, resolve};
    use serde_json::json;

    #[test]
    fn the_manifest_wins_over_the_table_of_the_origin() {
        let settings = json!({
            "data.train": 7,
            "data.official": {"train": 900, "test": 100},
            "data.embedded": {"tiny": {"train": 32, "test": 8}}
        });
        let settings = settings.as_object().unwrap();
        let counts = |origin, size| resolve(&["train", "test"], settings, origin, size);
        assert_eq!(counts(Origin::Files, Size::Tiny).unwrap(), Counts::of(&[("train", 7), ("test", 100)]));
        assert_eq!(counts(Origin::Embedded, Size::Tiny).unwrap(), Counts::of(&[("train", 7), ("test", 8)]));
        assert!(counts(Origin::Embedded, Size::Full).unwrap_err().contains("data.test"));
        let bad = json!({"data.train": -1});
        assert!(resolve(&["train"], bad.as_object().unwrap(), Origin::Files, Size::Tiny).unwrap_err().contains("-1"));
    }
}
