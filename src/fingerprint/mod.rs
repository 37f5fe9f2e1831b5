//! The code fingerprint: which source files and crates a stage can reach, and a digest of each that ignores what cannot
//! change a result. `build.rs` compiles these very files (all but `table`), so that scanner and table cannot disagree.
pub mod closure;
pub mod crates;
pub mod cuts;
pub mod names;
pub mod packages;
pub mod rules;
pub mod scan;
pub mod survey;
pub mod table;
pub mod tokens;
