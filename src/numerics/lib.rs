//! Random streams, elementary functions and pixel conversions that give the same bits on every processor. Independent
//! of libtorch.

pub mod math;
pub mod pixels;
pub mod random;
