//! Spherical's raw file to the data set, pixels as they are; or CIFAR-100's raw files, projected here
//! (task specification §4). Knows no network.

use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape};
use crate::data::archive::decompress;
use crate::data::counts::Counts;
use crate::data::npy::{NpyError, NpyHeader, array_of};
use crate::data::part::{PartWriter, Promise};
use crate::data::pickle::Pickle;
use crate::data::spill::SpillWriter;
use crate::stages::context::{Context, Output, Progress, StageError};
use crate::tasks::contract::preparation::{Preparation, RAW};
use crate::tasks::pictures::read::{Pictures, Wanted, read};
use crate::tasks::spherical::projection::{POINTS, Projection, SIDE, chunk, rotation_of};
use rayon::prelude::{ParallelIterator, ParallelSlice};
use safetensors::Dtype;
use std::io::{self, BufReader, Read, Write};

/// The hosted file.
const HOSTED: &str = "s2_cifar100.gz";
/// Bytes of a picture of CIFAR-100.
const PICTURE: usize = 3 * 32 * 32;

/// See `contract/preparation.rs`.
pub struct SphericalPreparation;

impl Preparation for SphericalPreparation {
    fn counts(&self) -> &'static [&'static str] {
        &["classes", "train", "validation", "test"]
    }

    /// Reads `s2_cifar100.gz`; without it CIFAR-100's files in any of their forms, whose pictures it projects.
    fn prepare(&self, counts: &Counts, source: &str, context: &mut dyn Context) -> Result<(), StageError> {
        let (train, validation, test) = (counts.get("train"), counts.get("validation"), counts.get("test"));
        let classes = counts.get("classes");
        if train == 0 || test == 0 || classes == 0 {
            return Err(StageError::Data(format!(
                "spherical: expected classes and pictures to train and test on, found data.classes {classes}, data.train \
                 {train}, data.test {test}"
            )));
        }
        let both = train + validation;
        let parts = [("train", both, "data.train and data.validation"), ("test", test, "data.test")];
        if context.names(RAW).iter().any(|name| name == HOSTED) {
            let pickle = hosted(context)?;
            for (part, wanted, settings) in parts {
                copy(&pickle, part, wanted, settings, classes, context)?;
            }
        } else {
            let wanted = parts.map(|(part, count, settings)| Wanted { part, count, settings });
            let scratch = context.scratch()?;
            let mut found = read(&wanted, context, &mut |_, _| Ok(SpillWriter::new(&scratch)))?;
            for part in &wanted {
                project(found.take("spherical", part, classes)?, part.part, both + test, context)?;
            }
        }
        let rows = |part: &str, start, end| Rows { part: part.to_string(), start, end };
        let meta = DatasetMeta {
            format: DATASET_FORMAT,
            task: "spherical".into(),
            shape: TaskShape { channels: 3, spatial: vec![SIDE, SIDE], target: Target::Point { classes } },
            search: Split { train: rows("train", 0, train), score: rows("train", train, both) },
            last: Split { train: rows("train", 0, both), score: rows("test", 0, test) },
            source: source.to_string(),
            class_names: vec![],
            loss: None,
            metric: None,
        };
        let json = serde_json::to_vec_pretty(&meta).map_err(|e| StageError::Code(e.to_string()))?;
        context.write(DATASET_FILE, &json)
    }
}

fn hosted(context: &mut dyn Context) -> Result<Pickle, StageError> {
    let scratch = context.scratch()?;
    let mut raw = context.open(RAW, HOSTED)?;
    let pickle = {
        let plain = decompress(HOSTED, &mut raw).map_err(|e| StageError::Data(e.to_string()))?;
        let mut plain = BufReader::with_capacity(1 << 16, plain);
        Pickle::read(HOSTED, &mut plain, &scratch).map_err(|e| StageError::Data(e.to_string()))?
    };
    io::copy(&mut raw, &mut io::sink())?; // the input's digest is verified at its end
    Ok(pickle)
}

/// Writes one part of the hosted file.
fn copy(
    pickle: &Pickle,
    part: &str,
    wanted: usize,
    settings: &str,
    classes: usize,
    context: &mut dyn Context,
) -> Result<(), StageError> {
    let wrong =
        |expected: String| StageError::Data(format!("{HOSTED}: expected {expected}; set {settings} to use this file"));
    let item = |key: &str| pickle.item(pickle.root(), part).and_then(|id| pickle.item(id, key));
    let labels = item("labels").and_then(|id| pickle.integers(id));
    let labels = labels.ok_or_else(|| wrong(format!("a dict `{part}` with integers `labels`, found none")))?;
    if labels.len() != wanted {
        return Err(wrong(format!("{wanted} pictures in `{part}`, found {}", labels.len())));
    }
    if let Some((row, label)) = labels.iter().enumerate().find(|(_, label)| !(0..classes as i64).contains(label)) {
        return Err(StageError::Data(format!(
            "{HOSTED}, `{part}`, picture {row}: expected a label below {classes}, found {label}; set data.classes to use this file"
        )));
    }
    let images = item("images").ok_or_else(|| wrong(format!("a dict `{part}` with an array `images`, found none")))?;
    let damaged = |e: NpyError| StageError::Data(e.to_string());
    let mut images = array_of(HOSTED, pickle, images).map_err(damaged)?;
    let NpyHeader { kind, width, fortran, shape, .. } = images.header();
    if *kind != 'u' || *width != 1 || *fortran || *shape != [wanted, 3, SIDE, SIDE] {
        return Err(wrong(format!(
            "`images` of unsigned bytes, ({wanted}, 3, {SIDE}, {SIDE}), row by row in `{part}`, found kind `{kind}` of {width} \
             bytes, shape {shape:?}"
        )));
    }
    let mut writer = start(part, wanted, context)?;
    let labels: Vec<u8> = labels.iter().flat_map(|label| (*label as u32).to_le_bytes()).collect();
    writer.write_all(&labels)?;
    let mut picture = vec![0u8; 3 * POINTS];
    for _ in 0..wanted {
        images.next_bytes(&mut picture).map_err(damaged)?;
        writer.write_all(&picture)?;
    }
    writer.finish()?.close()
}

fn start(part: &str, count: usize, context: &mut dyn Context) -> Result<PartWriter<Box<dyn Output>>, StageError> {
    let promises = [
        Promise { name: "x", dtype: Dtype::U8, shape: &[count, 3, SIDE, SIDE] },
        Promise { name: "y", dtype: Dtype::U32, shape: &[count] },
    ];
    Ok(PartWriter::start(context.create(&format!("{part}.safetensors"))?, &promises)?)
}

/// Projects the pictures of one part, chunk by chunk, and writes it.
fn project(
    pictures: Pictures<SpillWriter>,
    part: &str,
    all: usize,
    context: &mut dyn Context,
) -> Result<(), StageError> {
    let count = pictures.labels.len();
    let mut writer = start(part, count, context)?;
    writer.write_all(&pictures.labels.iter().flat_map(|label| label.to_le_bytes()).collect::<Vec<u8>>())?;
    let spill = pictures.pixels.finish()?;
    let mut pixels = spill.open()?;
    let size = chunk(all);
    for first in (0..count).step_by(size) {
        if context.stop_asked() {
            return Err(StageError::Interrupted);
        }
        let mut planes = vec![0u8; PICTURE * size.min(count - first)];
        pixels.read_exact(&mut planes)?;
        let projection = Projection::new(&rotation_of(part, (first / size) as u64, None));
        let projected: Vec<Vec<u8>> = planes.par_chunks(32 * 32).map(|plane| projection.bytes(plane)).collect();
        debug_assert_eq!(projected[0].len(), POINTS);
        for plane in projected {
            writer.write_all(&plane)?;
        }
        let done = (first + size).min(count) as u64;
        context.progress(Progress { unit: "picture", done, total: count as u64, note: part });
    }
    writer.finish()?.close()
}
