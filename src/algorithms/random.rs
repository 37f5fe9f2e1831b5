//! One architecture drawn at random from the space: what a search has to beat. Trains nothing, knows no space.

use crate::algorithms::contract::search::{Search, Setup};
use crate::artifacts::architecture::Architecture;
use crate::training::error::TrainError;
use crate::training::resumable::{Resumable, StepReport};

struct Drawn(Architecture);

pub fn start<'a>(setup: &Setup<'a>) -> Result<Box<dyn Search + 'a>, String> {
    let draw = setup.sampled.ok_or_else(|| format!("space `{}` has no architectures to draw from", setup.space))?;
    Ok(Box::new(Drawn(draw(setup.shape, setup.primitives.as_deref(), &mut setup.draws.at(0))?)))
}

impl Resumable for Drawn {
    fn done(&self) -> bool {
        true
    }

    fn step(&mut self) -> Result<StepReport, TrainError> {
        Ok(StepReport { unit: "draw", done: 1, total: 1, note: String::new() })
    }

    fn state(&self) -> Result<Vec<u8>, TrainError> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _state: &[u8]) -> Result<(), TrainError> {
        Ok(())
    }
}

impl Search for Drawn {
    fn outcome(&self) -> Result<Architecture, TrainError> {
        Ok(self.0.clone())
    }
}
