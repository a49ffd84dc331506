//! Services of the operating system that all packages use: files that are written completely or not at all, the time,
//! GPUs, and shell quoting.

pub mod clock;
pub mod disk;
pub mod gpu;
pub mod origin;
pub mod output;
pub mod shell;
pub mod whole;
