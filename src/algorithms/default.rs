//! No search: the space's own default network. Trains nothing.

use crate::algorithms::contract::search::{Search, Setup};
use crate::artifacts::architecture::Architecture;
use crate::training::error::TrainError;
use crate::training::resumable::{Resumable, StepReport};

struct Chosen(Architecture);

pub fn start<'a>(setup: &Setup<'a>) -> Result<Box<dyn Search + 'a>, String> {
    let choose = setup.default.ok_or_else(|| format!("space `{}` has no default network", setup.space))?;
    Ok(Box::new(Chosen(choose(setup.shape, &setup.default_params)?)))
}

impl Resumable for Chosen {
    fn done(&self) -> bool {
        true
    }

    fn step(&mut self) -> Result<StepReport, TrainError> {
        Ok(StepReport { unit: "choice", done: 1, total: 1, note: String::new() })
    }

    fn state(&self) -> Result<Vec<u8>, TrainError> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _state: &[u8]) -> Result<(), TrainError> {
        Ok(())
    }
}

impl Search for Chosen {
    fn outcome(&self) -> Result<Architecture, TrainError> {
        Ok(self.0.clone())
    }
}
