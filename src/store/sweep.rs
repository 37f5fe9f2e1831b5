//! Frees space.
