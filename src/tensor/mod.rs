//! tch helpers without domain meaning.

pub mod linalg;
pub mod random;
