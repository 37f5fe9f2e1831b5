//! CIFAR-100's raw files, in any of the published forms, to the data set: pixels and fine labels as they are
//! (task specification §3). Augmentation and normalisation belong to the objective.

use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape};
use crate::data::counts::Counts;
use crate::data::part::{PartWriter, Promise};
use crate::data::spill::pour;
use crate::stages::context::{Context, StageError};
use crate::tasks::contract::preparation::Preparation;
use crate::tasks::pictures::read::{Pictures, read};
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
        let found = read(context)?;
        let both = train + validation;
        for (part, wanted, settings) in [("train", both, "data.train and data.validation"), ("test", test, "data.test")]
        {
            write(found.part("cifar100", part, wanted, settings, classes)?, part, context)?;
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

fn write(pictures: &Pictures, part: &str, context: &mut dyn Context) -> Result<(), StageError> {
    let count = pictures.labels.len();
    let promises = [
        Promise { name: "x", dtype: Dtype::U8, shape: &[count, 3, 32, 32] },
        Promise { name: "y", dtype: Dtype::U32, shape: &[count] },
    ];
    let mut writer = PartWriter::start(context.create(&format!("{part}.safetensors"))?, &promises)?;
    writer.write_all(&pictures.labels.iter().flat_map(|label| label.to_le_bytes()).collect::<Vec<u8>>())?;
    pour(&mut pictures.pixels.open()?, &mut writer, u64::MAX)?;
    writer.finish()?.close()
}
