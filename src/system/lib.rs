//! What every package asks of the operating system, each thing in one way: files that are there whole or not at all, the time, and which GPUs
//! there are; and how its shell reads words.

pub mod clock;
pub mod disk;
pub mod gpu;
pub mod origin;
pub mod output;
pub mod shell;
pub mod whole;
