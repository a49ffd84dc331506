//! tch helpers without domain meaning.

pub mod backward;
pub mod bench;
pub mod device;
pub mod file;
pub mod host;
pub mod linalg;
pub mod memory;
pub mod message;
mod native;
pub mod patches;
pub mod precision;
pub mod product;
pub mod threads;
pub mod transfer;
