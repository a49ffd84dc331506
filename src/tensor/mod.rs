//! tch helpers without domain meaning.

pub mod random;
