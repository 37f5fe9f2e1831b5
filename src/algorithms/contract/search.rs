//! A search as resumable work that ends in an architecture. Knows no algorithm, no space and no context.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::TaskShape;
use crate::artifacts::search_log::SearchLog;
use crate::seed::Purpose;
use crate::spaces::contract::default::{DefaultArchitecture, DefaultParams};
use crate::spaces::contract::relaxed::OpenRelaxed;
use crate::spaces::contract::sampled::SampleArchitecture;
use crate::tasks::contract::objective::Objective;
use crate::training::error::TrainError;
use crate::training::resumable::Resumable;

/// What of the settings a search that trains may look at.
#[derive(Clone, Debug, PartialEq)]
pub struct LoopParams {
    pub epochs: u64,
    pub batch: usize,
    pub drop_last: bool,
    /// Samples that count as one epoch; `None`: those that train the weights.
    pub records_per_epoch: Option<u64>,
    /// The length is whole passes of the loader rather than floor(epochs · records / batch) steps.
    pub whole_epochs: bool,
    /// Of the weights: rate at the start of a cosine, momentum, decay, limit of the gradient's norm.
    pub learning_rate: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    pub clip: f64,
    pub architecture_rate: f64,
    /// Epochs at the start without a step of the architecture.
    pub warmup: u64,
    pub width: Option<usize>,
    pub cells: usize,
    pub nodes: usize,
    pub partial: usize,
    pub reductions: bool,
    /// Architecture parameters are the weights themselves, not what a softmax takes.
    pub direct: bool,
    /// A step of the architecture comes before that of the weights.
    pub architecture_first: bool,
    /// Samples of the architecture are drawn anew in each epoch, not tied to those of the weights.
    pub fresh_pairs: bool,
}

/// What a search that trains works with.
pub struct Training<'a> {
    /// Of the split that searches may see.
    pub objective: &'a dyn Objective,
    pub params: LoopParams,
    pub seed: u64,
    pub stage: &'static str,
}

/// The capabilities of the cell's space and task that an algorithm may use.
pub struct Setup<'a> {
    pub shape: &'a TaskShape,
    /// Name of the space, for messages.
    pub space: &'a str,
    pub default: Option<DefaultArchitecture>,
    pub default_params: DefaultParams,
    pub relaxed: Option<OpenRelaxed>,
    pub sampled: Option<SampleArchitecture>,
    /// What edges choose from, by name; `None`: the space's own primitives.
    pub primitives: Option<Vec<String>>,
    /// Streams of what is drawn without training.
    pub draws: Purpose,
    /// Given to algorithms that train.
    pub training: Option<Training<'a>>,
}

pub trait Search: Resumable {
    /// The architecture found; only after `done`.
    fn outcome(&self) -> Result<Architecture, TrainError>;

    /// The record of a search that trained anything.
    fn log(&self) -> Result<Option<SearchLog>, TrainError> {
        Ok(None)
    }
}

/// The error says which capability the space lacks.
pub type StartSearch = for<'a> fn(&Setup<'a>) -> Result<Box<dyn Search + 'a>, String>;
