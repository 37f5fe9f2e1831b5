//! The wide residual network as layers, for planes and for series. Knows no task and no training; two modules that
//! upstream's dense form makes but never runs (a norm of the input, a 3×3 convolution to one channel: 2,311 parameters on
//! Darcy) are not built.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::{Target, TaskShape};
use crate::nn::batch_norm::NORM_RELU;
use crate::nn::builder::{Builder, Value};
use crate::nn::conv::{ConvShape, Init};
use crate::nn::linear::{self, Bias};
use crate::nn::network::Network;
use crate::ops::dropout::{Dropout, Unit};
use crate::ops::global_pool::GlobalPool;
use crate::seed::Purpose;
use crate::spaces::contract::child::{ChildError, ChildParams};
use crate::spaces::wrn::architecture::{Head, WrnArchitecture};
use crate::spaces::wrn::series_resnet::{self, SeriesResnet};
use std::sync::Arc;

/// Pre-activation block: norm, ReLU, 3×3, norm, ReLU, dropout, 3×3, beside a shortcut.
#[derive(Clone, Copy)]
struct Block {
    series: bool,
    outputs: usize,
    stride: usize,
    dropout: Option<Dropout>,
}

impl Block {
    fn layers(&self, b: &mut Builder, x: Value) -> Value {
        let Block { series, outputs, stride, dropout } = *self;
        let conv1 = ConvShape::same(series, x.channels, outputs, 3, stride);
        let conv2 = ConvShape::same(series, outputs, outputs, 3, 1);
        let activated = NORM_RELU.layer(b, "bn1", x, None);
        let y = conv1.layer(b, "conv1", activated, Init::FanOut);
        let mut y = NORM_RELU.layer(b, "bn2", y, None);
        if let Some(dropout) = dropout {
            y = b.step(Arc::new(dropout), &[y], [], outputs);
        }
        // made in upstream's order, and used in the order that lets the second convolution add the shortcut
        let weight = b.within("conv2", |b| conv2.weight(b, Init::FanOut));
        let shortcut = if x.channels == outputs {
            x // an identity carries the raw input, a convolution sees the activated one
        } else {
            ConvShape::same(series, x.channels, outputs, 1, stride).layer(b, "convShortcut", activated, Init::FanOut)
        };
        conv2.apply(b, y, weight, Some(shortcut))
    }
}

/// Builds the network that `architecture` describes, for inputs (N,channels,H,W) or (N,channels,L).
pub fn build(
    architecture: &Architecture,
    shape: &TaskShape,
    params: &ChildParams,
) -> std::result::Result<Network, ChildError> {
    if let Some(plan) = SeriesResnet::decode(architecture).map_err(ChildError::Architecture)? {
        return series_resnet::build(&plan, shape, params);
    }
    let plan = WrnArchitecture::decode(architecture).map_err(ChildError::Architecture)?;
    let (outputs, dense) = match shape.target {
        Target::Point { classes } => (classes, false),
        Target::MultiLabel { labels } => (labels, false),
        Target::Dense { channels } => (channels, true),
    };
    let series = shape.spatial.len() == 1;
    if dense != (plan.head == Head::Positions) || !(1..=2).contains(&shape.spatial.len()) {
        let head = plan.head;
        return Err(ChildError::Architecture(format!("wrn: a head {head:?} does not fit the task's shape {shape:?}")));
    }
    let channels = plan.channels();
    let mut builder = Builder::new(params.init);
    let b = &mut builder;
    let input = b.input(shape.channels);
    let first = ConvShape::same(series, shape.channels, channels[0], 3, 1);
    let mut x = first.layer(b, "conv1", input, Init::FanOut);
    for (group, stride) in plan.strides().into_iter().enumerate() {
        for index in 0..plan.blocks() {
            let purpose = Purpose::new(params.seed, params.stage, &format!("dropout {group}.{index}"));
            let dropout = (params.droprate > 0.0).then(|| Dropout::new(Unit::Value, params.droprate, purpose));
            let stride = if index == 0 { stride } else { 1 };
            let block = Block { series, outputs: channels[group + 1], stride, dropout };
            // named as upstream names them: `block1.layer.0.conv1.weight`
            x = b.within(&format!("block{}.layer.{index}", group + 1), |b| block.layers(b, x));
        }
    }
    x = NORM_RELU.layer(b, "bn1", x, None);
    let window = match plan.head {
        Head::Positions => None,
        Head::Global => Some(None),
        Head::Corner { window } => Some(Some(window)),
    };
    if let Some(window) = window {
        x = b.step(Arc::new(GlobalPool { window }), &[x], [], x.channels);
    }
    linear::layer(b, "fc", x, outputs, plan.head == Head::Positions, Bias::Zero);
    Ok(builder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::build;
    use crate::artifacts::dataset::{Target, TaskShape};
    use crate::nn::network::{Mode, Network};
    use crate::seed::Purpose;
    use crate::spaces::contract::child::{ChildParams, NetworkParams};
    use crate::spaces::contract::default::DefaultParams;
    use crate::spaces::wrn::architecture::{Head, WrnArchitecture};
    use crate::spaces::wrn::default::choose;
    use candle_core::{DType, Device, Tensor};

    fn params() -> ChildParams {
        ChildParams {
            droprate: 0.0,
            drop_path: None,
            auxiliary: false,
            network: NetworkParams::default(),
            init: Purpose::new(0, "test", "init"),
            seed: 0,
            stage: "test",
        }
    }

    fn network(channels: usize, spatial: &[usize], target: Target, width: Option<usize>) -> Network {
        let shape = TaskShape { channels, spatial: spatial.to_vec(), target };
        let architecture = choose(&shape, &DefaultParams { width, ..DefaultParams::default() }).unwrap();
        build(&architecture, &shape, &params()).unwrap()
    }

    #[test]
    fn parameter_counts_are_the_published_ones() {
        // methods §5.2
        for (channels, spatial, target, expected) in [
            (3, [32, 32], Target::Point { classes: 100 }, 2_772_020),
            (3, [60, 60], Target::Point { classes: 100 }, 2_772_020),
            (1, [16, 52], Target::Point { classes: 18 }, 2_750_658),
            (1, [96, 101], Target::MultiLabel { labels: 200 }, 2_797_432),
            (3, [85, 85], Target::Dense { channels: 1 }, 2_746_577),
            (57, [128, 128], Target::Dense { channels: 1 }, 2_754_353),
            (1, [128, 128], Target::Dense { channels: 1 }, 2_746_289),
        ] {
            assert_eq!(network(channels, &spatial, target, None).parameters().count(), expected);
        }
    }

    #[test]
    fn each_part_has_its_published_count() {
        let network = network(3, &[32, 32], Target::Point { classes: 100 }, None);
        let count = |prefix: &str| -> usize {
            let parameters = network.parameters().parameters().iter();
            parameters.filter(|p| p.name.starts_with(prefix)).map(|p| p.range.len()).sum()
        };
        for (prefix, expected) in [
            ("conv1.", 432),
            ("block1.layer.0.", 47_264),
            ("block1.layer.1.", 73_984),
            ("block2.layer.0.", 229_760),
            ("block2.layer.1.", 295_424),
            ("block3.layer.0.", 918_272),
            ("block3.layer.1.", 1_180_672),
            ("bn1.", 512),
            ("fc.", 25_700),
        ] {
            assert_eq!(count(prefix), expected, "{prefix}");
        }
    }

    #[test]
    fn other_depths_have_the_counts_of_the_literature() {
        // WRN-16-4 on CIFAR-10 and WRN-40-4 on CIFAR-100 (methods §5.2, sanity anchors)
        for (depth, classes, expected) in [(16, 10, 2_748_890), (40, 100, 8_972_340)] {
            let architecture = WrnArchitecture { depth, widen: 4, width: 16, head: Head::Global };
            let shape = TaskShape { channels: 3, spatial: vec![32, 32], target: Target::Point { classes } };
            let network = build(&architecture.encode().unwrap(), &shape, &params()).unwrap();
            assert_eq!(network.parameters().count(), expected);
        }
    }

    #[test]
    fn the_literal_form_for_series_has_the_published_counts() {
        for (channels, target, expected) in [
            (1, Target::Point { classes: 4 }, 946_772),
            (1, Target::Point { classes: 24 }, 951_912),
            (4, Target::MultiLabel { labels: 36 }, 955_140),
        ] {
            let shape = TaskShape { channels, spatial: vec![46], target };
            let wide = DefaultParams { wide_series: true, ..DefaultParams::default() };
            let network = build(&choose(&shape, &wide).unwrap(), &shape, &params()).unwrap();
            assert_eq!(network.parameters().count(), expected);
            let x = Tensor::ones((2, channels, 46), DType::F32, &Device::Cpu).unwrap();
            assert_eq!(network.forward(&x, Mode::Evaluate).unwrap().dims()[0], 2);
        }
    }

    #[test]
    fn outputs_have_the_shape_of_the_task() {
        let forward = |network: Network, shape: &[usize], mode| {
            let x = Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
            network.forward(&x, mode).unwrap().dims().to_vec()
        };
        let train = Mode::Train { step: 0 };
        let point = || Target::Point { classes: 7 };
        assert_eq!(forward(network(3, &[32, 32], point(), Some(1)), &[2, 3, 32, 32], train), [2, 7]);
        assert_eq!(forward(network(1, &[16, 52], point(), Some(1)), &[2, 1, 16, 52], train), [2, 7]);
        assert_eq!(forward(network(1, &[60, 60], point(), Some(1)), &[2, 1, 60, 60], Mode::Evaluate), [2, 7]);
        let audio = network(1, &[96, 101], Target::MultiLabel { labels: 5 }, Some(1));
        assert_eq!(forward(audio, &[1, 1, 96, 101], train), [1, 5]);
        let dense = network(3, &[17, 19], Target::Dense { channels: 1 }, Some(1));
        assert_eq!(forward(dense, &[2, 3, 17, 19], Mode::Evaluate), [2, 1, 17, 19]);
    }

    #[test]
    fn dropout_draws_anew_at_each_step_and_rests_in_evaluation() {
        let shape = TaskShape { channels: 3, spatial: vec![32, 32], target: Target::Point { classes: 4 } };
        let architecture = choose(&shape, &DefaultParams { width: Some(2), ..DefaultParams::default() }).unwrap();
        let network = build(&architecture, &shape, &ChildParams { droprate: 0.3, ..params() }).unwrap();
        let x = Tensor::ones((2, 3, 32, 32), DType::F32, &Device::Cpu).unwrap();
        let run = |mode| network.forward(&x, mode).unwrap().to_vec2::<f32>().unwrap();
        let first = run(Mode::Train { step: 0 });
        assert_eq!(first, run(Mode::Train { step: 0 }));
        assert_ne!(first, run(Mode::Train { step: 1 }));
        assert_eq!(run(Mode::Evaluate), run(Mode::Evaluate));
    }

    #[test]
    fn the_start_of_the_weights_has_the_right_spread() {
        let network = network(3, &[32, 32], Target::Point { classes: 100 }, None);
        let saved = network.parameters().save().unwrap();
        let values = |name: &str| saved.iter().find(|s| s.name == name).unwrap().values.clone();
        let spread =
            |values: &[f32]| (values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
        let conv = values("block3.layer.1.conv2.weight");
        assert!((spread(&conv) / (2.0f64 / (9.0 * 256.0)).sqrt() - 1.0).abs() < 0.01);
        let linear = values("fc.weight");
        assert!(linear.iter().all(|v| v.abs() <= 1.0 / 16.0));
        assert!((spread(&linear) / (1.0 / 16.0 / 3f64.sqrt()) - 1.0).abs() < 0.02);
        assert!(values("fc.bias").iter().all(|v| *v == 0.0) && values("bn1.weight").iter().all(|v| *v == 1.0));
    }

    #[test]
    fn foreign_architectures_are_refused() {
        let shape = TaskShape { channels: 3, spatial: vec![32, 32], target: Target::Point { classes: 4 } };
        let good = choose(&shape, &DefaultParams::default()).unwrap();
        let mut other = good.clone();
        other.space = "darts".into();
        assert!(build(&other, &shape, &params()).is_err());
        let mut other = good.clone();
        other.body["depth"] = 17.into();
        assert!(build(&other, &shape, &params()).is_err());
        let dense = TaskShape { target: Target::Dense { channels: 1 }, ..shape };
        assert!(build(&good, &dense, &params()).is_err());
    }
}
