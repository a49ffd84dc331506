//! tch helpers without domain meaning.

pub mod backward;
pub mod bench;
pub mod device;
pub mod host;
pub mod linalg;
pub mod math;
pub mod memory;
pub mod patches;
pub mod product;
pub mod random;
