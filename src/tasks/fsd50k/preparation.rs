//! FSD50K's raw files, the benchmark's archive or the publishers', to the data set: log-mel maps of pieces of one second, clips
//! with their labels, maps of background noise (task specification §6.1–6.3). Augmentation belongs to the objective.

use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape};
use crate::data::counts::Counts;
use crate::data::part::{PartWriter, Promise};
use crate::data::signal::log_mel::BANDS;
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::preparation::{Preparation, RAW};
use crate::tasks::fsd50k::gather::gather;
use crate::tasks::fsd50k::lists::{Clip, Lists, PARTS};
use crate::tasks::fsd50k::sounds::{FRAMES, Maps, Missing, Sound};
use safetensors::Dtype;
use std::io::Write;

const MOST_LABELS: usize = 1 << 16;

/// See `contract/preparation.rs`.
pub struct Fsd50kPreparation;

impl Preparation for Fsd50kPreparation {
    fn counts(&self) -> &'static [&'static str] {
        &["labels", "train", "validation", "test"]
    }

    /// Reads archives (zip, its split parts, tar) and plain files: `tr.csv`, `val.csv`, `eval.csv`, `lbl_map.json` with the
    /// listed sounds, or the publishers' `dev.csv`, `eval.csv`, `vocabulary.csv` with their clips; and sounds in folders whose
    /// name begins with `noise`.
    fn prepare(&self, counts: &Counts, source: &str, context: &mut dyn Context) -> Result<(), StageError> {
        let labels = counts.get("labels");
        let wanted = PARTS.map(|part| counts.get(part));
        if wanted.contains(&0) || !(1..=MOST_LABELS).contains(&labels) {
            return Err(StageError::Data(format!(
                "fsd50k: expected data.labels of 1 to {MOST_LABELS} and clips in each split, found data.labels {labels}, data.train {}, \
                 data.validation {}, data.test {}",
                wanted[0], wanted[1], wanted[2]
            )));
        }
        let (lists, maps) = gather(context)?;
        if lists.labels.is_empty() {
            let names = context.names(RAW).join(", ");
            return Err(StageError::Data(format!(
                "fsd50k: expected label names in `lbl_map.json` or `vocabulary.csv`, found none in {names}; name the files in data.files"
            )));
        }
        if lists.labels.len() != labels {
            return Err(StageError::Data(format!(
                "{}: expected {labels} labels, found {}; set data.labels to use this file",
                lists.labels_from,
                lists.labels.len()
            )));
        }
        let clips = lists.clips().map_err(StageError::Data)?;
        for ((part, clips), wanted) in clips.iter().enumerate().zip(wanted) {
            let Some(file) = lists.file(part) else {
                let names = context.names(RAW).join(", ");
                return Err(StageError::Data(format!(
                    "fsd50k: expected a list of {} clips ({}.csv, or the publishers' {}.csv), found none in {names}; name the files in \
                     data.files",
                    PARTS[part],
                    ["tr", "val", "eval"][part],
                    ["dev", "dev", "eval"][part]
                )));
            };
            if clips.len() != wanted {
                return Err(StageError::Data(format!(
                    "{file}: expected {wanted} {0} clips, found {1}; set data.{0} to use this file",
                    PARTS[part],
                    clips.len()
                )));
            }
        }
        for (part, clips) in clips.iter().enumerate() {
            write(part, clips, &lists, &maps, context)?;
        }
        let rows = |part: usize| Rows { part: PARTS[part].to_string(), start: 0, end: wanted[part] };
        let meta = DatasetMeta {
            format: DATASET_FORMAT,
            task: "fsd50k".into(),
            shape: TaskShape { channels: 1, spatial: vec![BANDS, FRAMES], target: Target::MultiLabel { labels } },
            search: Split { train: rows(0), score: rows(1) },
            // validation clips are not merged for the final run (task specification §6.3)
            last: Split { train: rows(0), score: rows(2) },
            source: source.to_string(),
            class_names: lists.labels,
            loss: None,
            metric: None,
        };
        let json = serde_json::to_vec_pretty(&meta).map_err(|e| StageError::Code(e.to_string()))?;
        context.write(DATASET_FILE, &json)
    }
}

/// Writes `<part>.safetensors` as described in `tasks/fsd50k/clips.rs`.
fn write(part: usize, clips: &[Clip], lists: &Lists, maps: &Maps, context: &mut dyn Context) -> Result<(), StageError> {
    let mut sounds: Vec<&Sound> = Vec::new();
    let mut first = vec![0u32];
    let mut pieces = 0;
    for clip in clips {
        for row in &clip.rows {
            let sound = find(*row, lists, maps)?;
            pieces += sound.count;
            sounds.push(sound);
        }
        first.push(number(pieces, "pieces of one second", PARTS[part])?);
    }
    let noises: &[Sound] = if part == 0 { &maps.noises } else { &[] };
    let mut noise_first = vec![0u32];
    let mut frames = 0;
    for noise in noises {
        frames += noise.count;
        noise_first.push(number(frames, "frames of noise", PARTS[part])?);
    }
    let (count, labels) = (clips.len(), lists.labels.len());
    let x = [pieces as usize, 1, BANDS, FRAMES];
    let (y, noise, firsts, noise_firsts) =
        ([count, labels], [frames as usize * BANDS], [count + 1], [noise_first.len()]);
    let mut promises = vec![
        Promise { name: "x", dtype: Dtype::F32, shape: &x },
        Promise { name: "y", dtype: Dtype::F32, shape: &y },
        Promise { name: "first", dtype: Dtype::U32, shape: &firsts },
    ];
    if !noises.is_empty() {
        promises.push(Promise { name: "noise", dtype: Dtype::F32, shape: &noise });
        promises.push(Promise { name: "noise_first", dtype: Dtype::U32, shape: &noise_firsts });
    }
    // in the order of `PartWriter`: f32 before u32, then by name
    let mut writer = PartWriter::start(context.create(&format!("{}.safetensors", PARTS[part]))?, &promises)?;
    for noise in noises {
        maps.copy_noise(noise, &mut writer)?;
    }
    for (at, sound) in sounds.iter().enumerate() {
        maps.copy(sound, &mut writer)?;
        if at % 1000 == 0 {
            if context.stop_asked() {
                return Err(StageError::Interrupted);
            }
            let total = sounds.len() as u64;
            context.progress(Progress { unit: "sound", done: at as u64, total, note: PARTS[part] });
        }
    }
    for clip in clips {
        let mut row = vec![0f32; labels];
        clip.labels.iter().for_each(|label| row[*label] = 1.0);
        writer.write_all(&row.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    writer.write_all(&first.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    if !noises.is_empty() {
        writer.write_all(&noise_first.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    writer.finish()?.close()
}

/// The sound of a row.
fn find<'a>(row: usize, lists: &Lists, maps: &'a Maps) -> Result<&'a Sound, StageError> {
    let row = &lists.rows[row];
    maps.find(&row.path).map_err(|missing| {
        let found = match missing {
            Missing::None => format!("none among {} sounds", maps.clips()),
            Missing::Several(paths) => paths.join(" and "),
        };
        StageError::Data(format!(
            "{}: a sound `{}` was expected, found {found}; add it to data.files, or to the archive",
            lists.origin(row),
            row.path
        ))
    })
}

fn number(count: u64, what: &str, part: &str) -> Result<u32, StageError> {
    u32::try_from(count).map_err(|_| {
        StageError::Data(format!(
            "fsd50k: fewer than 2³² {what} were expected in the {part} part, found {count}; use fewer sounds"
        ))
    })
}
