//! Everything that crosses a process boundary (orders go down and events come up, both as files in a run directory),
//! and the places of all files in a home directory.

pub mod agent;
pub mod check;
pub mod control;
pub mod database;
pub mod event;
pub mod home;
pub mod log;
pub mod losses;
pub mod order;
pub mod real;
pub mod shortage;
pub mod spool;
pub mod status;
pub mod task;

/// The version of orders and events. A worker refuses an order of another version. 2: scores are no longer part of a
/// job, so job ids changed. 3: members may continue from the checkpoints of several cohorts. What earlier programs
/// wrote can still be read. Kinds of events that a worker may leave out ([`event::Event::Losses`]) do not change the
/// version.
pub const PROTOCOL: u32 = 3;
