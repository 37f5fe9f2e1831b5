//! Top-1 error of NinaPro in percent (task specification §5.5).

use crate::artifacts::samples::Samples;
use crate::tasks::contract::metric::{Metric, MetricParams};
use crate::tasks::measures::top1;

/// See `measures/top1.rs`.
pub fn open<'a>(samples: &'a Samples, params: &MetricParams) -> Result<Box<dyn Metric + 'a>, String> {
    top1::open("ninapro", samples, params)
}
