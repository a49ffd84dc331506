//! tch helpers without domain meaning.

pub mod bench;
pub mod device;
pub mod random;
