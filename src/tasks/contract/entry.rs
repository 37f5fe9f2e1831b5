//! The row type of the task table. Knows no task.

use crate::tasks::contract::metric::OpenMetric;
use crate::tasks::contract::objective::OpenObjective;
use crate::tasks::contract::preparation::Preparation;
use crate::tasks::contract::source::Source;

pub struct TaskEntry {
    pub name: &'static str,
    pub source: &'static dyn Source,
    pub preparation: &'static dyn Preparation,
    pub objective: OpenObjective,
    pub metric: OpenMetric,
    /// Settings of a stage that only some tasks look at, and this one does; the others leave its key alone.
    pub reads: &'static [&'static str],
}
