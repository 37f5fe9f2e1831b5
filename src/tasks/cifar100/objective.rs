//! CIFAR-100 as a network sees it: crop, flip, normalise, cutout; mean cross-entropy. Knows no file and no metric.

use crate::artifacts::dataset::{Rows, Target, TaskShape};
use crate::artifacts::samples::{Part, Samples, SplitChoice};
use crate::ops::loss::{Loss, loss};
use crate::seed::{Purpose, Stream};
use crate::tasks::contract::objective::{Batch, Objective, ObjectiveParams};
use crate::training::error::TrainError;
use candle_core::{Device, Tensor};
use safetensors::Dtype;
use std::ops::Range;
use std::sync::Arc;

/// Per channel R, G, B of pixels in 0..1 (`NB360:backbone/data_utils/load_data.py`).
const MEAN: [f64; 3] = [0.5071, 0.4867, 0.4408];
const DEVIATION: [f64; 3] = [0.2675, 0.2565, 0.2761];
/// Black pixels added on each side before the crop.
const PADDING: usize = 4;
/// Half the side of the hole: `Cutout(16)`.
const HALF_HOLE: usize = 8;

struct Cifar<'a> {
    shape: &'a TaskShape,
    /// Side lengths of the images (height, width).
    size: (usize, usize),
    train: (&'a Part, &'a Rows),
    score: (&'a Part, &'a Rows),
    /// Label of each training sample, permuted where that was asked for.
    labels: Vec<u32>,
    /// Normalised value by channel and pixel.
    table: [[f32; 256]; 3],
    augmentation: Purpose,
    cutout: bool,
    augment_scored: bool,
}

/// Opens the split of a dataset whose `x` is `u8` (N,3,H,W) and whose `y` is `u32` (N).
pub fn open<'a>(samples: &'a Samples, params: &ObjectiveParams) -> Result<Box<dyn Objective + 'a>, String> {
    let shape = &samples.meta.shape;
    let (&[height, width], 3, Target::Point { classes }) = (&shape.spatial[..], shape.channels, &shape.target) else {
        return Err(format!("cifar100: colour images with one class each were expected, found {shape:?}"));
    };
    let split = samples.split(params.split);
    let (train, score) = (samples.paired(&split.train)?, samples.paired(&split.score)?);
    for (part, rows) in [(train, &split.train), (score, &split.score)] {
        if height * width == 0 || part.y.shape.len() != 1 {
            return Err(format!(
                "cifar100: part `{}` should hold one label per image, found {:?}",
                rows.part, part.y.shape
            ));
        }
        if part.x.dtype != Dtype::U8 || part.x.shape[1..] != [3, height, width] {
            return Err(format!(
                "cifar100: part `{}` should hold U8 images of shape [3, {height}, {width}], found {:?} {:?}",
                rows.part, part.x.dtype, part.x.shape
            ));
        }
    }
    let labels = train.y.to_u32()?[split.train.start..split.train.end].to_vec();
    if let Some(label) = labels.iter().find(|l| **l as usize >= *classes) {
        return Err(format!("cifar100: labels below {classes} were expected, found {label}"));
    }
    let labels = if params.permute_labels {
        let order = Purpose::new(params.seed, params.stage, "permuted labels").at(0).permutation(labels.len());
        order.iter().map(|i| labels[*i]).collect()
    } else {
        labels
    };
    let mut table = [[0f32; 256]; 3];
    for (channel, row) in table.iter_mut().enumerate() {
        for (pixel, value) in row.iter_mut().enumerate() {
            *value = ((pixel as f64 / 255.0 - MEAN[channel]) / DEVIATION[channel]) as f32;
        }
    }
    Ok(Box::new(Cifar {
        shape,
        size: (height, width),
        train: (train, &split.train),
        score: (score, &split.score),
        labels,
        table,
        augmentation: Purpose::new(params.seed, params.stage, "augmentation"),
        cutout: params.cutout,
        augment_scored: params.split == SplitChoice::Search && params.validation_augmented,
    }))
}

impl Cifar<'_> {
    /// Appends one normalised image (3,H,W); with a stream it is cropped, flipped and cut out first.
    fn push(&self, (part, rows): (&Part, &Rows), sample: usize, stream: Option<Stream>, out: &mut Vec<f32>) {
        let (height, width) = self.size;
        let plane = height * width;
        let start = (rows.start + sample) * 3 * plane;
        let pixels = &part.x.bytes[start..start + 3 * plane];
        let Some(mut stream) = stream else {
            for (channel, plane) in pixels.chunks_exact(plane).enumerate() {
                out.extend(plane.iter().map(|p| self.table[channel][usize::from(*p)]));
            }
            return;
        };
        // The draws always come in this order, so that leaving the hole out changes nothing else.
        let mut below = |n: usize| stream.below(n as u32) as usize;
        let (dy, dx, flip) = (below(2 * PADDING + 1), below(2 * PADDING + 1), below(2) == 1);
        let (cy, cx) = (below(height), below(width));
        let hole = |y: usize, x: usize| {
            let inside = |at: usize, centre: usize| at + HALF_HOLE >= centre && at < centre + HALF_HOLE;
            self.cutout && inside(y, cy) && inside(x, cx)
        };
        for (channel, plane) in pixels.chunks_exact(plane).enumerate() {
            for y in 0..height {
                for x in 0..width {
                    let column = if flip { width - 1 - x } else { x };
                    let from = ((y + dy).checked_sub(PADDING), (column + dx).checked_sub(PADDING));
                    let pixel = match from {
                        (Some(y), Some(x)) if y < height && x < width => plane[y * width + x],
                        _ => 0,
                    };
                    out.push(if hole(y, x) { 0.0 } else { self.table[channel][usize::from(pixel)] });
                }
            }
        }
    }

    fn tensor(&self, values: Vec<f32>, count: usize) -> Result<Tensor, TrainError> {
        Ok(Tensor::from_vec(values, (count, 3, self.size.0, self.size.1), &Device::Cpu)?)
    }
}

impl Objective for Cifar<'_> {
    fn shape(&self) -> &TaskShape {
        self.shape
    }

    fn training_samples(&self) -> usize {
        self.labels.len()
    }

    fn scored_samples(&self) -> usize {
        self.score.1.len()
    }

    fn training_batch(&self, samples: &[usize], epoch: u64) -> Result<Batch, TrainError> {
        let mut values = Vec::with_capacity(samples.len() * 3 * self.size.0 * self.size.1);
        for sample in samples {
            let stream = self.augmentation.at(epoch << 32 | *sample as u64);
            self.push(self.train, *sample, Some(stream), &mut values);
        }
        let labels: Vec<u32> = samples.iter().map(|s| self.labels[*s]).collect();
        let targets = Tensor::from_vec(labels, samples.len(), &Device::Cpu)?;
        Ok(Batch { inputs: self.tensor(values, samples.len())?, targets })
    }

    fn loss(&self, output: &Tensor, targets: &Tensor) -> Result<Tensor, TrainError> {
        let classes = Arc::new(targets.to_vec1::<u32>()?);
        Ok(loss(output, Loss::CrossEntropy { classes, smoothing: 0.0 })?)
    }

    fn scored_inputs(&self, samples: Range<usize>) -> Result<Tensor, TrainError> {
        let count = samples.len();
        let mut values = Vec::with_capacity(count * 3 * self.size.0 * self.size.1);
        for sample in samples {
            let stream = self.augment_scored.then(|| self.augmentation.at(sample as u64));
            self.push(self.score, sample, stream, &mut values);
        }
        self.tensor(values, count)
    }
}

#[cfg(test)]
mod tests {
    use super::open;
    use crate::artifacts::dataset::{Array, DatasetMeta, Rows, Split, Target, TaskShape};
    use crate::artifacts::samples::{Part, Samples, SplitChoice};
    use crate::tasks::contract::objective::ObjectiveParams;
    use candle_core::Tensor;
    use std::collections::BTreeMap;

    /// `count` images whose pixels are all `pixel(sample)`, of class `sample % 100`.
    fn dataset(count: usize, pixel: impl Fn(usize) -> u8) -> Samples {
        let rows = |start, end| Rows { part: "train".into(), start, end };
        let split = Split { train: rows(0, count), score: rows(0, count) };
        let x = Array::u8(&[count, 3, 32, 32], (0..count).flat_map(|s| vec![pixel(s); 3072]).collect());
        let labels: Vec<u32> = (0..count as u32).map(|s| s % 100).collect();
        let part = Part::new(x, Array::u32(&[count], &labels));
        Samples {
            meta: DatasetMeta {
                format: 1,
                task: "cifar100".into(),
                shape: TaskShape { channels: 3, spatial: vec![32, 32], target: Target::Point { classes: 100 } },
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

    fn params() -> ObjectiveParams {
        ObjectiveParams {
            split: SplitChoice::Final,
            seed: 0,
            stage: "retrain",
            permute_labels: false,
            cutout: true,
            validation_augmented: true,
            fixed_jitter: false,
            unseen_only: false,
            drop_first_frame: false,
        }
    }

    #[test]
    fn normalisation_matches_the_golden_vector() {
        let samples = dataset(2, |s| if s == 0 { 0 } else { 255 });
        let objective = open(&samples, &params()).unwrap();
        let x = corners(&objective.scored_inputs(0..2).unwrap());
        for (found, expected) in x.iter().zip([-1.89570, -1.89747, -1.59652, 1.84262, 2.00117, 2.02535]) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} instead of {expected}");
        }
    }

    /// The first value of each plane.
    fn corners(x: &Tensor) -> Vec<f32> {
        x.flatten_from(2).unwrap().narrow(2, 0, 1).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    /// The first channel of each image.
    fn red(x: &Tensor) -> Vec<Vec<f32>> {
        x.narrow(1, 0, 1).unwrap().flatten_from(1).unwrap().to_vec2().unwrap()
    }

    #[test]
    fn augmentation_crops_black_borders_and_cuts_one_hole() {
        let samples = dataset(400, |_| 255);
        let with_hole = open(&samples, &params()).unwrap();
        let all: Vec<usize> = (0..400).collect();
        let images = red(&with_hole.training_batch(&all, 0).unwrap().inputs);
        let plain = ObjectiveParams { cutout: false, ..params() };
        let without = red(&open(&samples, &plain).unwrap().training_batch(&all, 0).unwrap().inputs);
        let black = -1.8957f32;
        let mut offsets = std::collections::BTreeSet::new();
        for (image, whole) in images.iter().zip(&without) {
            // without the hole, black pixels fill whole rows and columns at the border
            let rows: Vec<usize> = (0..32).filter(|y| (image_row(whole, *y)).iter().all(|v| near(*v, black))).collect();
            let columns = (0..32).filter(|x| (0..32).all(|y| near(whole[y * 32 + x], black))).count();
            assert!(rows.len() <= 4 && columns <= 4);
            assert!(rows.iter().all(|y| *y < 4 || *y >= 28));
            offsets.insert((rows.len(), rows.first() == Some(&0), columns));
            // the hole is a square clipped by the image; elsewhere both images agree
            let hole: Vec<usize> = (0..1024).filter(|i| image[*i] == 0.0).collect();
            let (ys, xs): (Vec<_>, Vec<_>) = hole.iter().map(|i| (i / 32, i % 32)).unzip();
            let (y0, y1) = (ys.iter().min().unwrap(), ys.iter().max().unwrap());
            let (x0, x1) = (xs.iter().min().unwrap(), xs.iter().max().unwrap());
            assert_eq!(hole.len(), (y1 - y0 + 1) * (x1 - x0 + 1));
            assert!((8..=16).contains(&(y1 - y0 + 1)) && (8..=16).contains(&(x1 - x0 + 1)));
            assert!((0..1024).all(|i| image[i] == 0.0 || image[i] == whole[i]));
        }
        assert!(offsets.len() > 30, "crops vary: {}", offsets.len());
    }

    fn near(a: f32, b: f32) -> bool {
        (a - b).abs() < 1e-3
    }

    fn image_row(plane: &[f32], y: usize) -> &[f32] {
        &plane[y * 32..(y + 1) * 32]
    }

    #[test]
    fn half_of_the_images_are_flipped() {
        let mut samples = dataset(300, |_| 0);
        let part = samples.parts.get_mut("train").unwrap();
        for row in part.x.bytes.chunks_exact_mut(32) {
            row[16..].fill(255); // right half white
        }
        let objective = open(&samples, &ObjectiveParams { cutout: false, ..params() }).unwrap();
        let all: Vec<usize> = (0..300).collect();
        let images = red(&objective.training_batch(&all, 3).unwrap().inputs);
        let flipped = images.iter().filter(|i| i[16 * 32 + 8] > 0.0).count();
        assert!((115..185).contains(&flipped), "{flipped}");
        let again = red(&objective.training_batch(&all, 3).unwrap().inputs);
        assert_eq!(images, again);
        assert_ne!(images, red(&objective.training_batch(&all, 4).unwrap().inputs));
    }

    #[test]
    fn labels_are_permuted_only_for_training_and_only_when_asked() {
        let samples = dataset(50, |_| 9);
        let all: Vec<usize> = (0..50).collect();
        let labels = |permute_labels| {
            let objective = open(&samples, &ObjectiveParams { permute_labels, ..params() }).unwrap();
            objective.training_batch(&all, 0).unwrap().targets.to_vec1::<u32>().unwrap()
        };
        let mut permuted = labels(true);
        assert_eq!(labels(false), (0..50).collect::<Vec<u32>>());
        assert_ne!(permuted, labels(false));
        permuted.sort_unstable();
        assert_eq!(permuted, labels(false));
    }

    #[test]
    fn validation_is_augmented_only_in_the_search_split() {
        let samples = dataset(20, |_| 200);
        let scored = |split, validation_augmented| {
            let objective = open(&samples, &ObjectiveParams { split, validation_augmented, ..params() }).unwrap();
            red(&objective.scored_inputs(0..20).unwrap())
        };
        let clean = scored(SplitChoice::Final, true);
        assert_eq!(clean, scored(SplitChoice::Search, false));
        assert_ne!(clean, scored(SplitChoice::Search, true));
    }

    #[test]
    fn wrong_arrays_are_named() {
        let mut samples = dataset(3, |_| 0);
        samples.meta.shape.target = Target::Point { classes: 2 };
        assert!(open(&samples, &params()).err().unwrap().contains("labels below 2"));
        let mut samples = dataset(3, |_| 0);
        samples.meta.last.score.end = 4;
        assert!(open(&samples, &params()).err().unwrap().contains("which has 3 rows"));
        samples.meta.last.score.part = "test".into();
        assert!(open(&samples, &params()).err().unwrap().contains("lacks the part `test`"));
    }
}
