//! From cells to nodes: the DAG, its keys, and why a node runs. Runs nothing and knows no mathematics.
pub mod canonical;
pub mod expand;
pub mod external;
pub mod graph;
pub mod inputs;
pub mod key;
pub mod node;
pub mod select;
pub mod show;
pub mod stale;
pub mod why;
