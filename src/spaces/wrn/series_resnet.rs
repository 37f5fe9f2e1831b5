//! The network that upstream runs on series under this name: the residual network of earlier time-series benchmarks (Wang,
//! Yan and Oates, "Time series classification from scratch", IJCNN 2017), as in `NB360:backbone_1d/backbone_1d.py`. Knows no
//! task and no training.

use crate::artifacts::architecture::{ARCHITECTURE_FORMAT, Architecture};
use crate::artifacts::dataset::{Target, TaskShape};
use crate::nn::batch_norm::{NORM, NORM_RELU};
use crate::nn::builder::{Builder, Value};
use crate::nn::conv::ConvShape;
use crate::nn::linear::{self, Bias};
use crate::nn::network::Network;
use crate::ops::global_pool::GlobalPool;
use crate::spaces::contract::child::{ChildError, ChildParams};
use crate::spaces::wrn::architecture::SPACE;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// Kernels of the three convolutions of a block.
const KERNELS: [usize; 3] = [8, 5, 3];
/// The key of the body that tells this network from the wide residual one.
const KEY: &str = "series_resnet";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesResnet {
    /// Channels of the first block; the other two have twice as many. 64 upstream.
    pub width: usize,
}

impl SeriesResnet {
    pub fn encode(&self) -> Architecture {
        Architecture { format: ARCHITECTURE_FORMAT, space: SPACE.to_string(), body: json!({ KEY: self }) }
    }

    /// `None` where the architecture is another one.
    pub fn decode(architecture: &Architecture) -> Result<Option<Self>, String> {
        let Some(body) = architecture.body.get(KEY).filter(|_| architecture.space == SPACE) else { return Ok(None) };
        let found: Self = serde_json::from_value(body.clone()).map_err(|e| format!("{SPACE}: {KEY}: {e}"))?;
        if !(1..=1024).contains(&found.width) {
            return Err(format!("{SPACE}: {KEY}: a width of 1 to 1024 was expected, found {}", found.width));
        }
        Ok(Some(found))
    }
}

/// conv 8, conv 5, conv 3, each with bias, norm and ReLU; beside them a 1×1 with norm where the width changes, and nothing
/// at all where it does not: upstream's last block has no skip. No ReLU after the sum.
fn block(b: &mut Builder, x: Value, outputs: usize) -> Value {
    let mut y = x;
    for (index, kernel) in (1..).zip(KERNELS) {
        y = ConvShape::same(true, y.channels, outputs, kernel, 1).layer_with_bias(b, &format!("conv{index}"), y);
        y = NORM_RELU.layer(b, &format!("bn{index}"), y, None);
    }
    if x.channels == outputs {
        return y;
    }
    b.within("shortcut", |b| {
        let shortcut = ConvShape::same(true, x.channels, outputs, 1, 1).layer_with_bias(b, "conv", x);
        NORM.layer(b, "bn", shortcut, Some(y))
    })
}

/// For inputs (N,channels,L). Dropout has no effect here, as upstream.
pub fn build(plan: &SeriesResnet, shape: &TaskShape, params: &ChildParams) -> Result<Network, ChildError> {
    let outputs = match (&shape.target, shape.spatial.len()) {
        (Target::Point { classes }, 1) => *classes,
        (Target::MultiLabel { labels }, 1) => *labels,
        _ => {
            let text = format!("wrn: the network for series does not fit the task's shape {shape:?}");
            return Err(ChildError::Architecture(text));
        }
    };
    let mut builder = Builder::new(params.init);
    let b = &mut builder;
    let mut x = b.input(shape.channels);
    for (index, outputs) in [plan.width, 2 * plan.width, 2 * plan.width].into_iter().enumerate() {
        x = b.within(&format!("blocks.{index}"), |b| block(b, x, outputs));
    }
    x = b.step(Arc::new(GlobalPool { window: None }), &[x], [], x.channels);
    linear::layer(b, "fc", x, outputs, false, Bias::FanIn);
    Ok(builder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::{SeriesResnet, build};
    use crate::artifacts::dataset::{Target, TaskShape};
    use crate::seed::Purpose;
    use crate::spaces::contract::child::{ChildParams, NetworkParams};

    #[test]
    fn parameter_counts_are_the_published_ones() {
        // methods §5.2: ECG, Satellite, DeepSEA; and the parts of the first
        for (channels, length, target, expected) in [
            (1, 1000, Target::Point { classes: 4 }, 504_260),
            (1, 46, Target::Point { classes: 24 }, 506_840),
            (4, 1000, Target::MultiLabel { labels: 36 }, 510_116),
        ] {
            let shape = TaskShape { channels, spatial: vec![length], target };
            let init = Purpose::new(0, "test", "init");
            let params = ChildParams {
                droprate: 0.0,
                drop_path: None,
                auxiliary: false,
                network: NetworkParams::default(),
                init,
                seed: 0,
                stage: "test",
            };
            let network = build(&SeriesResnet { width: 64 }, &shape, &params).unwrap();
            assert_eq!(network.parameters().count(), expected);
            let parameters = network.parameters().parameters();
            let count = |prefix: &str| -> usize {
                parameters.iter().filter(|p| p.name.starts_with(prefix)).map(|p| p.range.len()).sum()
            };
            if expected == 504_260 {
                assert_eq!(
                    [count("blocks.0."), count("blocks.1."), count("blocks.2."), count("fc.")],
                    [34_112, 206_336, 263_296, 516]
                );
            }
        }
    }
}
