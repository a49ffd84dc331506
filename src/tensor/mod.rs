//! tch helpers without domain meaning.

pub mod host;
pub mod kernel;
pub mod linalg;
pub mod random;
