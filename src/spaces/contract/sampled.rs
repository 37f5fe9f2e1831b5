//! Architectures of a space drawn at random, without any network. Knows no space and no algorithm.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::TaskShape;
use crate::seed::Stream;

/// Draws the next architecture, each of the space's as likely as any other; from these primitives where they are named. The error
/// says what of the task or of the names the space cannot do.
pub type SampleArchitecture = fn(&TaskShape, Option<&[String]>, &mut Stream) -> Result<Architecture, String>;
