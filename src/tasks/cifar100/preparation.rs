//! CIFAR-100's raw files, in any of the published forms, to the data set: pixels and fine labels as they are
//! (task specification §3). Augmentation and normalisation belong to the objective.

use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape};
use crate::data::counts::Counts;
use crate::data::part::{PartWriter, Promise};
use crate::stages::context::{Context, Output, StageError};
use crate::tasks::contract::preparation::Preparation;
use crate::tasks::pictures::read::{Wanted, read};
use safetensors::Dtype;
use std::io::Write;

/// See `contract/preparation.rs`.
pub struct Cifar100Preparation;

impl Preparation for Cifar100Preparation {
    fn counts(&self) -> &'static [&'static str] {
        &["classes", "train", "validation", "test"]
    }

    fn prepare(&self, counts: &Counts, source: &str, context: &mut dyn Context) -> Result<(), StageError> {
        let (train, validation, test) = (counts.get("train"), counts.get("validation"), counts.get("test"));
        let classes = counts.get("classes");
        if train == 0 || test == 0 || classes == 0 {
            return Err(StageError::Data(format!(
                "cifar100: expected classes and pictures to train and test on, found data.classes {classes}, data.train \
                 {train}, data.test {test}"
            )));
        }
        let both = train + validation;
        let wanted = [
            Wanted { part: "train", count: both, settings: "data.train and data.validation" },
            Wanted { part: "test", count: test, settings: "data.test" },
        ];
        let mut found = read(&wanted, context, &mut start)?;
        for part in &wanted {
            let pictures = found.take("cifar100", part, classes)?;
            let mut writer = pictures.pixels;
            writer.write_all(&pictures.labels.iter().flat_map(|label| label.to_le_bytes()).collect::<Vec<u8>>())?;
            writer.finish()?.close()?;
        }
        let class_names = found.class_names.unwrap_or_default();
        if !class_names.is_empty() && class_names.len() != classes {
            return Err(StageError::Data(format!(
                "cifar100: expected {classes} class names, found {}; set data.classes to use these files",
                class_names.len()
            )));
        }
        let rows = |part: &str, start, end| Rows { part: part.to_string(), start, end };
        let meta = DatasetMeta {
            format: DATASET_FORMAT,
            task: "cifar100".into(),
            shape: TaskShape { channels: 3, spatial: vec![32, 32], target: Target::Point { classes } },
            search: Split { train: rows("train", 0, train), score: rows("train", train, both) },
            last: Split { train: rows("train", 0, both), score: rows("test", 0, test) },
            source: source.to_string(),
            class_names,
            loss: None,
            metric: None,
        };
        let json = serde_json::to_vec_pretty(&meta).map_err(|e| StageError::Code(e.to_string()))?;
        context.write(DATASET_FILE, &json)
    }
}

/// Starts a part: pixels come first, as the binary version has labels among them, and the official pickles before or behind.
fn start(wanted: &Wanted, context: &mut dyn Context) -> Result<PartWriter<Box<dyn Output>>, StageError> {
    let count = wanted.count;
    let promises = [
        Promise { name: "x", dtype: Dtype::U8, shape: &[count, 3, 32, 32] },
        Promise { name: "y", dtype: Dtype::U32, shape: &[count] },
    ];
    Ok(PartWriter::start_in_order(context.create(&format!("{}.safetensors", wanted.part))?, &promises)?)
}
