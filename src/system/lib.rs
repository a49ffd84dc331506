//! What every package asks of the operating system, each thing in one way: files that are there whole or not at all, and the time.

pub mod clock;
pub mod disk;
pub mod output;
pub mod whole;
