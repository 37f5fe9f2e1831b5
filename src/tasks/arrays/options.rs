//! The settings of a user's own task (`[task.NAME]`): which array lies where, what its targets are, how rows are split.
//! Knows no file's content.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the targets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One class per sample.
    Point,
    /// Several labels per sample.
    MultiLabel,
    /// A value per position and channel.
    Dense,
}

/// The loss of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossName {
    CrossEntropy,
    BinaryCrossEntropy,
    MeanSquaredError,
    RelativeL2,
}

/// The reported number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricName {
    #[serde(rename = "top-1-error")]
    Top1Error,
    #[serde(rename = "macro-f1")]
    MacroF1,
    #[serde(rename = "mean-auroc")]
    MeanAuroc,
    #[serde(rename = "mean-average-precision")]
    MeanAveragePrecision,
    #[serde(rename = "relative-l2")]
    RelativeL2,
    MeanAbsoluteError,
    MeanSquaredError,
}

/// Losses and scores that fit a kind; the first of each is the default.
pub fn fitting(kind: Kind) -> (&'static [LossName], &'static [MetricName]) {
    match kind {
        Kind::Point => (&[LossName::CrossEntropy], &[MetricName::Top1Error, MetricName::MacroF1]),
        Kind::MultiLabel => {
            (&[LossName::BinaryCrossEntropy], &[MetricName::MeanAuroc, MetricName::MeanAveragePrecision])
        }
        Kind::Dense => (
            &[LossName::MeanSquaredError, LossName::RelativeL2, LossName::BinaryCrossEntropy],
            &[MetricName::RelativeL2, MetricName::MeanAbsoluteError, MetricName::MeanSquaredError],
        ),
    }
}

/// Where an array lies: a file, and the name of the array where the file holds several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: String,
    pub array: Option<String>,
}

impl Place {
    /// `file`, or `file:array`.
    pub fn parse(text: &str) -> Place {
        match text.rsplit_once(':') {
            Some((file, array)) if !file.is_empty() && !array.is_empty() => {
                Place { file: file.to_string(), array: Some(array.to_string()) }
            }
            _ => Place { file: text.to_string(), array: None },
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.array {
            Some(array) => write!(f, "{}:{array}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    #[serde(rename = "task.dimension")]
    pub dimension: u8,
    #[serde(rename = "task.kind")]
    pub kind: Kind,
    #[serde(rename = "task.x")]
    pub x: String,
    #[serde(rename = "task.y")]
    pub y: String,
    #[serde(rename = "task.validation_x", default, skip_serializing_if = "Option::is_none")]
    pub validation_x: Option<String>,
    #[serde(rename = "task.validation_y", default, skip_serializing_if = "Option::is_none")]
    pub validation_y: Option<String>,
    #[serde(rename = "task.test_x", default, skip_serializing_if = "Option::is_none")]
    pub test_x: Option<String>,
    #[serde(rename = "task.test_y", default, skip_serializing_if = "Option::is_none")]
    pub test_y: Option<String>,
    #[serde(rename = "task.channels_last", default)]
    pub channels_last: bool,
    #[serde(rename = "task.normalise", default = "yes")]
    pub normalise: bool,
    #[serde(rename = "task.validation_share", default = "tenth")]
    pub validation_share: f64,
    #[serde(rename = "task.test_share", default = "fifth")]
    pub test_share: f64,
    #[serde(rename = "task.split_seed", default)]
    pub split_seed: u64,
    /// Absent: one more than the largest label.
    #[serde(rename = "task.classes", default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    #[serde(rename = "task.loss", default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<LossName>,
    #[serde(rename = "task.metric", default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<MetricName>,
}

fn yes() -> bool {
    true
}
fn tenth() -> f64 {
    0.1
}
fn fifth() -> f64 {
    0.2
}

/// Arrays of one set of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub x: Place,
    pub y: Place,
}

impl Options {
    /// From dotted settings; the message says what is missing or does not fit.
    pub fn parse(settings: &Map<String, Value>) -> Result<Options, String> {
        let options: Options = serde_json::from_value(Value::Object(settings.clone())).map_err(|e| e.to_string())?;
        let (losses, metrics) = fitting(options.kind);
        if options.loss.is_some_and(|loss| !losses.contains(&loss)) {
            return Err(format!("`loss`: a {} task takes {}", word(&options.kind), words(losses)));
        }
        if options.metric.is_some_and(|metric| !metrics.contains(&metric)) {
            return Err(format!("`metric`: a {} task takes {}", word(&options.kind), words(metrics)));
        }
        for (one, two, name) in
            [(&options.validation_x, &options.validation_y, "validation"), (&options.test_x, &options.test_y, "test")]
        {
            if one.is_some() != two.is_some() {
                return Err(format!("`{name}_x` and `{name}_y` go together; set both or none"));
            }
        }
        for (share, name) in [(options.validation_share, "validation_share"), (options.test_share, "test_share")] {
            if !(0.0..1.0).contains(&share) {
                return Err(format!("`{name}`: a share of at least 0 and below 1 was expected, found {share}"));
            }
        }
        let drawn = options.drawn_shares();
        if drawn.0 + drawn.1 >= 1.0 {
            return Err("`validation_share` and `test_share` leave no rows to train on".to_string());
        }
        if options.test_x.is_none() && options.test_share == 0.0 {
            return Err("nothing to test on: set `test_x` and `test_y`, or a `test_share` above 0".to_string());
        }
        if !(1..=2).contains(&options.dimension) {
            return Err(format!("`dimension`: 1 or 2 was expected, found {}", options.dimension));
        }
        Ok(options)
    }

    /// Shares of the training file that are drawn for validation and for the test: 0 where files of their own are given.
    pub fn drawn_shares(&self) -> (f64, f64) {
        let share = |given: bool, share: f64| if given { 0.0 } else { share };
        (share(self.validation_x.is_some(), self.validation_share), share(self.test_x.is_some(), self.test_share))
    }

    pub fn train(&self) -> Pair {
        Pair { x: Place::parse(&self.x), y: Place::parse(&self.y) }
    }

    pub fn validation(&self) -> Option<Pair> {
        pair(&self.validation_x, &self.validation_y)
    }

    pub fn test(&self) -> Option<Pair> {
        pair(&self.test_x, &self.test_y)
    }

    pub fn loss(&self) -> LossName {
        self.loss.unwrap_or(fitting(self.kind).0[0])
    }

    pub fn metric(&self) -> MetricName {
        self.metric.unwrap_or(fitting(self.kind).1[0])
    }

    /// All places, each once.
    pub fn places(&self) -> Vec<Place> {
        let pairs = [Some(self.train()), self.validation(), self.test()];
        let mut all: Vec<Place> = pairs.into_iter().flatten().flat_map(|pair| [pair.x, pair.y]).collect();
        all.sort();
        all.dedup();
        all
    }
}

fn pair(x: &Option<String>, y: &Option<String>) -> Option<Pair> {
    let (x, y) = (x.as_ref()?, y.as_ref()?);
    Some(Pair { x: Place::parse(x), y: Place::parse(y) })
}

/// As a manifest spells it.
pub fn word<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_string));
    text.unwrap_or_default()
}

fn words<T: Serialize>(values: &[T]) -> String {
    values.iter().map(|value| format!("\"{}\"", word(value))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{LossName, MetricName, Options, Place};
    use serde_json::{Value, json};

    fn parse(changes: Value) -> Result<Options, String> {
        let mut all =
            json!({"task.dimension": 1, "task.kind": "multi-label", "task.x": "a.npz:x", "task.y": "a.npz:y"});
        for (key, value) in changes.as_object().unwrap() {
            all[format!("task.{key}")] = value.clone();
        }
        Options::parse(all.as_object().unwrap())
    }

    #[test]
    fn defaults_follow_the_kind() {
        let options = parse(json!({})).unwrap();
        assert_eq!((options.loss(), options.metric()), (LossName::BinaryCrossEntropy, MetricName::MeanAuroc));
        assert_eq!(options.places().len(), 2);
        assert_eq!(options.drawn_shares(), (0.1, 0.2));
        let given = parse(json!({"test_x": "t.npy", "test_y": "u.npy"})).unwrap();
        assert_eq!((given.drawn_shares(), given.places().len()), ((0.1, 0.0), 4));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        for (changes, expected) in [
            (json!({"loss": "relative-l2"}), "a multi-label task takes \"binary-cross-entropy\""),
            (json!({"metric": "top-1-error"}), "\"mean-auroc\", \"mean-average-precision\""),
            (json!({"test_x": "t.npy"}), "`test_x` and `test_y` go together"),
            (json!({"validation_share": 0.9}), "no rows to train on"),
            (json!({"test_share": 0.0}), "nothing to test on"),
            (json!({"dimension": 3}), "1 or 2"),
            (json!({"test_share": 1.5}), "below 1"),
        ] {
            let found = parse(changes).unwrap_err();
            assert!(found.contains(expected), "{found}");
        }
    }

    #[test]
    fn places_name_an_array_after_the_last_colon() {
        assert_eq!(Place::parse("x.npy"), Place { file: "x.npy".into(), array: None });
        assert_eq!(Place::parse("d/a.npz:x"), Place { file: "d/a.npz".into(), array: Some("x".into()) });
        assert_eq!(Place::parse("d/a.npz:x").to_string(), "d/a.npz:x");
    }
}
