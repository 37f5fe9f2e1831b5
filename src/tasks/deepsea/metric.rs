//! Mean AUROC of DeepSEA's tracks (task specification §12.5).

use crate::artifacts::samples::Samples;
use crate::tasks::contract::metric::{Metric, MetricParams};
use crate::tasks::measures::mean_auroc;

/// See `measures/mean_auroc.rs`.
pub fn open<'a>(samples: &'a Samples, params: &MetricParams) -> Result<Box<dyn Metric + 'a>, String> {
    mean_auroc::open("deepsea", samples, params)
}
