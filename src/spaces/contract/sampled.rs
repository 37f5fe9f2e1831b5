//! Architectures of a space drawn at random, without any network. Knows no space and no algorithm.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::TaskShape;
use crate::seed::Stream;

/// Draws the next architecture, each of the space's as likely as any other. The error says what of the task the space cannot do.
pub type SampleArchitecture = fn(&TaskShape, &mut Stream) -> Result<Architecture, String>;
