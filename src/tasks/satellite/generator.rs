//! Raw data of Satellite in the official files' layout: an npy file with a pickled dict (task specification §11.1).
//! Knows no preparation.

use crate::data::counts::Counts;
use crate::data::npy_writer::start_npy;
use crate::data::pickle_writer::{Item, write_pickle};
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::generator::Generator;
use crate::tasks::satellite::phenology::{DAYS, World};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use std::borrow::Cow;

/// Series drawn between two looks at the clock.
const BATCH: usize = 1 << 14;

/// See `contract/generator.rs`.
pub struct SatelliteGenerator;

impl Generator for SatelliteGenerator {
    /// Writes `satellite_train.npy` (training, then validation series) and `satellite_test.npy`: `data` (N,46) in double
    /// precision, `label` 1 to 24.
    fn generate(&self, counts: &Counts, seed: Option<u64>, context: &mut dyn Context) -> Result<(), StageError> {
        let (train, validation, test) = (counts.get("train"), counts.get("validation"), counts.get("test"));
        if train == 0 || test == 0 {
            return Err(StageError::Data(format!(
                "satellite: expected series to train and test on, found data.train {train}, data.test {test}"
            )));
        }
        let world = World::new(seed);
        let total = (train + validation + test) as u64;
        let mut done = 0;
        for (name, splits) in [
            ("satellite_train.npy", vec![("train", train), ("val", validation)]),
            ("satellite_test.npy", vec![("test", test)]),
        ] {
            let (mut data, mut labels) = (Vec::new(), Vec::new());
            for (split, count) in splits {
                for start in (0..count).step_by(BATCH) {
                    if context.stop_asked() {
                        return Err(StageError::Interrupted);
                    }
                    let one = |index: usize| {
                        let class = world.class(split, index as u64);
                        (class, world.series(split, index as u64, class))
                    };
                    let drawn: Vec<_> = (start..count.min(start + BATCH)).into_par_iter().map(one).collect();
                    for (class, series) in &drawn {
                        labels.extend((*class as i64 + 1).to_le_bytes());
                        data.extend(series.iter().flat_map(|v| v.to_le_bytes()));
                    }
                    done += drawn.len() as u64;
                    context.progress(Progress { unit: "series", done, total, note: name });
                }
            }
            let count = labels.len() / 8;
            let root = Item::Dict(vec![
                (
                    Item::Text("data"),
                    Item::Array { descr: "<f8", shape: vec![count, DAYS], data: Cow::Borrowed(&data) },
                ),
                (Item::Text("label"), Item::Array { descr: "<i8", shape: vec![count], data: Cow::Borrowed(&labels) }),
            ]);
            let mut output = context.create(name)?;
            start_npy(&mut output, "|O", &[])?;
            write_pickle(&mut output, &Item::Objects { shape: vec![], items: vec![root] })?;
            output.close()?;
        }
        Ok(())
    }
}
