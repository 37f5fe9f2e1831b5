//! A few samples of a prepared data set, as a network sees them, for a person to look at. Knows no figure and no store.

use crate::artifacts::dataset::Target;
use crate::artifacts::sample_view::Sample;
use crate::artifacts::samples::{Samples, SplitChoice};
use crate::tasks::contract::objective::{ObjectiveParams, OpenObjective};
use candle_core::{DType, Tensor};

/// The first samples of the training rows, spread over them, with the augmentation of the first epoch.
pub fn look(open: OpenObjective, samples: &Samples, count: usize) -> Result<Vec<Sample>, String> {
    let params = ObjectiveParams {
        split: SplitChoice::Search,
        seed: 0,
        stage: "preview",
        permute_labels: false,
        cutout: false,
        validation_augmented: false,
        fixed_jitter: true,
        unseen_only: false,
        drop_first_frame: false,
    };
    let objective = open(samples, &params)?;
    let all = objective.training_samples();
    let count = count.clamp(1, all.max(1));
    let chosen: Vec<usize> = (0..count).map(|i| i * all / count).collect();
    let batch = objective.training_batch(&chosen, 0).map_err(|e| e.to_string())?;
    let shape = objective.shape();
    let names = &samples.meta.class_names;
    let name = |class: usize| names.get(class).cloned().unwrap_or_else(|| format!("class {class}"));
    let mut found = Vec::with_capacity(count);
    for at in 0..count {
        let values = |tensor: &Tensor| -> candle_core::Result<Vec<f32>> {
            tensor.get(at)?.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()
        };
        let input = values(&batch.inputs).map_err(|e| e.to_string())?;
        let target = values(&batch.targets).map_err(|e| e.to_string())?;
        let (label, field) = match &shape.target {
            Target::Point { .. } => (name(target[0] as usize), None),
            Target::MultiLabel { .. } => {
                let on = target.iter().enumerate().filter(|(_, value)| **value > 0.5);
                let label = |label: usize| names.get(label).cloned().unwrap_or_else(|| format!("label {label}"));
                let on: Vec<String> = on.map(|(index, _)| label(index)).collect();
                (if on.is_empty() { "no label".to_string() } else { on.join(", ") }, None)
            }
            Target::Dense { .. } => {
                let points: usize = shape.spatial.iter().product();
                ("target".to_string(), Some((target.len() / points.max(1), target)))
            }
        };
        let (channels, spatial) = (shape.channels, shape.spatial.clone());
        found.push(Sample { channels, spatial, input, label, field });
    }
    Ok(found)
}
