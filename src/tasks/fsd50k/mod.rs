//! FSD50K: sounds of everyday life to any of 200 labels, 2D multi-label on log-mel maps of one second.
pub mod augmentation;
pub mod clips;
pub mod events;
pub mod gather;
pub mod generator;
pub mod lists;
pub mod metric;
pub mod objective;
pub mod preparation;
pub mod sounds;
pub mod source;
pub mod taxonomy;
