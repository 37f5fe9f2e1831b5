//! Darcy flow as a network sees it: normalised coefficient and two coordinates in, normalised pressure out, relative L2
//! in physical units summed over the batch. Knows no file and no metric.

use crate::artifacts::dataset::{Rows, Target, TaskShape};
use crate::artifacts::samples::Samples;
use crate::ops::loss::{Loss, loss};
use crate::seed::Purpose;
use crate::tasks::contract::objective::{Batch, Objective, ObjectiveParams};
use crate::tasks::darcy::normaliser::Normaliser;
use crate::training::error::TrainError;
use candle_core::{Device, Tensor};
use std::ops::Range;
use std::sync::Arc;

struct Darcy<'a> {
    shape: &'a TaskShape,
    size: (usize, usize),
    /// Coefficients of the training and the scored rows.
    train: Vec<f32>,
    score: Vec<f32>,
    /// Pressures of the training rows, in physical units.
    solutions: Vec<f32>,
    /// The training sample whose pressure stands for each sample's: itself, or another as a control.
    partner: Vec<usize>,
    normaliser: Normaliser,
    coordinates: Vec<f32>,
    /// The pressure's scale and mean, (1,1,H,W).
    scale: Tensor,
    mean: Tensor,
}

/// Opens the split of a dataset whose `x` and `y` are `f32` (N,1,H,W).
pub fn open<'a>(samples: &'a Samples, params: &ObjectiveParams) -> Result<Box<dyn Objective + 'a>, String> {
    let shape = &samples.meta.shape;
    let (&[height, width], 3, Target::Dense { channels: 1 }) = (&shape.spatial[..], shape.channels, &shape.target)
    else {
        return Err(format!("darcy: three channels in and one field out were expected, found {shape:?}"));
    };
    let points = height * width;
    let split = samples.split(params.split);
    let field = |rows: &Rows, y: bool| -> Result<Vec<f32>, String> {
        let part = samples.paired(rows)?;
        let array = if y { &part.y } else { &part.x };
        if points == 0 || array.shape[1..] != [1, height, width] {
            let found = &array.shape;
            let part = &rows.part;
            return Err(format!("darcy: fields of shape [1, {height}, {width}] expected in `{part}`, found {found:?}"));
        }
        Ok(array.to_f32()?[rows.start * points..rows.end * points].to_vec())
    };
    let (train, score) = (field(&split.train, false)?, field(&split.score, false)?);
    let solutions = field(&split.train, true)?;
    let all = train.iter().chain(&score).chain(&solutions);
    if let Some(value) = all.clone().find(|v| !v.is_finite()) {
        return Err(format!("darcy: finite fields were expected, found {value}"));
    }
    if let Some(zero) = solutions.chunks_exact(points).position(|y| y.iter().all(|v| *v == 0.0)) {
        return Err(format!("darcy: the pressure of training sample {zero} is zero everywhere: no relative error"));
    }
    let count = split.train.len();
    let partner = if params.permute_labels {
        Purpose::new(params.seed, params.stage, "permuted labels").at(0).permutation(count)
    } else {
        (0..count).collect()
    };
    let targets = Normaliser::fit(&solutions, points);
    let plane =
        |values: &[f32]| Tensor::from_slice(values, (1, 1, height, width), &Device::Cpu).map_err(|e| e.to_string());
    let at = |i: usize, n: usize| i as f32 / (n.max(2) - 1) as f32;
    let columns = (0..points).map(|p| at(p % width, width));
    let coordinates = columns.chain((0..points).map(|p| at(p / width, height))).collect();
    Ok(Box::new(Darcy {
        shape,
        size: (height, width),
        normaliser: Normaliser::fit(&train, points),
        train,
        score,
        solutions,
        partner,
        coordinates,
        scale: plane(&targets.scale)?,
        mean: plane(&targets.mean)?,
    }))
}

impl Darcy<'_> {
    fn points(&self) -> usize {
        self.size.0 * self.size.1
    }

    /// Channels: encoded coefficient, column coordinate, row coordinate.
    fn inputs(&self, fields: &[f32], samples: impl ExactSizeIterator<Item = usize>) -> Result<Tensor, TrainError> {
        let (points, count) = (self.points(), samples.len());
        let mut values = Vec::with_capacity(count * 3 * points);
        for sample in samples {
            values.extend(self.normaliser.encode(&fields[sample * points..(sample + 1) * points]));
            values.extend_from_slice(&self.coordinates);
        }
        Ok(Tensor::from_vec(values, (count, 3, self.size.0, self.size.1), &Device::Cpu)?)
    }
}

impl Objective for Darcy<'_> {
    fn shape(&self) -> &TaskShape {
        self.shape
    }

    fn training_samples(&self) -> usize {
        self.partner.len()
    }

    fn scored_samples(&self) -> usize {
        self.score.len() / self.points()
    }

    fn training_batch(&self, samples: &[usize], _epoch: u64) -> Result<Batch, TrainError> {
        let points = self.points();
        let mut targets = Vec::with_capacity(samples.len() * points);
        for sample in samples {
            let partner = self.partner[*sample];
            targets.extend_from_slice(&self.solutions[partner * points..(partner + 1) * points]);
        }
        let targets = Tensor::from_vec(targets, (samples.len(), 1, self.size.0, self.size.1), &Device::Cpu)?;
        Ok(Batch { inputs: self.inputs(&self.train, samples.iter().copied())?, targets })
    }

    /// Sum over the batch of ‖decoded − y‖₂ / ‖y‖₂.
    fn loss(&self, output: &Tensor, targets: &Tensor) -> Result<Tensor, TrainError> {
        let decoded = output.broadcast_mul(&self.scale)?.broadcast_add(&self.mean)?;
        let targets = Arc::new(targets.flatten_all()?.to_vec1::<f32>()?);
        Ok(loss(&decoded, Loss::RelativeL2 { targets })?)
    }

    fn scored_inputs(&self, samples: Range<usize>) -> Result<Tensor, TrainError> {
        self.inputs(&self.score, samples)
    }
}

#[cfg(test)]
mod tests {
    use super::open;
    use crate::artifacts::dataset::{Array, DatasetMeta, Rows, Split, Target, TaskShape};
    use crate::artifacts::samples::{Part, Samples, SplitChoice};
    use crate::tasks::contract::objective::ObjectiveParams;
    use crate::tasks::darcy::normaliser::Normaliser;
    use candle_core::{Device, Tensor, Var};
    use std::collections::BTreeMap;

    /// Four fields of 2×3 points; the first three train, the last is scored.
    fn dataset() -> Samples {
        let rows = |start, end| Rows { part: "train".into(), start, end };
        let split = Split { train: rows(0, 3), score: rows(3, 4) };
        let x: Vec<f32> = (0..24).map(|i| (i * i % 7) as f32).collect();
        let y: Vec<f32> = (0..24).map(|i| 1.0 + (i % 5) as f32).collect();
        let part = Part::new(Array::f32(&[4, 1, 2, 3], &x), Array::f32(&[4, 1, 2, 3], &y));
        Samples {
            meta: DatasetMeta {
                format: 1,
                task: "darcy".into(),
                shape: TaskShape { channels: 3, spatial: vec![2, 3], target: Target::Dense { channels: 1 } },
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
            cutout: false,
            validation_augmented: false,
            fixed_jitter: false,
            unseen_only: false,
            drop_first_frame: false,
        }
    }

    #[test]
    fn coordinates_follow_columns_then_rows() {
        let samples = dataset();
        let x = open(&samples, &params()).unwrap().scored_inputs(0..1).unwrap();
        assert_eq!(x.dims(), [1, 3, 2, 3]);
        let planes = x.squeeze(0).unwrap().flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(planes[1], [0.0, 0.5, 1.0, 0.0, 0.5, 1.0]);
        assert_eq!(planes[2], [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        // first point: training values 0, 36 % 7 = 1, 144 % 7 = 4, mean 5/3, deviation √(13/3); scored 324 % 7 = 2
        let expected = (2.0 - 5.0 / 3.0) / ((13.0f64 / 3.0).sqrt() + 1e-5);
        assert!((f64::from(planes[0][0]) - expected).abs() < 1e-6);
    }

    #[test]
    fn the_loss_is_the_sum_of_relative_errors_and_its_gradient_is_right() {
        let samples = dataset();
        let objective = open(&samples, &params()).unwrap();
        let batch = objective.training_batch(&[2, 0], 0).unwrap();
        let output: Vec<f32> = (0..12).map(|i| (i as f32 * 0.7).sin()).collect();
        let var = Var::from_vec(output.clone(), (2, 1, 2, 3), &Device::Cpu).unwrap();
        let loss = objective.loss(&var, &batch.targets).unwrap();
        let y: Vec<f64> = (0..24).map(|i| 1.0 + f64::from(i % 5)).collect();
        let column = |p: usize| [y[p], y[6 + p], y[12 + p]];
        let statistics: Vec<(f64, f64)> = (0..6)
            .map(|p| {
                let mean = column(p).iter().sum::<f64>() / 3.0;
                let squares: f64 = column(p).iter().map(|v| (v - mean).powi(2)).sum();
                (mean, (squares / 2.0).sqrt() + 1e-5)
            })
            .collect();
        let value = |output: &[f64]| -> f64 {
            [2usize, 0]
                .iter()
                .enumerate()
                .map(|(row, sample)| {
                    let (mut difference, mut norm) = (0.0, 0.0);
                    for p in 0..6 {
                        let truth = y[sample * 6 + p];
                        difference += (output[row * 6 + p] * statistics[p].1 + statistics[p].0 - truth).powi(2);
                        norm += truth * truth;
                    }
                    (difference / norm).sqrt()
                })
                .sum()
        };
        let output: Vec<f64> = output.iter().map(|v| f64::from(*v)).collect();
        assert!((f64::from(loss.to_scalar::<f32>().unwrap()) - value(&output)).abs() < 1e-5);
        let gradients = loss.backward().unwrap();
        let found = gradients.get(&var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for p in 0..12 {
            let (mut up, mut down) = (output.clone(), output.clone());
            up[p] += 1e-5;
            down[p] -= 1e-5;
            let expected = (value(&up) - value(&down)) / 2e-5;
            assert!((f64::from(found[p]) - expected).abs() < 1e-4, "{} instead of {expected}", found[p]);
        }
    }

    #[test]
    fn an_exact_output_has_a_finite_gradient() {
        let samples = dataset();
        let objective = open(&samples, &params()).unwrap();
        // zero decodes to the mean field exactly, so against it the difference is zero
        let y: Vec<f32> = (0..18).map(|i| 1.0 + (i % 5) as f32).collect();
        let mean = Normaliser::fit(&y, 6).mean;
        let target = Tensor::from_vec(mean, (1, 1, 2, 3), &Device::Cpu).unwrap();
        let var = Var::zeros((1, 1, 2, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        let loss = objective.loss(&var, &target).unwrap();
        assert!(loss.to_scalar::<f32>().unwrap() < 1e-12);
        let gradients = loss.backward().unwrap();
        let found = gradients.get(&var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(found, [0.0; 6]);
    }

    #[test]
    fn bad_fields_are_named() {
        let mut samples = dataset();
        let zeros = [0f32; 24];
        samples.parts.get_mut("train").unwrap().y = Array::f32(&[4, 1, 2, 3], &zeros);
        assert!(open(&samples, &params()).err().unwrap().contains("zero everywhere"));
        samples.parts.get_mut("train").unwrap().y = Array::f32(&[4, 6], &zeros);
        assert!(open(&samples, &params()).err().unwrap().contains("[4, 6]"));
        let mut samples = dataset();
        samples.parts.get_mut("train").unwrap().x = Array::f32(&[4, 1, 2, 3], &[f32::NAN; 24]);
        assert!(open(&samples, &params()).err().unwrap().contains("NaN"));
    }
}
