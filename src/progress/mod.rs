//! Displays of a run's events, one file per way of showing them; they know no scheduler and no store.

pub mod choose;
pub mod clock;
pub mod fancy;
pub mod jsonl;
pub mod lines;
pub mod pace;
pub mod plain;
pub mod screen;
pub mod sink;
pub mod tally;
pub mod wording;
