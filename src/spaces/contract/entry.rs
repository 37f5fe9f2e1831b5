//! The row type of the space table. Knows no space.

use crate::spaces::contract::child::BuildChild;
use crate::spaces::contract::default::DefaultArchitecture;

pub struct SpaceEntry {
    pub name: &'static str,
    /// The network of `<space>/default`, where there is one.
    pub default: Option<DefaultArchitecture>,
    pub child: BuildChild,
    /// Settings of a stage that only some spaces look at, and this one does; the others leave its key alone.
    pub reads: &'static [&'static str],
}
