//! Preprocess: raw files to the data set artifact. Knows no task and no origin but its name.

use crate::data::counts::{Counts, Origin, Size, origin_of, resolve};
use crate::stages::amount::amount_settings;
use crate::stages::context::{Context, StageError};
use crate::stages::entry::Setting;
use crate::tasks::contract::preparation::{Preparation, RAW};
use serde_json::{Map, Value};

/// The settings of a preprocess node, resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct PreprocessParams {
    pub origin: Origin,
    /// Matters to embedded data only, where it is part of the data set's tag.
    pub size: Size,
    pub counts: Counts,
    /// `task.…` of a user's own task; empty for all others.
    pub options: Map<String, Value>,
}

/// What a manifest may set for this stage.
pub fn settings() -> Vec<Setting> {
    amount_settings()
}

impl PreprocessParams {
    /// Checks a map of dotted settings; the result of `to_settings` gives the same parameters again.
    pub fn from_settings(settings: &Map<String, Value>, preparation: &dyn Preparation) -> Result<Self, String> {
        let (origin, size) = origin_of(settings)?;
        let counts = resolve(preparation.counts(), settings, origin, size)?;
        let size = if origin == Origin::Embedded { size } else { Size::default() };
        let own = |(key, value): (&String, &Value)| key.starts_with("task.").then(|| (key.clone(), value.clone()));
        let options = if preparation.takes_options() { settings.iter().filter_map(own).collect() } else { Map::new() };
        preparation.check_options(&options)?;
        Ok(PreprocessParams { origin, size, counts, options })
    }

    /// The canonical settings.
    pub fn to_settings(&self) -> Map<String, Value> {
        let plain = |value: Result<Value, serde_json::Error>| value.expect("plain values have a JSON form");
        let mut settings = Map::new();
        settings.insert("data.source".into(), plain(serde_json::to_value(self.origin)));
        if self.origin == Origin::Embedded {
            settings.insert("data.size".into(), plain(serde_json::to_value(self.size)));
        }
        self.counts.write(&mut settings);
        settings.extend(self.options.clone());
        settings
    }

    /// What the data set says of its origin: `official`, `official:originals` (the publishers' files instead of those that
    /// the benchmark hosts), `files` or `embedded:<size>`. `names` are the raw files.
    pub fn tag(&self, hosted: &[&str], names: &[String]) -> String {
        let complete = hosted.iter().all(|wanted| names.iter().any(|name| name == wanted));
        match self.origin {
            Origin::Official if complete => "official".into(),
            Origin::Official => "official:originals".into(),
            Origin::Files => "files".into(),
            Origin::Embedded => format!("embedded:{}", self.size),
        }
    }
}

/// Runs a preprocess node: slot `raw` to `dataset.json`, `train.safetensors`, `test.safetensors`. `hosted`: the names of the
/// benchmark's own files.
pub fn preprocess(
    task: &str,
    hosted: &[&str],
    preparation: &dyn Preparation,
    params: &PreprocessParams,
    context: &mut dyn Context,
) -> Result<(), StageError> {
    let tag = params.tag(hosted, &context.names(RAW));
    if preparation.takes_options() {
        return preparation.prepare_with(task, &params.options, &tag, context);
    }
    preparation.prepare(&params.counts, &tag, context)
}
