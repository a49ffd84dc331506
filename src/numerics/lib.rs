//! Random streams and elementary functions that give the same bits on every processor, without libtorch.

pub mod math;
pub mod random;
