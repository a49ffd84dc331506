//! tch helpers without domain meaning.

pub mod host;
pub mod kernel;
pub mod bench;
pub mod device;
pub mod random;
