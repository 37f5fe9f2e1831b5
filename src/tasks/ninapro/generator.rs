//! Raw data of NinaPro: makes the official arrays by the process of task specification §13.5. Knows no preparation.

use crate::data::counts::Counts;
use crate::data::npy_writer::start_npy;
use crate::data::synthetic::{Purpose, Stream};
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::generator::Generator;
use crate::tasks::ninapro::electrodes::{MOMENTS, window};
use crate::tasks::ninapro::forearm::{ELECTRODES, Forearm, GESTURES};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use std::io::Write;

/// Windows made at once.
const BATCH: usize = 1024;
/// Share of rest (task specification §13.5; more than 65 % in the official files).
const REST: f64 = 0.66;

/// See `contract/generator.rs`.
pub struct NinaproGenerator;

impl Generator for NinaproGenerator {
    /// Writes `ninapro_<part>.npy`, double precision (windows, time, electrode), and `label_<part>.npy`, 64-bit integers.
    fn generate(&self, counts: &Counts, seed: Option<u64>, context: &mut dyn Context) -> Result<(), StageError> {
        let sizes = ["train", "validation", "test"].map(|key| counts.get(key));
        if sizes.contains(&0) {
            return Err(StageError::Data(format!(
                "ninapro: windows of each part were expected, found data.train {}, data.validation {}, data.test {}",
                sizes[0], sizes[1], sizes[2]
            )));
        }
        let forearm = Forearm::new(seed);
        let total: usize = sizes.iter().sum();
        let mut done = 0;
        for (part, count) in ["train", "val", "test"].into_iter().zip(sizes) {
            let labels = labels(part, count, seed);
            let mut output = context.create(&format!("ninapro_{part}.npy"))?;
            start_npy(&mut output, "<f8", &[count, MOMENTS, ELECTRODES])?;
            for first in (0..count).step_by(BATCH) {
                if context.stop_asked() {
                    return Err(StageError::Interrupted);
                }
                let end = (first + BATCH).min(count);
                // An indexed parallel iterator keeps the order, whatever thread makes which window.
                let windows: Vec<Vec<f64>> = (first..end)
                    .into_par_iter()
                    .map(|index| window(&forearm, part, index as u64, labels[index], seed))
                    .collect();
                for window in &windows {
                    output.write_all(&window.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
                }
                done += windows.len();
                context.progress(Progress { unit: "window", done: done as u64, total: total as u64, note: part });
            }
            output.close()?;
            let mut output = context.create(&format!("label_{part}.npy"))?;
            start_npy(&mut output, "<i8", &[count])?;
            output.write_all(&labels.iter().flat_map(|l| i64::from(*l).to_le_bytes()).collect::<Vec<u8>>())?;
            output.close()?;
        }
        Ok(())
    }
}

/// Two thirds rest, the gestures in equal shares, in a fixed pseudo-random order: one network trains in file order.
fn labels(part: &str, count: usize, seed: Option<u64>) -> Vec<u32> {
    let rest = (REST * count as f64).round() as usize;
    let label = |at: usize| if at < rest { 0 } else { 1 + ((at - rest) % GESTURES) as u32 };
    let mut labels: Vec<u32> = (0..count).map(label).collect();
    Stream::new("ninapro", part, Purpose::Label, 0, seed).shuffle(&mut labels);
    labels
}
