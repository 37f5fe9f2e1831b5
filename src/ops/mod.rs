//! Differentiable operators on the CPU, one folder each: definition, forward, backward. Results never depend on the
//! number of threads: work is split at fixed places and reduced in a fixed order. Of candle only element-wise operators,
//! sums on one thread, gathers and copies are used: its split of these is at fixed places too (tests/it/training.rs).
pub mod add;
pub mod apply;
pub mod average_pool;
pub mod batch_norm;
pub mod channel_shuffle;
pub mod concat;
pub mod conv;
pub mod dropout;
pub mod embedding;
pub mod global_pool;
pub mod lanes;
pub mod launch;
pub mod linear;
pub mod loss;
pub mod lstm_cell;
pub mod matmul;
pub mod max_pool;
pub mod mixed_cell;
pub mod narrow;
pub mod operator;
pub mod pool;
pub mod ramp;
pub mod relu;
pub mod segment_softmax;
pub mod separable;
pub mod simd;
pub mod softmax;
pub mod spectral;
pub mod subsample;
pub mod upsample;
pub mod values;
pub mod weighted_sum;
pub mod window;
