//! A published table as a TOML file: values per task and method, with spread and band. Knows no task by itself.

use crate::artifacts::score::Direction;
use crate::artifacts::summary::{Citation, Printed};
use serde::Deserialize;
use std::collections::BTreeMap;

pub const PUBLISHED_FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    pub format: u32,
    pub title: String,
    pub source: String,
    /// Runs behind each mean.
    pub seeds: u32,
    /// How a band is made where a value states none.
    pub band: Option<Band>,
    /// What a reader of the table must know.
    #[serde(default)]
    pub notes: Vec<String>,
    pub task: BTreeMap<String, PublishedTask>,
    /// Task → method → value.
    pub value: BTreeMap<String, BTreeMap<String, PublishedValue>>,
    /// Median rank and improvement as printed, by method.
    #[serde(default)]
    pub printed: BTreeMap<String, Printed>,
}

/// Half width of a band: the larger of `deviations · std` and `relative · |mean|`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    pub deviations: f64,
    pub relative: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedTask {
    pub metric: String,
    pub unit: String,
    pub direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedValue {
    pub mean: f64,
    pub std: Option<f64>,
    /// Half width, in the task's unit.
    pub band: Option<f64>,
}

/// A message without the file's name: the reader knows under which name it was given.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    #[error("not UTF-8 text: expected a TOML table of published values")]
    Text,
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    #[error("expected format {PUBLISHED_FORMAT}, found {0}")]
    Format(u32),
    #[error("[value.{0}] has no [task.{0}]: add its metric, unit and direction")]
    NoTask(String),
    #[error("[value.{task}] \"{method}\": expected {expected}, found {found}")]
    Value { task: String, method: String, expected: &'static str, found: f64 },
    #[error("[printed] \"{0}\": expected finite numbers")]
    Printed(String),
    #[error("[band]: expected numbers of at least 0, found {0} and {1}")]
    Band(f64, f64),
    #[error("[value.{task}] \"{method}\": expected a method as `space/algorithm`")]
    Method { task: String, method: String },
}

impl Published {
    pub fn parse(bytes: &[u8]) -> Result<Published, PublishedError> {
        let text = std::str::from_utf8(bytes).map_err(|_| PublishedError::Text)?;
        let published: Published = toml::from_str(text)?;
        if published.format != PUBLISHED_FORMAT {
            return Err(PublishedError::Format(published.format));
        }
        let at_least_zero = |v: f64| v.is_finite() && v >= 0.0;
        if let Some(band) = published.band
            && !(at_least_zero(band.deviations) && at_least_zero(band.relative))
        {
            return Err(PublishedError::Band(band.deviations, band.relative));
        }
        if let Some((method, _)) =
            published.printed.iter().find(|(_, p)| !(p.rank.is_finite() && p.improvement.is_finite()))
        {
            return Err(PublishedError::Printed(method.clone()));
        }
        for (task, row) in &published.value {
            if !published.task.contains_key(task) {
                return Err(PublishedError::NoTask(task.clone()));
            }
            for (method, value) in row {
                if method.split('/').filter(|part| !part.is_empty()).count() != 2 || method.matches('/').count() != 1 {
                    return Err(PublishedError::Method { task: task.clone(), method: method.clone() });
                }
                let wrong = |expected, found| PublishedError::Value {
                    task: task.clone(),
                    method: method.clone(),
                    expected,
                    found,
                };
                if !value.mean.is_finite() {
                    return Err(wrong("a finite mean", value.mean));
                }
                for width in [value.std, value.band].into_iter().flatten() {
                    if !at_least_zero(width) {
                        return Err(wrong("a std or band of at least 0", width));
                    }
                }
            }
        }
        Ok(published)
    }

    pub fn citation(&self) -> Citation {
        Citation { title: self.title.clone(), source: self.source.clone() }
    }

    /// Half width of the band around `value`; `None` where neither it nor the table states one.
    pub fn band(&self, value: &PublishedValue) -> Option<f64> {
        value.band.or_else(|| {
            let band = self.band?;
            Some((band.deviations * value.std.unwrap_or(0.0)).max(band.relative * value.mean.abs()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Published, PublishedError};

    const HEAD: &str = "format = 1\ntitle = \"t\"\nsource = \"s\"\nseeds = 3\n";
    const TASK: &str = "[task.ecg]\nmetric = \"F1\"\nunit = \"\"\ndirection = \"higher\"\n";

    fn parse(rest: &str) -> Result<Published, PublishedError> {
        Published::parse(format!("{HEAD}{rest}").as_bytes())
    }

    fn message(rest: &str) -> String {
        parse(rest).expect_err("the table is wrong").to_string()
    }

    #[test]
    fn a_band_is_stated_or_made() {
        let values = "[value.ecg]\n\"a/b\" = { mean = 2.0, std = 0.25 }\n\"a/c\" = { mean = -2.0 }\n\"a/d\" = { mean = 2.0, band = 0.5 }\n";
        let with = parse(&format!("[band]\ndeviations = 3.0\nrelative = 0.125\n{TASK}{values}")).unwrap();
        let band = |m: &str| with.band(&with.value["ecg"][m]);
        assert_eq!((band("a/b"), band("a/c"), band("a/d")), (Some(0.75), Some(0.25), Some(0.5)));
        let without = parse(&format!("{TASK}{values}")).unwrap();
        assert_eq!(without.band(&without.value["ecg"]["a/b"]), None);
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(matches!(Published::parse(b"\xff"), Err(PublishedError::Text)));
        assert!(message("[value.ecg]\n[task]\n").contains("[value.ecg] has no [task.ecg]"));
        assert!(
            message(&format!("{TASK}[value.ecg]\n\"a/b\" = {{ mean = nan }}\n")).contains("a finite mean, found NaN")
        );
        assert!(message(&format!("{TASK}[value.ecg]\n\"a/b\" = {{ mean = 1, std = -1 }}\n")).contains("found -1"));
        assert!(message(&format!("{TASK}[value.ecg]\nab = {{ mean = 1 }}\n")).contains("space/algorithm"));
        assert!(message("[band]\ndeviations = -1\nrelative = 0\n[task]\n[value]\n").contains("found -1 and 0"));
        let nan = "[printed]\n\"a/b\" = { rank = nan, improvement = 0 }\n[task]\n[value]\n";
        assert!(message(nan).contains("[printed] \"a/b\": expected finite"));
        assert!(message("[task]\n[value]\nmore = 1\n").contains("line"));
        let other = format!("{HEAD}[task]\n[value]\n").replace("format = 1", "format = 7");
        assert!(matches!(Published::parse(other.as_bytes()), Err(PublishedError::Format(7))));
    }
}
