//! Wide residual network WRN-16-4 of the benchmark: point form with strides and pooling, dense form at full resolution.
pub mod architecture;
pub mod child;
pub mod default;
pub mod series_resnet;
