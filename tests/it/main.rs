//! One integration test binary (linking candle is slow), one file per story.
mod cholesky;
mod cifar;
mod closures;
mod darcy;
mod data_context;
mod fetch;
mod licences;
mod manifest;
mod paper_tables;
mod progress;
mod report;
mod store;
mod support;
mod training;
mod wrn;
