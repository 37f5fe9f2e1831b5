//! The row type of the space table. Knows no space.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::drawing::Drawing;
use crate::spaces::contract::child::BuildChild;
use crate::spaces::contract::default::DefaultArchitecture;
use crate::spaces::contract::relaxed::OpenRelaxed;
use crate::spaces::contract::sampled::SampleArchitecture;

pub struct SpaceEntry {
    pub name: &'static str,
    /// The network of `<space>/default`, where there is one.
    pub default: Option<DefaultArchitecture>,
    /// What gradient-based searches work on, where there is one.
    pub relaxed: Option<OpenRelaxed>,
    /// Architectures drawn at random, where there is more than one.
    pub sampled: Option<SampleArchitecture>,
    pub child: BuildChild,
    /// An architecture as people look at it, where there is more to it than its name.
    pub draw: Option<fn(&Architecture) -> Result<Drawing, String>>,
    /// Settings that matter for some cells only, and that this space looks at (stages/canonical.rs).
    pub reads: &'static [&'static str],
}
