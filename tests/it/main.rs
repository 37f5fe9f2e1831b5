//! One integration test binary (linking candle is slow), one file per story.
mod cholesky;
mod cifar;
mod darcy;
mod data_context;
mod fetch;
