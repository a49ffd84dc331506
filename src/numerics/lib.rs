//! Random streams, elementary functions and pixels that have the same bits on every processor, without libtorch.

pub mod math;
pub mod pixels;
pub mod random;
