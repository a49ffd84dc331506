//! tch helpers without domain meaning.

pub mod backward;
pub mod bench;
pub mod device;
pub mod host;
pub mod kernel;
pub mod linalg;
pub mod norm;
pub mod random;
