//! Raw data of Planted: white noise. Knows no preparation.

use crate::data::counts::Counts;
use crate::data::npy_writer::start_npy;
use crate::data::part::little_endian;
use crate::data::synthetic::{Purpose, Stream};
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::generator::Generator;
use crate::tasks::planted::distance::DISTANCE;
use std::io::Write;

/// Series drawn between two looks at the stop sign.
const BATCH: usize = 256;

/// See `contract/generator.rs`.
pub struct PlantedGenerator;

impl Generator for PlantedGenerator {
    /// Writes `noise_train.npy` (training, then validation series) and `noise_test.npy`: (N, channels, length + 2 · distance) of
    /// independent standard normal values in single precision.
    fn generate(&self, counts: &Counts, seed: Option<u64>, context: &mut dyn Context) -> Result<(), StageError> {
        let (train, validation, test) = (counts.get("train"), counts.get("validation"), counts.get("test"));
        let (channels, length) = (counts.get("channels"), counts.get("length"));
        if train == 0 || test == 0 || channels == 0 || length == 0 {
            return Err(StageError::Data(format!(
                "planted: expected channels, positions and series to train and test on, found data.channels {channels}, \
                 data.length {length}, data.train {train}, data.test {test}"
            )));
        }
        let width = length + 2 * DISTANCE;
        let total = (train + validation + test) as u64;
        let mut done = 0;
        for (name, splits) in
            [("noise_train.npy", vec![("train", train), ("val", validation)]), ("noise_test.npy", vec![("test", test)])]
        {
            let count = splits.iter().map(|(_, count)| count).sum();
            let mut output = context.create(name)?;
            start_npy(&mut output, "<f4", &[count, channels, width])?;
            let mut values = vec![0f32; channels * width];
            for (split, index) in splits.into_iter().flat_map(|(split, count)| (0..count).map(move |i| (split, i))) {
                if index % BATCH == 0 && context.stop_asked() {
                    return Err(StageError::Interrupted);
                }
                let mut stream = Stream::new("planted", split, Purpose::Noise, index as u64, seed);
                values.iter_mut().for_each(|value| *value = stream.normal() as f32);
                output.write_all(&little_endian(&values))?;
                done += 1;
                if index % BATCH == 0 {
                    context.progress(Progress { unit: "series", done, total, note: name });
                }
            }
            output.close()?;
        }
        Ok(())
    }
}
