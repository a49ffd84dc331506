//! WHAT crosses a process boundary: orders go down, events come up, both as files in a run directory.

pub mod check;
pub mod event;
pub mod log;
pub mod order;
pub mod real;
pub mod shortage;
pub mod status;

/// The version of orders and events. A worker refuses an order of another version.
pub const PROTOCOL: u32 = 1;
