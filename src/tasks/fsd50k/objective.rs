//! FSD50K as a network sees it: log-mel maps of one second, a training sample is a clip with one piece drawn at each access;
//! mean binary cross-entropy (task specification §6.3–6.5). Knows no file and no metric.

use crate::artifacts::dataset::{Array, Rows, Target, TaskShape};
use crate::artifacts::samples::{Part, Samples};
use crate::ops::loss::{Loss, loss};
use crate::seed::Purpose;
use crate::tasks::contract::objective::{Batch, Objective, ObjectiveParams};
use crate::tasks::fsd50k::augmentation::{Map, augment, lowest};
use crate::tasks::fsd50k::clips::Pieces;
use crate::training::error::TrainError;
use candle_core::{Device, Tensor};
use std::ops::Range;
use std::sync::Arc;

struct Fsd50k<'a> {
    /// As the network sees it.
    shape: TaskShape,
    bands: usize,
    /// Of a stored piece; the first is not shown where the shape has one less.
    frames: usize,
    labels: usize,
    train: (&'a Part, &'a Rows, Pieces),
    score: (&'a Part, Pieces),
    /// The clip whose labels stand for each clip's: itself, or another as a control.
    partner: Vec<usize>,
    noise: Noise,
    augmentation: Purpose,
}

/// Whole-file maps of background noise, one after the other.
struct Noise {
    values: Vec<f32>,
    /// Offset in values, frames and lowest value of each.
    maps: Vec<(usize, usize, f32)>,
}

/// Opens a split of a dataset whose parts hold `x` f32 (pieces,1,96,frames), `y` f32 (clips,labels), `first` u32 (clips + 1)
/// and, in the training part, `noise` f32 with `noise_first` u32 (`tasks/fsd50k/clips.rs`).
pub fn open<'a>(samples: &'a Samples, params: &ObjectiveParams) -> Result<Box<dyn Objective + 'a>, String> {
    let shape = &samples.meta.shape;
    let (&[bands, frames], 1, Target::MultiLabel { labels }) = (&shape.spatial[..], shape.channels, &shape.target)
    else {
        return Err(format!("fsd50k: maps of one channel with labels were expected, found {shape:?}"));
    };
    let split = samples.split(params.split);
    let (train, score) = (samples.part(&split.train)?, samples.part(&split.score)?);
    for (part, rows) in [(train, &split.train), (score, &split.score)] {
        if part.x.shape[1..] != [1, bands, frames] || part.y.shape[1..] != [*labels] {
            return Err(format!(
                "fsd50k: part `{}` should hold maps of shape [1, {bands}, {frames}] with {labels} labels, found {:?} and {:?}",
                rows.part, part.x.shape, part.y.shape
            ));
        }
    }
    let count = split.train.len();
    let partner = if params.permute_labels {
        Purpose::new(params.seed, params.stage, "permuted labels").at(0).permutation(count)
    } else {
        (0..count).collect()
    };
    let shown = frames - usize::from(params.drop_first_frame);
    if shown == 0 {
        return Err("fsd50k: two frames or more were expected, found 1".to_string());
    }
    Ok(Box::new(Fsd50k {
        shape: TaskShape { spatial: vec![bands, shown], ..shape.clone() },
        bands,
        frames,
        labels: *labels,
        train: (train, &split.train, Pieces::open(train, &split.train)?),
        score: (score, Pieces::open(score, &split.score)?),
        partner,
        noise: Noise::open(train, bands)?,
        augmentation: Purpose::new(params.seed, params.stage, "augmentation"),
    }))
}

impl Noise {
    fn open(part: &Part, bands: usize) -> Result<Noise, String> {
        if !part.more.contains_key("noise") {
            return Ok(Noise { values: Vec::new(), maps: Vec::new() });
        }
        let values = part.array("noise")?.to_f32()?;
        let first = part.array("noise_first")?.to_u32()?;
        let mut maps = Vec::new();
        for pair in first.windows(2) {
            let (from, to) = (pair[0] as usize * bands, pair[1] as usize * bands);
            let map = values.get(from..to).filter(|map| !map.is_empty());
            let map = map.ok_or_else(|| {
                format!(
                    "fsd50k: noise of frames {}..{} was expected, the array has {}",
                    pair[0],
                    pair[1],
                    values.len() / bands
                )
            })?;
            maps.push((from, (to - from) / bands, lowest(map)));
        }
        Ok(Noise { values, maps })
    }

    fn map(&self, index: usize, bands: usize) -> Map<'_> {
        let (from, frames, lowest) = self.maps[index];
        Map { values: &self.values[from..from + frames * bands], bands, frames, lowest }
    }
}

impl Fsd50k<'_> {
    fn piece(&self, x: &Array, piece: usize, out: &mut Vec<f32>) -> Result<(), TrainError> {
        let size = self.bands * self.frames;
        x.append_f32(piece * size, (piece + 1) * size, out).map_err(|e| TrainError::Data(format!("fsd50k: {e}")))
    }

    fn tensor(&self, mut values: Vec<f32>, count: usize) -> Result<Tensor, TrainError> {
        let shown = self.shape.spatial[1];
        if shown < self.frames {
            values = values.chunks_exact(self.frames).flat_map(|band| &band[self.frames - shown..]).copied().collect();
        }
        Ok(Tensor::from_vec(values, (count, 1, self.bands, shown), &Device::Cpu)?)
    }
}

impl Objective for Fsd50k<'_> {
    fn shape(&self) -> &TaskShape {
        &self.shape
    }

    fn training_samples(&self) -> usize {
        self.partner.len()
    }

    fn scored_samples(&self) -> usize {
        self.score.1.all().len()
    }

    fn training_batch(&self, samples: &[usize], epoch: u64) -> Result<Batch, TrainError> {
        let (part, rows, pieces) = (self.train.0, self.train.1, &self.train.2);
        let (mut values, mut map) = (Vec::with_capacity(samples.len() * self.bands * self.frames), Vec::new());
        let mut targets = Vec::with_capacity(samples.len() * self.labels);
        for sample in samples {
            let mut stream = self.augmentation.at(epoch << 32 | *sample as u64);
            let of = pieces.of(*sample);
            let piece = of.start + stream.below(of.len() as u32) as usize;
            map.clear();
            self.piece(&part.x, piece, &mut map)?;
            let map = Map { values: &map, bands: self.bands, frames: self.frames, lowest: lowest(&map) };
            let noise = |index| self.noise.map(index, self.bands);
            augment(map, self.frames, self.noise.maps.len(), noise, &mut stream, &mut values);
            let at = (rows.start + self.partner[*sample]) * self.labels;
            let labels = part.y.append_f32(at, at + self.labels, &mut targets);
            labels.map_err(|e| TrainError::Data(format!("fsd50k: {e}")))?;
        }
        let targets = Tensor::from_vec(targets, (samples.len(), self.labels), &Device::Cpu)?;
        Ok(Batch { inputs: self.tensor(values, samples.len())?, targets })
    }

    fn loss(&self, output: &Tensor, targets: &Tensor) -> Result<Tensor, TrainError> {
        let targets = Arc::new(targets.flatten_all()?.to_vec1::<f32>()?);
        Ok(loss(output, Loss::BceWithLogits { targets })?)
    }

    /// Pieces of the scored clips, in order.
    fn scored_inputs(&self, samples: Range<usize>) -> Result<Tensor, TrainError> {
        let (count, all) = (samples.len(), self.score.1.all());
        let mut values = Vec::with_capacity(count * self.bands * self.frames);
        for sample in samples {
            self.piece(&self.score.0.x, all.start + sample, &mut values)?;
        }
        self.tensor(values, count)
    }
}

#[cfg(test)]
mod tests {
    use super::open;
    use crate::artifacts::samples::SplitChoice;
    use crate::tasks::contract::objective::ObjectiveParams;
    use crate::tasks::fsd50k::clips::tests::dataset;
    use candle_core::Tensor;
    use std::collections::BTreeSet;

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
    fn a_training_sample_is_any_piece_of_its_clip_and_a_scored_one_each_piece() {
        let samples = dataset(&[1, 3, 2], false);
        let objective = open(&samples, &params()).unwrap();
        assert_eq!((objective.training_samples(), objective.scored_samples()), (3, 6));
        let mut seen = BTreeSet::new();
        for epoch in 0..60 {
            let batch = objective.training_batch(&[1, 2], epoch).unwrap();
            assert_eq!((batch.inputs.dims(), batch.targets.dims()), (&[2, 1, 2, 3][..], &[2, 4][..]));
            let values = batch.inputs.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            // piece p has values 10p to 10p + 5: masked ones are 10p
            seen.insert((values[0] / 10.0) as u32);
            assert!((4..6).contains(&((values[6] / 10.0) as u32)));
            let targets = batch.targets.to_vec2::<f32>().unwrap();
            assert_eq!(targets, [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]);
        }
        assert_eq!(seen, BTreeSet::from([1, 2, 3]));
        let again =
            objective.training_batch(&[1, 2], 7).unwrap().inputs.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let other = open(&samples, &params()).unwrap().training_batch(&[1, 2], 7).unwrap();
        assert_eq!(again, other.inputs.flatten_all().unwrap().to_vec1::<f32>().unwrap());
        let scored = objective.scored_inputs(2..4).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(scored[5..7], [25.0, 30.0]);
    }

    #[test]
    fn a_network_may_see_no_first_frame() {
        let samples = dataset(&[1, 3, 2], false);
        let (whole, less) = (params(), ObjectiveParams { drop_first_frame: true, ..params() });
        let [whole, less] = [whole, less].map(|params| open(&samples, &params).unwrap());
        assert_eq!((&whole.shape().spatial[..], &less.shape().spatial[..]), (&[2, 3][..], &[2, 2][..]));
        let rest = |x: Tensor| x.narrow(3, 1, 2).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let all = |x: Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(all(less.scored_inputs(1..5).unwrap()), rest(whole.scored_inputs(1..5).unwrap()));
        let [x, y] = [&whole, &less].map(|objective| objective.training_batch(&[1, 2], 7).unwrap().inputs);
        assert_eq!((y.dims(), all(y.clone())), (&[2, 1, 2, 2][..], rest(x)));
    }

    #[test]
    fn noise_comes_in_only_where_there_is_some_and_labels_can_be_permuted() {
        let (quiet, loud) = (dataset(&[1, 1], false), dataset(&[1, 1], true));
        let values = |samples, epoch| {
            let batch = open(samples, &params()).unwrap().training_batch(&[0], epoch).unwrap();
            batch.inputs.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let mixed = (0..200).filter(|epoch| values(&quiet, *epoch) != values(&loud, *epoch)).count();
        assert!((130..170).contains(&mixed), "{mixed}");
        let pieces = dataset(&[1; 4], false);
        let permuted = ObjectiveParams { permute_labels: true, seed: 3, ..params() };
        let objective = open(&pieces, &permuted).unwrap();
        let targets = objective.training_batch(&[0, 1, 2, 3], 0).unwrap().targets.to_vec2::<f32>().unwrap();
        let plain = open(&pieces, &params()).unwrap().training_batch(&[0, 1, 2, 3], 0).unwrap().targets;
        assert_ne!(targets, plain.to_vec2::<f32>().unwrap());
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let mut samples = dataset(&[1, 3], true);
        samples.parts.get_mut("train").unwrap().more.get_mut("noise_first").unwrap().bytes[4] = 200;
        assert!(open(&samples, &params()).err().unwrap().contains("noise of frames"));
        let mut samples = dataset(&[1, 3], false);
        samples.meta.shape.spatial = vec![2, 4];
        assert!(open(&samples, &params()).err().unwrap().contains("[1, 2, 4]"));
    }
}
