//! ECG as a network sees it: windows of normalised recordings, cross-entropy (task specification §10). Knows no vote.

use crate::artifacts::dataset::{Rows, TaskShape};
use crate::artifacts::samples::Samples;
use crate::ops::loss::{Loss, loss};
use crate::seed::Purpose;
use crate::tasks::contract::objective::{Batch, Objective, ObjectiveParams};
use crate::tasks::ecg::scored::{rows, windows};
use crate::tasks::ecg::signal::Signal;
use crate::training::error::TrainError;
use candle_core::{Device, Tensor};
use std::ops::Range;
use std::sync::Arc;

struct Ecg<'a> {
    shape: &'a TaskShape,
    train: Signal<'a>,
    score: Signal<'a>,
    /// First training row of its part.
    first: usize,
    /// Label of each training window, permuted as a control.
    labels: Vec<u32>,
    /// Rows of the scored part.
    scored: Vec<usize>,
}

/// Opens a split.
pub fn open<'a>(samples: &'a Samples, params: &ObjectiveParams) -> Result<Box<dyn Objective + 'a>, String> {
    let shape = &samples.meta.shape;
    let [window] = shape.spatial[..] else {
        return Err(format!("ecg: a series was expected, found {:?}", shape.spatial));
    };
    if shape.channels != 1 {
        return Err(format!("ecg: one channel was expected, found {}", shape.channels));
    }
    let split = samples.split(params.split);
    let signal = |rows: &Rows| Signal::open(&rows.part, samples.part(rows)?, window);
    let (_, mut labels) = windows(samples, &split.train)?;
    if params.permute_labels {
        let order = Purpose::new(params.seed, params.stage, "permuted labels").at(0).permutation(labels.len());
        labels = order.into_iter().map(|at| labels[at]).collect();
    }
    Ok(Box::new(Ecg {
        shape,
        train: signal(&split.train)?,
        score: signal(&split.score)?,
        first: split.train.start,
        labels,
        scored: rows(samples, params.split, params.unseen_only)?,
    }))
}

impl Ecg<'_> {
    fn inputs(&self, signal: &Signal<'_>, rows: impl ExactSizeIterator<Item = usize>) -> Result<Tensor, TrainError> {
        let (count, window) = (rows.len(), self.shape.spatial[0]);
        let mut values = Vec::with_capacity(count * window);
        for row in rows {
            signal.append(row, &mut values).map_err(|e| TrainError::Data(format!("ecg: {e}")))?;
        }
        Ok(Tensor::from_vec(values, (count, 1, window), &Device::Cpu)?)
    }
}

impl Objective for Ecg<'_> {
    fn shape(&self) -> &TaskShape {
        self.shape
    }

    fn training_samples(&self) -> usize {
        self.labels.len()
    }

    fn scored_samples(&self) -> usize {
        self.scored.len()
    }

    fn training_batch(&self, samples: &[usize], _epoch: u64) -> Result<Batch, TrainError> {
        let labels: Vec<u32> = samples.iter().map(|sample| self.labels[*sample]).collect();
        let targets = Tensor::from_vec(labels, samples.len(), &Device::Cpu)?;
        Ok(Batch { inputs: self.inputs(&self.train, samples.iter().map(|sample| self.first + sample))?, targets })
    }

    fn loss(&self, output: &Tensor, targets: &Tensor) -> Result<Tensor, TrainError> {
        let classes = Arc::new(targets.to_vec1::<u32>()?);
        Ok(loss(output, Loss::CrossEntropy { classes, smoothing: 0.0 })?)
    }

    fn scored_inputs(&self, samples: Range<usize>) -> Result<Tensor, TrainError> {
        self.inputs(&self.score, self.scored[samples].iter().copied())
    }
}
