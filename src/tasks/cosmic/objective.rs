//! Cosmic as a network sees it: electrons plus a random part of the sky in, one logit per pixel out; binary cross-entropy with
//! ignored pixels multiplied away. Knows no file and no metric.

use crate::artifacts::dataset::{Rows, Target, TaskShape};
use crate::artifacts::samples::{Part, Samples};
use crate::ops::loss::{Loss, loss};
use crate::seed::{Purpose, Stream};
use crate::tasks::contract::objective::{Batch, Objective, ObjectiveParams};
use crate::training::error::TrainError;
use candle_core::{Device, Tensor};
use safetensors::Dtype;
use std::ops::Range;
use std::sync::Arc;

/// Range of the share of the sky that is added, at training, validation and test alike
/// (`NB360:backbone/data_utils/cosmic_dataset.py`; task specification §9.2, step 3).
const LEAST_SKY: f64 = -0.9;
const MOST_SKY: f64 = 3.0;
/// The epoch that streams of scored stamps count as; no training gets there.
const SCORING: u64 = u32::MAX as u64;

struct Cosmic<'a> {
    shape: &'a TaskShape,
    size: (usize, usize),
    train: (&'a Part, &'a Rows),
    score: (&'a Part, &'a Rows),
    /// Sky level of each training and each scored stamp.
    train_sky: Vec<f32>,
    score_sky: Vec<f32>,
    /// The training stamp whose masks stand for each stamp's: itself, or another as a control.
    partner: Vec<usize>,
    augmentation: Purpose,
    scored: Purpose,
}

/// Opens the split of a dataset whose `x` is `f32` (N,1,H,W) in electrons, whose `y` is `u8` (N,2,H,W), ray and ignore, and
/// which has an array `sky`, `f32` (N), in electrons.
pub fn open<'a>(samples: &'a Samples, params: &ObjectiveParams) -> Result<Box<dyn Objective + 'a>, String> {
    let shape = &samples.meta.shape;
    let (&[height, width], 1, Target::Dense { channels: 1 }) = (&shape.spatial[..], shape.channels, &shape.target)
    else {
        return Err(format!("cosmic: one channel in and one map out were expected, found {shape:?}"));
    };
    let split = samples.split(params.split);
    let (train, score) = (samples.paired(&split.train)?, samples.paired(&split.score)?);
    for (part, rows) in [(train, &split.train), (score, &split.score)] {
        let found = [(part.x.dtype, &part.x.shape[1..]), (part.y.dtype, &part.y.shape[1..])];
        if height * width == 0 || found != [(Dtype::F32, &[1, height, width][..]), (Dtype::U8, &[2, height, width][..])]
        {
            return Err(format!(
                "cosmic: part `{}` should hold F32 images of shape [1, {height}, {width}] and U8 masks of shape \
                 [2, {height}, {width}], found {found:?}",
                rows.part
            ));
        }
    }
    let sky = |part: &Part, rows: &Rows| -> Result<Vec<f32>, String> {
        let all = part.array("sky")?.to_f32()?;
        let found = all.len();
        let levels = all.get(rows.start..rows.end).filter(|_| found == part.rows());
        let levels = levels.ok_or_else(|| {
            format!("cosmic: part `{}`: {} sky levels were expected, found {found}", rows.part, part.rows())
        })?;
        Ok(levels.to_vec())
    };
    let count = split.train.len();
    let partner = if params.permute_labels {
        Purpose::new(params.seed, params.stage, "permuted labels").at(0).permutation(count)
    } else {
        (0..count).collect()
    };
    let augmentation = Purpose::new(params.seed, params.stage, "augmentation");
    Ok(Box::new(Cosmic {
        shape,
        size: (height, width),
        train_sky: sky(train, &split.train)?,
        score_sky: sky(score, &split.score)?,
        train: (train, &split.train),
        score: (score, &split.score),
        partner,
        augmentation,
        scored: if params.fixed_jitter { Purpose::new(0, "cosmic", "fixed sky") } else { augmentation },
    }))
}

impl Cosmic<'_> {
    fn points(&self) -> usize {
        self.size.0 * self.size.1
    }

    /// Appends one image with a part of its sky.
    fn push(&self, (part, rows): (&Part, &Rows), sample: usize, sky: f32, mut stream: Stream, out: &mut Vec<f32>) {
        let points = self.points();
        let start = (rows.start + sample) * points * 4;
        let added = f64::from(sky) * (LEAST_SKY + (MOST_SKY - LEAST_SKY) * stream.uniform());
        let pixels = part.x.bytes[start..start + points * 4].chunks_exact(4);
        out.extend(pixels.map(|b| (f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])) + added) as f32));
    }
}

impl Objective for Cosmic<'_> {
    fn shape(&self) -> &TaskShape {
        self.shape
    }

    fn training_samples(&self) -> usize {
        self.partner.len()
    }

    fn scored_samples(&self) -> usize {
        self.score.1.len()
    }

    fn training_batch(&self, samples: &[usize], epoch: u64) -> Result<Batch, TrainError> {
        let (count, points) = (samples.len(), self.points());
        let mut values = Vec::with_capacity(count * points);
        let mut targets = Vec::with_capacity(count * 2 * points);
        for sample in samples {
            let stream = self.augmentation.at(epoch << 32 | *sample as u64);
            self.push(self.train, *sample, self.train_sky[*sample], stream, &mut values);
            let (part, rows) = self.train;
            let row = rows.start + self.partner[*sample];
            part.y.append_f32(row * 2 * points, (row + 1) * 2 * points, &mut targets).map_err(TrainError::Data)?;
        }
        let (height, width) = self.size;
        let inputs = Tensor::from_vec(values, (count, 1, height, width), &Device::Cpu)?;
        let targets = Tensor::from_vec(targets, (count, 2, height, width), &Device::Cpu)?;
        Ok(Batch { inputs, targets })
    }

    /// Binary cross-entropy of z·(1−g) against m·(1−g), mean over all pixels: an ignored one gives the constant ln 2 and no
    /// gradient. `targets` (B,2,H,W) are m and g.
    fn loss(&self, output: &Tensor, targets: &Tensor) -> Result<Tensor, TrainError> {
        let (mask, ignore) = (targets.narrow(1, 0, 1)?, targets.narrow(1, 1, 1)?);
        let keep = ignore.affine(-1.0, 1.0)?;
        let targets = (mask * &keep)?.flatten_all()?.to_vec1::<f32>()?;
        Ok(loss(&(output * keep)?, Loss::BceWithLogits { targets: Arc::new(targets) })?)
    }

    fn scored_inputs(&self, samples: Range<usize>) -> Result<Tensor, TrainError> {
        let count = samples.len();
        let mut values = Vec::with_capacity(count * self.points());
        for sample in samples {
            let stream = self.scored.at(SCORING << 32 | sample as u64);
            self.push(self.score, sample, self.score_sky[sample], stream, &mut values);
        }
        Ok(Tensor::from_vec(values, (count, 1, self.size.0, self.size.1), &Device::Cpu)?)
    }
}

#[cfg(test)]
mod tests {
    use super::open;
    use crate::artifacts::dataset::{Array, DatasetMeta, Rows, Split, Target, TaskShape};
    use crate::artifacts::samples::{Part, Samples, SplitChoice};
    use crate::tasks::contract::objective::ObjectiveParams;
    use candle_core::{Device, Tensor, Var};
    use std::collections::BTreeMap;

    /// Stamps of 2×2 pixels; all of stamp i's pixels are 100·i, its sky is 10·(i + 1).
    fn dataset(count: usize) -> Samples {
        let rows = |start, end| Rows { part: "train".into(), start, end };
        let split = Split { train: rows(0, count), score: rows(1, count) };
        let x: Vec<f32> = (0..count).flat_map(|i| [100.0 * i as f32; 4]).collect();
        let y: Vec<u8> = (0..count).flat_map(|i| [1, 0, 0, (i % 2) as u8, 0, 1, 0, 0]).collect();
        let sky: Vec<f32> = (0..count).map(|i| 10.0 * (i + 1) as f32).collect();
        let mut part = Part::new(Array::f32(&[count, 1, 2, 2], &x), Array::u8(&[count, 2, 2, 2], y));
        part.more.insert("sky".into(), Array::f32(&[count], &sky));
        Samples {
            meta: DatasetMeta {
                format: 1,
                task: "cosmic".into(),
                shape: TaskShape { channels: 1, spatial: vec![2, 2], target: Target::Dense { channels: 1 } },
                search: split.clone(),
                last: split,
                source: "embedded:tiny".into(),
                class_names: Vec::new(),
                loss: None,
                metric: None,
            },
            parts: BTreeMap::from([("train".to_string(), part)]),
        }
    }

    fn params(seed: u64, stage: &'static str, fixed_jitter: bool) -> ObjectiveParams {
        ObjectiveParams {
            split: SplitChoice::Final,
            seed,
            stage,
            permute_labels: false,
            cutout: false,
            validation_augmented: false,
            fixed_jitter,
            unseen_only: false,
            drop_first_frame: false,
        }
    }

    fn first_pixels(x: &Tensor) -> Vec<f32> {
        let rows = x.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        let even = rows.iter().all(|row| row.iter().all(|value| *value == row[0]));
        assert!(even, "one sky level a stamp");
        rows.iter().map(|row| row[0]).collect()
    }

    #[test]
    fn the_sky_varies_by_access_within_its_range() {
        let samples = dataset(40);
        let objective = open(&samples, &params(0, "retrain", false)).unwrap();
        let all: Vec<usize> = (0..40).collect();
        let mut shares = Vec::new();
        for epoch in 0..20 {
            let pixels = first_pixels(&objective.training_batch(&all, epoch).unwrap().inputs);
            for (i, pixel) in pixels.iter().enumerate() {
                shares.push((pixel - 100.0 * i as f32) / (10.0 * (i + 1) as f32));
            }
        }
        let (low, high) = shares.iter().fold((9f32, -9f32), |(low, high), s| (low.min(*s), high.max(*s)));
        assert!((-0.901..-0.85).contains(&low) && (2.95..3.001).contains(&high), "{low} {high}");
        let mean = shares.iter().sum::<f32>() / shares.len() as f32;
        assert!((mean - 1.05).abs() < 0.15, "{mean}");
        let again = first_pixels(&objective.training_batch(&all, 3).unwrap().inputs);
        assert_eq!(again, first_pixels(&objective.training_batch(&all, 3).unwrap().inputs));
        assert_ne!(again, first_pixels(&objective.training_batch(&all, 4).unwrap().inputs));
    }

    #[test]
    fn the_fixed_sky_depends_on_the_stamp_alone() {
        let samples = dataset(40);
        let scored = |seed, stage, fixed| {
            let objective = open(&samples, &params(seed, stage, fixed)).unwrap();
            assert_eq!(objective.scored_samples(), 39);
            let whole = first_pixels(&objective.scored_inputs(0..39).unwrap());
            let part = first_pixels(&objective.scored_inputs(7..9).unwrap());
            assert_eq!(whole[7..9], part);
            whole
        };
        let fixed = scored(0, "evaluate", true);
        assert_eq!(fixed, scored(1, "search", true));
        let free = scored(0, "evaluate", false);
        assert_ne!(fixed, free);
        assert_ne!(free, scored(1, "evaluate", false));
        let jitter = fixed.iter().enumerate().any(|(i, pixel)| (pixel - 100.0 * (i + 1) as f32).abs() > 5.0);
        assert!(jitter, "scored stamps get a part of the sky too");
    }

    /// Numbers by PyTorch: `binary_cross_entropy_with_logits(z * (1 - g), m * (1 - g))` and its gradient.
    #[test]
    fn ignored_pixels_give_a_constant_and_no_gradient() {
        let samples = dataset(3);
        let objective = open(&samples, &params(0, "retrain", false)).unwrap();
        let batch = objective.training_batch(&[0, 1], 0).unwrap();
        assert_eq!(batch.targets.dims(), [2, 2, 2, 2]);
        let z = [0.5f32, -40.0, 2.0, -1.5, 3.0, 70.0, -0.25, 0.75];
        let z = Var::from_tensor(&Tensor::from_slice(&z, (2, 1, 2, 2), &Device::Cpu).unwrap()).unwrap();
        let loss = objective.loss(z.as_tensor(), &batch.targets).unwrap();
        assert!((f64::from(loss.to_scalar::<f32>().unwrap()) - EXPECTED_LOSS).abs() < 1e-6, "{loss:?}");
        let gradients = loss.backward().unwrap();
        let found = gradients.get(&z).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (found, expected) in found.iter().zip(EXPECTED_GRADIENT) {
            assert!((f64::from(*found) - expected).abs() < 1e-7, "{found} {expected}");
        }
    }

    const EXPECTED_LOSS: f64 = 0.650_013_801_486_651;
    const EXPECTED_GRADIENT: [f64; 8] = [
        -0.047_192_583_599_768,
        0.0,
        0.110_099_634_747_235,
        0.022_803_190_475_795,
        -0.005_928_234_147_196,
        0.0,
        0.054_727_937_389_275,
        -0.040_102_662_603_076,
    ];

    #[test]
    fn masks_are_permuted_together_and_only_when_asked() {
        let samples = dataset(30);
        let all: Vec<usize> = (0..30).collect();
        let masks = |permute_labels| {
            let params = ObjectiveParams { permute_labels, ..params(0, "retrain", false) };
            let objective = open(&samples, &params).unwrap();
            objective.training_batch(&all, 0).unwrap().targets.flatten_from(1).unwrap().to_vec2::<f32>().unwrap()
        };
        let (plain, permuted) = (masks(false), masks(true));
        assert_ne!(plain, permuted);
        let odd = |rows: &[Vec<f32>]| rows.iter().filter(|row| row[3] == 1.0).count();
        assert_eq!(odd(&plain), odd(&permuted));
    }

    #[test]
    fn wrong_arrays_are_named() {
        let mut samples = dataset(3);
        samples.parts.get_mut("train").unwrap().more.clear();
        assert!(open(&samples, &params(0, "retrain", false)).err().unwrap().contains("`sky`"));
        let mut samples = dataset(3);
        samples.parts.get_mut("train").unwrap().more.insert("sky".into(), Array::f32(&[2], &[1.0, 2.0]));
        assert!(open(&samples, &params(0, "retrain", false)).err().unwrap().contains("found 2"));
        let mut samples = dataset(3);
        samples.meta.shape.spatial = vec![4, 4];
        assert!(open(&samples, &params(0, "retrain", false)).err().unwrap().contains("[1, 4, 4]"));
    }
}
