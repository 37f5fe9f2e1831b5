//! The score of a user's own task, by the name that its settings give.

use crate::artifacts::samples::Samples;
use crate::tasks::arrays::options::MetricName;
use crate::tasks::contract::metric::{Metric, MetricParams};
use crate::tasks::measures::{fields, macro_f1, mean_auroc, top1};

/// See the files of `measures/`.
pub fn open<'a>(samples: &'a Samples, params: &MetricParams) -> Result<Box<dyn Metric + 'a>, String> {
    let task = &samples.meta.task;
    let name = samples.meta.metric.clone().unwrap_or_default();
    let metric: MetricName = serde_json::from_value(name.into()).map_err(|e| format!("{task}: the metric: {e}"))?;
    match metric {
        MetricName::Top1Error => top1::open(task, samples, params),
        MetricName::MacroF1 => macro_f1::open(task, samples, params),
        MetricName::MeanAuroc => mean_auroc::open(task, samples, params),
        MetricName::MeanAveragePrecision => mean_auroc::open_average_precision(task, samples, params),
        MetricName::RelativeL2 => fields::open(task, fields::Distance::RelativeL2, samples, params),
        MetricName::MeanAbsoluteError => fields::open(task, fields::Distance::MeanAbsolute, samples, params),
        MetricName::MeanSquaredError => fields::open(task, fields::Distance::MeanSquared, samples, params),
    }
}
