//! The network of a genotype as it is trained from scratch: point form with two reduction cells, dense form with none, on
//! planes and on series (methods spec §4.7). Knows no search and no task.

use crate::nn::batch_norm::{NORM, NORM_RELU, Norm};
use crate::nn::builder::{Builder, Value};
use crate::nn::conv::{ConvShape, Init};
use crate::nn::linear::{self, Bias};
use crate::nn::network::Network;
use crate::ops::add::Add;
use crate::ops::average_pool::AveragePool;
use crate::ops::concat::Concat;
use crate::ops::dropout::{Dropout, Unit};
use crate::ops::global_pool::GlobalPool;
use crate::ops::ramp::Ramp;
use crate::ops::relu::Relu;
use crate::ops::window::Window;
use crate::seed::Purpose;
use crate::spaces::darts::genotype::{Genotype, Pick, Primitive};
use crate::spaces::darts::preprocess::{factorized_reduce, relu_conv_norm};
use crate::spaces::darts::primitive::Place;
use candle_core::Result;
use std::sync::Arc;

/// Another framework's constants, taken over with the opposite meaning: evaluation uses the last batch's statistics
/// (`NB360:darts/gaea/eval/operations.py`).
pub const AS_RUN: Norm = Norm { momentum: 0.999, epsilon: 1e-3, ..NORM };

#[derive(Clone, Debug)]
pub struct DerivedShape {
    /// Channels of the input.
    pub channels: usize,
    /// Samples are (C,L) rather than (C,H,W).
    pub series: bool,
    /// One output per position.
    pub dense: bool,
    /// Cells after a third and two thirds halve the plane and double the channels; never in dense form.
    pub reductions: bool,
    pub outputs: usize,
    /// Channels of the first cell's nodes: 36 upstream, 16 for FSD50K.
    pub width: usize,
    /// 20 upstream.
    pub cells: usize,
    pub genotype: Genotype,
    /// Norms of the preprocess layers.
    pub outer: Norm,
    /// Norms inside primitives.
    pub inner: Norm,
    /// Probability with which a sample loses a primitive's output while training; `None`: never.
    pub drop_path: Option<Ramp>,
    /// Behind the outputs, on axis 1, those of a head on the cell at two thirds: for training, on planes.
    pub auxiliary: bool,
    /// Streams of drop-path: seed and stage.
    pub seed: u64,
    pub stage: &'static str,
}

/// One cell under construction.
struct Cell<'a> {
    shape: &'a DerivedShape,
    channels: usize,
    reduction: bool,
    states: Vec<Value>,
    number: usize,
}

impl Cell<'_> {
    fn place(&self, pick: Pick) -> Place {
        Place { series: self.shape.series, stride: self.stride(pick), norm: self.shape.inner }
    }

    /// The primitive's output; `residual` is added where it ends with a norm.
    fn primitive(&self, b: &mut Builder, index: usize, pick: Pick, residual: Option<Value>) -> Value {
        let name = format!("_ops.{index}");
        self.place(pick).layer(b, &name, pick.primitive, self.states[pick.input], residual)
    }

    fn stride(&self, pick: Pick) -> usize {
        if self.reduction && pick.input < 2 { 2 } else { 1 }
    }

    fn ends_with_norm(&self, pick: Pick) -> bool {
        self.place(pick).ends_with_norm(pick.primitive)
    }

    fn dropped(&self, b: &mut Builder, index: usize, pick: Pick, y: Value) -> Value {
        if pick.primitive == Primitive::Skip && self.stride(pick) == 1 {
            return y; // identities are never dropped
        }
        let DerivedShape { seed, stage, drop_path: Some(ramp), .. } = *self.shape else { return y };
        let purpose = Purpose::new(seed, stage, &format!("drop-path {}.{index}", self.number));
        b.step(Arc::new(Dropout::rising(Unit::Sample, ramp, purpose)), &[y], [], self.channels)
    }

    fn node(&mut self, b: &mut Builder, first: usize, picks: [Pick; 2]) -> Value {
        let [one, two] = picks;
        let plain = self.shape.drop_path.is_none();
        let value = if plain && self.ends_with_norm(two) {
            let y = self.primitive(b, first, one, None);
            self.primitive(b, first + 1, two, Some(y))
        } else if plain && self.ends_with_norm(one) {
            let y = self.primitive(b, first + 1, two, None); // without parameters: their order does not change
            self.primitive(b, first, one, Some(y))
        } else {
            let terms = [one, two];
            let values = [0, 1].map(|i| {
                let y = self.primitive(b, first + i, terms[i], None);
                self.dropped(b, first + i, terms[i], y)
            });
            if values[0] == values[1] {
                // twice the same state: an operator takes no input twice
                let again = b.step(Arc::new(Add { terms: 1 }), &[values[1]], [], self.channels);
                b.step(Arc::new(Add { terms: 2 }), &[values[0], again], [], self.channels)
            } else {
                b.step(Arc::new(Add { terms: 2 }), &values, [], self.channels)
            }
        };
        self.states.push(value);
        value
    }
}

impl DerivedShape {
    fn reduces(&self, cell: usize) -> bool {
        self.reductions && !self.dense && (cell == self.cells / 3 || cell == 2 * self.cells / 3)
    }

    pub fn build(&self, init: Purpose) -> Result<Network> {
        let mut builder = Builder::new(init);
        let b = &mut builder;
        let input = b.input(self.channels);
        let stem = b.within("stem", |b| {
            let y = ConvShape::same(self.series, self.channels, 3 * self.width, 3, 1).layer(b, "0", input, Init::FanIn);
            NORM.layer(b, "1", y, None)
        });
        let (mut before, mut last, mut channels, mut after_reduction) = (stem, stem, self.width, false);
        let mut seen = stem;
        for number in 0..self.cells {
            let reduction = self.reduces(number);
            channels *= if reduction { 2 } else { 1 };
            let output = b.within(&format!("cells.{number}"), |b| {
                let first = if after_reduction {
                    factorized_reduce(b, "preprocess0", before, channels, self.series, self.outer)
                } else {
                    relu_conv_norm(b, "preprocess0", before, channels, self.outer)
                };
                let second = relu_conv_norm(b, "preprocess1", last, channels, self.outer);
                let states = vec![first, second];
                let mut cell = Cell { shape: self, channels, reduction, states, number };
                let picks = if reduction { &self.genotype.reduce } else { &self.genotype.normal };
                let pairs = picks.chunks_exact(2).enumerate();
                let nodes: Vec<Value> = pairs.map(|(n, pair)| cell.node(b, 2 * n, [pair[0], pair[1]])).collect();
                b.step(Arc::new(Concat { axis: 1, inputs: nodes.len() }), &nodes, [], nodes.len() * channels)
            });
            (before, last, after_reduction) = (last, output, reduction);
            if number == 2 * self.cells / 3 {
                seen = output;
            }
        }
        let pooled = |b: &mut Builder| b.step(Arc::new(GlobalPool { window: None }), &[last], [], last.channels);
        let x = if self.dense { last } else { pooled(b) };
        let first = linear::layer(b, "classifier", x, self.outputs, self.dense, Bias::FanIn);
        if self.auxiliary {
            let second = b.within("auxiliary_head", |b| self.second_head(b, seen));
            b.step(Arc::new(Concat { axis: 1, inputs: 2 }), &[first, second], [], 2 * self.outputs);
        }
        builder.finish()
    }

    /// Of the cell at two thirds (`NB360:darts/gaea/eval/model_aux.py`, after DARTS's `AuxiliaryHeadCIFAR`). Upstream asserts 8×8, which
    /// leaves one position; of larger planes the mean is taken.
    fn second_head(&self, b: &mut Builder, x: Value) -> Value {
        let x = b.step(Arc::new(Relu), &[x], [], x.channels);
        let window = Window { kernel: [5; 2], stride: [3; 2], padding: [0; 2], ceil_mode: false };
        let x = b.step(Arc::new(AveragePool { window, count_padding: false }), &[x], [], x.channels);
        let x = b.within("features", |b| {
            let x = ConvShape::same(false, x.channels, 128, 1, 1).layer(b, "2", x, Init::FanIn);
            let x = NORM_RELU.layer(b, "3", x, None);
            let pair = ConvShape { padding: [[0; 2]; 2], ..ConvShape::same(false, 128, 768, 2, 1) };
            let x = pair.layer(b, "5", x, Init::FanIn);
            NORM_RELU.layer(b, "6", x, None)
        });
        let x = b.step(Arc::new(GlobalPool { window: None }), &[x], [], x.channels);
        linear::layer(b, "classifier", x, self.outputs, false, Bias::FanIn)
    }
}

#[cfg(test)]
mod tests {
    use super::{AS_RUN, DerivedShape};
    use crate::nn::batch_norm::NORM;
    use crate::nn::network::Mode;
    use crate::ops::ramp::Ramp;
    use crate::seed::Purpose;
    use crate::spaces::darts::genotype::Genotype;
    use crate::spaces::darts::published::find;
    use candle_core::{DType, Device, Tensor};

    const V2: (&str, &str) = ("s30 s31 s30 s31 s31 sk0 sk0 d32", "mp0 mp1 sk2 mp1 mp0 sk2 sk2 mp1");

    fn shape((normal, reduce): (&str, &str), channels: usize, outputs: usize) -> DerivedShape {
        let genotype = Genotype::parse(normal, reduce).unwrap();
        let (width, cells, drop_path, reductions) = (36, 20, None, true);
        let (outer, inner) = (AS_RUN, AS_RUN);
        let (series, dense, seed, stage) = (false, false, 0, "test");
        DerivedShape {
            channels,
            series,
            dense,
            reductions,
            outputs,
            width,
            cells,
            genotype,
            outer,
            inner,
            drop_path,
            auxiliary: false,
            seed,
            stage,
        }
    }

    fn count(shape: &DerivedShape) -> u64 {
        shape.build(Purpose::new(0, "test", "init")).unwrap().parameters().count()
    }

    #[test]
    fn published_genotypes_have_their_counts() {
        // methods §5.4: 10 and 100 classes
        for (genotype, ten, hundred) in [
            (("s31 s30 sk0 s31 sk0 s31 s30 sk2", "mp0 mp1 sk2 mp0 mp0 sk2 sk2 ap0"), 3_169_414, 3_221_344),
            (V2, 3_349_342, 3_401_272),
            (("s31 sk0 s30 d31 s50 s31 ap0 d31", "s51 mp0 s51 s52 s30 s33 s31 s32"), 3_634_678, 3_686_608),
            (("sk1 s30 s30 sk1 s31 s33 s31 d54", "s30 sk1 d52 mp1 s32 s31 s50 s33"), 3_721_510, 3_773_440),
            (("s31 sk0 s31 sk2 s31 s32 s30 d34", "mp0 mp1 s50 s52 d33 s52 s54 s31"), 3_688_246, 3_740_176),
            (("s31 sk0 s30 s32 s32 s51 s31 s50", "mp0 s51 d52 mp0 s32 sk0 d34 mp0"), 4_192_390, 4_244_320),
            (("sk1 sk0 s32 s31 s52 s30 s53 s52", "mp1 s30 s51 d52 s31 s33 s51 mp2"), 4_002_958, 4_054_888),
        ] {
            assert_eq!((count(&shape(genotype, 3, 10)), count(&shape(genotype, 3, 100))), (ten, hundred));
        }
    }

    #[test]
    fn an_auxiliary_head_has_its_count_and_its_outputs_behind_the_others() {
        // methods §5.4: 10 and 100 classes
        for (outputs, more) in [(10, 476_426), (100, 545_636)] {
            let plain = shape(V2, 3, outputs);
            assert_eq!(count(&DerivedShape { auxiliary: true, ..plain.clone() }) - count(&plain), more);
        }
        let plain = DerivedShape { width: 4, cells: 3, ..shape(V2, 3, 5) };
        let build =
            |auxiliary| DerivedShape { auxiliary, ..plain.clone() }.build(Purpose::new(0, "test", "init")).unwrap();
        let (one, two) = (build(false), build(true));
        let x = Tensor::randn(0f32, 1.0, (4, 3, 32, 32), &Device::Cpu).unwrap();
        let [one, two] = [&one, &two].map(|n| n.forward(&x, Mode::Train { step: 0 }).unwrap());
        assert_eq!((one.dims(), two.dims()), (&[4, 5][..], &[4, 10][..]));
        let first = two.narrow(1, 0, 5).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(one.to_vec2::<f32>().unwrap(), first, "a second head changes nothing of the first");
        // the loss of the second head alone reaches the first layer
        let network = build(true);
        let x = Tensor::randn(0f32, 1.0, (4, 3, 32, 32), &Device::Cpu).unwrap();
        let outputs = network.forward(&x, Mode::Train { step: 0 }).unwrap().narrow(1, 5, 5).unwrap();
        let gradients = outputs.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let gradient = gradients.get(network.parameters().theta()).unwrap().to_vec1::<f32>().unwrap();
        let stem = network.parameters().parameters().iter().find(|p| p.name == "stem.0.weight").unwrap();
        assert!(gradient[stem.range.clone()].iter().any(|v| *v != 0.0));
    }

    #[test]
    fn other_forms_have_the_counts_of_their_tasks() {
        // methods §5.4: DARTS_V2 on FSD50K, Darcy, ECG and DeepSEA
        assert_eq!(count(&DerivedShape { width: 16, ..shape(V2, 1, 200) }), 758_648);
        assert_eq!(count(&DerivedShape { dense: true, inner: NORM, ..shape(V2, 3, 1) }), 581_869);
        assert_eq!(count(&DerivedShape { series: true, ..shape(V2, 1, 4) }), 3_243_496);
        assert_eq!(count(&DerivedShape { series: true, ..shape(V2, 4, 36) }), 3_262_932);
    }

    #[test]
    fn genotypes_of_the_benchmark_have_their_counts() {
        // methods §5.5; FSD50K trains with 16 channels
        for (name, channels, series, dense, outputs, width, expected) in [
            ("NB360_cifar100_0", 3, false, false, 100, 36, 4_109_968),
            ("NB360_cifar100_1", 3, false, false, 100, 36, 4_257_712),
            ("NB360_cifar100_2", 3, false, false, 100, 36, 4_750_840),
            ("NB360_spherical_0", 3, false, false, 100, 36, 1_654_696),
            ("NB360_spherical_1", 3, false, false, 100, 36, 1_836_568),
            ("NB360_spherical_2", 3, false, false, 100, 36, 1_511_920),
            ("NB360_ninapro_0", 1, false, false, 18, 36, 3_621_798),
            ("NB360_ninapro_1", 1, false, false, 18, 36, 2_665_134),
            ("NB360_ninapro_2", 1, false, false, 18, 36, 3_753_342),
            ("NB360_fsd50k_0", 1, false, false, 200, 16, 857_240),
            ("NB360_fsd50k_1", 1, false, false, 200, 16, 920_984),
            ("NB360_fsd50k_2", 1, false, false, 200, 16, 660_248),
            ("NB360_darcy_0", 3, false, true, 1, 36, 707_149),
            ("NB360_darcy_1", 3, false, true, 1, 36, 662_509),
            ("NB360_darcy_2", 3, false, true, 1, 36, 526_429),
            ("NB360_psicov_0", 57, false, true, 1, 36, 465_877),
            ("NB360_psicov_1", 57, false, true, 1, 36, 589_717),
            ("NB360_psicov_2", 57, false, true, 1, 36, 533_557),
            ("NB360_cosmic_a", 1, false, true, 1, 36, 626_725),
            ("NB360_cosmic_b", 1, false, true, 1, 36, 366_085),
            ("NB360_cosmic_c", 1, false, true, 1, 36, 275_365),
            ("NB360_ecg_0", 1, true, false, 4, 36, 3_401_176),
            ("NB360_ecg_1", 1, true, false, 4, 36, 3_310_024),
            ("NB360_ecg_2", 1, true, false, 4, 36, 3_221_680),
            ("NB360_satellite_0", 1, true, false, 24, 36, 3_789_636),
            ("NB360_satellite_1", 1, true, false, 24, 36, 3_332_580),
            ("NB360_satellite_2", 1, true, false, 24, 36, 2_930_820),
            ("NB360_deepsea_0", 4, true, false, 36, 36, 3_341_988),
            ("NB360_deepsea_1", 4, true, false, 36, 36, 2_257_668),
            ("NB360_deepsea_2", 4, true, false, 36, 36, 3_115_188),
        ] {
            let genotype = find(name).unwrap();
            let inner = if dense { NORM } else { AS_RUN };
            let shape = DerivedShape { series, dense, width, genotype, inner, ..shape(V2, channels, outputs) };
            assert_eq!(count(&shape), expected, "{name}");
        }
    }

    #[test]
    fn drop_path_draws_anew_at_each_step_and_rests_in_evaluation() {
        let ramp = Ramp { most: 0.8, steps: 10, epochs: 2 };
        let small = DerivedShape { width: 4, cells: 3, drop_path: Some(ramp), ..shape(V2, 3, 5) };
        let network = small.build(Purpose::new(0, "test", "init")).unwrap();
        let x = Tensor::randn(0f32, 1.0, (4, 3, 32, 32), &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
        let run = |mode| network.forward(&x, mode).unwrap().to_vec2::<f32>().unwrap();
        // nothing is dropped in the first epoch
        let whole = run(Mode::Train { step: 0 });
        assert_eq!(whole, run(Mode::Train { step: 9 }));
        let first = run(Mode::Train { step: 10 });
        assert_eq!(first, run(Mode::Train { step: 10 }));
        assert_ne!(first, run(Mode::Train { step: 11 }));
        assert_ne!(first, whole);
        assert_eq!(run(Mode::Evaluate), run(Mode::Evaluate));
        let same = DerivedShape { genotype: Genotype::parse("sk0 sk0", "sk1 mp1").unwrap(), drop_path: None, ..small };
        assert_eq!(
            same.build(Purpose::new(0, "test", "init")).unwrap().forward(&x, Mode::Evaluate).unwrap().dims(),
            [4, 5]
        );
    }
}
