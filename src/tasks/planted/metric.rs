//! Relative L2 of Planted, beside that of always answering the mean, which is about 0.

use crate::artifacts::samples::Samples;
use crate::tasks::contract::metric::{Metric, MetricParams};
use crate::tasks::measures::fields::{self, Distance};

/// See `measures/fields.rs`.
pub fn open<'a>(samples: &'a Samples, params: &MetricParams) -> Result<Box<dyn Metric + 'a>, String> {
    fields::open("planted", Distance::RelativeL2, samples, params)
}
