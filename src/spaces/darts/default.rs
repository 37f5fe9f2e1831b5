//! The architecture of this space where nothing is searched: one that the manifest names or writes out. Knows no search.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::TaskShape;
use crate::spaces::contract::default::DefaultParams;
use crate::spaces::darts::architecture::encode;
use crate::spaces::darts::published::find;

/// Of second-order DARTS on CIFAR-10 (Liu, Simonyan, Yang, ICLR 2019), the network that most papers compare with.
const USUAL: &str = "DARTS_V2";

pub fn choose(_shape: &TaskShape, params: &DefaultParams) -> Result<Architecture, String> {
    encode(&find(params.genotype.as_deref().unwrap_or(USUAL))?)
}
