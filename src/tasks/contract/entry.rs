//! The row type of the task table. Knows no task.

use crate::tasks::contract::generator::Generator;
use crate::tasks::contract::metric::OpenMetric;
use crate::tasks::contract::objective::OpenObjective;
use crate::tasks::contract::preparation::Preparation;
use crate::tasks::contract::source::Source;

pub struct TaskEntry {
    pub name: &'static str,
    pub source: &'static dyn Source,
    pub generator: &'static dyn Generator,
    pub preparation: &'static dyn Preparation,
    pub objective: OpenObjective,
    pub metric: OpenMetric,
    /// Settings that matter for some cells only, and that this task looks at (stages/canonical.rs).
    pub reads: &'static [&'static str],
}
