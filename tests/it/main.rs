//! One integration test binary (linking candle is slow), one file per story.
mod support;
mod training;
mod wrn;
