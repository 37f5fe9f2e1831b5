//! Errors of predicted distances: of test proteins over contacts that are far apart in sequence (MAE8), of validation crops over
//! all positions. Knows no loss and no feature.

use crate::artifacts::samples::{Samples, SplitChoice};
use crate::artifacts::score::{Direction, Trivial};
use crate::metrics::contacts::{ContactError, PAD, PAIRS, contact_errors};
use crate::metrics::defined::mean_of_defined;
use crate::seed::Purpose;
use crate::tasks::contract::metric::{Measure, Metric, MetricError, MetricParams};
use crate::tasks::psicov::canvas::{CLIP, Tiles, Window, truth};
use crate::tasks::psicov::crop_error::CropError;
use crate::tasks::psicov::protein::Proteins;
use candle_core::Tensor;
use std::collections::BTreeMap;
use std::ops::Range;

/// Names of the four kinds of pairs, in the order of `PAIRS`.
const KINDS: [&str; 4] = ["MAE8", "MAE8, separation 12", "MAE12", "MAE12, separation 12"];

struct FarContacts<'a> {
    proteins: Proteins<'a>,
    /// First scored protein of the part.
    first: usize,
    /// The length that each protein is scored with.
    assumed: Vec<usize>,
    tiles: Tiles,
    seen: usize,
    /// What came of the protein at hand, (canvas, canvas).
    canvas: Vec<f32>,
    errors: Vec<[ContactError; 4]>,
    /// What a network that never looks would answer, in Å.
    constant: f64,
    /// Mean training distance of the pairs that are scored, if there are any.
    near: Option<f64>,
}

/// Opens the scored proteins of a dataset whose arrays are those of `protein.rs`.
pub fn open<'a>(samples: &'a Samples, params: &MetricParams) -> Result<Box<dyn Metric + 'a>, String> {
    let split = samples.split(params.split);
    let &[side, width] = &samples.meta.shape.spatial[..] else {
        return Err(format!("psicov: square crops were expected, found {:?}", samples.meta.shape));
    };
    if side != width || side == 0 {
        return Err(format!("psicov: square crops were expected, found {side}×{width}"));
    }
    let train = Proteins::open(&split.train.part, samples.part(&split.train)?)?;
    let constant = mean_target(&train, split.train.start..split.train.end, side);
    let proteins = Proteins::open(&split.score.part, samples.part(&split.score)?)?;
    let (first, count) = (split.score.start, split.score.len());
    if params.split == SplitChoice::Search {
        return Ok(Box::new(CropError::new(proteins, first, count, side, constant)));
    }
    let lengths = proteins.lengths()[first..split.score.end].to_vec();
    let assumed = if params.shuffled_lengths {
        // task specification §8.7: a shorter length cuts the protein, a longer one adds padding, which is far away
        let order = Purpose::new(params.seed, "evaluate", "shuffled lengths").at(0).permutation(count);
        order.into_iter().map(|other| lengths[other]).collect()
    } else {
        lengths.clone()
    };
    let metric = FarContacts {
        tiles: Tiles::of(&lengths, side),
        proteins,
        first,
        assumed,
        seen: 0,
        canvas: Vec::new(),
        errors: Vec::new(),
        constant,
        near: mean_near(&train, split.train.start..split.train.end),
    };
    if metric.constant_errors(constant as f32).iter().all(|errors| errors[0].mean.is_none()) {
        let pairs = PAIRS[0];
        return Err(format!(
            "psicov: no protein of the {count} scored ones has residues at least {} apart in sequence and at most {} Å apart \
             in space: MAE8 is undefined; score other proteins",
            pairs.separation, pairs.cutoff
        ));
    }
    Ok(Box::new(metric))
}

/// The constant of least training loss: the mean clipped distance of the training crops, padding included. Crops of long
/// proteins count as the whole padded protein.
fn mean_target(train: &Proteins<'_>, rows: Range<usize>, side: usize) -> f64 {
    let count = rows.len() as f64;
    let mean = |protein: usize| {
        let length = train.lengths()[protein];
        let row = |i: usize| (0..length).map(|j| f64::from(train.distance(protein, i, j).min(CLIP))).sum::<f64>();
        let inside: f64 = (0..length).map(row).sum();
        let all = (side.max(length + 2 * PAD) as f64).powi(2);
        (inside + f64::from(CLIP) * (all - (length * length) as f64)) / all
    };
    rows.map(mean).sum::<f64>() / count
}

/// The mean distance of training pairs like those that MAE8 scores.
fn mean_near(train: &Proteins<'_>, rows: Range<usize>) -> Option<f64> {
    let pairs = PAIRS[0];
    let (mut sum, mut count) = (0f64, 0u64);
    for protein in rows {
        let length = train.lengths()[protein];
        for i in 0..length {
            let far = (i + pairs.separation..length).map(|j| train.distance(protein, i, j));
            for distance in far.filter(|distance| *distance <= pairs.cutoff) {
                sum += f64::from(distance);
                count += 1;
            }
        }
    }
    (count > 0).then(|| sum / count as f64)
}

impl FarContacts<'_> {
    /// Errors of a scored protein whose map fills `canvas`.
    fn of(&self, protein: usize, canvas: &[f32]) -> [ContactError; 4] {
        let side = self.tiles.canvas(protein);
        let mut distances = Vec::with_capacity(side * side);
        truth(&self.proteins, self.first + protein, Window { top: 0, left: 0, side }, None, &mut distances);
        contact_errors(canvas, &distances, side, self.assumed[protein], PAD)
    }

    fn constant_errors(&self, constant: f32) -> Vec<[ContactError; 4]> {
        let of = |protein: usize| self.of(protein, &vec![constant; self.tiles.canvas(protein).pow(2)]);
        (0..self.assumed.len()).map(of).collect()
    }
}

/// Mean over proteins of one kind of pairs.
fn mean_of(errors: &[[ContactError; 4]], kind: usize) -> (f64, usize) {
    let means: Vec<Option<f64>> = errors.iter().map(|errors| errors[kind].mean).collect();
    mean_of_defined(&means)
}

impl Metric for FarContacts<'_> {
    fn add(&mut self, outputs: &Tensor) -> Result<(), MetricError> {
        let found = outputs.dims().to_vec();
        let values = outputs.flatten_all()?.to_vec1::<f32>()?;
        let (count, side) = (found.first().copied().unwrap_or(0), self.tiles.window(self.tiles.locate(0)).side);
        if count == 0 || values.len() != count * side * side {
            return Err(MetricError::Shape { expected: vec![count, 1, side, side], found });
        }
        if self.seen + count > self.tiles.count() {
            return Err(MetricError::Incomplete { expected: self.tiles.count(), found: self.seen + count });
        }
        for values in values.chunks_exact(side * side) {
            if !values.iter().all(|value| value.is_finite()) {
                return Err(MetricError::NotFinite { sample: self.seen });
            }
            let tile = self.tiles.locate(self.seen);
            let canvas = self.tiles.canvas(tile.protein);
            self.canvas.resize(canvas * canvas, 0.0);
            let window = self.tiles.window(tile);
            for (y, line) in values.chunks_exact(side).enumerate() {
                let start = (window.top + y) * canvas + window.left;
                self.canvas[start..start + side].copy_from_slice(line);
            }
            self.seen += 1;
            if self.tiles.is_last(tile) {
                let errors = self.of(tile.protein, &self.canvas);
                self.errors.push(errors);
            }
        }
        Ok(())
    }

    fn finish(&self) -> Result<Measure, MetricError> {
        if self.seen != self.tiles.count() {
            return Err(MetricError::Incomplete { expected: self.tiles.count(), found: self.seen });
        }
        let (value, without) = mean_of(&self.errors, 0);
        let mut details = BTreeMap::from([
            ("proteins".to_string(), self.errors.len() as f64),
            ("proteins without such pairs".to_string(), without as f64),
        ]);
        for (kind, name) in KINDS.iter().enumerate().skip(1) {
            let (mean, _) = mean_of(&self.errors, kind);
            if mean.is_finite() {
                details.insert(name.to_string(), mean);
            }
        }
        let trivial = self.constant_errors(self.constant as f32);
        // only near pairs are scored, so the constant that suits them does well: the number can be gamed
        if let Some(near) = self.near {
            details
                .insert("MAE8 of the mean near distance".to_string(), mean_of(&self.constant_errors(near as f32), 0).0);
        }
        Ok(Measure {
            metric: "MAE8",
            unit: "Å",
            direction: Direction::Lower,
            value,
            trivial: Trivial { name: "mean training distance".to_string(), value: mean_of(&trivial, 0).0 },
            details,
        })
    }
}
