//! Raw data of CIFAR-100: makes small files in the binary version's record layout (task specification §13.3).
//! Knows no preparation.

use crate::data::cifar_binary::RECORD;
use crate::data::counts::Counts;
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::generator::Generator;
use crate::tasks::pictures::draw::{SHAPES, TEXTURES, draw, labels};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use std::io::Write;

/// Pictures drawn at once.
const BATCH: u64 = 1024;

/// See `contract/generator.rs`.
pub struct Cifar100Generator;

impl Generator for Cifar100Generator {
    /// Writes `train.bin` (training, then validation pictures), `test.bin` and the label names of the binary version.
    fn generate(&self, counts: &Counts, seed: Option<u64>, context: &mut dyn Context) -> Result<(), StageError> {
        let (train, validation, test) = (counts.get("train"), counts.get("validation"), counts.get("test"));
        if train == 0 || test == 0 {
            return Err(StageError::Data(format!(
                "cifar100: expected pictures to train and test on, found data.train {train}, data.test {test}"
            )));
        }
        let total = (train + validation + test) as u64;
        let mut done = 0;
        for (name, splits) in
            [("train.bin", vec![("train", train), ("val", validation)]), ("test.bin", vec![("test", test)])]
        {
            let mut output = context.create(name)?;
            for (split, count) in splits {
                let classes = labels("cifar100", split, count, seed);
                for start in (0..count as u64).step_by(BATCH as usize) {
                    if context.stop_asked() {
                        return Err(StageError::Interrupted);
                    }
                    let range = start..(start + BATCH).min(count as u64);
                    let records: Vec<[u8; RECORD]> = range
                        .into_par_iter()
                        .map(|index| record(split, index, classes[index as usize], seed))
                        .collect();
                    for record in &records {
                        output.write_all(record)?;
                    }
                    done += records.len() as u64;
                    context.progress(Progress { unit: "picture", done, total, note: name });
                }
            }
            output.close()?;
        }
        let fine: Vec<String> =
            SHAPES.iter().flat_map(|shape| TEXTURES.map(|texture| format!("{shape}-{texture}"))).collect();
        context.write("fine_label_names.txt", (fine.join("\n") + "\n").as_bytes())?;
        context.write("coarse_label_names.txt", (SHAPES.join("\n") + "\n").as_bytes())
    }
}

fn record(split: &str, index: u64, class: u8, seed: Option<u64>) -> [u8; RECORD] {
    let mut record = [0u8; RECORD];
    record[0] = class / 10;
    record[1] = class;
    record[2..].copy_from_slice(&draw("cifar100", split, index, class, seed));
    record
}
