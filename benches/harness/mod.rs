//! What the benchmarks of operators and networks share: the machine's limits, times of ours and of a PyTorch peer in
//! alternating rounds, data by formula on both sides. Knows no operator and no network.
pub mod formula;
pub mod machine;
pub mod peer;
pub mod request;
pub mod rounds;
pub mod usage;
