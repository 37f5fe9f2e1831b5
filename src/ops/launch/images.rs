//! The kernels as the build script compiled them (`kernels/build.rs`). Knows no driver.

/// One fat binary per source of `kernels/`.
pub const IMAGES: &[&[u8]] = &[
    include_bytes!(concat!(env!("OUT_DIR"), "/add.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/batch_norm.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/channel_shuffle.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/concat.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/conv.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/depthwise.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/dropout.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/global_pool.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/linear.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/loss.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/mixed_cell_bwd.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/mixed_cell_fwd.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/narrow.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/pools.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/relu.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/softmax.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/subsample.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/sums.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/update.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/upsample.fatbin")),
    include_bytes!(concat!(env!("OUT_DIR"), "/weighted_sum.fatbin")),
];
