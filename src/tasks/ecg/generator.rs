//! Raw data of ECG: makes the official pickle by the process of task specification §13.10. Knows no preparation.

use crate::data::counts::Counts;
use crate::data::synthetic::{Purpose, Stream};
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::generator::Generator;
use crate::tasks::ecg::lead::recording;
use crate::tasks::ecg::recordings_writer::RecordingsWriter;
use crate::tasks::ecg::windows::CLASSES;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

/// Recordings made at once.
const BATCH: usize = 128;
/// Share of each class (task specification §13.10; label version 3 of the challenge).
const SHARES: [f64; 4] = [0.595, 0.089, 0.283, 0.033];
/// Fewer cannot be split three ways.
const FEWEST: usize = 10;

/// See `contract/generator.rs`.
pub struct EcgGenerator;

impl Generator for EcgGenerator {
    /// Writes `challenge2017.pkl`: signals as 16-bit integers, and their labels.
    fn generate(&self, counts: &Counts, seed: Option<u64>, context: &mut dyn Context) -> Result<(), StageError> {
        let count = counts.get("recordings");
        if count < FEWEST {
            return Err(StageError::Data(format!(
                "ecg: at least {FEWEST} recordings were expected, found data.recordings {count}"
            )));
        }
        let labels = labels(count, seed);
        let mut writer = RecordingsWriter::start(context.create("challenge2017.pkl")?, count)?;
        for first in (0..count).step_by(BATCH) {
            if context.stop_asked() {
                return Err(StageError::Interrupted);
            }
            let end = (first + BATCH).min(count);
            // An indexed parallel iterator keeps the order, whatever thread makes which recording.
            let batch: Vec<Vec<i16>> =
                (first..end).into_par_iter().map(|number| recording(labels[number], number as u64, seed)).collect();
            for signal in &batch {
                writer.signal(signal)?;
            }
            context.progress(Progress { unit: "recording", done: end as u64, total: count as u64, note: "" });
        }
        let names: String = labels.iter().map(|label| CLASSES[*label as usize]).collect();
        writer.finish(&names)?.close()
    }
}

/// Labels in the shares of the classes, by largest remainders, in a fixed pseudo-random order.
fn labels(count: usize, seed: Option<u64>) -> Vec<u32> {
    let mut counts = SHARES.map(|share| (share * count as f64) as usize);
    let mut order: Vec<usize> = (0..SHARES.len()).collect();
    let remainder = |class: usize| (SHARES[class] * count as f64).fract();
    order.sort_by(|a, b| remainder(*b).total_cmp(&remainder(*a)));
    let missing = count - counts.iter().sum::<usize>();
    order.iter().take(missing).for_each(|class| counts[*class] += 1);
    let mut labels: Vec<u32> =
        counts.iter().enumerate().flat_map(|(class, count)| std::iter::repeat_n(class as u32, *count)).collect();
    Stream::new("ecg", "all", Purpose::Label, 0, seed).shuffle(&mut labels);
    labels
}

#[cfg(test)]
mod tests {
    use super::labels;

    #[test]
    fn classes_have_their_shares() {
        for (count, expected) in [(60, [36, 5, 17, 2]), (800, [476, 71, 226, 27]), (10, [6, 1, 3, 0])] {
            let labels = labels(count, None);
            let found: Vec<usize> =
                (0..4).map(|class| labels.iter().filter(|label| **label == class).count()).collect();
            assert_eq!(found, expected);
        }
        assert_ne!(labels(60, None), labels(60, Some(1)));
    }
}
