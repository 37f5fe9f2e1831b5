//! What the benchmarks beside peers share: the machine's limits, times of ours and of a peer in Python in alternating rounds,
//! data by formula on both sides or as files. Knows no operator and no network.
#![allow(dead_code)] // each benchmark uses a part
pub mod arrays;
pub mod folder_context;
pub mod formula;
pub mod machine;
pub mod node;
pub mod peer;
pub mod request;
pub mod rounds;
pub mod usage;
