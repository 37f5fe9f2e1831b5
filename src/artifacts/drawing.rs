//! An architecture as people look at it: its notation in the literature, and its cells as graphs. Knows no space.

/// What a space makes of an architecture to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// On one line.
    pub notation: String,
    pub cells: Vec<CellGraph>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellGraph {
    /// Such as `normal`.
    pub name: String,
    /// States from outside, then the cell's own nodes, then its output; edges name them by their places here.
    pub states: Vec<String>,
    /// How many of the states come from outside.
    pub inputs: usize,
    pub edges: Vec<CellEdge>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellEdge {
    pub from: usize,
    /// Above `from`.
    pub to: usize,
    /// The primitive; "" where values only pass.
    pub label: String,
}
