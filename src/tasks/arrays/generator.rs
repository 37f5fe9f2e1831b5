//! A user's own task has no embedded data: this says so.

use crate::data::counts::Counts;
use crate::stages::context::{Context, StageError};
use crate::tasks::contract::generator::Generator;

/// See `contract/generator.rs`.
pub struct ArraysGenerator;

impl Generator for ArraysGenerator {
    fn generate(&self, _: &Counts, _: Option<u64>, _: &mut dyn Context) -> Result<(), StageError> {
        Err(StageError::Data(
            "a task of your own has no embedded data; set data.source = \"files\" and data.dir for it".to_string(),
        ))
    }
}
