//! The objective of a task whose samples are rows: `x` (N,C,spatial…) goes to the network as it is, `y` is a class, a set of
//! labels or a field. Knows no task, no file and no metric; nothing is augmented.

use crate::artifacts::dataset::{Array, Rows, Target, TaskShape};
use crate::artifacts::samples::{Part, Samples};
use crate::ops::loss::{Loss, loss};
use crate::seed::Purpose;
use crate::tasks::contract::objective::{Batch, Objective, ObjectiveParams};
use crate::training::error::TrainError;
use candle_core::{Device, Tensor};
use safetensors::Dtype;
use std::ops::Range;
use std::sync::Arc;

/// What a network's output is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowLoss {
    /// Mean cross-entropy; one class per sample.
    CrossEntropy,
    /// Mean binary cross-entropy of logits; labels or fields of 0 and 1.
    BinaryCrossEntropy,
    /// Mean squared difference; fields.
    MeanSquared,
    /// Relative L2, summed over the batch; fields.
    RelativeL2,
}

struct RowObjective<'a> {
    task: &'a str,
    shape: &'a TaskShape,
    train: (&'a Part, &'a Rows),
    score: (&'a Part, &'a Rows),
    /// The training sample whose target stands for each sample's: itself, or another as a control.
    partner: Vec<usize>,
    loss: RowLoss,
    /// Values of one input and of one target.
    size: (usize, usize),
}

/// Opens a split; the loss must fit the kind of target.
pub fn open<'a>(
    task: &'a str,
    samples: &'a Samples,
    params: &ObjectiveParams,
    row_loss: RowLoss,
) -> Result<Box<dyn Objective + 'a>, String> {
    let shape = &samples.meta.shape;
    let split = samples.split(params.split);
    let (train, score) = (samples.paired(&split.train)?, samples.paired(&split.score)?);
    let x: Vec<usize> = std::iter::once(shape.channels).chain(shape.spatial.iter().copied()).collect();
    let y: Vec<usize> = match shape.target {
        Target::Point { .. } => vec![],
        Target::MultiLabel { labels } => vec![labels],
        Target::Dense { channels } => std::iter::once(channels).chain(shape.spatial.iter().copied()).collect(),
    };
    for (part, rows) in [(train, &split.train), (score, &split.score)] {
        if part.x.shape[1..] != x || part.y.shape[1..] != y {
            return Err(format!(
                "{task}: part `{}` should hold samples of shape {x:?} with targets of shape {y:?}, found {:?} with {:?}",
                rows.part,
                &part.x.shape[1..],
                &part.y.shape[1..]
            ));
        }
    }
    let fits = match shape.target {
        Target::Point { .. } => row_loss == RowLoss::CrossEntropy,
        Target::MultiLabel { .. } => row_loss == RowLoss::BinaryCrossEntropy,
        Target::Dense { .. } => row_loss != RowLoss::CrossEntropy,
    };
    if !fits {
        return Err(format!("{task}: the loss {row_loss:?} does not fit the target {:?}", shape.target));
    }
    if let Target::Point { classes } = shape.target {
        check_classes(task, &train.y, &split.train, classes)?;
    }
    let count = split.train.len();
    let partner = if params.permute_labels {
        Purpose::new(params.seed, params.stage, "permuted labels").at(0).permutation(count)
    } else {
        (0..count).collect()
    };
    Ok(Box::new(RowObjective {
        task,
        shape,
        train: (train, &split.train),
        score: (score, &split.score),
        partner,
        loss: row_loss,
        size: (x.iter().product(), y.iter().product()),
    }))
}

fn check_classes(task: &str, labels: &Array, rows: &Rows, classes: usize) -> Result<(), String> {
    let labels = &labels.to_u32()?[rows.start..rows.end];
    match labels.iter().find(|label| **label as usize >= classes) {
        Some(label) => Err(format!("{task}: labels below {classes} were expected, found {label}")),
        None => Ok(()),
    }
}

impl RowObjective<'_> {
    fn inputs(
        &self,
        (part, rows): (&Part, &Rows),
        samples: impl ExactSizeIterator<Item = usize>,
    ) -> Result<Tensor, TrainError> {
        let (count, size) = (samples.len(), self.size.0);
        let mut values = Vec::with_capacity(count * size);
        for sample in samples {
            let at = (rows.start + sample) * size;
            part.x.append_f32(at, at + size, &mut values).map_err(|e| self.wrong(e))?;
        }
        let dims: Vec<usize> =
            [count, self.shape.channels].into_iter().chain(self.shape.spatial.iter().copied()).collect();
        Ok(Tensor::from_vec(values, dims, &Device::Cpu)?)
    }

    fn targets(&self, samples: &[usize]) -> Result<Tensor, TrainError> {
        let (part, rows) = self.train;
        let at = |sample: usize| rows.start + self.partner[sample];
        if part.y.dtype == Dtype::U32 {
            let label = |sample: &usize| {
                let bytes = &part.y.bytes[4 * at(*sample)..];
                u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
            };
            let labels: Vec<u32> = samples.iter().map(label).collect();
            return Ok(Tensor::from_vec(labels, samples.len(), &Device::Cpu)?);
        }
        let size = self.size.1;
        let mut values = Vec::with_capacity(samples.len() * size);
        for sample in samples {
            let start = at(*sample) * size;
            part.y.append_f32(start, start + size, &mut values).map_err(|e| self.wrong(e))?;
        }
        let dims: Vec<usize> = std::iter::once(samples.len()).chain(part.y.shape[1..].iter().copied()).collect();
        Ok(Tensor::from_vec(values, dims, &Device::Cpu)?)
    }

    fn wrong(&self, message: String) -> TrainError {
        TrainError::Data(format!("{}: {message}", self.task))
    }
}

impl Objective for RowObjective<'_> {
    fn shape(&self) -> &TaskShape {
        self.shape
    }

    fn training_samples(&self) -> usize {
        self.partner.len()
    }

    fn scored_samples(&self) -> usize {
        self.score.1.len()
    }

    fn training_batch(&self, samples: &[usize], _epoch: u64) -> Result<Batch, TrainError> {
        Ok(Batch { inputs: self.inputs(self.train, samples.iter().copied())?, targets: self.targets(samples)? })
    }

    fn loss(&self, output: &Tensor, targets: &Tensor) -> Result<Tensor, TrainError> {
        if self.loss == RowLoss::CrossEntropy {
            let classes = Arc::new(targets.to_vec1::<u32>()?);
            return Ok(loss(output, Loss::CrossEntropy { classes, smoothing: 0.0 })?);
        }
        let targets = Arc::new(targets.flatten_all()?.to_vec1::<f32>()?);
        let kind = match self.loss {
            RowLoss::MeanSquared => Loss::MeanSquared { targets },
            RowLoss::RelativeL2 => Loss::RelativeL2 { targets },
            RowLoss::BinaryCrossEntropy | RowLoss::CrossEntropy => Loss::BceWithLogits { targets },
        };
        Ok(loss(output, kind)?)
    }

    fn scored_inputs(&self, samples: Range<usize>) -> Result<Tensor, TrainError> {
        self.inputs(self.score, samples)
    }
}

#[cfg(test)]
mod tests {
    use super::{RowLoss, open};
    use crate::artifacts::dataset::{Array, DatasetMeta, Rows, Split, Target, TaskShape};
    use crate::artifacts::samples::{Part, Samples, SplitChoice};
    use crate::tasks::contract::objective::ObjectiveParams;
    use candle_core::Tensor;
    use std::collections::BTreeMap;

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

    /// Three rows to train on and one to score, of shape (2,3).
    fn samples(y: Array, target: Target) -> Samples {
        let rows = |start, end| Rows { part: "train".into(), start, end };
        let split = Split { train: rows(0, 3), score: rows(3, 4) };
        let x = Array::u8(&[4, 2, 3], (0..24).collect());
        Samples {
            meta: DatasetMeta {
                format: 1,
                task: "toy".into(),
                shape: TaskShape { channels: 2, spatial: vec![3], target },
                search: split.clone(),
                last: split,
                source: "embedded:tiny".into(),
                class_names: Vec::new(),
                loss: None,
                metric: None,
            },
            parts: BTreeMap::from([("train".to_string(), Part::new(x, y))]),
        }
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn rows_go_in_as_they_are() {
        let points = samples(Array::u32(&[4], &[0, 1, 2, 3]), Target::Point { classes: 4 });
        let objective = open("toy", &points, &params(), RowLoss::CrossEntropy).unwrap();
        let batch = objective.training_batch(&[2, 0], 0).unwrap();
        assert_eq!(batch.inputs.dims(), [2, 2, 3]);
        assert_eq!(values(&batch.inputs)[..7], [12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 0.0]);
        assert_eq!(batch.targets.to_vec1::<u32>().unwrap(), [2, 0]);
        assert_eq!(values(&objective.scored_inputs(0..1).unwrap())[0], 18.0);
        let output = Tensor::zeros((2, 4), candle_core::DType::F32, batch.inputs.device()).unwrap();
        let value = values(&objective.loss(&output, &batch.targets).unwrap())[0];
        assert!((value - 4f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn labels_and_fields_keep_their_shape() {
        let labels = samples(Array::f32(&[4, 2], &[0., 1., 1., 0., 0., 0., 1., 1.]), Target::MultiLabel { labels: 2 });
        let objective = open("toy", &labels, &params(), RowLoss::BinaryCrossEntropy).unwrap();
        assert_eq!(values(&objective.training_batch(&[0, 1], 0).unwrap().targets), [0.0, 1.0, 1.0, 0.0]);
        let fields = samples(Array::u8(&[4, 1, 3], (0..12).collect()), Target::Dense { channels: 1 });
        let objective = open("toy", &fields, &params(), RowLoss::MeanSquared).unwrap();
        let batch = objective.training_batch(&[1], 0).unwrap();
        assert_eq!((batch.targets.dims(), values(&batch.targets)), (&[1, 1, 3][..], vec![3.0, 4.0, 5.0]));
        assert_eq!(values(&objective.loss(&batch.targets, &batch.targets).unwrap()), [0.0]);
    }

    #[test]
    fn permuted_targets_stay_the_same_set() {
        let points = samples(Array::u32(&[4], &[0, 1, 2, 3]), Target::Point { classes: 4 });
        let permuted = ObjectiveParams { permute_labels: true, seed: 5, ..params() };
        let objective = open("toy", &points, &permuted, RowLoss::CrossEntropy).unwrap();
        let mut labels = objective.training_batch(&[0, 1, 2], 0).unwrap().targets.to_vec1::<u32>().unwrap();
        labels.sort_unstable();
        assert_eq!(labels, [0, 1, 2]);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let bad = samples(Array::u32(&[4], &[0, 1, 7, 3]), Target::Point { classes: 4 });
        let message = |samples: &Samples, loss| open("toy", samples, &params(), loss).err().unwrap();
        assert!(message(&bad, RowLoss::CrossEntropy).contains("found 7"));
        assert!(message(&bad, RowLoss::MeanSquared).contains("does not fit"));
        let shape = samples(Array::u32(&[4], &[0, 1, 2, 3]), Target::MultiLabel { labels: 2 });
        assert!(message(&shape, RowLoss::BinaryCrossEntropy).contains("targets of shape [2]"));
    }
}
