//! A search as resumable work that ends in an architecture. Knows no algorithm, no space and no context.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::TaskShape;
use crate::spaces::contract::default::{DefaultArchitecture, DefaultParams};
use crate::training::error::TrainError;
use crate::training::resumable::Resumable;

/// The capabilities of the cell's space and task that an algorithm may use.
pub struct Setup<'a> {
    pub shape: &'a TaskShape,
    /// Name of the space, for messages.
    pub space: &'a str,
    pub default: Option<DefaultArchitecture>,
    pub default_params: DefaultParams,
}

pub trait Search: Resumable {
    /// The architecture found; only after `done`.
    fn outcome(&self) -> Result<Architecture, TrainError>;
}

/// The error says which capability the space lacks.
pub type StartSearch = for<'a> fn(&Setup<'a>) -> Result<Box<dyn Search + 'a>, String>;
