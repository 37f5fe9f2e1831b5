//! One integration test binary (linking candle is slow), one file per story.
mod licences;
mod progress;
mod paper_tables;
mod report;
mod store;
mod manifest;
mod closures;
mod support;
mod training;
mod wrn;
mod damage;
mod rerun;
mod resume;
