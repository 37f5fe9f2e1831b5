//! Raw data of FSD50K: makes an archive of the official name and layout from synthesised sound events (task specification §6.1,
//! §13.6). Knows no preparation.

use crate::data::counts::Counts;
use crate::data::signal::chunks::{chunk, chunk_starts};
use crate::data::zip_writer::ZipWriter;
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::generator::Generator;
use crate::tasks::fsd50k::events::{RATE, background, clip};
use crate::tasks::fsd50k::taxonomy::{LABELS, Taxonomy};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use std::fmt::Write as _;

/// The official file.
pub const FILE: &str = "audio.zip";
/// Clips made at once.
const BATCH: u64 = 64;
/// Longest clip that can be asked for: half an hour.
const LONGEST: usize = 1800 * RATE as usize;
/// Files of background noise at most (§13.6: about 20).
const NOISES: usize = 20;

/// See `contract/generator.rs`.
pub struct Fsd50kGenerator;

/// Splits as the official files name them, each with the first number of its clips.
const SPLITS: [(&str, &str, &str, u64); 3] = [
    ("tr", "train", "data.train", 1_000_000),
    ("val", "validation", "data.validation", 2_000_000),
    ("eval", "test", "data.test", 3_000_000),
];

impl Generator for Fsd50kGenerator {
    /// Writes `audio.zip`: a wav per piece of one second, `chunks/{tr,val,eval}.csv`, `chunks/lbl_map.json` and
    /// `noise_22050/*.wav`, all under `data/`. Clips are at most `length` samples long.
    fn generate(&self, counts: &Counts, seed: Option<u64>, context: &mut dyn Context) -> Result<(), StageError> {
        let (labels, length) = (counts.get("labels"), counts.get("length"));
        let empty = SPLITS.iter().any(|(_, key, ..)| counts.get(key) == 0);
        let many = SPLITS.iter().any(|(_, key, ..)| counts.get(key) > 999_999);
        if empty || many || labels != LABELS || !(1..=LONGEST).contains(&length) {
            let clips: Vec<String> =
                SPLITS.iter().map(|(_, key, name, _)| format!("{name} {}", counts.get(key))).collect();
            return Err(StageError::Data(format!(
                "fsd50k: embedded data have {LABELS} labels, a data.length of 1 to {LONGEST} samples and 1 to 999,999 clips in each \
                 split; found data.labels {labels}, data.length {length}, {}",
                clips.join(", ")
            )));
        }
        let taxonomy = Taxonomy::new(seed);
        let names = taxonomy.names();
        let mut zip = ZipWriter::new(context.create(FILE)?);
        let total: usize = SPLITS.iter().map(|(_, key, ..)| counts.get(key)).sum();
        let mut done = 0;
        for (split, key, _, first) in SPLITS {
            let count = counts.get(key) as u64;
            let mut table = String::from("files,labels,ext\n");
            for start in (0..count).step_by(BATCH as usize) {
                if context.stop_asked() {
                    return Err(StageError::Interrupted);
                }
                // an indexed parallel iterator keeps the order, whatever thread makes which clip
                let clips: Vec<_> = (start..(start + BATCH).min(count))
                    .into_par_iter()
                    .map(|index| clip(&taxonomy, split, index, length, seed))
                    .collect();
                for (index, clip) in (start..).zip(&clips) {
                    let mut labels: Vec<usize> = clip.leaves.iter().flat_map(|leaf| taxonomy.labels(*leaf)).collect();
                    labels.sort_unstable();
                    labels.dedup();
                    let labels: Vec<&str> = labels.iter().map(|label| names[*label].as_str()).collect();
                    let (id, labels) = (first + index, labels.join(","));
                    for (number, start) in chunk_starts(clip.samples.len()).into_iter().enumerate() {
                        let path = format!("data/chunks/{split}/{id}_{number:04}.wav");
                        zip.bytes(&path, &wav(&chunk(&clip.samples, start)))?;
                        writeln!(table, "{path},\"{labels}\",{id}").expect("a text grows");
                    }
                }
                done += clips.len() as u64;
                context.progress(Progress { unit: "clip", done, total: total as u64, note: split });
            }
            zip.bytes(&format!("data/chunks/{split}.csv"), table.as_bytes())?;
        }
        let map: serde_json::Map<String, serde_json::Value> =
            names.iter().enumerate().map(|(at, name)| (name.clone(), at.into())).collect();
        let json = serde_json::to_vec_pretty(&map).map_err(|e| StageError::Code(e.to_string()))?;
        zip.bytes("data/chunks/lbl_map.json", &json)?;
        // a small set of clips does with fewer
        let noises = (counts.get("train") / 10).clamp(2, NOISES) as u64;
        let sounds: Vec<_> = (0..noises).into_par_iter().map(|index| background(index, seed)).collect();
        for (index, samples) in sounds.iter().enumerate() {
            zip.bytes(&format!("data/noise_22050/noise-{index:04}.wav"), &wav(samples))?;
        }
        zip.finish()?.close()
    }
}

/// A wav file of 16-bit samples, one channel (RIFF, PCM).
fn wav(samples: &[i16]) -> Vec<u8> {
    let bytes = 2 * samples.len() as u32;
    let mut out = Vec::with_capacity(44 + bytes as usize);
    out.extend(b"RIFF");
    out.extend((36 + bytes).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16u32.to_le_bytes());
    out.extend(1u16.to_le_bytes()); // PCM
    out.extend(1u16.to_le_bytes()); // channels
    out.extend(RATE.to_le_bytes());
    out.extend((2 * RATE).to_le_bytes());
    out.extend(2u16.to_le_bytes());
    out.extend(16u16.to_le_bytes());
    out.extend(b"data");
    out.extend(bytes.to_le_bytes());
    out.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    out
}
