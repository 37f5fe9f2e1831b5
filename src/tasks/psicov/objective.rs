//! PSICOV as a network sees it: crops of 57 channels to distances clipped at 16 Å, mean squared error over the whole crop; test
//! proteins tile by tile. Knows no file and no metric.

use crate::artifacts::dataset::{Target, TaskShape};
use crate::artifacts::samples::{Samples, SplitChoice};
use crate::ops::loss::{Loss, loss};
use crate::seed::Purpose;
use crate::tasks::contract::objective::{Batch, Objective, ObjectiveParams};
use crate::tasks::psicov::canvas::{CLIP, Tiles, Window, inputs, truth, validation_crops};
use crate::tasks::psicov::protein::{CHANNELS, Proteins};
use crate::training::error::TrainError;
use candle_core::{Device, Tensor};
use std::ops::Range;
use std::sync::Arc;

struct Psicov<'a> {
    shape: &'a TaskShape,
    side: usize,
    train: Proteins<'a>,
    score: Proteins<'a>,
    /// First rows in the parts.
    first: usize,
    scored: Scored,
    /// The training protein whose distances stand for each protein's: itself, or another as a control.
    partner: Vec<usize>,
    augmentation: Purpose,
}

/// What is scored.
enum Scored {
    /// One crop per protein, the first of which is this one of the part.
    Crops { first: usize, count: usize },
    /// Tiles of these proteins, the first of which is this one of the part.
    Tiles { first: usize, tiles: Tiles },
}

/// Opens the split of a dataset whose arrays are those of `protein.rs`.
pub fn open<'a>(samples: &'a Samples, params: &ObjectiveParams) -> Result<Box<dyn Objective + 'a>, String> {
    let shape = &samples.meta.shape;
    let (&[side, width], CHANNELS, Target::Dense { channels: 1 }) = (&shape.spatial[..], shape.channels, &shape.target)
    else {
        return Err(format!("psicov: {CHANNELS} channels in and one square map out were expected, found {shape:?}"));
    };
    if side != width || side == 0 {
        return Err(format!("psicov: square crops were expected, found {side}×{width}"));
    }
    let split = samples.split(params.split);
    let train = Proteins::open(&split.train.part, samples.part(&split.train)?)?;
    let score = Proteins::open(&split.score.part, samples.part(&split.score)?)?;
    let (first, count) = (split.score.start, split.score.len());
    let scored = match params.split {
        SplitChoice::Search => Scored::Crops { first, count },
        SplitChoice::Final => Scored::Tiles { first, tiles: Tiles::of(&score.lengths()[first..split.score.end], side) },
    };
    let count = split.train.len();
    let partner = if params.permute_labels {
        Purpose::new(params.seed, params.stage, "permuted labels").at(0).permutation(count)
    } else {
        (0..count).collect()
    };
    Ok(Box::new(Psicov {
        shape,
        side,
        train,
        score,
        first: split.train.start,
        scored,
        partner,
        augmentation: Purpose::new(params.seed, params.stage, "augmentation"),
    }))
}

impl Psicov<'_> {
    fn tensor(&self, values: Vec<f32>, count: usize, channels: usize) -> Result<Tensor, TrainError> {
        Ok(Tensor::from_vec(values, (count, channels, self.side, self.side), &Device::Cpu)?)
    }

    fn room(&self, count: usize, channels: usize) -> Vec<f32> {
        Vec::with_capacity(count * channels * self.side * self.side)
    }
}

impl Objective for Psicov<'_> {
    fn shape(&self) -> &TaskShape {
        self.shape
    }

    fn training_samples(&self) -> usize {
        self.partner.len()
    }

    fn scored_samples(&self) -> usize {
        match &self.scored {
            Scored::Crops { count, .. } => *count,
            Scored::Tiles { tiles, .. } => tiles.count(),
        }
    }

    fn training_batch(&self, samples: &[usize], epoch: u64) -> Result<Batch, TrainError> {
        let count = samples.len();
        let (mut values, mut targets) = (self.room(count, CHANNELS), self.room(count, 1));
        for sample in samples {
            let window = |protein: usize| {
                // another protein's place comes from the same stream, as lengths differ
                let mut stream = self.augmentation.at(epoch << 32 | *sample as u64);
                Window::crop(self.train.lengths()[protein], self.side, &mut stream)
            };
            let (protein, partner) = (self.first + sample, self.first + self.partner[*sample]);
            inputs(&self.train, protein, window(protein), &mut values);
            truth(&self.train, partner, window(partner), Some(CLIP), &mut targets);
        }
        Ok(Batch { inputs: self.tensor(values, count, CHANNELS)?, targets: self.tensor(targets, count, 1)? })
    }

    /// Mean squared error over all positions, padding included.
    fn loss(&self, output: &Tensor, targets: &Tensor) -> Result<Tensor, TrainError> {
        let targets = Arc::new(targets.flatten_all()?.to_vec1::<f32>()?);
        Ok(loss(output, Loss::MeanSquared { targets })?)
    }

    fn scored_inputs(&self, samples: Range<usize>) -> Result<Tensor, TrainError> {
        let count = samples.len();
        let mut values = self.room(count, CHANNELS);
        for sample in samples {
            let (protein, window) = match &self.scored {
                Scored::Crops { first, .. } => {
                    let protein = first + sample;
                    let mut stream = validation_crops().at(sample as u64);
                    (protein, Window::crop(self.score.lengths()[protein], self.side, &mut stream))
                }
                Scored::Tiles { first, tiles } => {
                    let tile = tiles.locate(sample);
                    (first + tile.protein, tiles.window(tile))
                }
            };
            inputs(&self.score, protein, window, &mut values);
        }
        self.tensor(values, count, CHANNELS)
    }
}
